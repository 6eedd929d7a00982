/** Mailboxes of a real Dovecot's: filled by LMTP, or as Maildirs it reads; full, away, and back again. */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { type DovecotFixture, PASSWORD, startDovecot } from "../fixtures/dovecot.ts";
import { ImapClient } from "../fixtures/imap_client.ts";
import { newCopies, splitTrace } from "../fixtures/maildir.ts";
import { until } from "../fixtures/process.ts";
import { type ServerFixture, startServer } from "../fixtures/server.ts";
import { SmtpClient } from "../fixtures/smtp_client.ts";

const SENDER = "admin@localhost";
const RETRIES = { RETRY_FIRST_DELAY_S: "0.2", RETRY_MAX_DELAY_S: "0.2" };
const QUOTA_OCTETS = 100_000;

/** As they go into DATA, but for the stuffing. */
const MESSAGES: readonly (readonly [string, Buffer])[] = [
  ["plain", Buffer.from("Subject: plain\r\n\r\ntext\r\n")],
  [
    "every octet above 127, some in the header",
    Buffer.concat([
      Buffer.from("Subject: gr\xfc\xdfe\r\n\r\n", "latin1"),
      Buffer.from(Array.from({ length: 128 }, (_, n) => 128 + n)),
      Buffer.from("\r\nUTF-8: grüße\r\n"),
    ]),
  ],
  [
    "dots",
    Buffer.from(".\r\n..\r\nSubject: dots\r\n\r\n.\r\n..\r\n...\r\n.text\r\n. \r\n\r\n.\r\n"),
  ],
  ["lines at the limit (RFC 5321 §4.5.3.1.6)", repeated(`${"x".repeat(998)}\r\n`, 50)],
  ["a line far above it", Buffer.from(`Subject: long\r\n\r\n${"y".repeat(100_000)}\r\n`)],
  [
    "empty lines and blanks at line ends",
    Buffer.from("Subject: x \r\n\r\n\r\n \r\n\t\r\n\r\n\r\n"),
  ],
  ["lines that begin with From", Buffer.from("From here\r\n\r\nFrom there\r\n>From\r\n")],
  ["no header section", Buffer.from("\r\ntext\r\n")],
  ["nothing", Buffer.alloc(0)],
  [
    "a megabyte",
    Buffer.concat([Buffer.from("Subject: m\r\n\r\n"), repeated(".line\r\n", 150_000)]),
  ],
];

function repeated(line: string, times: number): Buffer {
  return Buffer.from(line.repeat(times));
}

async function send(
  server: ServerFixture,
  to: readonly string[],
  octets: Buffer,
  from = SENDER,
): Promise<void> {
  using client = await SmtpClient.connect(server.ports.smtp);
  await client.exchange("EHLO client.test\r\n", 2);
  const mail = `MAIL FROM:<${from}> BODY=8BITMIME SIZE=${octets.length}`;
  const rcpts = to.map((path) => `RCPT TO:<${path}>`);
  const replies = await client.exchange([mail, ...rcpts, "DATA\r\n"].join("\r\n"), 2 + to.length);
  assert.match(replies.join(" "), /^(?:250 [^]*)+354 /);
  const text = octets.toString("latin1");
  await client.send(Buffer.from(text.replace(/(^|\r\n)\./g, "$1.."), "latin1"));
  const [reply] = await client.exchange(".\r\n", 1);
  assert.match(reply, /^250 /);
}

/** Dovecot's own, with Delivered-To where the message has one recipient. */
const TRACE =
  /^Return-Path: <[^\r\n]*>\r\n(?:Delivered-To: \S+\r\n)?Received: [^\r\n]*\r\n(?:\t[^\r\n]*\r\n)+/;

/** Below Dovecot's trace fields and ours. */
function contentOf(octets: Buffer): Buffer {
  const trace = TRACE.exec(octets.subarray(0, 4_096).toString("latin1"));
  assert.ok(trace !== null, octets.subarray(0, 200).toString());
  return splitTrace(octets.subarray(trace[0].length)).octets;
}

function loginTo(dovecot: DovecotFixture, user: string): Promise<ImapClient> {
  return ImapClient.login({ port: dovecot.imapPort, user, password: PASSWORD });
}

/** What a mailbox holds once it is so many messages, without trace fields. */
async function contents(dovecot: DovecotFixture, user: string, count: number): Promise<Buffer[]> {
  using client = await loginTo(dovecot, user);
  await until(async () => (await client.messages()).length >= count, 60_000);
  const messages = await client.messages();
  assert.equal(messages.length, count);
  for (const { octets, sizeOctets } of messages) assert.equal(octets.length, sizeOctets);
  return messages.map(({ octets }) => contentOf(octets));
}

async function expunge(dovecot: DovecotFixture, user: string): Promise<void> {
  using client = await loginTo(dovecot, user);
  await client.expunge();
}

function reports(server: ServerFixture): string[] {
  return newCopies(server.mailbox).map((name) =>
    Deno.readTextFileSync(`${server.mailbox}/new/${name}`)
  );
}

/** Tries so far that are to be repeated. */
async function deferrals(server: ServerFixture): Promise<number> {
  const pattern = /^smtp_delivery_attempts_total{outcome="deferred",.*} (\d+)$/gm;
  return [...(await server.metrics()).matchAll(pattern)].reduce((sum, [, n]) => sum + Number(n), 0);
}

async function addDomain(server: ServerFixture, domain: string, delivery: string): Promise<void> {
  await server.cli("domain", "add", domain);
  if (delivery !== "maildir") await server.cli("domain", "set", domain, "--delivery", delivery);
  for (const user of ["ann", "bob"]) {
    await server.cli("user", "add", `${user}@${domain}`, "--password", "x");
  }
}

interface Served {
  readonly server: ServerFixture;
  readonly dovecot: DovecotFixture;
  readonly domains: readonly string[];
}

async function octetsArrive(t: Deno.TestContext, { server, dovecot, domains }: Served) {
  for (const domain of domains) {
    const [ann, bob] = [`ann@${domain}`, `bob@${domain}`];
    await t.step(`each message arrives as it was sent, to two at once, at ${domain}`, async () => {
      for (const [, octets] of MESSAGES) await send(server, [ann, bob], octets);
      for (const user of [ann, bob]) {
        const arrived = await contents(dovecot, user, MESSAGES.length);
        for (const [name, octets] of MESSAGES) {
          assert.equal(arrived.filter((each) => each.equals(octets)).length, 1, name);
        }
      }
    });
    await t.step(`detail and null reverse-path, at ${domain}`, async () => {
      await expunge(dovecot, ann);
      await send(server, [`ann+lists@${domain}`], MESSAGES[0][1], "");
      using client = await loginTo(dovecot, ann);
      await until(async () => (await client.messages()).length === 1);
      const text = (await client.messages())[0].octets.toString("latin1");
      assert.ok(text.startsWith(`Return-Path: <>\r\nDelivered-To: ann+lists@${domain}\r\n`), text);
    });
  }
  const [bySocket, byTcp] = await Promise.all(domains.map(async (domain) => {
    using client = await loginTo(dovecot, `bob@${domain}`);
    return (await client.messages())[0].octets.toString("latin1");
  }));
  assert.match(bySocket, /with LMTP\r\n/);
  assert.match(byTcp, /with LMTPS\r\n/);
}

async function waitsWhileAway(t: Deno.TestContext, { server, dovecot, domains }: Served) {
  await t.step("while Dovecot is away mail waits, and arrives once when it is back", async () => {
    const users = domains.flatMap((domain) => [`ann@${domain}`, `bob@${domain}`]);
    for (const user of users) await expunge(dovecot, user);
    await dovecot.stop();
    const before = await deferrals(server);
    const messages = Array.from({ length: 5 }, (_, n) => Buffer.from(`Subject: ${n}\r\n\r\n\r\n`));
    for (const message of messages) await send(server, users, message);
    await until(async () => await deferrals(server) >= before + 2 * users.length * messages.length);
    await dovecot.start();
    for (const user of users) {
      const arrived = await contents(dovecot, user, messages.length);
      const subjects = arrived.map((octets) => octets.toString()).sort();
      assert.deepEqual(subjects, messages.map(String));
    }
    assert.match(await server.cli("queue", "list"), /^The queue is empty/);
    assert.deepEqual(reports(server), []);
  });
}

Deno.test("interop: Dovecot by LMTP, over a socket and over TCP", async (t) => {
  await using dovecot = await startDovecot();
  if (dovecot === null) return console.warn(`skipped ${t.name}: Dovecot is not installed`);
  await using server = await startServer(RETRIES);
  const domains = ["socket.test", "tcp.test"];
  await addDomain(server, domains[0], `lmtp:${dovecot.lmtpSocket}`);
  await addDomain(server, domains[1], `lmtp:127.0.0.1:${dovecot.lmtpPort}`);
  const served = { server, dovecot, domains };
  await octetsArrive(t, served);
  await waitsWhileAway(t, served);
});

/** Half the quota and a bit, so that a second one has no room. */
const LARGE = Buffer.concat([
  Buffer.from("Subject: large\r\n\r\n"),
  repeated("text\r\n", 10_000),
]);

async function fillsUp({ server, dovecot, domains: [domain] }: Served) {
  const [ann, bob] = [`ann@${domain}`, `bob@${domain}`];
  await send(server, [ann], LARGE);
  await contents(dovecot, ann, 1);
  const [deferred, reported] = [await deferrals(server), reports(server).length];
  await send(server, [ann, bob], LARGE);
  assert.ok((await contents(dovecot, bob, 1))[0].equals(LARGE));
  return {
    ann,
    isDeferred: () => until(async () => await deferrals(server) >= deferred + 2),
    report: async () => {
      await until(() => reports(server).length > reported);
      return reports(server).at(-1)!;
    },
  };
}

Deno.test("interop: what Dovecot says of a full mailbox decides between later and never", async (t) => {
  const quota = { octets: QUOTA_OCTETS };
  await using refusing = await startDovecot({ quota: { ...quota, whenFull: "refuse" } });
  await using deferring = await startDovecot({ quota: { ...quota, whenFull: "defer" } });
  if (refusing === null || deferring === null) {
    return console.warn(`skipped ${t.name}: Dovecot is not installed`);
  }
  await using server = await startServer(RETRIES);
  await addDomain(server, "never.test", `lmtp:${refusing.lmtpSocket}`);
  await addDomain(server, "later.test", `lmtp:${deferring.lmtpSocket}`);

  await t.step("552 fails, and is reported to the sender for whoever it is of", async () => {
    const full = await fillsUp({ server, dovecot: refusing, domains: ["never.test"] });
    const report = await full.report();
    assert.match(report, /^Return-Path: <>/);
    assert.match(report, /^Final-Recipient: rfc822; ann@never\.test\r\nAction: failed\r$/m);
    assert.match(report, /^Status: 5\.2\.2\r\nDiagnostic-Code: smtp; 552 5\.2\.2 /m);
    assert.ok(!report.includes("bob@") && !report.includes(refusing.lmtpSocket), report);
    await contents(refusing, full.ann, 1);
  });

  await t.step("452 is put off until there is room", async () => {
    const full = await fillsUp({ server, dovecot: deferring, domains: ["later.test"] });
    await full.isDeferred();
    await expunge(deferring, full.ann);
    assert.ok((await contents(deferring, full.ann, 1))[0].equals(LARGE));
    assert.equal(reports(server).length, 1);
  });
});

/** Octets and messages of a Maildir: by its `maildirsize`, and by its files. */
function usage(mailbox: string): Record<"said" | "found", readonly [number, number]> {
  const [limit, ...changes] = Deno.readTextFileSync(`${mailbox}/maildirsize`).trim().split("\n");
  assert.equal(limit, `${QUOTA_OCTETS}S`);
  const add = (rows: readonly (readonly number[])[]): [number, number] =>
    rows.reduce<[number, number]>(([a, b], [c, d]) => [a + c, b + d], [0, 0]);
  const folders = [...Deno.readDirSync(mailbox)].map(({ name }) => name)
    .filter((name) => name.startsWith(".")).concat("").flatMap((name) =>
      ["new", "cur"].map((part) => `${mailbox}/${name}/${part}`)
    );
  return {
    said: add(changes.map((change) => change.trim().split(/ +/).map(Number))),
    found: add(
      folders.flatMap((folder) =>
        [...Deno.readDirSync(folder)].map((
          { name },
        ) => [Deno.statSync(`${folder}/${name}`).size, 1])
      ),
    ),
  };
}

async function readByDovecot(t: Deno.TestContext, { server, dovecot, domains }: Served) {
  const ann = `ann@${domains[0]}`;
  const mailbox = `${server.dataDir}/mail/${domains[0]}/ann`;
  const agree = async (messages: number) => {
    await dovecot.adopt();
    using client = await loginTo(dovecot, ann);
    const { said, found } = usage(mailbox);
    assert.deepEqual(said, found);
    assert.equal(found[1], messages);
    assert.equal(await client.usedKiB(), Math.ceil(found[0] / 1024));
  };
  const holds = (messages: number) => until(() => usage(mailbox).found[1] === messages);
  const small = MESSAGES.filter(([, octets]) => octets.length < 50_000);

  await t.step("each message is there as it was sent, with its size", async () => {
    for (const [, octets] of small) await send(server, [ann], octets);
    await until(() => newCopies(mailbox).length === small.length);
    await dovecot.adopt();
    using client = await loginTo(dovecot, ann);
    const messages = await client.messages();
    assert.equal(messages.length, small.length);
    for (const { octets, sizeOctets } of messages) assert.equal(octets.length, sizeOctets);
    const arrived = messages.map(({ octets }) => splitTrace(octets).octets);
    for (const [name, octets] of small) {
      assert.equal(arrived.filter((each) => each.equals(octets)).length, 1, name);
    }
    await agree(small.length);
  });

  await t.step("both keep the same account of what comes and goes", async () => {
    using client = await loginTo(dovecot, ann);
    await client.append("Sent", MESSAGES[1][1]);
    await agree(small.length + 1);
    await client.expunge();
    await agree(1);
    for (const [, octets] of small.slice(0, 3)) await send(server, [ann], octets);
    await holds(4);
    await agree(4);
  });

  await t.step("what Dovecot deletes makes room at once", async () => {
    await send(server, [ann], LARGE);
    await holds(5);
    await agree(5);
    const refused = send(server, [ann], LARGE);
    await assert.rejects(refused, /452 4\.2\.2 /);
    await dovecot.adopt();
    await expunge(dovecot, ann);
    await until(() => send(server, [ann], LARGE).then(() => true, () => false));
    await holds(2);
    await agree(2);
  });
}

Deno.test("interop: Dovecot reads the Maildirs that are filled here, and shares their quota", async (t) => {
  await using server = await startServer(RETRIES);
  await using dovecot = await startDovecot({
    mailRoot: `${server.dataDir}/mail`,
    quota: { octets: QUOTA_OCTETS, whenFull: "defer" },
  });
  if (dovecot === null) return console.warn(`skipped ${t.name}: Dovecot is not installed`);
  await addDomain(server, "maildir.test", "maildir");
  await server.cli("user", "quota", "ann@maildir.test", String(QUOTA_OCTETS));
  await readByDovecot(t, { server, dovecot, domains: ["maildir.test"] });
});
