import assert from "node:assert/strict";
import type { Authentication, DmarcResult } from "../results.ts";
import { FeedbackCollector, feedbackRow, type ObservedMessage } from "./feedback.ts";

const NOON_MS = Date.UTC(2031, 4, 5, 12);

function observed(
  fields: Partial<Omit<ObservedMessage, "authentication">> = {},
  dmarc: Partial<DmarcResult> = {},
): ObservedMessage {
  const spf = {
    verdict: "softfail",
    scope: "mfrom",
    domain: "bounce.test",
    sender: "x@bounce.test",
    explanation: null,
    reason: null,
  } as const;
  const authentication: Authentication = {
    helo: { ...spf, scope: "helo" },
    mfrom: spf,
    dkim: (["fail", "pass"] as const).map((verdict) => ({
      verdict,
      domain: `${verdict}.test`,
      selector: "s",
      identity: "@x",
      algorithm: "rsa-sha256",
      signaturePrefix: "abc",
      reason: "why",
    })),
    arc: { verdict: "none", sealers: [], firstResults: null, reason: null },
    dmarc: {
      verdict: "fail",
      fromDomain: "www.example.org",
      policyDomain: "example.org",
      policy: "reject",
      isTesting: false,
      isSpfAligned: false,
      isDkimAligned: false,
      reportTo: ["mailto:dmarc@example.org"],
      record: { v: "DMARC1", p: "reject", rua: "mailto:dmarc@example.org" },
      reason: null,
      ...dmarc,
    },
  };
  return {
    clientAddress: "192.0.2.1",
    reversePath: "x@bounce.test",
    disposition: "reject",
    override: null,
    isSpam: false,
    atMs: NOON_MS,
    ...fields,
    authentication,
  };
}

Deno.test("feedbackRow: tells what was found, passes first (RFC 9990 §3.1)", () => {
  assert.deepEqual(feedbackRow(observed()), {
    sourceAddress: "192.0.2.1",
    disposition: "reject",
    isDkimAligned: false,
    isSpfAligned: false,
    reasons: [],
    headerFrom: "www.example.org",
    envelopeFrom: "bounce.test",
    envelopeTo: null,
    dkim: [
      { domain: "pass.test", selector: "s", result: "pass", explanation: null },
      { domain: "fail.test", selector: "s", result: "fail", explanation: "why" },
    ],
    spf: [{ domain: "bounce.test", scope: "mfrom", result: "softfail", explanation: null }],
  });
  assert.equal(feedbackRow(observed({ reversePath: "" })).envelopeFrom, "");
});

Deno.test("feedbackRow: a policy that was not applied has its reason", () => {
  const told = (...args: Parameters<typeof observed>) => {
    const { disposition, reasons } = feedbackRow(observed(...args));
    return [disposition, ...reasons.map(({ type }) => type)];
  };
  assert.deepEqual(told({ disposition: "none" }), ["none", "local_policy"]);
  assert.deepEqual(told({ disposition: "quarantine" }, { isTesting: true }), [
    ...["quarantine", "policy_test_mode"],
  ]);
  const override = { type: "mailing_list", comment: null };
  assert.deepEqual(told({ disposition: "none", override }), ["none", "mailing_list"]);
  assert.deepEqual(told({ disposition: "none" }, { verdict: "pass" }), ["pass"]);
  assert.deepEqual(told({ disposition: "none" }, { verdict: "pass", policy: "none" }), ["none"]);
});

Deno.test("FeedbackCollector: counts equal messages together, by domain and day", () => {
  const collector = new FeedbackCollector();
  collector.observe(observed());
  collector.observe(observed());
  collector.observe(observed({ clientAddress: "192.0.2.2" }));
  collector.observe(observed({ atMs: NOON_MS + 86_400_000 }));
  collector.observe(observed({}, { policyDomain: "example.net" }));
  const { batches, omitted } = collector.take();
  assert.equal(omitted, 0);
  assert.deepEqual(
    batches.map(({ day, domain, rows }) => [day, domain, ...rows.map(({ messages }) => messages)]),
    [
      ["2031-05-05", "example.org", 2, 1],
      ["2031-05-06", "example.org", 1],
      ["2031-05-05", "example.net", 1],
    ],
  );
  assert.deepEqual(collector.take(), { batches: [], omitted: 0 });
});

Deno.test("FeedbackCollector: leaves out who asks for nothing, and marks who sends spam", () => {
  const collector = new FeedbackCollector();
  collector.observe(observed({}, { reportTo: [] }));
  collector.observe(observed({}, { record: null, policyDomain: "" }));
  collector.observe(observed({}, { verdict: "temperror" }));
  assert.deepEqual(collector.take().batches, []);
  // Spam in its name is what it wants to hear of; spam of its own is not.
  collector.observe(observed({ isSpam: true }));
  collector.observe(observed({ isSpam: true }, { verdict: "pass", policyDomain: "spam.test" }));
  collector.observe(observed({ isSpam: false }, { verdict: "pass", policyDomain: "spam.test" }));
  assert.deepEqual(
    collector.take().batches.map(({ domain, isTainted }) => [domain, isTainted]),
    [["example.org", false], ["spam.test", true]],
  );
});

Deno.test("FeedbackCollector: is bounded, and says what it left out", () => {
  const collector = new FeedbackCollector();
  for (let n = 0; n < 1_100; n++) collector.observe(observed({ clientAddress: `${n}` }));
  for (let n = 0; n < 2_100; n++) collector.observe(observed({}, { policyDomain: `${n}.test` }));
  const { batches, omitted } = collector.take();
  assert.equal(batches[0].rows.length, 1_000);
  assert.equal(batches.length, 2_000);
  assert.equal(omitted, 100 + 101);
});
