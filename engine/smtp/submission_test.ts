import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import fc from "fast-check";
import { readHeaderSection } from "../mail/header_section.ts";
import { checkSubmission, mendSubmission, ownsSender } from "./submission.ts";
import { ANN } from "./testdata/policy.ts";

const account = ANN.account!;
const OPTIONS = { nowMs: Date.UTC(2026, 0, 2, 3, 4, 5), messageId: "<1@mx.example.org>" };

function check(text: string, trusted = false): string {
  const octets = Buffer.from(text, "latin1");
  const checked = checkSubmission(readHeaderSection(octets), octets, {
    account: trusted ? null : account,
  });
  if (checked.kind === "ok") return "ok";
  return `${checked.reply.code} ${checked.reply.enhancedStatus}`;
}

function mend(text: string): string {
  const octets = Buffer.from(text, "latin1");
  return Buffer.from(mendSubmission(readHeaderSection(octets), octets, OPTIONS)).toString("latin1");
}

Deno.test("ownsSender: a grant is an address, a domain or everything", () => {
  const may = (senders: readonly string[], localPart: string, domain: string) =>
    ownsSender({ ...account, senders }, { localPart, domain });
  assert.ok(may([], "Ann", "example.org"));
  assert.ok(may([], "ann+x", "example.org"));
  assert.ok(!may([], "ann", "example.net"));
  assert.ok(!may([], "bob", "example.org"));
  assert.ok(may(["sales@example.net"], "sales+de", "example.net"));
  assert.ok(may(["@example.net"], "anyone", "example.net"));
  assert.ok(may(["Sales@Example.net", "@EXAMPLE.com"], "SALES", "example.net"));
  assert.ok(may(["@EXAMPLE.com"], "anyone", "example.com"));
  assert.ok(may(["Ja\u0308n@example.net"], "j\u00e4n", "example.net"));
  assert.ok(!may(["sales@example.net"], "salesman", "example.net"));
  assert.ok(!may(["not an address", ""], "", ""));
  assert.ok(!may(["@example.net"], "anyone", "sub.example.net"));
  assert.ok(may(["*"], "anyone", "anywhere.test"));
});

Deno.test("checkSubmission: all authors are the user or what he was granted (RFC 6409 §6.1)", () => {
  const right = [
    "From: ann@example.org\r\n\r\n",
    "from: Ann <ANN+x@Example.Org>\r\nSender: sales@example.org\r\n\r\nFrom: boss@example.org\r\n",
    "From: ann@example.org, sales@example.org\r\nResent-From: ann@example.org\r\n\r\n",
    "From: ann@example.org\r\nResent-From: ann@example.org\r\nResent-From: sales@example.org\r\n\r\n",
    "From: ann@example.org",
  ];
  for (const text of right) assert.equal(check(text), "ok", text);
  const foreign = [
    "From: boss@example.org\r\n\r\n",
    "From: ann@example.org, boss@example.org\r\n\r\n",
    "From: Team: ann@example.org, boss@example.org;\r\n\r\n",
    "From: ann@example.org\r\nSender: boss@example.org\r\n\r\n",
    "From: ann@example.org\r\nResent-Sender: boss@example.org\r\n\r\n",
    "From: ann@example.org\r\nResent-From: ann@example.org\r\nRESENT-FROM: boss@example.org\r\n\r\n",
    "From: ann@example.org\r\n\tboss@example.org\r\n\r\n".replace("\r\n\t", ",\r\n\t"),
  ];
  for (const text of foreign) assert.equal(check(text), "550 5.7.1", text);
});

Deno.test("checkSubmission: what could be read in two ways is refused (RFC 5322 §3.6)", () => {
  const unclear = [
    "",
    "Subject: x\r\n\r\n",
    "From: ann@example.org\r\nFrom: boss@example.org\r\n\r\n",
    "From: ann@example.org\r\nFrom : boss@example.org\r\n\r\n",
    "From: ann@example.org\r\nfrom\t: ann@example.org\r\n\r\n",
    "From: ann@example.org <boss@example.org>\r\n\r\n",
    "From: \r\n\r\n",
    "From: undisclosed:;\r\n\r\n",
    "From boss@example.org\r\nFrom: ann@example.org\r\n\r\n",
    " From: boss@example.org\r\nFrom: ann@example.org\r\n\r\n",
    "From: ann@example.org\r\nFr\xa0om: boss@example.org\r\n\r\n",
    "From: ann@example.org\r\nFrom boss: boss@example.org\r\n\r\n",
    "From: ann@example.org\r\nX From: boss@example.org\r\n\r\n",
    "From: ann@example.org\r\n: boss@example.org\r\n\r\n",
    "From: ann@example.org\nSender: boss@example.org\r\n\r\n",
    "From: ann@example.org\r\nSender: ann@example.org\r\nSender: ann@example.org\r\n\r\n",
    'From: "ann+<boss@example.org>"@example.org\r\n\r\n',
    "From: ann@example.org (<boss@example.org>)\r\n\r\n",
    "From: ann@example.org\r\nSubject: a\r\nSubject: b\r\n\r\n",
    `From: ann@example.org\r\nX: ${"a".repeat(300_000)}\r\nFrom: boss@example.org\r\n\r\n`,
  ];
  for (const text of unclear) assert.equal(check(text), "550 5.6.0", text.slice(0, 80));
  assert.equal(check("From: boss@anywhere.test\r\n\r\n", true), "ok");
  assert.equal(check("Subject: x\r\n\r\n", true), "550 5.6.0");
});

Deno.test("checkSubmission: the reply names who may not be named", () => {
  const octets = Buffer.from('From: ann@example.org, "B" <Boss@Example.com>\r\n\r\n');
  const checked = checkSubmission(readHeaderSection(octets), octets, { account });
  assert.ok(checked.kind === "refused");
  assert.equal(checked.reply.text, "From: Boss@example.com is not yours");
});

Deno.test("checkSubmission: whoever else is put beside the user is found, however he is written", () => {
  const others = fc.constantFrom(
    ...["boss@example.org", "<boss@example.org>", '"ann@example.org" <boss@example.org>'],
    ...["G: boss@example.org;", "boss@example.org (ann@example.org)", "boss@\r\n example.org"],
  );
  const names = fc.constantFrom("From", "from", "FROM ", "Sender", "sender\t", "Resent-From");
  fc.assert(fc.property(names, others, fc.boolean(), (name, other, isFirst) => {
    const list = isFirst ? `${other}, ann@example.org` : `ann@example.org, ${other}`;
    const fields = `${name}: ${list}\r\n` +
      (/^from/i.test(name) ? "" : "From: ann@example.org\r\n");
    assert.notEqual(check(`${fields}\r\n`), "ok");
  }));
});

Deno.test("checkSubmission: no header section throws", () => {
  fc.assert(fc.property(fc.string({ unit: "binary", maxLength: 300 }), (text) => {
    check(text);
    check(`From: ${text}`);
    mend(text);
  }));
});

Deno.test("mendSubmission: adds Date and Message-ID, takes Bcc out, leaves the rest (RFC 6409 §8)", () => {
  assert.equal(
    mend("From: a@x\r\nBcc: b@x,\r\n c@x\r\nTo: d@x\r\nresent-bcc: e@x\r\n\r\nBcc: body\r\n"),
    "Date: Fri, 02 Jan 2026 03:04:05 +0000\r\nMessage-ID: <1@mx.example.org>\r\n" +
      "From: a@x\r\nTo: d@x\r\n\r\nBcc: body\r\n",
  );
  assert.equal(
    mend("Message-Id: <2@x>\r\nBCC: b@x"),
    "Date: Fri, 02 Jan 2026 03:04:05 +0000\r\nMessage-Id: <2@x>\r\n",
  );
  assert.equal(
    mend("Bcc : b@x\nTo: d@x\n\nbody"),
    "Date: Fri, 02 Jan 2026 03:04:05 +0000\r\nMessage-ID: <1@mx.example.org>\r\nTo: d@x\n\nbody",
  );
  const whole = Buffer.from("Date: x\r\nMessage-ID: <2@x>\r\n\r\n");
  assert.equal(mendSubmission(readHeaderSection(whole), whole, OPTIONS), whole);
});
