import assert from "node:assert/strict";
import { formatReply } from "../mail/reply.ts";
import type { ClientFacts } from "../spam/facts.ts";
import {
  type ConnectionPolicy,
  isAlwaysReachable,
  judgeConnection,
  refusingList,
} from "./connection_policy.ts";

const GOOD: ClientFacts = {
  address: "192.0.2.1",
  reverse: { verdict: "pass", name: "mx.example" },
  heloName: "mx.example",
  heloFaults: [],
  lists: [],
};
const STRICT: ConnectionPolicy = { listRejectWeight: 3, reverseDns: "require", helo: "require" };
const LENIENT: ConnectionPolicy = { listRejectWeight: null, reverseDns: "score", helo: "score" };
const NOBODY = { isExempt: false, listExplanation: null };

function hit(zone: string, weight: number) {
  return { zone, weight, value: "127.0.0.2", subject: "192.0.2.1" };
}

function judge(facts: Partial<ClientFacts>, policy = STRICT, context = NOBODY) {
  const decision = judgeConnection({ ...GOOD, ...facts }, policy, context);
  return decision.kind === "ok" ? "ok" : formatReply(decision.reply).trimEnd();
}

const reversed = (verdict: ClientFacts["reverse"]["verdict"]): Partial<ClientFacts> => ({
  reverse: { verdict, name: null },
});

Deno.test("judgeConnection: a good client is well, under any policy", () => {
  assert.equal(judge({}), "ok");
  assert.equal(judge({}, LENIENT), "ok");
});

Deno.test("judgeConnection: lists refuse by the sum of their weights and name the heaviest", () => {
  assert.equal(judge({ lists: [hit("a.example", 2)] }), "ok");
  assert.equal(
    judge({ lists: [hit("a.example", 1), hit("b.example", 2)] }),
    "550 5.7.1 Client address [192.0.2.1] is listed by b.example",
  );
  assert.equal(judge({ lists: [hit("a.example", 9), hit("wl.example", -7)] }), "ok");
  assert.equal(judge({ lists: [hit("a.example", 9)] }, LENIENT), "ok");
  const explained = judgeConnection(
    { ...GOOD, address: "2001:db8::1", lists: [hit("a.example", 3)] },
    STRICT,
    { isExempt: false, listExplanation: "see https://a.example/" },
  );
  assert.ok(explained.kind === "refused");
  assert.equal(explained.rule, "dns_list");
  assert.equal(
    explained.reply.text,
    "Client address [IPv6:2001:db8::1] is listed by a.example; see https://a.example/",
  );
});

Deno.test("refusingList: a client no list speaks against is not refused, whatever the limit", () => {
  assert.equal(refusingList({ lists: [] }, { listRejectWeight: 0 }), null);
  assert.equal(refusingList({ lists: [hit("wl.example", -1)] }, { listRejectWeight: -5 }), null);
});

Deno.test("judgeConnection: no name that leads back is 5.7.25 (RFC 7372 §3.3), not knowing 4.7.25", () => {
  assert.match(judge(reversed("none")), /^550 5\.7\.25 /);
  assert.match(judge(reversed("fail")), /^550 5\.7\.25 /);
  assert.match(judge(reversed("temperror")), /^450 4\.7\.25 /);
  for (const verdict of ["none", "fail", "temperror"] as const) {
    assert.equal(judge(reversed(verdict), LENIENT), "ok");
    assert.equal(judge(reversed(verdict), { ...STRICT, reverseDns: "off" }), "ok");
  }
});

Deno.test("judgeConnection: a faulty HELO name refuses where it is required", () => {
  assert.match(judge({ heloFaults: ["no_address"] }), /^550 5\.7\.1 /);
  assert.equal(judge({ heloFaults: ["no_address"] }, LENIENT), "ok");
  // What is certain goes before what is not known.
  assert.match(judge({ heloFaults: ["no_dot"], ...reversed("temperror") }), /^550 5\.7\.1 /);
});

Deno.test("judgeConnection: some recipients are reached by everyone", () => {
  const worst = { lists: [hit("a.example", 9)], ...reversed("none") };
  assert.equal(judge(worst, STRICT, { ...NOBODY, isExempt: true }), "ok");
  const names = ["postmaster", "ABUSE", "abuse-desk", "ann", ""];
  assert.deepEqual(names.filter(isAlwaysReachable), ["postmaster", "ABUSE"]);
});
