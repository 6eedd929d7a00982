import assert from "node:assert/strict";
import { reply } from "../mail/reply.ts";
import type { RouteFacts } from "./policy_hooks.ts";
import { routeExpansion } from "./policy_route.ts";

const EXPANSION = {
  kind: "recipients",
  recipients: [
    { kind: "local", domain: "example.org", user: "ann", forwardPath: "ann@example.org" },
    {
      kind: "remote",
      forwardPath: "bob@example.net",
      destination: "example.net",
      forwardedBy: { domain: "example.org" },
    },
  ],
} as const;

Deno.test("routeExpansion: recipients go where the policy says, and forwards stay forwards", async () => {
  const asked: RouteFacts[] = [];
  const ask = (facts: RouteFacts) => {
    asked.push(facts);
    return Promise.resolve({ kind: "route", destination: `x.${facts.destination}:26` } as const);
  };
  assert.deepEqual(await routeExpansion(EXPANSION, { ask, mayRelay: true, nowMs: 7 }), {
    kind: "recipients",
    recipients: [
      {
        kind: "remote",
        forwardPath: "ann@example.org",
        destination: "x.example.org:26",
        forwardedBy: null,
      },
      { ...EXPANSION.recipients[1], destination: "x.example.net:26" },
    ],
  });
  assert.deepEqual(asked.map(({ isLocal, mayRelay }) => [isLocal, mayRelay]), [
    [true, true],
    [false, true],
  ]);
});

Deno.test("routeExpansion: no opinion changes nothing, and a refusal is that of all", async () => {
  const none = () => Promise.resolve({ kind: "none" } as const);
  const context = { mayRelay: false, nowMs: 0 };
  assert.deepEqual(await routeExpansion(EXPANSION, { ...context, ask: none }), EXPANSION);
  const refused = { kind: "refused", reply: reply(451, "7.1", "later") } as const;
  const ask = ({ isLocal }: RouteFacts) => isLocal ? none() : Promise.resolve(refused);
  assert.deepEqual(await routeExpansion(EXPANSION, { ...context, ask }), refused);
  assert.deepEqual(await routeExpansion(refused, { ...context, ask: none }), refused);
});
