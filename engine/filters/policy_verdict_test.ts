import assert from "node:assert/strict";
import fc from "fast-check";
import type { HookName } from "./policy_hooks.ts";
import { readVerdict } from "./policy_verdict.ts";

Deno.test("readVerdict: each verdict in our own words", () => {
  assert.deepEqual(readVerdict("onMail", undefined), { kind: "none" });
  assert.deepEqual(readVerdict("onMail", { kind: "accept" }), { kind: "accept" });
  const refused = (hook: HookName, code?: number) => {
    const verdict = readVerdict(hook, { kind: "refuse", code, text: "no\r\n250 yes" });
    return verdict.kind === "refused"
      ? `${verdict.reply.code} ${verdict.reply.enhancedStatus} ${verdict.reply.text}`
      : verdict.kind;
  };
  assert.equal(refused("onMail"), "550 5.7.1 no??250 yes");
  assert.equal(refused("onRcpt", 450), "450 4.7.1 no??250 yes");
  assert.equal(refused("onMessage", 421), "451 4.7.1 no??250 yes");
  assert.equal(refused("onConnect", 450), "421 4.7.1 no??250 yes");
  assert.equal(refused("onConnect"), "554 5.7.1 no??250 yes");
  for (const code of [250, 354, 500, 599, 99999]) assert.equal(refused("onMail", code), "nonsense");
  assert.deepEqual(readVerdict("onMessage", { kind: "quarantine", text: "odd" }), {
    kind: "quarantine",
    reason: "odd",
  });
  assert.deepEqual(readVerdict("onMessage", { kind: "score", points: 1e9, text: "x" }), {
    kind: "signal",
    signal: { name: "POLICY", points: 100, text: "x" },
  });
  assert.deepEqual(readVerdict("onMessage", { kind: "tag", name: "vip", text: "x" }), {
    kind: "signal",
    signal: { name: "POLICY_VIP", points: 0, text: "x" },
  });
});

Deno.test("readVerdict: routes to domains and addresses, with or without a port", () => {
  const route = (nextHop: unknown) => {
    const verdict = readVerdict("onRoute", { kind: "route", nextHop });
    return verdict.kind === "route" ? verdict.destination : verdict.kind;
  };
  assert.equal(route({ host: "Gateway.Example" }), "gateway.example");
  assert.equal(route({ host: "gateway.example", port: 2525 }), "gateway.example:2525");
  assert.equal(route({ host: "192.0.2.1" }), "[192.0.2.1]");
  assert.equal(route({ host: "2001:db8::1", port: 25 }), "[IPv6:2001:db8::1]:25");
  const bad = [
    ...[null, "host", {}, { host: 1 }, { host: "" }, { host: "1.2.3" }, { host: "a b" }],
    ...[{ host: "a", port: 0 }, { host: "a", port: 65_536 }, { host: "a", port: "25" }],
  ];
  for (const nextHop of bad) assert.equal(route(nextHop), "nonsense", JSON.stringify(nextHop));
  assert.equal(readVerdict("onRoute", { kind: "accept" }).kind, "nonsense");
  assert.equal(readVerdict("onMail", { kind: "route", nextHop: { host: "a" } }).kind, "nonsense");
});

Deno.test("readVerdict: no answer throws, and none refuses but by a code of a refusal", () => {
  const kind = fc.constantFrom("accept", "refuse", "quarantine", "score", "tag", "route");
  const answer = fc.oneof(
    fc.anything(),
    fc.record(
      {
        kind: fc.oneof(kind, fc.anything()),
        code: fc.anything(),
        text: fc.oneof(fc.string(), fc.anything()),
        points: fc.anything(),
        name: fc.anything(),
        nextHop: fc.anything(),
      },
      { requiredKeys: [] },
    ),
  );
  const hooks = ["onConnect", "onMail", "onRcpt", "onMessage", "onRoute"] as const;
  fc.assert(fc.property(fc.constantFrom(...hooks), answer, (hook, answer) => {
    const verdict = readVerdict(hook, answer);
    if (verdict.kind === "refused") assert.ok(verdict.reply.code >= 400);
    // It crosses threads.
    structuredClone(verdict);
  }));
});
