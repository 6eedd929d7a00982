/**
 * Mail that is held by a running server: it gets its 250 and is not delivered, not by a server started anew
 * either, until somebody releases it.
 */
import assert from "node:assert/strict";
import { newCopies } from "./fixtures/maildir.ts";
import { startNsd } from "./fixtures/nsd.ts";
import { startPostgres } from "./fixtures/postgres.ts";
import { freePort } from "./fixtures/ports.ts";
import { until } from "./fixtures/process.ts";
import { type ServerFixture, startServer } from "./fixtures/server.ts";
import { SmtpClient } from "./fixtures/smtp_client.ts";

const GTUBE = "XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X";

/** The reply to the message. */
async function send(server: ServerFixture, body: string): Promise<string> {
  using client = await SmtpClient.connect(server.ports.smtp);
  // Who speaks before he is greeted is turned away.
  await client.exchange("", 1);
  await client.exchange("EHLO client.test\r\n", 1);
  await client.exchange(
    "MAIL FROM:<x@spam.test>\r\nRCPT TO:<admin@localhost>\r\nDATA\r\n",
    3,
  );
  const header = "From: x@spam.test\r\nTo: admin@localhost\r\nSubject: held\r\n" +
    "Date: Mon, 05 May 2031 12:00:00 +0000\r\nMessage-ID: <1@spam.test>\r\n\r\n";
  const [reply] = await client.exchange(`${header}${body}\r\n.\r\n`, 1);
  return reply;
}

async function depth(server: ServerFixture, state: string): Promise<number> {
  const pattern = new RegExp(`^smtp_queue_deliveries{state="${state}"[^}]*} (\\d+)$`, "m");
  return Number(pattern.exec(await server.metrics())?.[1] ?? NaN);
}

Deno.test("quarantine: held mail outlives a restart, and is delivered once it is released", async (t) => {
  await using postgres = await startPostgres();
  if (postgres === null) return;
  const dns = { host: "127.0.0.1", port: freePort() };
  // Without it nobody answers there, which only takes longer to find out.
  await using _nsd = await startNsd({
    ...dns,
    zones: { test: "@ 60 IN SOA ns.test. x.test. 1 60 60 60 60\n@ 60 IN NS ns.test.\n" },
  });
  const env = {
    DATABASE_URL: postgres.url,
    SECRET_KEY: "ab".repeat(32),
    TRUSTED_NETWORKS: "none",
    SPAM_REJECT_SCORE: "off",
    SPAM_QUARANTINE_SCORE: "100",
    DNS_SERVERS: `${dns.host}:${dns.port}`,
    AUTH_TEMPERROR: "accept",
    TARPIT_MAX_S: "0",
    JUNK_FOLDER: "off",
  };
  let id = "";

  await t.step("it gets its 250, and stays", async () => {
    await using server = await startServer(env);
    const reply = await send(server, GTUBE);
    assert.match(reply, /^250 /);
    id = /\b[0-9A-Z]{13}\b/.exec(reply)![0];
    const [held] = JSON.parse(await server.cli("quarantine", "list", "--json"));
    assert.deepEqual([held.id, held.reason, held.subject], [id, "spam", "held"]);
    assert.match(held.explanation, /\d/);
    assert.equal(await depth(server, "held"), 1);
    assert.equal(await depth(server, "queued"), 0);
    // What comes behind it goes its way.
    assert.match(await send(server, "hello"), /^250 /);
    await until(() => Promise.resolve(newCopies(server.mailbox).length > 0));
    assert.equal(newCopies(server.mailbox).length, 1);
  });

  await t.step("a server started anew delivers it once it is released", async () => {
    await using server = await startServer(env);
    assert.equal(await depth(server, "held"), 1);
    assert.deepEqual(newCopies(server.mailbox), []);
    assert.match(await server.cli("quarantine", "release", id), /^released: /);
    await until(() => Promise.resolve(newCopies(server.mailbox).length > 0), 45_000);
    const [name] = newCopies(server.mailbox);
    assert.match(Deno.readTextFileSync(`${server.mailbox}/new/${name}`), /\r\nSubject: held\r\n/);
    assert.equal(await depth(server, "held"), 0);
    await until(async () => / delivered$/m.test(await server.cli("trace", id)));
    assert.match(await server.cli("trace", id), /held in quarantine, released /);
  });
});
