/** Logins against what the operator does meanwhile, and against what the log must not tell. */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { until } from "./fixtures/process.ts";
import { startServer } from "./fixtures/server.ts";
import { SmtpClient } from "./fixtures/smtp_client.ts";

const SECRET = "correct-horse-battery";

function plain(name: string, password: string): string {
  return `AUTH PLAIN ${Buffer.from(`\0${name}\0${password}`).toString("base64")}`;
}

Deno.test("login: ends with what it was granted by, and tells no password", async (test) => {
  await using server = await startServer({
    ALLOW_AUTH_WITHOUT_TLS: "true",
    AUTH_FAILURE_DELAY_S: "0",
  });
  await server.cli("user", "add", "ann@localhost", "--password", "first");
  const ask = async (client: SmtpClient, line: string) => {
    await client.send(`${line}\r\n`);
    let reply = await client.readLine();
    while (reply?.[3] === "-") reply = await client.readLine();
    return reply?.trimEnd() ?? "";
  };
  const open = async () => {
    const client = await SmtpClient.connect(server.ports.submission);
    await client.readLine();
    await ask(client, "EHLO client.example");
    return client;
  };
  const logIn = async (password: string) => {
    const client = await open();
    assert.match(await ask(client, plain("ann@localhost", password)), /^235 /);
    return client;
  };
  const send = async (client: SmtpClient, sender = "ann@localhost") => {
    const reply = await ask(client, `MAIL FROM:<${sender}>`);
    if (reply.startsWith("250")) await ask(client, "RSET");
    return reply.slice(0, 9);
  };

  await test.step("a kept session loses the grants its user loses", async () => {
    await server.cli("user", "grant", "ann@localhost", "sales@localhost");
    using client = await logIn("first");
    assert.equal(await send(client, "sales@localhost"), "250 2.1.0");
    await server.cli("user", "ungrant", "ann@localhost", "sales@localhost");
    await until(async () => await send(client, "sales@localhost") === "553 5.7.1");
  });

  for (
    const [what, ...words] of [
      ["a changed password", "user", "password", "ann@localhost", "--password", "second"],
      ["disabling", "user", "disable", "ann@localhost"],
    ]
  ) {
    await test.step(`${what} ends a kept session`, async () => {
      using client = await logIn(what === "disabling" ? "second" : "first");
      assert.equal(await send(client), "250 2.1.0");
      await server.cli(...words);
      let reply = "";
      await until(async () => (reply = await send(client)) !== "250 2.1.0");
      assert.equal(reply, "421 4.7.0");
      assert.equal(await client.readLine(), null);
    });
  }

  await test.step("a password in place of the name is not logged", async () => {
    using client = await open();
    for (const name of [SECRET, `${SECRET} `, `ann@${SECRET}`]) {
      assert.match(await ask(client, plain(name, "x")), /^535 /);
    }
    assert.match(await ask(client, plain("ann@localhost", "x")), /^535 /);
    const failed = / AUTH PLAIN from 127\.0\.0\.1 as (\S+) failed"/;
    await until(() => /as ann@localhost failed/.test(server.log()));
    const names = [...server.log().matchAll(new RegExp(failed.source.trim(), "g"))];
    assert.equal(names.filter(([, name]) => /^unknown#[0-9a-f]{8}$/.test(name)).length, 3);
    assert.ok(!server.log().includes(SECRET));
  });
});
