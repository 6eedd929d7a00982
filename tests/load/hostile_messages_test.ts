/** A thousand malformed and hostile messages, one after another: each is judged soon, and nothing is left of them. */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { hostileMessages } from "../../engine/spam/testdata/hostile_messages.ts";
import { startLoopbackDns } from "../fixtures/loopback_dns.ts";
import { type ServerFixture, startServer } from "../fixtures/server.ts";
import { SmtpClient } from "../fixtures/smtp_client.ts";

const LEAST_JUDGED = 1_000;
const JUDGED_WITHIN_MS = 1_000;
/** The bucket of `smtp_judge_duration_seconds` below that. */
const JUDGED_WITHIN_BUCKET = "0.8192";
/** Of the messages above `LARGE_OCTETS`, which cost most of the time, one of so many is sent. */
const SOME = 30;
const LARGE_OCTETS = 131_072;
/** What a neighbour does to the machine hits a message once, what it does to us each time. */
const TRIES = 3;
const MEMORY_EACH = 25;
/** Heaps find their size; what stays of each message shows in the second half as in the first. */
const MAX_GROWTH = 0.25;
const MAX_RESIDENT_OCTETS = 1024 * 1024 * 1024;

interface Attack {
  readonly name: string;
  readonly octets: Buffer;
  /** Refused for its octets, before anyone judges it (RFC 5321 §2.3.8, §4.5.2). */
  readonly isClean: boolean;
}

/** Those that nobody would judge are sent with their line ends mended, and some of them as they are too. */
function* attacks(): Generator<Attack> {
  let [large, unclean] = [0, 0];
  for (const message of hostileMessages()) {
    const { name } = message;
    const octets = Buffer.from(message.octets);
    if (octets.length > LARGE_OCTETS && large++ % SOME !== 0) continue;
    const mended = Buffer.from(
      octets.toString("latin1").replace(/\r\n?|\n/g, "\r\n").replaceAll("\0", " "),
      "latin1",
    );
    const isClean = mended.equals(octets);
    yield { name: isClean ? name : `${name}, mended`, octets: mended, isClean: true };
    if (!isClean && unclean++ % SOME === 0) yield { name, octets, isClean };
  }
}

/** The reply to a message, and how long it took from the end of its octets. No network is known from before. */
async function send(
  server: ServerFixture,
  { name, octets }: Attack,
  turn: number,
): Promise<{ reply: string; tookMs: number }> {
  const from = `127.${1 + (turn >> 8)}.${turn & 255}.2`;
  using client = await SmtpClient.connect(server.ports.smtp, { from });
  await client.exchange("", 1);
  const begun = await client.exchange(
    "EHLO evil.example\r\nMAIL FROM:<mallory@evil.example> BODY=8BITMIME\r\n" +
      "RCPT TO:<admin@localhost>\r\nDATA\r\n",
    4,
  );
  assert.deepEqual(begun.map((line) => line.slice(0, 3)), ["250", "250", "250", "354"], name);
  await client.send(stuffed(octets));
  const sentMs = performance.now();
  const [reply] = await client.exchange("\r\n.\r\n", 1);
  return { reply, tookMs: performance.now() - sentMs };
}

function stuffed(octets: Buffer): Buffer {
  return Buffer.from(octets.toString("latin1").replace(/(^|\n)\./g, "$1.."), "latin1");
}

interface Usage {
  readonly residentOctets: number;
  readonly restarts: number;
  readonly judged: number;
  readonly judgedInTime: number;
}

async function usage(server: ServerFixture): Promise<Usage> {
  const lines = (await server.metrics()).split("\n");
  const sum = (start: string) =>
    lines.filter((line) => line.startsWith(start))
      .reduce((sum, line) => sum + Number(line.split(" ").at(-1)), 0);
  return {
    residentOctets: sum("smtp_process_resident_memory_bytes"),
    restarts: sum("smtp_worker_restarts_total"),
    judged: sum("smtp_judge_duration_seconds_count"),
    judgedInTime: sum(`smtp_judge_duration_seconds_bucket{le="${JUDGED_WITHIN_BUCKET}"`),
  };
}

Deno.test("judging: a thousand hostile messages take less than a second each, and no memory", async () => {
  await using dns = await startLoopbackDns();
  await using server = await startServer({
    TRUSTED_NETWORKS: "none",
    DNS_SERVERS: `127.0.0.1:${dns.port}`,
    DNS_LISTS: "bl.example",
    LINK_LISTS: "links.example",
    RATE_MESSAGES_PER_RECIPIENT: "100000/1m",
    // Many are refused, once they are judged, and cost no more.
    SPAM_REJECT_SCORE: "6",
    GREET_PAUSE_MS: "0",
    LOG_LEVEL: "warning",
  });
  const residents = [(await usage(server)).residentOctets];
  const replies = new Map<string, number>();
  const slow: string[] = [];
  let [count, repeated, longestMs] = [0, 0, 0];
  for (const attack of attacks()) {
    const { name, isClean } = attack;
    let { reply, tookMs } = await send(server, attack, count);
    for (let turn = 1; turn < TRIES && tookMs >= JUDGED_WITHIN_MS; turn++) {
      repeated++;
      const again = await send(server, attack, count);
      tookMs = Math.min(tookMs, again.tookMs);
      reply = again.reply;
    }
    longestMs = Math.max(longestMs, tookMs);
    if (tookMs >= JUDGED_WITHIN_MS) slow.push(`${name}: ${tookMs.toFixed(0)} ms`);
    assert.match(reply, /^(?:250 2|4\d\d 4|5\d\d 5)\.\d\.\d [ -~]+$/, name);
    if (!isClean) assert.match(reply, /^550 5\.6\.0 /, name);
    const codes = reply.slice(0, 9);
    replies.set(codes, (replies.get(codes) ?? 0) + 1);
    if (++count % MEMORY_EACH === 0) residents.push((await usage(server)).residentOctets);
  }
  const half = residents.length >> 1;
  const [first, second] = [residents.slice(1, half), residents.slice(half)]
    .map((octets) => Math.max(...octets));
  const mebibytes = (octets: number) => Math.round(octets / 1024 / 1024);
  console.log(
    `${count} hostile messages: longest ${longestMs.toFixed(0)} ms, memory ` +
      `${[residents[0], first, second].map(mebibytes).join(" -> ")} MiB, replies`,
    Object.fromEntries(replies),
  );
  assert.deepEqual(slow, []);
  const { judged, judgedInTime, restarts } = await usage(server);
  assert.ok(judged >= LEAST_JUDGED, `${judged} judged`);
  // By the server's own clock, without reading the message and storing it.
  assert.ok(judged - judgedInTime <= repeated, `${judged - judgedInTime} judged slowly`);
  assert.ok(second < first * (1 + MAX_GROWTH) && second < MAX_RESIDENT_OCTETS, `${residents}`);
  assert.equal(restarts, 0);
});
