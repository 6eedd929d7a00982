/** Aliases over a running server: who sends as whom, what groups count, and what is told of faulty ones. */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { until } from "./fixtures/process.ts";
import { type ServerFixture, startServer } from "./fixtures/server.ts";
import { SmtpClient } from "./fixtures/smtp_client.ts";

const PASSWORD = "x";

async function logIn(server: ServerFixture, user: string): Promise<SmtpClient> {
  const client = await SmtpClient.connect(server.ports.submission);
  const plain = Buffer.from(`\0${user}\0${PASSWORD}`).toString("base64");
  const replies = await client.exchange(`EHLO client.test\r\nAUTH PLAIN ${plain}\r\n`, 3);
  assert.match(replies[2], /^235 /, user);
  return client;
}

/** The reply to MAIL, with the transaction ended. */
async function mailFrom(client: SmtpClient, sender: string): Promise<string> {
  const [reply] = await client.exchange(`MAIL FROM:<${sender}>\r\nRSET\r\n`, 2);
  return reply.slice(0, 9);
}

/** The reply to one message whose author is `from`. */
async function send(client: SmtpClient, from: string, to: string): Promise<string> {
  const envelope = `MAIL FROM:<ann@x.test>\r\nRCPT TO:<${to}>\r\nDATA\r\n`;
  const replies = await client.exchange(envelope, 3);
  if (!replies[2].startsWith("354")) return replies[2];
  return (await client.exchange(`From: ${from}\r\n\r\n.\r\n`, 1))[0];
}

async function rcptTo(server: ServerFixture, recipient: string): Promise<string> {
  using client = await SmtpClient.connect(server.ports.smtp);
  const lines = `EHLO client.test\r\nMAIL FROM:<>\r\nRCPT TO:<${recipient}>\r\n`;
  return (await client.exchange(lines, 4))[3];
}

async function fill(server: ServerFixture): Promise<void> {
  for (const domain of ["x.test", "y.test"]) await server.cli("domain", "add", domain, "--no-dkim");
  for (const user of ["ann@x.test", "bob@x.test", "bob+sales@x.test", "carl@x.test"]) {
    await server.cli("user", "add", user, "--password", PASSWORD);
  }
  await server.cli("alias", "add", "@x.test", "ann@x.test");
  await server.cli("alias", "add", "carl@x.test", "carl@x.test", "ann@x.test");
  await server.cli("alias", "add", "bob+press@x.test", "carl@x.test");
  await server.cli("user", "grant", "carl@x.test", "bob@x.test");
  await server.cli("alias", "add", "team@y.test", "bob@x.test", "gone@y.test", "left@y.test");
  await server.cli("alias", "add", "lost@y.test", "gone@y.test");
  await server.cli("alias", "add", "three@y.test", "1@o.invalid", "2@o.invalid", "3@o.invalid");
}

Deno.test("aliases: names, groups and limits of a running server", async (t) => {
  await using server = await startServer({
    ALLOW_AUTH_WITHOUT_TLS: "true",
    MAX_MESSAGES_PER_HOUR: "2",
    SMARTHOST: "smtp://127.0.0.1:1",
  });
  await fill(server);

  await t.step(
    "no user sends as another, whatever aliases lead to him (RFC 6409 §6.1)",
    async () => {
      const own = {
        "ann@x.test": ["ann@x.test", "ann+x@x.test", "nobody@x.test"],
        "bob@x.test": ["bob@x.test", "bob+x@x.test", "team@y.test"],
        "carl@x.test": ["carl@x.test", "bob+press@x.test", "bob@x.test"],
      };
      const foreign = {
        "ann@x.test": [
          "bob@x.test",
          "carl@x.test",
          "bob+x@x.test",
          "postmaster@x.test",
          "n@y.test",
        ],
        "bob@x.test": ["bob+sales@x.test", "bob+press@x.test", "nobody@x.test"],
        "carl@x.test": ["ann@x.test", "nobody@x.test"],
      };
      for (const [expected, names] of [["250 2.1.0", own], ["553 5.7.1", foreign]] as const) {
        for (const [user, senders] of Object.entries(names)) {
          using client = await logIn(server, user);
          for (const sender of senders) {
            assert.equal(await mailFrom(client, sender), expected, `${user} as ${sender}`);
          }
        }
      }
      using client = await logIn(server, "ann@x.test");
      assert.match(await send(client, "carl@x.test", "ann@x.test"), /^550 5\.7\.1 /);
    },
  );

  await t.step(
    "a group counts whom it leads to outside, a message broken off nothing",
    async () => {
      using client = await logIn(server, "ann@x.test");
      assert.match(
        await send(client, "ann@x.test", "three@y.test"),
        /^550 5\.7\.1 Your limit is 2 /,
      );
      for (let broken = 0; broken < 2; broken++) {
        using client = await logIn(server, "ann@x.test");
        await client.exchange(
          "MAIL FROM:<ann@x.test>\r\nRCPT TO:<bob@x.test>\r\nRCPT TO:<bob+x@x.test>\r\n",
          3,
        );
        let reply = "";
        await until(async () => {
          [reply] = await client.exchange("DATA\r\n", 1);
          if (reply.startsWith("354")) return true;
          assert.match(reply, /^452 4\.7\.1 /);
          await client.exchange(
            "MAIL FROM:<ann@x.test>\r\nRCPT TO:<bob@x.test>\r\nRCPT TO:<bob+x@x.test>\r\n",
            3,
          );
          return false;
        });
      }
      await until(async () => /^250 /.test(await send(client, "ann@x.test", "bob@x.test")));
    },
  );

  await t.step("a group goes to who is left, and the log tells who is not", async () => {
    assert.match(await rcptTo(server, "team@y.test"), /^250 /);
    assert.match(await rcptTo(server, "team@y.test"), /^250 /);
    assert.match(await rcptTo(server, "lost@y.test"), /^550 5\.1\.1 /);
    const told = () => [...server.log().matchAll(/^.*leads to nobody by.*$/gm)];
    await until(() => told().length === 2);
    assert.match(told()[0][0], /team@y\.test leads to nobody by gone@y\.test, left@y\.test/);
    assert.match(told()[1][0], /lost@y\.test leads to nobody by gone@y\.test/);
    const counted = /^smtp_alias_faults_total{fault="dead_targets"} 3$/m;
    await until(async () => counted.test(await server.metrics()));
  });
});
