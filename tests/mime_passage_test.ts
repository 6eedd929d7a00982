/**
 * Real and broken messages of strangers pass through judging: below what was found about them each arrives as it was
 * sent, but for fields that claim to be ours, or it is refused in words.
 */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { existsSync } from "node:fs";
import { startLoopbackDns } from "./fixtures/loopback_dns.ts";
import { newCopies, queueIdOf, readCopy } from "./fixtures/maildir.ts";
import { MIME_COLLECTION, type MimeSample, mimeSamples } from "./fixtures/mime_collection.ts";
import { until } from "./fixtures/process.ts";
import { type ServerFixture, startServer } from "./fixtures/server.ts";
import { SmtpClient } from "./fixtures/smtp_client.ts";

const CLIENTS = 4;
const HOSTNAME = "mx.sluice.test";
const AMBIGUOUS = "550 5.7.1 Message refused: From must name one domain, once";
const FOLDED = "550 5.6.0 Message begins with a folded line (RFC 5322 2.2.3)";
/** Of the collection, so many name two senders, or one in two ways. */
const MAX_AMBIGUOUS = 10;
/** And so many bear fields of spam filters that saw them before. */
const MAX_CHANGED = 40;
const GTUBE = "XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X";

/** Fields in our name, between such as only look like them. */
function* forged(): Generator<MimeSample> {
  const headers = [
    `Authentication-Results: ${HOSTNAME}; spf=pass\r\n\tsmtp.mailfrom=a@example.org\r\nX: y\r\n`,
    `X: y\r\nAUTHENTICATION-RESULTS : (a)\r\n ${HOSTNAME.toUpperCase()} 1; dmarc=pass\r\n`,
    `Authentication-Results: mx.other.test; spf=pass (${HOSTNAME})\r\nX: y\r\n`,
    `Authentication-Results: not${HOSTNAME}; dkim=pass\r\nAuthentication-Results-2: ${HOSTNAME}\r\n`,
    "X-Spam-Status: No,\r\n\tscore=-9\r\nX-SPAM-Flag:NO\r\nX-Spammer: no\r\nX-Spam: no\r\n",
  ];
  for (const [n, header] of headers.entries()) {
    const text = `${header}From: ann@example.org\r\n\r\n${header}`;
    yield { name: `forged ${n}`, octets: Buffer.from(text), isClean: true };
  }
}

/** Without the fields that are ours to write; apart from the server's own, lest the two share a mistake. */
function withoutForged(octets: Buffer): Buffer {
  const lines = octets.toString("latin1").split("\r\n");
  const kept: string[] = [];
  let isForged = false;
  while (lines.length > 0 && lines[0] !== "") {
    const line = lines.shift()!;
    if (!/^[ \t]/.test(line)) {
      const folded = lines.findIndex((next) => !/^[ \t]/.test(next));
      const field = [line, ...lines.slice(0, folded < 0 ? lines.length : folded)].join("");
      isForged = /^x-spam(-[\x21-\x39\x3b-\x7e]*)?[ \t]*:/i.test(field) ||
        /^authentication-results[ \t]*:[ \t]*(\([^)]*\)[ \t]*)?mx\.sluice\.test[ \t;]/i.test(field);
    }
    if (!isForged) kept.push(line);
  }
  return Buffer.from([...kept, ...lines].join("\r\n"), "latin1");
}

/** As DATA takes it, its end included (RFC 5321 §4.5.2). */
function stuffed(octets: Buffer): Buffer {
  const text = octets.toString("latin1");
  return Buffer.from(`${text.replace(/(^|\r\n)\./g, "$1..")}${lineEnd(octets)}.\r\n`, "latin1");
}

/** What DATA adds to a message whose last line lacks its end (RFC 5321 §4.1.1.4). */
function lineEnd(octets: Buffer): string {
  return octets.length === 0 || octets.subarray(-2).toString("latin1") === "\r\n" ? "" : "\r\n";
}

/** What the server found, field by field. */
const FOUND =
  /^X-Spam-Flag: (YES|NO)\r\nX-Spam-Score: -?\d+\.\d\r\nX-Spam-Status: [ -~]+\r\n(?:\t[ -~]+\r\n)*Authentication-Results: mx\.sluice\.test;\r\n(?:\t[ -~\t]+\r\n)+$/;

/** The reply to a message; each from another network, so that none makes the name of the next. */
async function send(server: ServerFixture, sample: MimeSample, turn: number): Promise<string> {
  const from = `127.${1 + (turn >> 8)}.${turn & 255}.2`;
  using client = await SmtpClient.connect(server.ports.smtp, { from });
  await client.exchange("", 1);
  const begun = await client.exchange(
    "EHLO client.example\r\nMAIL FROM:<a@example.org> BODY=8BITMIME\r\n" +
      "RCPT TO:<admin@localhost>\r\nDATA\r\n",
    4,
  );
  assert.deepEqual(begun.map((line) => line.slice(0, 3)), ["250", "250", "250", "354"]);
  await client.send(stuffed(sample.octets));
  const [reply] = await client.exchange("", 1);
  return reply;
}

/** The inbox, and where mail goes that looks like spam. */
function foldersOf({ mailbox }: ServerFixture): readonly string[] {
  return [mailbox, `${mailbox}/.Junk`];
}

function judging(dns: { readonly port: number }): Record<string, string> {
  return {
    SERVER_HOSTNAME: HOSTNAME,
    TRUSTED_NETWORKS: "none",
    DNS_SERVERS: `127.0.0.1:${dns.port}`,
    GREET_PAUSE_MS: "0",
  };
}

Deno.test("judging: below what was found every message arrives as it was sent (RFC 5321 §6.4)", async (test) => {
  if (!existsSync(MIME_COLLECTION)) {
    console.warn(`skipped ${test.name}: ${MIME_COLLECTION} is absent`);
    return;
  }
  await using dns = await startLoopbackDns();
  await using server = await startServer({ ...judging(dns), SPAM_REJECT_SCORE: "off" });
  const waiting = [...forged(), ...mimeSamples()].entries();
  const sent = new Map<string, MimeSample>();
  const ambiguous: string[] = [];
  await Promise.all(Array.from({ length: CLIENTS }, async () => {
    for (const [turn, sample] of waiting) {
      const reply = await send(server, sample, turn);
      const id = /^250 2\.0\.0 queued as (\w{13})$/.exec(reply)?.[1];
      if (id !== undefined) sent.set(id, sample);
      else if (sample.isClean) {
        assert.ok([AMBIGUOUS, FOLDED].includes(reply), `${sample.name}: ${reply}`);
        ambiguous.push(sample.name);
      } else assert.match(reply, /^550 5\.6\.0 Message has a (?:bare CR or LF; |NUL)/, sample.name);
    }
  }));
  assert.ok(sent.size > 500 && ambiguous.length < MAX_AMBIGUOUS, `${sent.size} sent, ${ambiguous}`);
  assert.ok([...sent.values()].every(({ isClean }) => isClean));

  const folders = foldersOf(server);
  const arrived = () => folders.map(newCopies);
  await until(() => arrived().flat().length >= sent.size, 60_000);
  assert.deepEqual(new Set(arrived().flat().map(queueIdOf)), new Set(sent.keys()));
  const changed = new Set<string>();
  for (const [index, folder] of folders.entries()) {
    for (const copy of newCopies(folder)) {
      const { queueId, octets } = readCopy(folder, copy);
      const { name, octets: given } = sent.get(queueId)!;
      const whole = Buffer.concat([given, Buffer.from(lineEnd(given))]);
      const expected = withoutForged(whole);
      if (expected.length < whole.length) changed.add(name);
      const at = octets.length - expected.length;
      const found = FOUND.exec(octets.subarray(0, at).toString("latin1"));
      assert.ok(found !== null, `${name}: ${octets.subarray(0, at)}`);
      assert.ok(octets.subarray(at).equals(expected), `${name} differs`);
      assert.equal(found[1] === "YES", index === 1, name);
    }
  }
  // In the collection only mail that went through a spam filter before.
  const takenOut = [...changed].filter((name) => name.startsWith("forged"));
  assert.deepEqual(takenOut.sort(), ["forged 0", "forged 1", "forged 4"]);
  assert.ok(changed.size < MAX_CHANGED, [...changed].join());
});

Deno.test("judging: the test message for spam filters is refused and logged by default", async () => {
  await using dns = await startLoopbackDns();
  await using server = await startServer(judging(dns));
  const sample = (name: string, body: string): MimeSample => {
    const header = "From: Ann <ann@example.org>\r\nTo: <admin@localhost>\r\nSubject: Test\r\n";
    return { name, octets: Buffer.from(`${header}\r\n${body}\r\n`), isClean: true };
  };
  assert.match(
    await send(server, sample("GTUBE", GTUBE), 0),
    /^550 5\.7\.1 Message looks like spam/,
  );
  assert.match(await send(server, sample("a word", "Hello."), 1), /^250 2\.0\.0 /);
  await until(() => /"msg":"spam from 127\.1\.0\.2 rejected"/.test(server.log()));
  const arrived = () => foldersOf(server).flatMap(newCopies);
  await until(() => arrived().length > 0);
  assert.equal(arrived().length, 1);
});
