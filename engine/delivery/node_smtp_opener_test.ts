import assert from "node:assert/strict";
import { createServer, type Server } from "node:net";
import { SMTPServer, type SMTPServerOptions } from "smtp-server";
import { makeSelfSigned } from "../crypto/self_signed.ts";
import { type Opened, type OpenRequest, openSession } from "./node_smtp_opener.ts";
import { SmtpSession } from "./node_smtp_session.ts";
import { type Script, ScriptedServer, smtpScript } from "./testdata/scripted_server.ts";

const certificate = await makeSelfSigned(["mx.there.test"], { nowMs: Date.now() });
const OPTIONS = { hostname: "here.test", connectTimeoutMs: 500, commandTimeoutMs: 300 };

function open(port: number, fields: Partial<OpenRequest> = {}): Promise<Opened> {
  const request: OpenRequest = {
    protocol: "smtp",
    address: "127.0.0.1",
    port,
    hostName: "mx.there.test",
    security: "opportunistic",
    credentials: null,
    ...fields,
  };
  return openSession(request, OPTIONS);
}

async function openScript(script: Script, fields: Partial<OpenRequest> = {}): Promise<Opened> {
  await using server = await ScriptedServer.start(script);
  const opened = await open(server.port, fields);
  if (opened.kind === "open") opened.socket.destroy();
  return opened;
}

/** A real server, closed with its scope. */
async function realServer(
  options: SMTPServerOptions,
): Promise<AsyncDisposable & { readonly port: number; readonly logins: string[] }> {
  const logins: string[] = [];
  const server = new SMTPServer({
    ...certificate,
    authOptional: true,
    allowInsecureAuth: true,
    disableReverseLookup: true,
    onAuth: (auth, _session, callback) => {
      logins.push(`${auth.method} ${auth.username} ${auth.password}`);
      if (auth.password === "right") callback(null, { user: auth.username });
      else callback(new Error("535 no"));
    },
    onData: (stream, _session, callback) => {
      stream.on("end", () => callback());
      stream.resume();
    },
    ...options,
  });
  server.on("error", () => {});
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", () => resolve()));
  const { port } = (server.server as Server).address() as { port: number };
  return {
    port,
    logins,
    [Symbol.asyncDispose]: () => new Promise((resolve) => server.close(() => resolve())),
  };
}

/** What became of a message over this session. */
async function transmit(opened: Extract<Opened, { kind: "open" }>): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const session = new SmtpSession({
    protocol: "smtp",
    socket: opened.socket,
    extensions: opened.extensions,
    commandTimeoutMs: 5_000,
    now: Date.now,
    onReady: () => {},
    onClosed: resolve,
  });
  const result = await session.transmit({
    reversePath: "ann@here.test",
    forwardPaths: ["bob@there.test"],
    bodyType: "7bit",
    needsSmtpUtf8: false,
    octets: new TextEncoder().encode("Subject: hi\r\n\r\nhi\r\n"),
    beginBeforeMs: Infinity,
    endBeforeMs: Infinity,
  });
  const closed = new Promise((resolve) => opened.socket.once("close", resolve));
  session.close();
  await promise;
  await closed;
  return result.kind === "untried" ? "untried" : result.outcomes[0].diagnostic;
}

Deno.test("openSession: a server that greets is ready, and nothing of the setup is left behind", async () => {
  const { run, commands } = smtpScript({
    extensions: ["PIPELINING", "8bitmime", "SIZE 1000", "SMTPUTF8", "HELP"],
  });
  await using server = await ScriptedServer.start(run);
  const opened = await open(server.port);
  assert.ok(opened.kind === "open");
  assert.equal(opened.isSecure, false);
  assert.deepEqual(opened.extensions, {
    pipelining: true,
    eightBitMime: true,
    smtpUtf8: true,
    size: true,
    maxOctets: 1000,
  });
  for (const event of ["data", "error", "timeout"]) {
    assert.equal(opened.socket.listenerCount(event), 0, event);
  }
  assert.match(await transmit(opened), /^250/);
  assert.deepEqual(commands.slice(0, 2), ["EHLO here.test", "MAIL FROM:<ann@here.test> SIZE=19"]);
});

Deno.test("openSession: SIZE without a number, or of 0, is no limit (RFC 1870 §4)", async () => {
  for (const size of ["SIZE", "SIZE 0", "SIZE many"]) {
    const opened = await openScript(smtpScript({ extensions: [size] }).run);
    assert.ok(opened.kind === "open");
    assert.equal(opened.extensions.size, true);
    assert.equal(opened.extensions.maxOctets, Infinity);
  }
});

Deno.test("openSession: a greeting that refuses is never final", async () => {
  for (const greeting of ["554 5.7.1 go away", "421 4.3.2 busy", "450 later"]) {
    const opened = await openScript(async (peer) => {
      await peer.send(`${greeting}\r\n`);
      await peer.line();
    });
    assert.ok(opened.kind === "unusable");
    assert.equal(opened.outcome.kind, "deferred");
    assert.match(opened.outcome.enhancedStatus, /^4\./);
    assert.ok(
      opened.outcome.diagnostic.startsWith(greeting.slice(0, 3)),
      opened.outcome.diagnostic,
    );
    assert.equal(opened.inTls, false);
  }
});

Deno.test("openSession: EHLO refused, then HELO will do (RFC 5321 §3.2)", async () => {
  const { run, commands } = smtpScript({
    extensions: [],
    answer: (command) => command.startsWith("EHLO") ? "502 5.5.1 what?" : undefined,
  });
  const opened = await openScript(run);
  assert.ok(opened.kind === "open");
  assert.deepEqual(commands.slice(0, 2), ["EHLO here.test", "HELO here.test"]);
  assert.equal(opened.extensions.pipelining, false);
  const both = smtpScript({
    extensions: [],
    answer: (command) => /^(EHLO|HELO)/.test(command) ? "550 5.7.1 no" : undefined,
  });
  const refused = await openScript(both.run);
  assert.ok(refused.kind === "unusable" && refused.outcome.kind === "deferred");
});

Deno.test("openSession: STARTTLS with a certificate nobody vouches for (RFC 7435)", async () => {
  await using server = await realServer({ authOptional: true });
  const opened = await open(server.port);
  assert.ok(opened.kind === "open");
  assert.equal(opened.isSecure, true);
  assert.equal(opened.extensions.pipelining, true);
  for (const event of ["data", "timeout"]) assert.equal(opened.socket.listenerCount(event), 0);
  assert.match(await transmit(opened), /^250/);
});

Deno.test("openSession: STARTTLS with a host that is known by its address only (RFC 6066 §3)", async () => {
  await using server = await realServer({});
  for (const hostName of ["127.0.0.1", "[127.0.0.1]", "::1", "[IPv6:::1]"]) {
    const opened = await open(server.port, { hostName });
    assert.ok(opened.kind === "open" && opened.isSecure, hostName);
    assert.match(await transmit(opened), /^250/);
  }
});

Deno.test("openSession: TLS from the first octet, and plain text where it is asked for", async () => {
  await using secure = await realServer({ secure: true });
  const implicit = await open(secure.port, { security: "implicit" });
  assert.ok(implicit.kind === "open" && implicit.isSecure);
  assert.match(await transmit(implicit), /^250/);
  await using server = await realServer({});
  const plain = await open(server.port, { security: "plain" });
  assert.ok(plain.kind === "open" && !plain.isSecure);
  assert.match(await transmit(plain), /^250/);
});

Deno.test("openSession: STARTTLS refused, the session goes on with all it offered", async () => {
  const { run } = smtpScript({
    extensions: ["STARTTLS", "PIPELINING", "SMTPUTF8"],
    answer: (command) => command === "STARTTLS" ? "454 4.7.0 not now" : undefined,
  });
  const opened = await openScript(run);
  assert.ok(opened.kind === "open");
  assert.equal(opened.isSecure, false);
  assert.equal(opened.extensions.pipelining, true);
  assert.equal(opened.extensions.smtpUtf8, true);
});

Deno.test("openSession: a handshake that fails, hangs or is cut off says so", async () => {
  for (const after of ["garbage", "silence", "end"]) {
    const script: Script = async (peer) => {
      await peer.send("220 test\r\n");
      await peer.line();
      await peer.send("250-test\r\n250 STARTTLS\r\n");
      await peer.line();
      await peer.send("220 go\r\n");
      if (after === "garbage") await peer.send("this is no TLS record at all, not in any way\r\n");
      if (after === "end") peer.destroy();
    };
    const opened = await openScript(script);
    assert.ok(opened.kind === "unusable");
    assert.equal(opened.inTls, true, `${after}: ${opened.outcome.diagnostic}`);
    assert.equal(opened.outcome.kind, "deferred");
  }
});

Deno.test("openSession: plain text slipped in before the handshake is not believed (RFC 3207 §6)", async () => {
  const script: Script = async (peer) => {
    await peer.send("220 test\r\n");
    await peer.line();
    await peer.send("250-test\r\n250 STARTTLS\r\n");
    await peer.line();
    await peer.send("220 go\r\n250-evil\r\n250 SIZE 1\r\n");
  };
  const opened = await openScript(script);
  assert.equal(opened.kind, "unusable");
});

Deno.test("openSession: AUTH to a smarthost, by what it knows (RFC 4954)", async () => {
  for (const method of ["PLAIN", "LOGIN"]) {
    await using server = await realServer({ authMethods: [method] });
    const credentials = { user: "ann", password: "right" };
    const opened = await open(server.port, { credentials });
    assert.ok(opened.kind === "open");
    assert.match(await transmit(opened), /^250/);
    assert.deepEqual(server.logins, [`${method} ann right`]);
    const refused = await open(server.port, { credentials: { ...credentials, password: "wrong" } });
    assert.ok(refused.kind === "unusable");
    assert.equal(refused.outcome.kind, "deferred");
    assert.match(refused.outcome.diagnostic, /^535/);
  }
});

Deno.test("openSession: a password goes to the machine itself or through TLS, else nowhere", async () => {
  const { run, commands } = smtpScript({ extensions: ["AUTH PLAIN"] });
  const credentials = { user: "ann", password: "right" };
  const opened = await openScript(run, { address: "0.0.0.0", credentials });
  assert.ok(opened.kind === "unusable" && opened.outcome.kind === "deferred");
  assert.match(opened.outcome.diagnostic, /no TLS/);
  assert.ok(!commands.some((command) => command.startsWith("AUTH")));
});

Deno.test("openSession: nobody there, or nobody who speaks, is deferred in time", async () => {
  const gone = createServer();
  await new Promise<void>((resolve) => gone.listen(0, "127.0.0.1", resolve));
  const { port } = gone.address() as { port: number };
  await new Promise((resolve) => gone.close(resolve));
  const refused = await open(port);
  assert.ok(refused.kind === "unusable");
  assert.equal(refused.outcome.enhancedStatus, "4.4.1");
  assert.match(refused.outcome.diagnostic, /ECONNREFUSED/);

  const trickle: Script = async (peer) => {
    while (!peer.hasEnded) {
      await peer.send("220-wait\r\n");
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  };
  const silence: Script = (peer) => peer.closed();
  const ends: Script = (peer) => peer.end();
  for (const script of [silence, trickle, ends]) {
    const startMs = performance.now();
    const opened = await openScript(script);
    assert.ok(opened.kind === "unusable");
    assert.equal(opened.outcome.kind, "deferred");
    assert.ok(performance.now() - startMs < 2_000);
  }
});

Deno.test("openSession: EHLO that trickles does not hold a place for ever", async () => {
  const opened = await openScript(async (peer) => {
    await peer.send("220 test\r\n");
    await peer.line();
    while (!peer.hasEnded) {
      await peer.send("250-wait\r\n");
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  });
  assert.ok(opened.kind === "unusable");
  assert.match(opened.outcome.diagnostic, /too long/);
});
