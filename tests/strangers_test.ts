/** How a running server treats strangers before and behind DATA: lists, names, policies, and what it says of it. */
import assert from "node:assert/strict";
import type { ZoneData } from "../engine/dns/zone_resolver.ts";
import { startZoneServer } from "./fixtures/dns_server.ts";
import { newCopies, readCopy } from "./fixtures/maildir.ts";
import { until } from "./fixtures/process.ts";
import { type ServerFixture, startServer } from "./fixtures/server.ts";
import { SmtpClient } from "./fixtures/smtp_client.ts";

const LISTED = "127.0.0.5";
const NAMELESS = "127.0.0.6";
const NAMED = "127.0.0.7";

const ZONE: ZoneData = {
  "5.0.0.127.bl.test": { a: ["127.0.0.4"], txt: ["see https://bl.test/5"] },
  // As if the wildcard of somebody's resolver answered.
  "7.0.0.127.bl.test": { a: ["192.0.2.1"] },
  "7.0.0.127.in-addr.arpa": { ptr: ["client.sender.test"] },
  "5.0.0.127.in-addr.arpa": { ptr: ["listed.sender.test"] },
  "client.sender.test": { a: [NAMED] },
  "listed.sender.test": { a: [LISTED] },
  "sender.test": { txt: ["v=spf1 ip4:127.0.0.0/8 -all"] },
  "_dmarc.sender.test": { txt: ["v=DMARC1; p=reject"] },
  "reject.test": { txt: ["v=spf1 -all"] },
  "_dmarc.reject.test": { txt: ["v=DMARC1; p=reject"] },
  "quarantine.test": { txt: ["v=spf1 -all"] },
  "_dmarc.quarantine.test": { txt: ["v=DMARC1; p=quarantine"] },
  "none.test": { txt: ["v=spf1 -all"] },
  "_dmarc.none.test": { txt: ["v=DMARC1; p=none"] },
};

interface Attempt {
  readonly from?: string;
  readonly helo?: string;
  readonly sender?: string;
  readonly recipients?: readonly string[];
  readonly subject?: string;
}

/** The last reply of a session that sends one message, or is turned away. */
async function send(server: ServerFixture, attempt: Attempt = {}): Promise<string> {
  const {
    from = NAMED,
    helo = "client.sender.test",
    sender = "a@sender.test",
    recipients = ["admin@localhost"],
    subject = "hello",
  } = attempt;
  using client = await SmtpClient.connect(server.ports.smtp, { from });
  const say = async (line: string) => {
    const replies = await client.exchange(`${line}\r\n`, 1);
    return replies[0];
  };
  let [reply] = await client.exchange("", 1);
  if (!reply.startsWith("220")) return reply;
  for (const line of [`EHLO ${helo}`, `MAIL FROM:<${sender}>`]) reply = await say(line);
  for (const recipient of recipients) reply = await say(`RCPT TO:<${recipient}>`);
  if (!reply.startsWith("250")) return reply;
  await say("DATA");
  return await say([
    `From: Ann <${sender}>`,
    "To: admin@localhost",
    `Subject: ${subject}`,
    `Date: ${new Date().toUTCString().replace("GMT", "+0000")}`,
    `Message-ID: <${crypto.randomUUID()}@sender.test>`,
    "",
    "Shall we meet on Friday at the usual place? I have the papers for you.",
    ".",
  ].join("\r\n"));
}

/** The copy with this subject, wherever it lies. */
async function copyOf(server: ServerFixture, subject: string, folder = ""): Promise<string> {
  const mailbox = `${server.mailbox}${folder}`;
  const find = () =>
    newCopies(mailbox).map((name) => readCopy(mailbox, name))
      .map(({ trace, octets }) => trace + octets.toString("latin1"))
      .find((text) => text.includes(`Subject: ${subject}\r\n`));
  await until(() => find() !== undefined);
  return find()!;
}

function ruleHits(metrics: string, rule: string): number {
  const pattern = new RegExp(`^smtp_inbound_rule_hits_total{rule="${rule}"[^}]*} (\\d+)$`, "gm");
  return [...metrics.matchAll(pattern)].reduce((sum, [, count]) => sum + Number(count), 0);
}

Deno.test("strangers: are judged by lists, names and DMARC, each with its reply, metric and line", async (t) => {
  await using dns = await startZoneServer();
  dns.serve(ZONE);
  await using server = await startServer({
    TRUSTED_NETWORKS: "none",
    DNS_SERVERS: `127.0.0.1:${dns.address.port}`,
    DNS_LISTS: "bl.test=127.0.0.[2..4]*9",
    REVERSE_DNS: "require",
    HELO_CHECK: "require",
    TARPIT_MAX_S: "0.3",
    SPAM_TAG_SCORE: "10",
  });
  const refused = async (attempt: Attempt, reply: RegExp, rule: string) => {
    assert.match(await send(server, attempt), reply);
    assert.ok(ruleHits(await server.metrics(), rule) > 0, rule);
    await until(() => server.log().includes(`"rule":"${rule}"`));
  };
  await t.step(
    "a listed client is told by which list",
    () =>
      refused(
        { from: LISTED },
        /^550 5\.7\.1 .*listed by bl\.test.*see https:\/\/bl\.test\/5/,
        "dns_list",
      ),
  );
  await t.step("it reaches postmaster all the same", async () => {
    const recipients = ["postmaster@localhost"];
    assert.match(await send(server, { from: LISTED, recipients, subject: "unlist" }), /^250/);
  });
  await t.step(
    "a client without a name in the DNS",
    () => refused({ from: NAMELESS }, /^550 5\.7\.25 /, "reverse_dns"),
  );
  await t.step(
    "a HELO that is no name",
    () => refused({ helo: "localhost" }, /^550 5\.7\.1 .*HELO/, "helo"),
  );
  await t.step(
    "mail its domain wants rejected",
    () =>
      refused(
        { sender: "a@reject.test" },
        /^550 5\.7\.\d+ .*DMARC policy of reject\.test/,
        "dmarc_fail",
      ),
  );
  await t.step("mail its domain wants in quarantine goes to Junk", async () => {
    assert.match(await send(server, { sender: "a@quarantine.test", subject: "odd" }), /^250/);
    assert.match(await copyOf(server, "odd", "/.Junk"), /\r\nX-Spam-Flag: YES\r\n/);
  });
  await t.step(
    "mail of a domain that asks for nothing, and of an honest one, is delivered",
    async () => {
      assert.match(await send(server, { sender: "a@none.test", subject: "plain" }), /^250/);
      assert.match(await copyOf(server, "plain"), /\r\nX-Spam-Flag: NO\r\n[^]*dmarc=fail/);
      assert.match(await send(server, { subject: "honest" }), /^250/);
      const copy = await copyOf(server, "honest");
      assert.match(
        copy,
        /Received: from client\.sender\.test \(client\.sender\.test \[127\.0\.0\.7\]\)/,
      );
      assert.match(copy, /\tiprev=pass [^]*spf=pass [^]*dmarc=pass header\.from=sender\.test/);
    },
  );
  await t.step("who guesses names waits for his answers", async () => {
    const names = Array.from({ length: 12 }, (_, n) => `nobody${n}@localhost`);
    const startedMs = performance.now();
    assert.match(await send(server, { recipients: names }), /^550 5\.1\.1/);
    const tookMs = performance.now() - startedMs;
    assert.ok(tookMs >= 300 && tookMs < 10_000, `${tookMs} ms`);
  });
});

Deno.test("strangers: an operator's own policy has its say, and a filter that is away puts mail off", async () => {
  await using dns = await startZoneServer();
  dns.serve(ZONE);
  const module = await Deno.makeTempFile({ suffix: ".ts" });
  await Deno.writeTextFile(
    module,
    `export default {
      onRcpt: ({ reversePath }: { reversePath: string }) =>
        reversePath === "bad@sender.test" ? { kind: "refuse", text: "not you" } : undefined,
      onMessage: ({ header }: { header: { first(name: string): string | null } }) => {
        if (header.first("Subject") === "throws") throw new Error("a mistake of the operator's");
        return header.first("Subject") === "heavy"
          ? { kind: "score", points: 7, text: "as the operator has it" }
          : undefined;
      },
    };`,
  );
  await using server = await startServer({
    TRUSTED_NETWORKS: "none",
    DNS_SERVERS: `127.0.0.1:${dns.address.port}`,
    POLICY_MODULE: module,
    CLAMD_ADDRESS: "127.0.0.1:1",
    CLAMD_ON_FAILURE: "accept",
  });
  assert.match(await send(server, { sender: "bad@sender.test" }), /^550 5\.7\.1 not you/);
  assert.match(await send(server, { subject: "throws" }), /^250/);
  assert.match(await copyOf(server, "throws"), /X-Spam-Flag: NO/);
  assert.match(await send(server, { subject: "heavy" }), /^250/);
  assert.match(await copyOf(server, "heavy", "/.Junk"), /POLICY=7\.0/);
  assert.match(server.log(), /a mistake of the operator's/);
  assert.match(server.log(), /clamd has no answer/);
  await Deno.remove(module);
});

Deno.test("strangers: who talks before the greeting, and mail a filter must see, come again later", async () => {
  await using dns = await startZoneServer();
  dns.serve(ZONE);
  await using server = await startServer({
    TRUSTED_NETWORKS: "none",
    DNS_SERVERS: `127.0.0.1:${dns.address.port}`,
    GREET_PAUSE_MS: "500",
    CLAMD_ADDRESS: "127.0.0.1:1",
    CLAMD_ON_FAILURE: "defer",
  });
  using client = await SmtpClient.connect(server.ports.smtp, { from: NAMED });
  assert.match((await client.exchange("EHLO early.test\r\n", 1))[0], /^421 4\.7\.0 /);
  assert.ok(ruleHits(await server.metrics(), "early_talker") > 0);
  assert.match(await send(server), /^451 4\.7\.1 /);
});
