import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import fc from "fast-check";
import { readHeaderSection } from "../mail/header_section.ts";
import type { SpamScore } from "./facts.ts";
import { forgedSpamFields, isSuspicious, spamFields, spamVerdict } from "./verdict.ts";

const THRESHOLDS = { tag: 5, greylist: 3, quarantine: 8, reject: 15 };
const of = (points: number, signals: SpamScore["signals"] = []): SpamScore => ({ points, signals });

Deno.test("spamVerdict: the hardest threshold reached decides, one that is not set never", () => {
  const verdicts = [4.99, 5, 8, 15, 1_000].map((points) => spamVerdict(of(points), THRESHOLDS));
  assert.deepEqual(verdicts, ["accept", "tag", "quarantine", "reject", "reject"]);
  const tagOnly = { tag: 5, greylist: null, quarantine: null, reject: null };
  assert.equal(spamVerdict(of(1_000), tagOnly), "tag");
  assert.equal(spamVerdict(of(1_000), { ...tagOnly, tag: null }), "accept");
  assert.ok(isSuspicious(of(3), THRESHOLDS) && !isSuspicious(of(2.9), THRESHOLDS));
  assert.ok(!isSuspicious(of(1_000), tagOnly));
});

Deno.test("spamFields: flag, score and signals, folded", () => {
  const score = of(5.34, [
    { name: "BAYES_SPAM", points: 5.94, text: "…" },
    { name: "DMARC_PASS", points: -0.5, text: "…" },
  ]);
  assert.equal(
    spamFields(score, { isSpam: true, tag: 5 }),
    "X-Spam-Flag: YES\r\nX-Spam-Score: 5.3\r\n" +
      "X-Spam-Status: Yes, score=5.3 required=5.0 signals: BAYES_SPAM=5.9,\r\n\tDMARC_PASS=-0.5\r\n",
  );
  assert.match(
    spamFields(of(0), { isSpam: false, tag: null }),
    /^X-Spam-Flag: NO\r\n.*No, score=0.0\r\n$/s,
  );
  assert.equal(spamFields(null, { isSpam: true, tag: 5 }), "X-Spam-Flag: YES\r\n");
});

Deno.test("spamFields: ASCII in lines of at most 78 columns, however many signals there are", () => {
  const signals = Array.from({ length: 200 }, (_, at) => ({
    name: `A_SIGNAL_OF_A_LONG_NAME_${at}`,
    points: at / 3,
    text: "ü",
  }));
  const fields = spamFields(of(99, signals), { isSpam: true, tag: 5 });
  assert.ok(fields.length < 2_000);
  for (const line of fields.split("\r\n").slice(0, -1)) assert.match(line, /^[\t\x20-\x7e]{1,78}$/);
  const header = readHeaderSection(new Uint8Array(Buffer.from(fields + "\r\n")));
  assert.deepEqual([...header.fields()].map(({ name }) => name), [
    ...["X-Spam-Flag", "X-Spam-Score", "X-Spam-Status"],
  ]);
});

function without(message: string): string {
  const octets = new Uint8Array(Buffer.from(message, "latin1"));
  const ranges = forgedSpamFields(readHeaderSection(octets), octets);
  let text = "";
  let at = 0;
  for (const { startOctet, endOctet } of ranges) {
    assert.ok(startOctet >= at && endOctet > startOctet);
    text += message.slice(at, startOctet);
    at = endOctet;
  }
  return text + message.slice(at);
}

Deno.test("forgedSpamFields: fields that only we may write go, folded lines and all, others stay", () => {
  assert.equal(
    without(
      "X-Spam-Flag: NO\r\nx-spam-status: No,\r\n\tscore=-9\r\nFrom: a@b.example\r\n" +
        "X-Spam : x\r\nX-Spamtrap: y\nX-SPAM-Score: 1\n\r\nX-Spam-Flag: in the body\r\n",
    ),
    "From: a@b.example\r\nX-Spamtrap: y\n\r\nX-Spam-Flag: in the body\r\n",
  );
  assert.equal(without("From: a@b.example\r\n\r\n"), "From: a@b.example\r\n\r\n");
});

Deno.test("forgedSpamFields: nothing of ours is left in any header section", () => {
  const line = fc.oneof(
    fc.constantFrom(
      "X-Spam-Flag: NO",
      "x-spam-a: b",
      " folded",
      "\tmore",
      "From: a",
      "no field",
      "",
    ),
    fc.string({ maxLength: 10 }),
  );
  fc.assert(fc.property(fc.array(line), fc.constantFrom("\r\n", "\n"), (lines, end) => {
    const left = without(Buffer.from(lines.join(end), "utf8").toString("latin1"));
    const header = readHeaderSection(new Uint8Array(Buffer.from(left, "latin1")));
    for (const { name } of header.fields()) assert.doesNotMatch(name, /^x-spam-/i);
  }));
});
