/** Strangers relay nothing, in whatever form they name their recipient; nmap and swaks find no way. */
import assert from "node:assert/strict";
import { newCopies } from "../fixtures/maildir.ts";
import { installed } from "../fixtures/process.ts";
import { startServer } from "../fixtures/server.ts";
import { SmtpClient } from "../fixtures/smtp_client.ts";
import { startSink } from "../fixtures/smtp_sink.ts";

const OURS = "example.org";
const VICTIM = "victim.test";

/** Forms of the past by which some server could be talked into relaying. */
const RECIPIENTS = [
  `<user@${VICTIM}>`,
  `<user%${VICTIM}@${OURS}>`,
  `<user%${VICTIM}>`,
  `<user%${VICTIM}@[127.0.0.1]>`,
  `<"user@${VICTIM}">`,
  `<"user%${VICTIM}">`,
  `<user@${VICTIM}@${OURS}>`,
  `<"user@${VICTIM}"@${OURS}>`,
  `<"user@${VICTIM}"@[127.0.0.1]>`,
  `<user@${VICTIM}@[127.0.0.1]>`,
  `<@${OURS}:user@${VICTIM}>`,
  `<@[127.0.0.1]:user@${VICTIM}>`,
  `<${VICTIM}!user>`,
  `<${VICTIM}!user@${OURS}>`,
  `<${VICTIM}!user@[127.0.0.1]>`,
  `<user@[192.0.2.1]>`,
  `<user@[IPv6:2001:db8::1]>`,
  `<user@${VICTIM}.>`,
  `<admin@${OURS}.${VICTIM}>`,
  `<SRS0=AAAA=AA=${VICTIM}=user@${OURS}>`,
  `<SRS1=AAAA=${VICTIM}==BBBB=AA=${VICTIM}=user@${OURS}>`,
  `user@${VICTIM}`,
];
const SENDERS = [
  "<>",
  `<a@${VICTIM}>`,
  `<admin@${OURS}>`,
  `<admin@[127.0.0.1]>`,
  `<postmaster@${OURS}>`,
];

Deno.test("open relay: no form of an address gets a stranger's mail out", async (t) => {
  await using sink = await startSink();
  await using server = await startServer({
    SERVER_DOMAIN: OURS,
    SMARTHOST: `smtp://127.0.0.1:${sink.port}`,
  });

  for (const listener of ["smtp", "submission", "smtps"] as const) {
    await t.step(`forms of old, on ${listener}`, async () => {
      for (const sender of SENDERS) {
        for (const recipient of RECIPIENTS) {
          using client = await SmtpClient.connect(server.ports[listener], {
            tls: listener === "smtps",
          });
          await client.exchange("", 1);
          await client.exchange("EHLO client.test\r\n", 1);
          const [mail] = await client.exchange(`MAIL FROM:${sender}\r\n`, 1);
          const [rcpt] = await client.exchange(`RCPT TO:${recipient}\r\n`, 1);
          assert.match(rcpt, /^5/, `${sender} ${recipient}: ${mail}, ${rcpt}`);
          await client.exchange("QUIT\r\n", 1);
        }
      }
    });
  }

  await t.step("swaks", async () => {
    if (await installed(["/usr/bin/swaks"]) === null) return console.warn("skipped swaks");
    for (const port of ["smtp", "submission", "smtps"] as const) {
      const { code, stdout } = await new Deno.Command("swaks", {
        args: [
          ...["--server", "127.0.0.1", "--port", String(server.ports[port])],
          ...["--from", `admin@${OURS}`, "--to", `user@${VICTIM}`],
          ...(port === "smtps" ? ["--tls-on-connect"] : ["--tls"]),
        ],
        stderr: "null",
      }).output();
      assert.notEqual(code, 0);
      assert.match(new TextDecoder().decode(stdout), /550 5\.7\.1 |530 5\.7\.0 /);
    }
  });

  await t.step("nmap smtp-open-relay", async () => {
    if (await installed(["/usr/bin/nmap"]) === null) return console.warn("skipped nmap");
    for (const port of [server.ports.smtp, server.ports.submission]) {
      const { stdout } = await new Deno.Command("nmap", {
        args: [
          ...["-Pn", "-n", "-p", String(port), "--script", "+smtp-open-relay"],
          ...["--script-args", `smtp-open-relay.to=user@${VICTIM}`, "127.0.0.1"],
        ],
        stderr: "null",
      }).output();
      const text = new TextDecoder().decode(stdout);
      assert.match(text, /smtp-open-relay: .*(?:all tests failed|[Aa]uth)/s, text);
      assert.doesNotMatch(text, /is an open relay \(/, text);
    }
  });

  assert.deepEqual(sink.messages, []);
  assert.deepEqual(newCopies(server.mailbox), []);
});
