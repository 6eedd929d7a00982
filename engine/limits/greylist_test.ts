import assert from "node:assert/strict";
import fc from "fast-check";
import type { DkimResult, DmarcResult, SpfResult } from "../auth/results.ts";
import { formatReply } from "../mail/reply.ts";
import { memoryGreylist } from "../store/memory_greylist.ts";
import {
  type GreylistFacts,
  type GreylistPolicy,
  greylistQuery,
  greylistRefusal,
} from "./greylist.ts";

const MINUTE = 60_000;
const DAY = 24 * 60 * MINUTE;
const POLICY: GreylistPolicy = {
  delayMs: 5 * MINUTE,
  windowMs: 2 * DAY,
  trustMs: 36 * DAY,
  passes: 1,
};

function spf(domain: string, verdict: SpfResult["verdict"] = "pass"): SpfResult {
  return {
    ...{ verdict, domain, scope: "mfrom", sender: `x@${domain}` },
    ...{ explanation: null, reason: null },
  };
}

function dkim(domain: string, verdict: DkimResult["verdict"] = "pass"): DkimResult {
  return {
    ...{ verdict, domain, selector: "s", identity: `@${domain}`, algorithm: "rsa-sha256" },
    ...{ signaturePrefix: "abcdefgh", reason: null },
  };
}

function dmarc(fromDomain: string, verdict: DmarcResult["verdict"] = "pass"): DmarcResult {
  return {
    ...{ verdict, fromDomain, policyDomain: fromDomain, policy: null, isTesting: false },
    ...{ isSpfAligned: false, isDkimAligned: false, reportTo: [], record: null, reason: null },
  };
}

const NOTHING = { mfrom: spf("", "none"), dkim: [], dmarc: dmarc("", "none") };

const facts: GreylistFacts = {
  address: "192.0.2.1",
  reversePath: "ann@sender.example",
  recipients: ["bob@example.org"],
  authentication: NOTHING,
  lists: [],
  isKnown: false,
};

function world(policy: Partial<GreylistPolicy> = {}) {
  const clock = { nowMs: 1_700_000_000_000 };
  const greylist = memoryGreylist({ now: () => clock.nowMs });
  /** What becomes of the message. */
  const send = async (change: Partial<GreylistFacts> = {}) => {
    const query = greylistQuery({ ...facts, ...change }, { ...POLICY, ...policy });
    if (query === null) return "excused";
    return greylistRefusal(await greylist.ask(query)) === null ? "passes" : "waits";
  };
  const sendTwice = async (change: Partial<GreylistFacts> = {}) => {
    const first = await send(change);
    clock.nowMs += 5 * MINUTE;
    return [first, await send(change)];
  };
  return { clock, send, sendTwice };
}

Deno.test("greylist: what comes first waits for its time and passes then, and at once from then on", async () => {
  const { clock, send } = world();
  assert.equal(await send(), "waits");
  clock.nowMs += 5 * MINUTE - 1;
  assert.equal(await send(), "waits");
  clock.nowMs += 1;
  assert.equal(await send(), "passes");
  assert.equal(await send(), "passes");
  clock.nowMs += 36 * DAY;
  assert.equal(await send(), "waits");
});

Deno.test("greylistRefusal: says how long, as the greylist's rule", () => {
  const told = (retryAfterMs: number) => {
    const refusal = greylistRefusal({ kind: "waiting", isNew: true, retryAfterMs });
    assert.equal(refusal?.rule, "greylist");
    return formatReply(refusal.reply);
  };
  assert.equal(told(299_001), "451 4.7.1 Greylisted, try again in 300 seconds\r\n");
  assert.equal(told(1), "451 4.7.1 Greylisted, try again in 1 second\r\n");
  for (const kind of ["trusted", "passed"] as const) assert.equal(greylistRefusal({ kind }), null);
});

Deno.test("greylist: a client may come again from its network, not from elsewhere", async () => {
  const { clock, send } = world();
  await send();
  await send({ address: "2001:db8::1" });
  clock.nowMs += 5 * MINUTE;
  assert.equal(await send({ address: "198.51.100.1" }), "waits");
  assert.equal(await send({ address: "192.0.2.254" }), "passes");
  assert.equal(await send({ address: "2001:db8:0:1::1" }), "waits");
  assert.equal(await send({ address: "2001:db8::ffff:1" }), "passes");
});

Deno.test("greylist: a provider that SPF vouches for may come again from anywhere", async () => {
  const { clock, send } = world();
  const authentication = { ...NOTHING, mfrom: spf("sender.example") };
  await send({ authentication });
  clock.nowMs += 5 * MINUTE;
  assert.equal(await send({ address: "198.51.100.1" }), "waits");
  assert.equal(await send({ address: "198.51.100.1", authentication }), "passes");
});

Deno.test("greylist: SPF that cannot be looked up for a while makes nobody wait twice", async () => {
  for (const [first, then] of [["pass", "temperror"], ["temperror", "pass"]] as const) {
    const { clock, send } = world();
    const authenticated = (verdict: SpfResult["verdict"]) => ({
      authentication: { ...NOTHING, mfrom: spf("sender.example", verdict) },
    });
    await send(authenticated(first));
    clock.nowMs += 5 * MINUTE;
    assert.equal(await send(authenticated(then)), "passes");
  }
});

Deno.test("greylist: a message is known by any of its recipients, in any order", async () => {
  const all = Array.from({ length: 40 }, (_, i) => `user${i}@example.org`);
  const { clock, send } = world();
  await send({ recipients: all });
  clock.nowMs += 5 * MINUTE;
  assert.equal(await send({ recipients: ["else@example.org"] }), "waits");
  const others = Array.from({ length: 3 }, (_, i) => `other${i}@example.org`);
  assert.equal(await send({ recipients: [...others, ...all].reverse() }), "passes");
  // Of some, as a client does that was turned away for the rest.
  const part = world();
  await part.send({ recipients: all });
  part.clock.nowMs += 5 * MINUTE;
  assert.equal(await part.send({ recipients: all.slice(0, 30) }), "passes");
});

Deno.test("greylist: what changes in a sender's name does not make him another one", async () => {
  const { clock, send } = world({ passes: 2 });
  await send({ reversePath: "bounce-17+bob=example.org@sender.example" });
  clock.nowMs += 5 * MINUTE;
  assert.equal(await send({ reversePath: "bounce-18@sender.example" }), "passes");
  assert.equal(await send({ reversePath: "bob@sender.example" }), "waits");
});

Deno.test("greylist: unproven, a domain is trusted from its network, after as many passes as it takes", async () => {
  const { send, sendTwice } = world({ passes: 2 });
  const from = (reversePath: string, address = "192.0.2.1") => ({ reversePath, address });
  assert.deepEqual(await sendTwice(from("ann@sender.example")), ["waits", "passes"]);
  assert.deepEqual(await sendTwice(from("bob@sender.example")), ["waits", "passes"]);
  assert.equal(await send(from("cid@sender.example")), "passes");
  assert.equal(await send(from("cid@sender.example", "198.51.100.1")), "waits");
  assert.equal(await send(from("cid@other.example")), "waits");
});

Deno.test("greylist: bounces go by the network that sends them", async () => {
  const { send, sendTwice } = world();
  assert.deepEqual(await sendTwice({ reversePath: "" }), ["waits", "passes"]);
  assert.equal(await send({ reversePath: "", recipients: ["cid@example.org"] }), "passes");
  assert.equal(await send({ reversePath: "", address: "198.51.100.1" }), "waits");
});

Deno.test("greylist: clients on good lists are excused, those on bad ones are not", async () => {
  const { send } = world();
  assert.equal(await send({ lists: [{ weight: 2 }, { weight: -1 }] }), "excused");
  assert.equal(await send({ lists: [{ weight: 2 }, { weight: 0 }] }), "waits");
});

Deno.test("greylist: to be known helps only where DMARC or DKIM says who it is", async () => {
  const known = (authentication: GreylistFacts["authentication"]) =>
    world().send({ isKnown: true, authentication });
  assert.equal(await known({ ...NOTHING, dmarc: dmarc("sender.example") }), "passes");
  assert.equal(await known({ ...NOTHING, dkim: [dkim("a", "fail"), dkim("b")] }), "passes");
  assert.equal(await known({ ...NOTHING, dkim: [dkim("a", "fail")] }), "waits");
  assert.equal(await known({ ...NOTHING, mfrom: spf("sender.example") }), "waits");
  assert.equal(await known(NOTHING), "waits");
});

Deno.test("greylist: who was known stays trusted while his mail goes on", async () => {
  const { clock, send } = world();
  const authentication = { ...NOTHING, dmarc: dmarc("sender.example") };
  await send({ isKnown: true, authentication });
  clock.nowMs += 30 * DAY;
  await send({ isKnown: true, authentication, recipients: ["cid@example.org"] });
  clock.nowMs += 30 * DAY;
  assert.equal(await send({ authentication, address: "198.51.100.1" }), "passes");
  assert.equal(await send({ address: "198.51.100.1" }), "waits");
});

Deno.test("greylist: where DMARC vouches for the author, his provider is not trusted for others", async () => {
  const provider = { mfrom: spf("provider.example"), dkim: [dkim("provider.example")] };
  const { send, sendTwice } = world();
  await sendTwice({ authentication: { ...provider, dmarc: dmarc("sender.example") } });
  const other = { address: "198.51.100.1", reversePath: "x@provider.example" };
  for (const verdict of ["none", "pass"] as const) {
    const authentication = { ...provider, dmarc: dmarc("other.example", verdict) };
    assert.equal(await send({ ...other, authentication }), "waits");
  }
  const authentication = { ...NOTHING, dmarc: dmarc("sender.example") };
  assert.equal(await send({ ...other, authentication }), "passes");
});

const domain = fc.constantFrom("a.example", "b.example", "c.example", "sender.example");
const anyFacts: fc.Arbitrary<GreylistFacts> = fc.record({
  address: fc.oneof(
    fc.constantFrom("192.0.2.1", "198.51.100.7", "2001:db8::1"),
    fc.string({ maxLength: 20 }),
  ),
  reversePath: fc.oneof(
    fc.constantFrom("", "ann@sender.example", "prvs=12=x@a.example"),
    fc.string({ maxLength: 40 }),
  ),
  recipients: fc.array(fc.string({ maxLength: 20 }), { minLength: 1, maxLength: 6 }),
  authentication: fc.record({
    mfrom: fc.tuple(domain, fc.constantFrom("pass" as const, "fail" as const, "temperror" as const))
      .map(([domain, verdict]) => spf(domain, verdict)),
    dkim: fc.array(
      fc.tuple(domain, fc.constantFrom("pass" as const, "fail" as const))
        .map(([domain, verdict]) => dkim(domain, verdict)),
      { maxLength: 9 },
    ),
    dmarc: fc.tuple(domain, fc.constantFrom("pass" as const, "fail" as const, "none" as const))
      .map(([domain, verdict]) => dmarc(domain, verdict)),
  }),
  lists: fc.array(fc.record({ weight: fc.integer({ min: -2, max: 5 }) }), { maxLength: 2 }),
  isKnown: fc.boolean(),
});

/** A message whose author DMARC vouches for. */
function fromBank(facts: GreylistFacts): GreylistFacts {
  return {
    ...facts,
    authentication: { ...facts.authentication, dmarc: dmarc("bank.example") },
  };
}

Deno.test("greylist: mail of a known sender whose DMARC passes never waits, whatever else it is", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(anyFacts, { minLength: 1, maxLength: 4 }), async (all) => {
      const { send } = world();
      for (const facts of all) {
        await send(facts);
        assert.equal(await send({ ...fromBank(facts), isKnown: true }), "passes");
      }
    }),
    { numRuns: 60 },
  );
});

Deno.test("greylist: once one message of a DMARC-passing sender came again, no later one waits", async () => {
  const later = fc.array(fc.tuple(anyFacts, fc.integer({ min: 0, max: 35 * DAY })), {
    maxLength: 5,
  });
  await fc.assert(
    fc.asyncProperty(anyFacts, later, async (first, later) => {
      const { clock, send, sendTwice } = world({ passes: 5 });
      const [, again] = await sendTwice({ ...fromBank(first), isKnown: false, lists: [] });
      assert.equal(again, "passes");
      for (const [facts, passMs] of later) {
        clock.nowMs += passMs;
        assert.equal(await send({ ...fromBank(facts), lists: [] }), "passes");
      }
    }),
    { numRuns: 60 },
  );
});

Deno.test("greylistQuery: whatever a message is, the greylist may be asked, with few and short keys", () => {
  fc.assert(fc.property(anyFacts, (facts) => {
    const query = greylistQuery(facts, POLICY);
    if (query === null) return;
    assert.ok(query.triplets.length <= 8 && query.triplets.length >= (query.isVouchedFor ? 0 : 1));
    assert.ok(query.senders.length >= 1 && query.senders.length <= 4);
    for (const key of [...query.triplets, ...query.senders.map(({ key }) => key)]) {
      assert.match(key, /^[\w-]{22}$/);
    }
  }));
});
