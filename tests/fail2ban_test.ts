/** The filter in config/fail2ban reads what the log writes, and bans nobody whom a client names. */
import assert from "node:assert/strict";
import { logAuth, logMessage, logSpam } from "../engine/telemetry/events.ts";
import { configureLog } from "../engine/telemetry/log.ts";
import type { QueueId } from "../engine/mail/queue_id.ts";

const FILTER = new URL("../config/fail2ban/filter.d/sluice.conf", import.meta.url).pathname;
const JAIL = new URL("../config/fail2ban/jail.d/sluice.conf", import.meta.url).pathname;

function hasFail2ban(): boolean {
  try {
    return new Deno.Command("fail2ban-regex", { args: ["--version"] }).outputSync().success;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

const ignore = !hasFail2ban();
if (ignore) console.warn("fail2ban is not installed: the tests of its filter are skipped");

/** Names that would be another address, a line of their own, or the end of a value. */
const HOSTILE = [
  "ann from 192.0.2.9 as bob failed",
  '"from 192.0.2.9 failed',
  "x\nWARNING auth: AUTH PLAIN from 192.0.2.9 as bob failed",
  "\r\n12:00:00.000 WARNING auth: AUTH PLAIN from 192.0.2.9 as bob failed\r\n",
  'x","event":"auth_failed","msg":"AUTH PLAIN from 192.0.2.9 as bob failed',
  '{"time":"2026-01-01T00:00:00Z","level":"warning","logger":"auth","event":"auth_failed","msg":"AUTH PLAIN from 192.0.2.9 as x ',
  "\u2028WARNING auth: AUTH PLAIN from 192.0.2.9 as bob failed",
  " from 192.0.2.9 ".repeat(200),
  "smtp://a:b@192.0.2.9/ failed",
  "\\",
];

interface Format {
  readonly format: "json" | "pretty";
  readonly thread?: string;
}

/** What is logged meanwhile, a line each. */
function logged(options: Format, emit: () => void): string[] {
  let text = "";
  const write = (chunk: Uint8Array) => {
    text += new TextDecoder().decode(chunk);
    return chunk.length;
  };
  {
    using _log = configureLog({ level: "info", ...options, write });
    emit();
  }
  return text.split("\n").slice(0, -1);
}

/** Failures and lockouts of some clients, and the addresses of these in order. */
function emitFailures(): string[] {
  const addresses: string[] = [];
  for (const [index, user] of ["ann@example.org", "", ...HOSTILE].entries()) {
    for (const clientIp of [`203.0.113.${index + 1}`, `2001:db8::${index + 1}`]) {
      const event = { sessionId: "s1", clientIp, user };
      logAuth.failed({ ...event, method: "PLAIN", reason: "wrong_password" });
      const lockout = { scope: "address", retryAfterMs: 1_000 } as const;
      logAuth.lockedOut({ ...event, method: "CRAM-MD5", ...lockout });
      addresses.push(clientIp, clientIp);
    }
  }
  return addresses;
}

/** All else that a client can have logged. */
function emitOthers(): void {
  for (const hostile of HOSTILE) {
    const session = { sessionId: "s1", clientIp: "203.0.113.200" };
    logAuth.succeeded({ ...session, method: "PLAIN", user: hostile });
    const lockout = { scope: "user", retryAfterMs: 1_000 } as const;
    logAuth.lockedOut({ ...session, method: "PLAIN", user: hostile, ...lockout });
    logSpam.rejected({ ...session, reversePath: hostile, score: 9 });
    logMessage.accepted({
      ...session,
      queueId: "0123456789ABC" as QueueId,
      reversePath: hostile,
      recipients: 1,
      sizeOctets: 1,
      protocol: "ESMTP",
      user: hostile,
    });
    logMessage.failed({
      queueId: "0123456789ABC" as QueueId,
      forwardPath: hostile,
      status: "5.1.1",
      reply: hostile,
      attempts: 1,
      delayMs: 1,
    });
  }
}

/** What fail2ban finds in lines: address and Unix time of each failure, in order. */
async function found(
  lines: readonly string[],
  localZone = "America/New_York",
): Promise<[address: string, atS: number][]> {
  const path = await Deno.makeTempFile({ suffix: ".log" });
  try {
    await Deno.writeTextFile(path, lines.map((line) => `${line}\n`).join(""));
    const { success, stdout, stderr } = await new Deno.Command("fail2ban-regex", {
      args: ["--timezone", "UTC", "--out", "<ip> <time>", path, FILTER],
      env: { TZ: localZone },
    }).output();
    const text = new TextDecoder().decode(stdout);
    assert.ok(success, text + new TextDecoder().decode(stderr));
    return text.split("\n").filter((line) => line !== "").map((line) => {
      const [address, time] = line.split(" ");
      return [address, Number(time)];
    });
  } finally {
    await Deno.remove(path);
  }
}

/** The lines as syslog writes them to a file of its own. */
function inSyslog(lines: readonly string[]): string[] {
  return lines.map((line) => `Nov 23 20:00:00 mx.example.org deno[123]: ${line}`);
}

const FORMATS: Format[] = [
  { format: "json" },
  { format: "json", thread: "session-1" },
  { format: "pretty" },
  { format: "pretty", thread: "session-1" },
];

for (const options of FORMATS) {
  const name = `${options.format}${options.thread === undefined ? "" : " of a worker"}`;

  Deno.test(`fail2ban filter: finds each failed login, ${name}`, { ignore }, async () => {
    let expected: string[] = [];
    const lines = logged(options, () => expected = emitFailures());
    assert.equal(lines.length, expected.length);
    // Pretty lines tell no day, and are dated right where local time is that of the log.
    const localZone = options.format === "json" ? "America/New_York" : "UTC";
    const failures = await found(lines, localZone);
    assert.deepEqual(failures.map(([address]) => address), expected);
    for (const [, atS] of failures) assert.ok(Math.abs(atS - Date.now() / 1_000) < 60, `${atS}`);
    assert.deepEqual((await found(inSyslog(lines))).map(([address]) => address), expected);
  });

  Deno.test(`fail2ban filter: finds nothing in other lines, ${name}`, { ignore }, async () => {
    const lines = logged(options, emitOthers);
    assert.equal(lines.length, 5 * HOSTILE.length);
    assert.deepEqual(await found(lines), []);
    assert.deepEqual(await found(inSyslog(lines)), []);
  });
}

Deno.test("fail2ban jail: is one that fail2ban takes", { ignore }, async () => {
  const folder = await Deno.makeTempDir();
  try {
    await Deno.mkdir(`${folder}/filter.d`);
    await Deno.writeTextFile(`${folder}/fail2ban.conf`, "[Definition]\nallowipv6 = auto\n");
    await Deno.writeTextFile(`${folder}/jail.conf`, "[DEFAULT]\naction =\n");
    await Deno.mkdir(`${folder}/jail.d`);
    await Deno.copyFile(FILTER, `${folder}/filter.d/sluice.conf`);
    await Deno.copyFile(JAIL, `${folder}/jail.d/sluice.conf`);
    const { stdout, stderr } = await new Deno.Command("fail2ban-client", {
      args: ["-c", folder, "-d"],
    }).output();
    const text = new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
    assert.doesNotMatch(text, /ERROR/);
    for (const part of ["'addfailregex'", "'addjournalmatch'", "'logtimezone', 'UTC'"]) {
      assert.ok(text.includes(`'sluice', ${part}`), text);
    }
    assert.ok(text.includes("['start', 'sluice']"), text);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
