/**
 * Greylisting and mail that cannot wait: once a sender that proves itself is known, its login codes are taken at
 * once, whoever they are for, whatever their envelope, and wherever they come from.
 */
import assert from "node:assert/strict";
import { startLoopbackDns } from "./fixtures/loopback_dns.ts";
import { newCopies } from "./fixtures/maildir.ts";
import { startPostgres } from "./fixtures/postgres.ts";
import { until } from "./fixtures/process.ts";
import { startRedis } from "./fixtures/redis.ts";
import { type ServerFixture, startServer } from "./fixtures/server.ts";
import { SmtpClient } from "./fixtures/smtp_client.ts";

const CODES = 20;
/** Good mails that make a sender known for good, and what fades of them meanwhile. */
const GOOD_MAILS = 4;
const PUT_OFF = /^451 4\.7\.1 Greylisted, try again in \d seconds?$/;
const TAKEN = /^250 2\.0\.0 /;

/** Proves itself by SPF, its envelopes being of a domain below the author's (RFC 9989 §4.4.2). */
const TEXTS = {
  "bank.test": "v=spf1 -all",
  "_dmarc.bank.test": "v=DMARC1; p=reject",
  "mail.bank.test": "v=spf1 ip4:127.0.0.0/8 -all",
};

interface Mail {
  readonly client: string;
  readonly reversePath: string;
  readonly author: string;
  readonly recipient: string;
}

/** One of the sender's: each time from elsewhere, for somebody else, by an envelope of its own. */
function code(turn: number): Mail {
  const recipient = `user${turn}@localhost`;
  return {
    client: `127.0.${turn % 250}.${2 + turn}`,
    reversePath: `bounce+${turn}=${recipient.replace("@", "=")}@mail.bank.test`,
    author: "no-reply@bank.test",
    recipient,
  };
}

/** Somebody nobody knows. */
function stranger(turn: number): Mail {
  const sender = `ann${turn}@unknown${turn}.test`;
  const recipient = `user${turn}@localhost`;
  return { client: `127.1.${turn}.9`, reversePath: sender, author: sender, recipient };
}

/** The reply to the message. */
async function send(
  server: ServerFixture,
  { client: from, reversePath, author, recipient }: Mail,
): Promise<string> {
  using client = await SmtpClient.connect(server.ports.smtp, { from });
  await client.exchange("", 1);
  const [, ...begun] = await client.exchange(
    `EHLO out.mail.bank.test\r\nMAIL FROM:<${reversePath}>\r\nRCPT TO:<${recipient}>\r\nDATA\r\n`,
    4,
  );
  assert.deepEqual(begun.map((line) => line.slice(0, 3)), ["250", "250", "354"]);
  const header = `From: Your Bank <${author}>\r\nTo: <${recipient}>\r\n` +
    `Subject: Your login code\r\nDate: ${new Date().toUTCString().replace("GMT", "+0000")}\r\n` +
    `Message-ID: <${crypto.randomUUID()}@bank.test>\r\nMIME-Version: 1.0\r\n` +
    "Content-Type: text/plain; charset=utf-8\r\n";
  const digits = crypto.getRandomValues(new Uint32Array(1))[0] % 1_000_000;
  const [reply] = await client.exchange(
    `${header}\r\nHello,\r\n\r\nyour login code is ${digits}.\r\n\r\nYour Bank\r\n.\r\n`,
    1,
  );
  return reply;
}

/** What counts as one: it is put off, comes again when it may, and passes. */
async function firstContact(server: ServerFixture, mail: Mail): Promise<void> {
  assert.match(await send(server, mail), PUT_OFF);
  let reply = "";
  await until(async () => {
    reply = await send(server, mail);
    return !PUT_OFF.test(reply);
  }, 15_000);
  assert.match(reply, TAKEN);
}

/** Login codes, all at once as they come, with a stranger among them. */
async function assertCodesPass(server: ServerFixture, from: number): Promise<void> {
  const turns = Array.from({ length: CODES }, (_, n) => from + n);
  const [unknown, ...replies] = await Promise.all([
    send(server, stranger(from)),
    ...turns.map((turn) => send(server, code(turn))),
  ]);
  for (const [n, reply] of replies.entries()) assert.match(reply, TAKEN, `login code ${turns[n]}`);
  assert.match(unknown, PUT_OFF);
}

/** That many were delivered to the inbox: none was taken for spam. */
function assertDelivered(server: ServerFixture, count: number): Promise<void> {
  return until(() => newCopies(server.mailbox).length === count);
}

function settings(dns: { readonly port: number }): Record<string, string> {
  return {
    TRUSTED_NETWORKS: "none",
    DNS_SERVERS: `127.0.0.1:${dns.port}`,
    GREYLIST: "all",
    GREYLIST_DELAY_S: "2",
    GREET_PAUSE_MS: "0",
  };
}

async function assertKnownOnceMet(env: Readonly<Record<string, string>> = {}): Promise<void> {
  await using dns = await startLoopbackDns(TEXTS);
  await using server = await startServer({ ...settings(dns), SESSION_WORKERS: "2", ...env });
  await server.cli("alias", "add", "@localhost", "admin@localhost");
  await firstContact(server, code(0));
  await assertCodesPass(server, 1);
  await assertDelivered(server, 1 + CODES);
}

Deno.test("known sender: met once, its login codes never wait, on the embedded stores", () =>
  assertKnownOnceMet());

Deno.test("known sender: met once, its login codes never wait, on Redis", async () => {
  await using redis = await startRedis();
  if (redis === null) {
    console.warn("Redis is not installed: known senders are not tried on it");
    return;
  }
  await assertKnownOnceMet({ REDIS_URL: redis.url });
});

Deno.test("known sender: known by its good mail, its login codes never wait after a restart", async () => {
  await using database = await startPostgres();
  if (database === null) {
    console.warn("Postgres is not installed: known senders are not tried over a restart");
    return;
  }
  await using dns = await startLoopbackDns(TEXTS);
  const env = { ...settings(dns), DATABASE_URL: database.url, SECRET_KEY: "ab".repeat(32) };
  {
    await using server = await startServer(env);
    await server.cli("alias", "add", "@localhost", "admin@localhost");
    await firstContact(server, code(0));
    for (let turn = 1; turn < GOOD_MAILS; turn++) {
      assert.match(await send(server, code(turn)), TAKEN);
    }
    await assertDelivered(server, GOOD_MAILS);
  }
  // Who waits and who passed, it has forgotten; who was good, it has not.
  await using server = await startServer(env);
  await assertCodesPass(server, GOOD_MAILS);
  await assertDelivered(server, CODES);
});
