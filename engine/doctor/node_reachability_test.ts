import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { SMTPServer } from "smtp-server";
import { makeSelfSigned } from "../crypto/self_signed.ts";
import { probeListener } from "./node_reachability.ts";
import type { ProbeRequest } from "./reachability.ts";

const HOST = "127.0.0.1";

interface Peer extends AsyncDisposable {
  readonly port: number;
}

async function listen(server: Server, sockets: ReadonlySet<Socket> = new Set()): Promise<Peer> {
  server.listen(0, HOST);
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      const closed = new Promise((resolve) => server.close(resolve));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

/** Says `greeting`, then one of `replies` to each line it hears; hangs up once it has no more. */
function startScripted(greeting: string, ...replies: string[]): Promise<Peer> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    const left = [...replies];
    socket.write(greeting);
    socket.on("data", () => {
      const reply = left.shift();
      if (reply === undefined) socket.destroy();
      else socket.write(reply);
    });
  });
  return listen(server, sockets);
}

/** A mail server with a certificate nobody signed. */
async function startMailServer(
  names: readonly string[],
  options: { readonly secure?: boolean; readonly hideSTARTTLS?: boolean } = {},
): Promise<Peer> {
  const { cert, key } = await makeSelfSigned(names, { nowMs: Date.now() });
  return listen(new SMTPServer({ cert, key, ...options }).server);
}

function probe({ port }: Peer, change: Partial<ProbeRequest> = {}) {
  return probeListener({
    host: HOST,
    port,
    tls: "starttls",
    serverName: "mx.example.org",
    timeoutMs: 10_000,
    ...change,
  });
}

Deno.test("probeListener: sees a certificate by STARTTLS and by TLS from the start", async () => {
  for (const tls of ["starttls", "implicit"] as const) {
    await using peer = await startMailServer(["mx.example.org", "b.example"], {
      secure: tls === "implicit",
    });
    const outcome = await probe(peer, { tls });
    assert.ok(outcome.kind === "answered", JSON.stringify(outcome));
    assert.equal(outcome.offersStartTls, tls === "starttls");
    const { coversName, names, isSelfSigned, notBeforeMs, notAfterMs } = outcome.certificate!;
    assert.deepEqual([coversName, isSelfSigned], [true, true]);
    assert.deepEqual(names, ["mx.example.org", "b.example"]);
    assert.ok(notBeforeMs < Date.now() && notAfterMs > Date.now());
  }
});

Deno.test("probeListener: a wildcard covers one label and no more (RFC 9525 §6.3)", async () => {
  await using peer = await startMailServer(["*.example.org"]);
  const covers = async (serverName: string) => {
    const outcome = await probe(peer, { serverName });
    return outcome.kind === "answered" && outcome.certificate?.coversName;
  };
  assert.equal(await covers("MX.example.org"), true);
  assert.equal(await covers("mx.b.example.org"), false);
  assert.equal(await covers("example.org"), false);
});

Deno.test("probeListener: a server without STARTTLS has answered all the same", async () => {
  await using peer = await startMailServer(["mx.example.org"], { hideSTARTTLS: true });
  const outcome = { kind: "answered", offersStartTls: false, certificate: null };
  assert.deepEqual(await probe(peer), outcome);
});

Deno.test("probeListener: a handshake that fails leaves no certificate", async () => {
  await using peer = await startScripted(
    ...["220 mx\r\n", "250-mx\r\n250-STARTTLS\r\n250 SIZE\r\n", "220 go\r\n", "no TLS at all\r\n"],
  );
  const outcome = { kind: "answered", offersStartTls: true, certificate: null };
  assert.deepEqual(await probe(peer), outcome);
  const odd = { kind: "answered", offersStartTls: false, certificate: null };
  assert.deepEqual(await probe(peer, { tls: "implicit" }), odd);
});

for (
  const [name, script, reason] of [
    ["another protocol", ["HTTP/1.1 400 Bad Request\r\n"], "does not speak SMTP"],
    ["a refusing greeting", ["554 no\r\n"], "answers 554 to a connection"],
    ["a refused EHLO", ["220-mx\r\n220 mx\r\n", "502 no\r\n"], "answers 502 to EHLO"],
    [
      "a refused STARTTLS",
      ["220 mx\r\n", "250 STARTTLS\r\n", "454 later\r\n"],
      "answers 454 to STARTTLS",
    ],
    ["an end instead of a reply", ["220 mx\r\n"], "hangs up instead of answering EHLO"],
    ["no end", [`220-${"x".repeat(9_000)}`], "answers to a connection without end"],
  ] as const
) {
  Deno.test(`probeListener: ${name} is odd, and told`, async () => {
    const [greeting, ...replies] = script;
    await using peer = await startScripted(greeting, ...replies);
    assert.deepEqual(await probe(peer), { kind: "odd", reason });
  });
}

Deno.test("probeListener: nobody there is refused, nobody who speaks is silent", async () => {
  const closed = await startScripted("");
  await closed[Symbol.asyncDispose]();
  assert.deepEqual(await probe(closed), { kind: "refused" });
  await using mute = await startScripted("");
  assert.deepEqual(await probe(mute, { timeoutMs: 30 }), { kind: "silent" });
  await using slow = await startScripted("220 mx\r\n", "250-mx\r\n");
  assert.deepEqual(await probe(slow, { timeoutMs: 100 }), { kind: "silent" });
});
