import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import fc from "fast-check";
import { anyText } from "../../tests/fixtures/any_text.ts";
import { readHeaderSection } from "../mail/header_section.ts";
import { parseMailbox } from "../mail/path.ts";
import type { DirectoryAnswer } from "../routing/route.ts";
import { RoomyMessage } from "./roomy_message.ts";
import { checkSubmission, mendSubmission, ownsSender } from "./submission.ts";
import { ANN, owns } from "./testdata/policy.ts";

const account = ANN.account!;
const OPTIONS = { nowMs: Date.UTC(2026, 0, 2, 3, 4, 5), messageId: "<1@mx.example.org>" };

async function check(text: string, trusted = false): Promise<string> {
  const octets = Buffer.from(text, "latin1");
  const checked = await checkSubmission(readHeaderSection(octets), octets, {
    account: trusted ? null : account,
    owns,
  });
  if (checked.kind === "ok") return "ok";
  return `${checked.reply.code} ${checked.reply.enhancedStatus}`;
}

function mend(text: string): string {
  const octets = new Uint8Array(Buffer.from(text, "latin1"));
  const message = new RoomyMessage(octets, {
    startOctet: 0,
    endOctet: octets.length,
    isEightBit: false,
  });
  const { added, removed } = mendSubmission(readHeaderSection(octets), octets, OPTIONS);
  message.cut(removed);
  return added + Buffer.from(message.octets).toString("latin1");
}

/** Who of `users` may send as a mailbox of which the directory knows this. */
function owners(sender: string, answer: DirectoryAnswer, users = ["ann", "bob", "bob+sales"]) {
  const mailbox = parseMailbox(sender);
  assert.ok(typeof mailbox !== "string");
  return users.filter((localPart) => {
    const user = { domain: "example.org", localPart };
    return ownsSender({ user, senders: [] }, mailbox, { answer });
  });
}

const mailboxOf = (user: string, domain = "example.org"): DirectoryAnswer => ({
  kind: "mailbox",
  domain,
  user,
});
const aliasTo = (targets: readonly string[], user: string | null = null): DirectoryAnswer => ({
  kind: "alias",
  targets,
  user,
});
const NOBODY: DirectoryAnswer = { kind: "no_such_user" };

Deno.test("ownsSender: a name is the user's whom its mail reaches (RFC 6409 §6.1)", () => {
  assert.deepEqual(owners("Ann@example.org", mailboxOf("ann")), ["ann"]);
  assert.deepEqual(owners("ann+x@example.org", mailboxOf("ann")), ["ann"]);
  assert.deepEqual(owners("ann@example.net", mailboxOf("ann", "example.net")), []);
  // Where plus addressing is off, and the names there are none of.
  assert.deepEqual(owners("ann+x@example.org", NOBODY), []);
  assert.deepEqual(owners("ann@example.org", { kind: "not_local" }), []);
  assert.deepEqual(owners("ann@example.org", { kind: "too_large" }), []);
  // RFC 5321 §4.5.1: her mail for want of a postmaster, not her name.
  assert.deepEqual(owners("postmaster@example.org", mailboxOf("ann")), []);
});

Deno.test("ownsSender: a name with a detail is its own user's, or whom its alias leads to", () => {
  assert.deepEqual(owners("bob+sales@example.org", mailboxOf("bob+sales")), ["bob+sales"]);
  assert.deepEqual(owners("bob+sales@example.org", aliasTo(["ann@example.org"])), ["ann"]);
  assert.deepEqual(owners("bob+other@example.org", mailboxOf("bob")), ["bob"]);
});

Deno.test("ownsSender: an alias is whom it leads to, or the user's whose name it is", () => {
  const both = ["ann@example.org", "bob@example.org", "eve@out.test"];
  assert.deepEqual(owners("sales@example.org", aliasTo(both)), ["ann", "bob"]);
  assert.deepEqual(owners("sales@example.net", aliasTo(both)), ["ann", "bob"]);
  assert.deepEqual(owners("sales@example.org", aliasTo(["xann@example.org"])), []);
  assert.deepEqual(owners("bob@example.org", aliasTo(both, "bob")), ["bob"]);
  assert.deepEqual(owners("bob+x@example.org", aliasTo(["ann@example.org"], "bob")), ["bob"]);
  assert.deepEqual(owners("bob@example.net", aliasTo(["ann@example.org"], "bob")), []);
  const quoted = aliasTo(['"odd name"@example.org']);
  assert.deepEqual(owners("odd@example.org", quoted, ["odd name"]), ["odd name"]);
});

Deno.test("ownsSender: a domain that leads to another gives each user there his own name", () => {
  assert.deepEqual(owners("Bob@old.test", aliasTo(["@example.org"])), ["bob"]);
  assert.deepEqual(owners("bob+sales@old.test", aliasTo(["@example.org"])), ["bob+sales"]);
  assert.deepEqual(owners("bob@old.test", aliasTo(["@example.net"])), []);
});

Deno.test("ownsSender: a grant is an address, a domain or everything, whoever has the name", () => {
  const may = (senders: readonly string[], localPart: string, domain: string) =>
    ownsSender({ ...account, senders }, { localPart, domain }, { answer: mailboxOf("boss") });
  assert.ok(!may([], "boss", "example.org"));
  assert.ok(may(["boss@example.org"], "Boss", "example.org"));
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

Deno.test("checkSubmission: all authors are the user or what he was granted (RFC 6409 §6.1)", async () => {
  const right = [
    "From: ann@example.org\r\n\r\n",
    "from: Ann <ANN+x@Example.Org>\r\nSender: sales@example.org\r\n\r\nFrom: boss@example.org\r\n",
    "From: ann@example.org, sales@example.org\r\nResent-From: ann@example.org\r\n\r\n",
    "From: ann@example.org\r\nResent-From: ann@example.org\r\nResent-From: sales@example.org\r\n\r\n",
    "From: ann@example.org",
  ];
  for (const text of right) assert.equal(await check(text), "ok", text);
  const foreign = [
    "From: boss@example.org\r\n\r\n",
    "From: ann@example.org, boss@example.org\r\n\r\n",
    "From: Team: ann@example.org, boss@example.org;\r\n\r\n",
    "From: ann@example.org\r\nSender: boss@example.org\r\n\r\n",
    "From: ann@example.org\r\nResent-Sender: boss@example.org\r\n\r\n",
    "From: ann@example.org\r\nResent-From: ann@example.org\r\nRESENT-FROM: boss@example.org\r\n\r\n",
    "From: ann@example.org\r\n\tboss@example.org\r\n\r\n".replace("\r\n\t", ",\r\n\t"),
  ];
  for (const text of foreign) assert.equal(await check(text), "550 5.7.1", text);
});

Deno.test("checkSubmission: what could be read in two ways is refused (RFC 5322 §3.6)", async () => {
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
  for (const text of unclear) assert.equal(await check(text), "550 5.6.0", text.slice(0, 80));
  assert.equal(await check("From: boss@anywhere.test\r\n\r\n", true), "ok");
  assert.equal(await check("Subject: x\r\n\r\n", true), "550 5.6.0");
});

Deno.test("checkSubmission: the header section is UTF-8 where it is not ASCII, the body is anything (RFC 6532 §3.1)", async () => {
  const from = "From: ann@example.org\r\n";
  assert.equal(await check(`${from}Subject: caf\xc3\xa9\r\n\r\n`), "ok");
  assert.equal(await check(`${from}Subject: caf\xe9\r\n\r\n`), "550 5.6.0");
  assert.equal(await check(`${from}Subject: caf\xe9\r\n\r\n`, true), "550 5.6.0");
  assert.equal(await check(`${from}\r\ncaf\xe9\r\n`), "ok");
});

Deno.test("checkSubmission: the reply names who may not be named", async () => {
  const octets = Buffer.from('From: ann@example.org, "B" <Boss@Example.com>\r\n\r\n');
  const checked = await checkSubmission(readHeaderSection(octets), octets, { account, owns });
  assert.ok(checked.kind === "refused");
  assert.equal(checked.reply.text, "From: Boss@example.com is not yours");
});

Deno.test("checkSubmission: whoever else is put beside the user is found, however he is written", async () => {
  const others = fc.constantFrom(
    ...["boss@example.org", "<boss@example.org>", '"ann@example.org" <boss@example.org>'],
    ...["G: boss@example.org;", "boss@example.org (ann@example.org)", "boss@\r\n example.org"],
  );
  const names = fc.constantFrom("From", "from", "FROM ", "Sender", "sender\t", "Resent-From");
  await fc.assert(fc.asyncProperty(names, others, fc.boolean(), async (name, other, isFirst) => {
    const list = isFirst ? `${other}, ann@example.org` : `ann@example.org, ${other}`;
    const fields = `${name}: ${list}\r\n` +
      (/^from/i.test(name) ? "" : "From: ann@example.org\r\n");
    assert.notEqual(await check(`${fields}\r\n`), "ok");
  }));
});

Deno.test("checkSubmission: no header section throws", async () => {
  await fc.assert(fc.asyncProperty(anyText({ maxLength: 300 }), async (text) => {
    await check(text);
    await check(`From: ${text}`);
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
  const whole = "Date: x\r\nMessage-ID: <2@x>\r\n\r\n";
  assert.equal(mend(whole), whole);
});
