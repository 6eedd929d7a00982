/** Users' programs log in and send: swaks, curl, Python's smtplib and nodemailer, by every mechanism. */
import assert from "node:assert/strict";
import { createTransport } from "nodemailer";
import { installed, until } from "../fixtures/process.ts";
import { type ServerFixture, startServer } from "../fixtures/server.ts";
import { startSink } from "../fixtures/smtp_sink.ts";

const DOMAIN = "example.org";
const USER = `ann@${DOMAIN}`;
const PASSWORD = "correct horse";
const CRAM_SECRET = "battery staple";
const METHODS = ["PLAIN", "LOGIN", "CRAM-MD5"] as const;
type Method = (typeof METHODS)[number];
type Port = "submission" | "smtps";

interface Try {
  readonly port: Port;
  readonly method: Method;
  readonly isRight: boolean;
}

const TRIES: readonly Try[] = (["submission", "smtps"] as const).flatMap((port) =>
  METHODS.flatMap((method) => [true, false].map((isRight) => ({ port, method, isRight })))
);

interface Ended {
  readonly code: number;
  readonly text: string;
}

async function run(command: string, args: readonly string[], stdin = ""): Promise<Ended> {
  const child = new Deno.Command(command, {
    args: [...args],
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(stdin));
  await writer.close();
  const { code, stdout, stderr } = await child.output();
  const decoder = new TextDecoder();
  return { code, text: decoder.decode(stdout) + decoder.decode(stderr) };
}

function secretOf({ method, isRight }: Try): string {
  if (!isRight) return "a wrong one";
  return method === "CRAM-MD5" ? CRAM_SECRET : PASSWORD;
}

/** Each answers whether the message was taken, and leaves its name in the subject. */
const CLIENTS: Readonly<
  Record<string, (server: ServerFixture, what: Try & { subject: string }) => Promise<boolean>>
> = {
  swaks: async (server, what) => {
    const { code, text } = await run("swaks", [
      ...["--server", "127.0.0.1", "--port", String(server.ports[what.port])],
      ...[what.port === "smtps" ? "--tls-on-connect" : "--tls", "--auth", what.method],
      ...["--auth-user", USER, "--auth-password", secretOf(what), "--from", USER],
      ...["--to", "friend@example.net", "--header", `Subject: ${what.subject}`],
    ]);
    assert.match(text, what.isRight ? /235 2\.7\.0/ : /535 5\.7\.8/);
    return code === 0;
  },
  curl: async (server, what) => {
    const scheme = what.port === "smtps" ? "smtps" : "smtp";
    const { code } = await run("curl", [
      ...["--silent", "--show-error", "--ssl-reqd", "--insecure"],
      ...["--user", `${USER}:${secretOf(what)}`, "--login-options", `AUTH=${what.method}`],
      ...["--mail-from", USER, "--mail-rcpt", "friend@example.net", "--upload-file", "-"],
      `${scheme}://127.0.0.1:${server.ports[what.port]}/client.test`,
    ], `From: ${USER}\r\nSubject: ${what.subject}\r\n\r\ntext\r\n`);
    return code === 0;
  },
  "python3 smtplib": async (server, what) => {
    const { code, text } = await run("python3", [
      "-c",
      PYTHON,
      JSON.stringify({
        port: server.ports[what.port],
        implicit: what.port === "smtps",
        method: what.method,
        user: USER,
        password: secretOf(what),
        subject: what.subject,
      }),
    ]);
    if (code !== 0) assert.match(text, /SMTPAuthenticationError: \(535/);
    return code === 0;
  },
  nodemailer: async (server, what) => {
    const transport = createTransport({
      host: "127.0.0.1",
      port: server.ports[what.port],
      secure: what.port === "smtps",
      requireTLS: true,
      tls: { rejectUnauthorized: false },
      auth: { user: USER, pass: secretOf(what) },
      authMethod: what.method,
    });
    try {
      const { response } = await transport.sendMail({
        from: USER,
        to: "friend@example.net",
        subject: what.subject,
        text: "text",
      });
      return response.startsWith("250");
    } catch (error) {
      assert.equal((error as { responseCode?: number }).responseCode, 535);
      return false;
    } finally {
      transport.close();
    }
  },
};

const PYTHON = `
import json, smtplib, ssl, sys
want = json.loads(sys.argv[1])
context = ssl._create_unverified_context()
if want["implicit"]:
    client = smtplib.SMTP_SSL("127.0.0.1", want["port"], context=context)
else:
    client = smtplib.SMTP("127.0.0.1", want["port"])
    client.starttls(context=context)
client.ehlo()
client.user, client.password = want["user"], want["password"]
method = want["method"]
client.auth(method, getattr(client, "auth_" + method.lower().replace("-", "_")))
message = "From: %s\\r\\nTo: friend@example.net\\r\\nSubject: %s\\r\\n\\r\\ntext\\r\\n"
client.sendmail(want["user"], ["friend@example.net"], message % (want["user"], want["subject"]))
client.quit()
`;

const PROGRAMS: Readonly<Record<string, readonly string[]>> = {
  swaks: ["/usr/bin/swaks"],
  curl: ["/usr/bin/curl"],
  "python3 smtplib": ["/usr/bin/python3"],
};

Deno.test("submission: every client logs in by every mechanism, and not with a wrong password", async (t) => {
  await using sink = await startSink();
  await using server = await startServer({
    SERVER_DOMAIN: DOMAIN,
    AUTH_METHODS: METHODS.join(","),
    AUTH_FAILURES_PER_ADDRESS: "1000",
    AUTH_FAILURES_PER_USER: "1000",
    AUTH_FAILURE_DELAY_S: "0",
    SMARTHOST: `smtp://127.0.0.1:${sink.port}`,
  });
  await server.cli("user", "add", USER, "--password", PASSWORD);
  await server.cli("user", "cram-md5", "on", USER, "--password", CRAM_SECRET);
  const expected: string[] = [];
  for (const [name, send] of Object.entries(CLIENTS)) {
    const paths = PROGRAMS[name];
    if (paths !== undefined && await installed(paths) === null) {
      console.warn(`skipped ${name}: it is not installed`);
      continue;
    }
    for (const what of TRIES) {
      const subject = `${name} ${what.method} ${what.port}${what.isRight ? "" : " wrong"}`;
      await t.step(subject, async () => {
        assert.equal(await send(server, { ...what, subject }), what.isRight);
        if (what.isRight) expected.push(subject);
      });
    }
  }
  await until(() => sink.messages.length >= expected.length);
  const subjects = sink.messages.map(({ octets }) =>
    /^Subject: (.*)\r$/m.exec(octets.toString("latin1"))?.[1]
  );
  assert.deepEqual(subjects.sort(), expected.sort());
  for (const { octets } of sink.messages) {
    const text = octets.toString("latin1");
    assert.match(text, /^Received: [^]*with ESMTPSA id/m);
    for (const field of ["Date", "Message-ID"]) assert.match(text, new RegExp(`^${field}: `, "mi"));
  }
  const log = server.log();
  for (const secret of [PASSWORD, CRAM_SECRET, "a wrong one", server.password]) {
    const shown = log.split("\n").filter((line) => line.startsWith("{") && line.includes(secret));
    assert.deepEqual(shown, []);
  }
  assert.match(log, /AUTH PLAIN from 127\.0\.0\.1 as ann@example\.org failed/);
});
