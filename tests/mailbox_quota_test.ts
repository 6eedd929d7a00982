/** Mailboxes with a quota, over a running server: full, put off or refused, and in use again once emptied. */
import assert from "node:assert/strict";
import { newCopies } from "./fixtures/maildir.ts";
import { until } from "./fixtures/process.ts";
import { type ServerFixture, startServer } from "./fixtures/server.ts";
import { SmtpClient } from "./fixtures/smtp_client.ts";

const SENDER = "admin@localhost";
const QUOTA_OCTETS = 20 * 1024;

interface Sending {
  readonly to: readonly string[];
  readonly subject: string;
  readonly sizeOctets: number;
  /** By SIZE. */
  readonly isAnnounced: boolean;
}

/** The replies to each RCPT, and to the message if one of them was 250. */
async function send(server: ServerFixture, sending: Sending): Promise<string[]> {
  const { to, subject, sizeOctets, isAnnounced } = sending;
  using client = await SmtpClient.connect(server.ports.smtp);
  await client.exchange("EHLO client.test\r\n", 2);
  const size = isAnnounced ? ` SIZE=${sizeOctets}` : "";
  const rcpts = to.map((path) => `RCPT TO:<${path}>\r\n`).join("");
  const [mail, ...replies] = await client.exchange(
    `MAIL FROM:<${SENDER}>${size}\r\n${rcpts}`,
    1 + to.length,
  );
  assert.match(mail, /^250 /);
  if (!replies.some((reply) => reply.startsWith("250 "))) return replies;
  await client.exchange("DATA\r\n", 1);
  const header = `Subject: ${subject}\r\n\r\n`;
  const line = `${"x".repeat(62)}\r\n`;
  const message = header + line.repeat((sizeOctets - header.length) / line.length);
  return [...replies, ...await client.exchange(`${message}.\r\n`, 1)];
}

function mailboxOf(server: ServerFixture, address: string): string {
  const [user, domain] = address.split("@");
  return `${server.dataDir}/mail/${domain}/${user}`;
}

function subjects(server: ServerFixture, address: string): string[] {
  const mailbox = mailboxOf(server, address);
  return newCopies(mailbox).map((name) =>
    /^Subject: (.*?)\r?$/m.exec(Deno.readTextFileSync(`${mailbox}/new/${name}`))![1]
  ).sort();
}

function empty(server: ServerFixture, address: string): void {
  const mailbox = mailboxOf(server, address);
  for (const name of newCopies(mailbox)) Deno.removeSync(`${mailbox}/new/${name}`);
}

/** As a counter in the metrics. */
async function attempts(server: ServerFixture, outcome: string): Promise<number> {
  const pattern = new RegExp(
    `^smtp_delivery_attempts_total{outcome="${outcome}",.*} (\\d+)$`,
    "gm",
  );
  return [...(await server.metrics()).matchAll(pattern)].reduce((sum, [, n]) => sum + Number(n), 0);
}

const LARGE = { sizeOctets: 12_288, isAnnounced: true } as const;

interface Case {
  readonly whenFull: "defer" | "refuse";
  readonly refusal: string;
  /** With a quota. */
  readonly ann: string;
  /** Of the same domain, without one. */
  readonly bob: string;
}

const CASES: readonly Case[] = [
  {
    whenFull: "defer",
    refusal: "452 4.2.2 ",
    ann: "ann@later.test",
    bob: "bob@later.test",
  },
  {
    whenFull: "refuse",
    refusal: "552 5.2.2 ",
    ann: "ann@never.test",
    bob: "bob@never.test",
  },
];

async function atSession(t: Deno.TestContext, server: ServerFixture, { ann, refusal }: Case) {
  await t.step("what fits is taken", async () => {
    const [, reply] = await send(server, { to: [ann], subject: "first", ...LARGE });
    assert.match(reply, /^250 /);
    await until(() => subjects(server, ann).includes("first"));
  });

  await t.step("RCPT refuses what was announced too large", async () => {
    const [rcpt, ...more] = await send(server, { to: [ann], subject: "second", ...LARGE });
    assert.ok(rcpt.startsWith(refusal), rcpt);
    assert.deepEqual(more, []);
  });

  await t.step("DATA refuses what was not announced", async () => {
    const unannounced = { to: [ann], subject: "third", ...LARGE, isAnnounced: false };
    const [rcpt, data] = await send(server, unannounced);
    assert.match(rcpt, /^250 /);
    assert.ok(data.startsWith(refusal), data);
  });

  await t.step("what still fits is taken", async () => {
    const small = { to: [ann], subject: "small", sizeOctets: 2_048, isAnnounced: true };
    assert.match((await send(server, small)).at(-1)!, /^250 /);
    await until(() => subjects(server, ann).includes("small"));
    assert.deepEqual(subjects(server, ann), ["first", "small"]);
  });
}

async function atDelivery(t: Deno.TestContext, server: ServerFixture, test: Case) {
  const { whenFull, ann, bob } = test;
  await t.step("of two recipients the one with room gets it", async () => {
    assert.deepEqual(subjects(server, SENDER), []);
    const both = { to: [bob, ann], subject: "for both", ...LARGE, isAnnounced: false };
    assert.match((await send(server, both)).at(-1)!, /^250 /);
    await until(() => subjects(server, bob).includes("for both"));
    if (whenFull === "defer") await until(async () => await attempts(server, "deferred") >= 2);
    else {
      await until(() => subjects(server, SENDER).length === 1);
      const [name] = newCopies(server.mailbox);
      const report = Deno.readTextFileSync(`${server.mailbox}/new/${name}`);
      assert.match(report, /^Final-Recipient: rfc822; ann@never\.test\r\nAction: failed\r$/m);
      assert.match(report, /^Status: 5\.2\.2\r$/m);
      assert.doesNotMatch(report, /bob@/);
    }
    assert.deepEqual(subjects(server, ann), ["first", "small"]);
  });

  await t.step("mail passes again once the mailbox was emptied", async () => {
    empty(server, ann);
    if (whenFull === "defer") {
      await until(() => subjects(server, ann).includes("for both"));
      assert.deepEqual(subjects(server, SENDER), []);
      empty(server, ann);
    }
    await until(async () => {
      const replies = await send(server, { to: [ann], subject: "again", ...LARGE });
      return replies.at(-1)!.startsWith("250 ");
    });
    await until(() => subjects(server, ann).length > 0);
    assert.deepEqual(subjects(server, ann), ["again"]);
    const mailbox = mailboxOf(server, ann);
    const [, ...changes] = Deno.readTextFileSync(`${mailbox}/maildirsize`).trim().split("\n");
    const sumOctets = changes.reduce((sum, change) => sum + Number(change.split(" ")[0]), 0);
    assert.equal(sumOctets, Deno.statSync(`${mailbox}/new/${newCopies(mailbox)[0]}`).size);
  });
}

Deno.test("mailbox quota: a full mailbox is put off or refused until it is emptied (RFC 3463 §3.3)", async (t) => {
  await using server = await startServer({
    RETRY_FIRST_DELAY_S: "0.2",
    RETRY_MAX_DELAY_S: "0.2",
  });
  for (const { whenFull, ann, bob } of CASES) {
    const domain = ann.slice(ann.indexOf("@") + 1);
    await server.cli("domain", "add", domain);
    await server.cli("domain", "set", domain, "--when-full", whenFull);
    for (const user of [ann, bob]) await server.cli("user", "add", user, "--password", "x");
    await server.cli("user", "quota", ann, String(QUOTA_OCTETS));
  }
  for (const test of CASES) {
    await t.step(test.whenFull, async (t) => {
      await atSession(t, server, test);
      await atDelivery(t, server, test);
    });
  }
  const metrics = await server.metrics();
  assert.match(metrics, /^smtp_messages_refused_total{reason="recipients".*} [1-9]/m);
  assert.doesNotMatch(metrics, /^smtp_messages_refused_total{reason="syntax".*} [1-9]/m);
});
