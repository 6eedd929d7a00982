/** Mail to and from a real Postfix, over TLS, with a report for what it refuses. */
import assert from "node:assert/strict";
import { newCopies } from "../fixtures/maildir.ts";
import { type PostfixFixture, startPostfix } from "../fixtures/postfix.ts";
import { freePort } from "../fixtures/ports.ts";
import { until } from "../fixtures/process.ts";
import { type ServerFixture, startServer } from "../fixtures/server.ts";
import { SmtpClient } from "../fixtures/smtp_client.ts";

const USERS = ["bob", "carl", "dora"];
const SENDER = "admin@localhost";

/** Complete, so that Postfix adds nothing to it. */
const HEADER = `From: <${SENDER}>\r\nDate: Sat, 31 May 2031 12:00:00 +0000\r\n` +
  "Message-ID: <1@client.test>\r\n";

/** Sends messages in one session, each with its recipients. */
async function send(
  port: number,
  messages: readonly { readonly to: readonly string[]; readonly text: string }[],
): Promise<void> {
  using client = await SmtpClient.connect(port);
  await client.exchange("", 1);
  await client.exchange("EHLO client.test\r\n", 1);
  for (const { to, text } of messages) {
    const commands = [`MAIL FROM:<${SENDER}>`, ...to.map((path) => `RCPT TO:<${path}>`), "DATA"];
    for (const command of commands) {
      const [reply] = await client.exchange(`${command}\r\n`, 1);
      assert.match(reply, command === "DATA" ? /^354/ : /^250/);
    }
    const [reply] = await client.exchange(`${text.replace(/^\./gm, "..")}.\r\n`, 1);
    assert.match(reply, /^250/);
  }
  await client.exchange("QUIT\r\n", 1);
}

function copies(server: ServerFixture): string[] {
  return newCopies(server.mailbox).map((name) =>
    Deno.readTextFileSync(`${server.mailbox}/new/${name}`)
  );
}

function occurrences(text: string, pattern: RegExp): number {
  return [...text.matchAll(pattern)].length;
}

async function readByPython(message: string) {
  const script = new URL("../../engine/dsn/testdata/read_report.py", import.meta.url).pathname;
  const child = new Deno.Command("python3", { args: [script], stdin: "piped", stdout: "piped" })
    .spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(message));
  await writer.close();
  const { success, stdout } = await child.output();
  assert.ok(success);
  return JSON.parse(new TextDecoder().decode(stdout));
}

async function toPostfix(t: Deno.TestContext, server: ServerFixture, postfix: PostfixFixture) {
  await t.step("a message for three is one transaction, through TLS", async () => {
    const to = USERS.map((user) => `${user}@postfix.test`);
    const text = `${HEADER}Subject: for three\r\n\r\n.\r\n..two dots\r\n8 bit: grüße\r\n`;
    await send(server.ports.smtp, [{ to, text }]);
    await until(() => USERS.every((user) => postfix.mails(user).length === 1));
    for (const user of USERS) {
      const [mail] = postfix.mails(user);
      // Postfix keeps its mailboxes with the line ends of the system.
      assert.ok(mail.endsWith(text.replaceAll("\r\n", "\n")), mail);
      assert.match(mail, /using TLSv1\.[23]/);
    }
    assert.equal(occurrences(postfix.log(), /nrcpt=3 \(queue active\)/g), 1);
  });

  await t.step("a hundred messages go over a few kept connections", async () => {
    const before = occurrences(postfix.log(), /: connect from/g);
    const messages = Array.from({ length: 100 }, (_, n) => ({
      to: ["bob@postfix.test"],
      text: `Subject: number ${n}\r\n\r\n${"body\r\n".repeat(n * 20)}`,
    }));
    await send(server.ports.smtp, messages);
    await until(() => postfix.mails("bob").length === 101, 60_000);
    const subjects = new Set(postfix.mails("bob").map((mail) => /^Subject: .*$/m.exec(mail)?.[0]));
    assert.equal(subjects.size, 101);
    assert.ok(occurrences(postfix.log(), /: connect from/g) - before <= 20);
    assert.equal(occurrences(postfix.log(), /lost connection|improper command|timeout/g), 0);
  });

  await t.step("a recipient it refuses is reported to the sender, and only that one", async () => {
    const [before, carl] = [copies(server).length, postfix.mails("carl").length];
    const to = ["nobody@postfix.test", "carl@postfix.test"];
    await send(server.ports.smtp, [{ to, text: "Subject: in part\r\n\r\nhi\r\n" }]);
    await until(() => postfix.mails("carl").length === carl + 1);
    await until(() => copies(server).length === before + 1);
    const report = copies(server).find((mail) => mail.includes("nobody@postfix.test"))!;
    assert.match(report, /^Return-Path: <>/);
    const read = await readByPython(report);
    assert.equal(read.type, "multipart/report");
    assert.equal(read.reportType, "delivery-status");
    assert.deepEqual(read.defects, []);
    const [, fields] = read.parts[1].blocks;
    const field = (name: string) => fields.find(([key]: [string]) => key === name)?.[1];
    assert.equal(field("Final-Recipient"), "rfc822; nobody@postfix.test");
    assert.equal(field("Action"), "failed");
    assert.match(field("Status"), /^5\.1\.1$/);
    assert.match(field("Diagnostic-Code"), /^smtp; 550 5\.1\.1 /);
  });
}

async function fromPostfix(t: Deno.TestContext, server: ServerFixture, port: number) {
  await t.step("what it relays arrives, through TLS and with several at once", async () => {
    const before = copies(server).length;
    const messages = Array.from({ length: 20 }, (_, n) => ({
      to: [SENDER],
      text: `Subject: relayed ${n}\r\n\r\n.dot\r\n`,
    }));
    await send(port, messages);
    await until(() => copies(server).length === before + 20, 60_000);
    const relayed = copies(server).filter((mail) => mail.includes("Subject: relayed"));
    assert.equal(relayed.length, 20);
    for (const mail of relayed) {
      assert.match(mail, /with ESMTPS/);
      assert.ok(mail.endsWith("\r\n\r\n.dot\r\n"));
    }
  });
}

Deno.test("interop: mail to and from Postfix", async (t) => {
  const port = freePort();
  await using server = await startServer({
    SMARTHOST: `smtp://127.0.0.1:${port}`,
    RELAY_NETWORKS: "127.0.0.0/8",
    MAX_CONNECTIONS_PER_IP: "100",
  });
  await using postfix = await startPostfix({ port, relayPort: server.ports.smtp, users: USERS });
  if (postfix === null) {
    console.warn(`skipped ${t.name}: Postfix is not installed, or this is not root`);
    return;
  }
  await toPostfix(t, server, postfix);
  await fromPostfix(t, server, port);
});
