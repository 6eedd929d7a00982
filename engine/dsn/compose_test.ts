import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import fc from "fast-check";
import { anyText } from "../../tests/fixtures/any_text.ts";
import type { AttemptRecord } from "../store/spool.ts";
import { type FailedMessage, reportFor, type ReportOptions } from "./compose.ts";
import { explain } from "./explanation.ts";

const NOW_MS = Date.UTC(2026, 0, 4, 3, 4, 5);

const ATTEMPT: AttemptRecord = {
  startedAtMs: NOW_MS - 2000,
  endedAtMs: NOW_MS - 1000,
  mxHost: "mx.example.com",
  remoteAddress: "203.0.113.9",
  tls: true,
  diagnostic: "550 5.1.1 <bob@example.com>: no such user, and we will not tell you any more than " +
    "that however long this line may grow",
  enhancedStatus: "5.1.1",
};

const MESSAGE: FailedMessage = {
  queueId: "01J0000000000",
  reversePath: "ann@example.org",
  arrivedAtMs: Date.UTC(2026, 0, 2, 3, 4, 5),
  octets: fixture("original.eml"),
  recipients: [
    { finalRecipient: "bob@example.com", originalRecipient: null, attempt: ATTEMPT },
    {
      finalRecipient: "carol@example.net",
      originalRecipient: "Carol@alias.example",
      attempt: {
        ...ATTEMPT,
        mxHost: null,
        remoteAddress: null,
        diagnostic: "connection refused",
        enhancedStatus: "4.4.1",
      },
    },
  ],
};

const OPTIONS: ReportOptions = {
  reportingHost: "mail.example.net",
  reportId: "01J9999999999",
  nowMs: NOW_MS,
  boundary: "b0undary-4f1c",
};

/** A fixture with the line ends of mail, whatever the checkout did to them. */
function fixture(name: string): Uint8Array {
  const text = readFileSync(new URL(`testdata/${name}`, import.meta.url), "latin1");
  return Uint8Array.from(text.replace(/\r?\n/g, "\r\n"), (char) => char.charCodeAt(0));
}

function textOf(octets: Uint8Array): string {
  return new TextDecoder("utf-8", { fatal: true }).decode(octets);
}

interface ReportAsRead {
  header: Record<string, string>;
  type: string;
  reportType: string;
  defects: string[];
  parts: {
    type: string;
    encoding: string;
    defects: string[];
    text?: string;
    blocks?: [string, string][][];
  }[];
  longestLine: number;
}

const hasPython = await runs("python3");

async function runs(command: string): Promise<boolean> {
  try {
    return (await new Deno.Command(command, { args: ["--version"] }).output()).success;
  } catch {
    return false;
  }
}

async function readByPython(octets: Uint8Array): Promise<ReportAsRead> {
  const script = new URL("testdata/read_report.py", import.meta.url).pathname;
  const child = new Deno.Command("python3", { args: [script], stdin: "piped", stdout: "piped" })
    .spawn();
  const writer = child.stdin.getWriter();
  await writer.write(octets);
  await writer.close();
  const { success, stdout } = await child.output();
  assert.ok(success);
  return JSON.parse(new TextDecoder().decode(stdout));
}

Deno.test("reportFor: writes this report of two recipients (RFC 3464, RFC 6522)", () => {
  const report = reportFor(MESSAGE, OPTIONS);
  assert.ok(report !== null);
  assert.equal(textOf(report.octets), textOf(fixture("plain_report.eml")));
  assert.deepEqual([report.reversePath, report.forwardPath], ["", "ann@example.org"]);
  assert.deepEqual([report.bodyType, report.smtpUtf8], ["7bit", false]);
});

Deno.test("reportFor: answers nobody who sent from the null reverse-path (RFC 5321 §6.1)", () => {
  assert.equal(reportFor({ ...MESSAGE, reversePath: "" }, OPTIONS), null);
  assert.equal(reportFor({ ...MESSAGE, recipients: [] }, OPTIONS), null);
});

Deno.test({
  name: "reportFor: Python's email package reads all of it, without defects",
  ignore: !hasPython,
  async fn() {
    const report = await readByPython(reportFor(MESSAGE, OPTIONS)!.octets);
    assert.deepEqual([report.type, report.reportType], ["multipart/report", "delivery-status"]);
    assert.equal(report.header["to"], "ann@example.org");
    assert.equal(report.header["from"], "Mail Delivery System <MAILER-DAEMON@mail.example.net>");
    assert.equal(report.header["auto-submitted"], "auto-replied");
    assert.equal(report.header["in-reply-to"], "<lunch.1@example.org>");
    assert.equal(report.header["message-id"], "<01J9999999999@mail.example.net>");
    assert.equal(report.header["date"], "Sun, 04 Jan 2026 03:04:05 +0000");
    assert.deepEqual(report.defects, []);
    assert.deepEqual(report.parts.map((part) => part.type), [
      "text/plain",
      "message/delivery-status",
      "text/rfc822-headers",
    ]);
    assert.deepEqual(report.parts.flatMap((part) => part.defects), []);
    assert.ok(report.longestLine <= 78);
    const blocks = report.parts[1].blocks!.map((block) => Object.fromEntries(block));
    assert.equal(blocks.length, 3);
    assert.equal(blocks[0]["Reporting-MTA"], "dns; mail.example.net");
    assert.equal(blocks[0]["X-Queue-ID"], "01J0000000000");
    assert.deepEqual(blocks[1], {
      "Final-Recipient": "rfc822; bob@example.com",
      "Action": "failed",
      "Status": "5.1.1",
      "Remote-MTA": "dns; mx.example.com",
      "Diagnostic-Code": `smtp; ${ATTEMPT.diagnostic}`,
      "Last-Attempt-Date": "Sun, 04 Jan 2026 03:04:04 +0000",
    });
    assert.deepEqual(blocks[2], {
      "Original-Recipient": "rfc822; Carol@alias.example",
      "Final-Recipient": "rfc822; carol@example.net",
      "Action": "failed",
      "Status": "4.4.1",
      "Diagnostic-Code": "X-Sluice; connection refused",
      "Last-Attempt-Date": "Sun, 04 Jan 2026 03:04:04 +0000",
    });
    assert.match(report.parts[2].text!, /^Subject: Lunch\r?$/m);
    assert.doesNotMatch(report.parts[2].text!, /stays out/);
  },
});

Deno.test("reportFor: a socket on this machine is not named", () => {
  const path = "/run/dovecot/lmtp";
  for (
    const [diagnostic, shown] of [
      [
        "552 5.2.2 <bob@example.com> Quota exceeded",
        "smtp; 552 5.2.2 <bob@example.com> Quota exceeded",
      ],
      [`cannot connect to ${path}: ENOENT`, "X-Sluice; cannot connect to the mail store: ENOENT"],
    ]
  ) {
    const attempt = { ...ATTEMPT, mxHost: path, remoteAddress: path, diagnostic };
    const recipients = [{ ...MESSAGE.recipients[0], attempt }];
    const text = textOf(reportFor({ ...MESSAGE, recipients }, OPTIONS)!.octets);
    assert.ok(text.includes(`Diagnostic-Code: ${shown}\r\n`), text);
    assert.doesNotMatch(text, /Remote-MTA|\/run/);
  }
});

Deno.test({
  name: "reportFor: international addresses and header sections take the global types (RFC 6533)",
  ignore: !hasPython,
  async fn() {
    const report = reportFor({
      ...MESSAGE,
      reversePath: "анна@example.org",
      octets: new TextEncoder().encode("From: <анна@example.org>\r\nSubject: Обед\r\n\r\nbody"),
      recipients: [{
        finalRecipient: "дима@example.com",
        originalRecipient: null,
        attempt: { ...ATTEMPT, diagnostic: "550 5.1.1 нет такого" },
      }],
    }, OPTIONS);
    assert.ok(report !== null);
    assert.deepEqual([report.bodyType, report.smtpUtf8], ["8bitmime", true]);
    assert.match(textOf(report.octets), /^Final-Recipient: utf-8; дима@example\.com\r$/m);
    assert.match(textOf(report.octets), /^Diagnostic-Code: smtp; 550 5\.1\.1 нет такого\r$/m);
    const read = await readByPython(report.octets);
    assert.deepEqual(read.parts.map((part) => [part.type, part.encoding]), [
      ["text/plain", "8bit"],
      ["message/global-delivery-status", "8bit"],
      ["message/global-headers", "8bit"],
    ]);
    assert.deepEqual(read.defects, []);
  },
});

Deno.test("reportFor: what is not ASCII in a plain report stays out of its 7bit parts", () => {
  const report = reportFor({
    ...MESSAGE,
    octets: Uint8Array.of(0x41, 0x3a, 0x20, 0xff, 0x00, 0x0d, 0x0a, 0x0d, 0x0a),
    recipients: [{
      finalRecipient: "bob@example.com",
      originalRecipient: null,
      attempt: { ...ATTEMPT, diagnostic: "550 Größe\r\nBcc: x" },
    }],
  }, OPTIONS);
  const [, human, status, header] = textOf(report!.octets).split("--b0undary-4f1c");
  assert.match(human, /550 Größe Bcc: x/);
  assert.match(status, /^Diagnostic-Code: smtp; 550 Gr\?\?e Bcc: x\r$/m);
  assert.match(header, /^A: \?\?\r$/m);
  assert.match(header, /text\/rfc822-headers/);
});

Deno.test("reportFor: bounds what it returns of the original, at the end of a line", () => {
  const long = `X-Long: ${"x".repeat(5000)}\r\n`;
  const octets = new TextEncoder().encode(long.repeat(20) + "\r\nbody");
  const report = reportFor({ ...MESSAGE, octets }, OPTIONS)!;
  assert.equal(textOf(report.octets).match(/^X-Long: x+\r$/gm)?.length, 6);
});

Deno.test("reportFor: whatever was said, lines stay below 998 octets and no field is forged", () => {
  const text = anyText({ maxLength: 1200 });
  fc.assert(
    fc.property(text, text, fc.uint8Array({ maxLength: 3000 }), (diagnostic, recipient, octets) => {
      const report = reportFor({
        ...MESSAGE,
        octets,
        recipients: [{
          finalRecipient: recipient,
          originalRecipient: recipient,
          attempt: { ...ATTEMPT, diagnostic },
        }],
      }, OPTIONS)!;
      const written = textOf(report.octets);
      assert.doesNotMatch(written, /\0|\r(?!\n)|(?<!\r)\n/);
      for (const line of written.split("\r\n")) {
        assert.ok(new TextEncoder().encode(line).length <= 998);
      }
      const status = written.split("--b0undary-4f1c")[2];
      const names = status.split("\r\n").map((line) => /^([A-Za-z-]+):/.exec(line)?.[1]);
      assert.deepEqual(
        names.filter((name) =>
          name === "Action" || name === "Status" || name === "Final-Recipient"
        ),
        ["Final-Recipient", "Action", "Status"],
      );
    }),
  );
});

Deno.test("explain: has words for every status, known or not", () => {
  for (const status of ["5.1.1", "5.1.99", "4.4.7", "5.9.9", "nonsense", "", "5.__proto__.x"]) {
    const { problem, advice } = explain(status);
    assert.match(problem, /^[A-Z].*\.$/, status);
    assert.match(advice, /^[A-Z].*\.$/, status);
  }
  assert.notDeepEqual(explain("5.1.1"), explain("5.2.2"));
  assert.deepEqual(explain("4.2.2"), explain("5.2.2"));
});
