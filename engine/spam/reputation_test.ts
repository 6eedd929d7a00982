import assert from "node:assert/strict";
import type { Authentication, DkimResult, DmarcResult } from "../auth/results.ts";
import {
  faded,
  isWellKnown,
  networkSubject,
  REPUTATION_HALF_LIFE_MS,
  senderSubjects,
} from "./reputation.ts";

function authentication(
  dmarc: Pick<DmarcResult, "verdict" | "fromDomain">,
  ...dkim: Pick<DkimResult, "verdict" | "domain">[]
): Authentication {
  return { dmarc, dkim } as unknown as Authentication;
}

Deno.test("faded: half after a half-life, and never more than it was", () => {
  assert.equal(faded(8, REPUTATION_HALF_LIFE_MS), 4);
  assert.equal(faded(8, 3 * REPUTATION_HALF_LIFE_MS), 1);
  assert.equal(faded(8, 0), 8);
  assert.equal(faded(8, -REPUTATION_HALF_LIFE_MS), 8);
  assert.equal(faded(1e9, 1e18), 0);
});

Deno.test("senderSubjects: the author's domain where DMARC vouches for it, else who signed, and the network", () => {
  const of = (authentication: Authentication | null, clientAddress = "192.0.2.77") =>
    senderSubjects({ authentication, clientAddress });
  const signed = { verdict: "pass", domain: "esp.example" } as const;
  assert.deepEqual(of(authentication({ verdict: "pass", fromDomain: "a.example" }, signed)), [
    "domain:a.example",
    "net:192.0.2.0/24",
  ]);
  const broken = { verdict: "fail", domain: "bank.example" } as const;
  const more = ["b.example", "esp.example", "c.example"]
    .map((domain) => ({ verdict: "pass", domain }) as const);
  assert.deepEqual(
    of(authentication({ verdict: "fail", fromDomain: "bank.example" }, broken, signed, ...more)),
    ["domain:esp.example", "domain:b.example", "net:192.0.2.0/24"],
  );
  assert.deepEqual(of(authentication({ verdict: "none", fromDomain: "bank.example" })), [
    "net:192.0.2.0/24",
  ]);
  assert.deepEqual(of(null, "2001:db8:1:2:3:4:5:6"), ["net:2001:db8:1:2::/64"]);
  assert.deepEqual(of(null, "no address"), []);
});

Deno.test("networkSubject: one for an IPv4 client, however its address is written", () => {
  assert.equal(networkSubject("::ffff:203.0.113.200"), "net:203.0.113.0/24");
  assert.equal(networkSubject("203.0.113.1"), "net:203.0.113.0/24");
  assert.equal(networkSubject("255.255.255.255"), "net:255.255.255.0/24");
});

Deno.test("isWellKnown: enough good mail, and hardly any other", () => {
  assert.equal(isWellKnown({ ham: 0, spam: 0 }), false);
  assert.equal(isWellKnown({ ham: 2.9, spam: 0 }), false);
  assert.equal(isWellKnown({ ham: 3, spam: 0 }), true);
  assert.equal(isWellKnown({ ham: 9, spam: 1 }), true);
  assert.equal(isWellKnown({ ham: 9, spam: 2 }), false);
});
