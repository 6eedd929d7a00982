/** Holds path parsing to the isemail collection of addresses, judged by RFC 5321 alone. */
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parseMailCommand } from "./path.ts";

interface Case {
  readonly id: string;
  readonly address: string;
  readonly category: string;
  readonly diagnosis: string;
}

// Beside the checkout, where whoever has the collection puts it.
const COLLECTION = fileURLToPath(
  new URL("../../../shared/data/isemail-tests.json", import.meta.url),
);

/** Valid by RFC 5321; the others need comments, folding or obsolete forms, or are plainly wrong. */
const VALID_CATEGORIES = ["ISEMAIL_VALID_CATEGORY", "ISEMAIL_DNSWARN", "ISEMAIL_RFC5321"];

/** Cases we judge otherwise, by diagnosis, each for its reason. */
const DISAGREEMENTS: Readonly<Record<string, { ids: readonly string[]; why: string }>> = {
  ISEMAIL_RFC5321_IPV6DEPRECATED: {
    ids: ["71"],
    why: "`::` for one group of zeros: RFC 4291 §2.2 allows what RFC 5321 §4.1.3 does not",
  },
  ISEMAIL_RFC5322_DOMAINLITERAL: {
    ids: ["66"],
    why: "IPv6 without its tag reads as a general literal with tag `1111`; nothing routes there",
  },
  ISEMAIL_RFC5322_LOCAL_TOOLONG: {
    ids: ["26", "59", "60"],
    why: "RFC 5321 §4.5.3.1: 64 octets are what everyone must take, not a bound",
  },
};

Deno.test("parseMailCommand: agrees with the isemail collection but for what is listed", (context) => {
  if (!existsSync(COLLECTION)) {
    console.warn(`skipped ${context.name}: ${COLLECTION} is absent`);
    return;
  }
  const cases: Case[] = JSON.parse(readFileSync(COLLECTION, "utf8"));
  const differing: Record<string, string[]> = {};
  for (const { id, address, category, diagnosis } of cases) {
    const accepted = parseMailCommand(`<${address}>`).kind === "path";
    // The empty address is the null reverse-path here.
    const expected = VALID_CATEGORIES.includes(category) || address === "";
    if (accepted !== expected) (differing[diagnosis] ??= []).push(id);
  }
  const listed = Object.entries(DISAGREEMENTS).map(([diagnosis, { ids }]) => [diagnosis, ids]);
  assert.deepEqual(differing, Object.fromEntries(listed));
  assert.equal(cases.length, 164);
});
