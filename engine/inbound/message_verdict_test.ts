import assert from "node:assert/strict";
import { reply } from "../mail/reply.ts";
import { NO_STANDING } from "./hooks.ts";
import { messageVerdict, type Opinions } from "./message_verdict.ts";

const PASSED: Opinions = {
  authentication: {
    kind: "accept",
    rule: "authenticated",
    explanation: "example.org stands by it",
  },
  filters: {
    kind: "passed",
    signals: [],
    quarantine: null,
    changes: { onTop: "", removed: [] },
  },
  spam: { verdict: "accept", isSuspicious: false, points: 0 },
  standing: NO_STANDING,
  refusedByPolicy: null,
  dmarcQuarantine: "junk",
};
const SPAM: Partial<Opinions> = { spam: { verdict: "reject", isSuspicious: false, points: 20 } };
const LATER: Partial<Opinions> = {
  authentication: {
    kind: "defer",
    rule: "dmarc_temperror",
    explanation: "no answer",
    reply: reply(451, "7.24", "try again later"),
  },
};
const QUARANTINE: Partial<Opinions> = {
  authentication: { kind: "quarantine", rule: "dmarc_fail", explanation: "asks to quarantine" },
};

/** What became of it, in a word or two, with the rule that decided. */
function verdict(opinions: Partial<Opinions>): string {
  const found = messageVerdict({ ...PASSED, ...opinions });
  if (found.kind === "refused") return `${found.reply.code} ${found.rule} ${found.reason}`;
  const { held, tagged } = found;
  return [`held ${held?.rule}`, `tagged ${tagged?.rule}`]
    .filter((text) => !text.endsWith("undefined")).join(", ") || "accepted";
}

Deno.test("messageVerdict: the sternest opinion counts, and what is refused for good before what is deferred", () => {
  assert.equal(verdict({}), "accepted");
  assert.equal(verdict(SPAM), "550 spam spam");
  assert.equal(verdict(LATER), "451 dmarc_temperror authentication");
  assert.equal(verdict({ ...LATER, ...SPAM }), "550 spam spam");
  const filters = { kind: "refused", filter: "clamd", reply: reply(554, "7.1", "no") } as const;
  assert.equal(verdict({ ...LATER, filters }), "554 clamd filter");
});

Deno.test("messageVerdict: mail is held or tagged by the rule that asks for it", () => {
  assert.equal(
    verdict({ spam: { verdict: "tag", isSuspicious: false, points: 6 } }),
    "tagged spam",
  );
  assert.equal(
    verdict({ spam: { verdict: "quarantine", isSuspicious: false, points: 12 } }),
    "held spam",
  );
  assert.equal(verdict(QUARANTINE), "tagged dmarc_fail");
  assert.equal(verdict({ ...QUARANTINE, dmarcQuarantine: "hold" }), "held dmarc_fail");
});

Deno.test("messageVerdict: what the operator's policy accepts, nothing speaks against; its refusals count", () => {
  const standing = { ...NO_STANDING, isAccepted: true };
  assert.equal(verdict({ ...SPAM, ...LATER, standing }), "accepted");
  assert.equal(verdict({ refusedByPolicy: reply(550, "7.1", "no") }), "550 policy policy");
  assert.equal(verdict({ standing: { ...NO_STANDING, hold: "look at it" } }), "held policy");
});
