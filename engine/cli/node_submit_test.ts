import assert from "node:assert/strict";
import type { AddressInfo } from "node:net";
import { SMTPServer } from "smtp-server";
import { makeSelfSigned } from "../crypto/self_signed.ts";
import { submit } from "./node_submit.ts";
import type { Submission } from "./send.ts";

interface Peer extends AsyncDisposable {
  readonly port: number;
  /** Who sent, under which name, over TLS or not, and what. */
  readonly taken: { user: unknown; isSecure: boolean; from: string; text: string }[];
}

/** A submission server with a certificate nobody signed; takes mail for all but nobody@. */
async function startPeer(): Promise<Peer> {
  const { cert, key } = await makeSelfSigned(["mx.sluice.test"], { nowMs: Date.now() });
  const taken: Peer["taken"] = [];
  const server = new SMTPServer({
    cert,
    key,
    authOptional: true,
    onAuth: ({ username, password }, _session, callback) =>
      password === "right"
        ? callback(null, { user: username })
        : callback(Object.assign(new Error("5.7.8 No such password"), { responseCode: 535 })),
    onRcptTo: ({ address }, _session, callback) =>
      address.startsWith("nobody@")
        ? callback(Object.assign(new Error("5.1.1 No such user"), { responseCode: 550 }))
        : callback(),
    onData: (stream, session, callback) => {
      let text = "";
      stream.on("data", (chunk: Uint8Array) => text += new TextDecoder().decode(chunk));
      stream.on("end", () => {
        const { mailFrom } = session.envelope;
        const from = mailFrom === false ? "" : mailFrom.address;
        taken.push({ user: session.user || null, isSecure: session.secure, from, text });
        callback(null, "2.0.0 queued as 0AM8E2Q1M0200");
      });
    },
  });
  const { promise, resolve } = Promise.withResolvers<void>();
  server.listen(0, "127.0.0.1", resolve);
  await promise;
  return {
    port: (server.server.address() as AddressInfo).port,
    taken,
    [Symbol.asyncDispose]: () => new Promise((done) => server.close(() => done())),
  };
}

function submission(port: number, change: Partial<Submission> = {}): Submission {
  return {
    message: {
      reversePath: "ann@example.org",
      forwardPaths: ["bob@example.net"],
      subject: "Grüße",
      body: "one\n.two\n",
    },
    address: "127.0.0.1",
    port,
    hostname: "mx.sluice.test",
    credentials: null,
    ...change,
  };
}

Deno.test("submit: hands the message in and answers the server's words", async () => {
  await using peer = await startPeer();
  const outcome = await submit(submission(peer.port));
  assert.deepEqual(outcome, {
    kind: "taken",
    reply: "250 2.0.0 queued as 0AM8E2Q1M0200",
    refused: [],
  });
  const [{ user, from, text }] = peer.taken;
  assert.deepEqual([user, from], [null, "ann@example.org"]);
  assert.match(text, /^Subject: =\?UTF-8\?[^]*\r\n\r\none\r\n\.two/m);
});

Deno.test("submit: a password goes over TLS only, to a certificate of our own on loopback", async () => {
  await using peer = await startPeer();
  const credentials = { user: "ann@example.org", password: "right" };
  const outcome = await submit(submission(peer.port, { credentials }));
  assert.equal(outcome.kind, "taken", JSON.stringify(outcome));
  assert.deepEqual([peer.taken[0].user, peer.taken[0].isSecure], ["ann@example.org", true]);
  const wrong = { user: "ann@example.org", password: "wrong" };
  assert.deepEqual(await submit(submission(peer.port, { credentials: wrong })), {
    kind: "refused",
    reply: "535 5.7.8 No such password",
  });
  assert.equal(peer.taken.length, 1);
});

Deno.test("submit: tells which recipients were refused, and when all were", async () => {
  await using peer = await startPeer();
  const { message } = submission(peer.port);
  const some = { ...message, forwardPaths: ["nobody@example.net", "bob@example.net"] };
  const outcome = await submit(submission(peer.port, { message: some }));
  assert.ok(outcome.kind === "taken");
  assert.deepEqual(outcome.refused, [
    { forwardPath: "nobody@example.net", reply: "550 5.1.1 No such user" },
  ]);
  const none = { ...message, forwardPaths: ["nobody@example.net"] };
  assert.deepEqual(await submit(submission(peer.port, { message: none })), {
    kind: "refused",
    reply: "550 5.1.1 No such user",
  });
});

Deno.test("submit: where nobody listens, it asks whether the server runs", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr as Deno.NetAddr;
  listener.close();
  const outcome = await submit(submission(port));
  assert.deepEqual(outcome, {
    kind: "refused",
    reply: "nobody listens there; is the server running?",
  });
});
