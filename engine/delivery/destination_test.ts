import assert from "node:assert/strict";
import { ZoneResolver } from "../dns/zone_resolver.ts";
import { Destination } from "./destination.ts";
import { openNextHop } from "./next_hop.ts";
import { openSession } from "./node_smtp_opener.ts";
import { deferred } from "./outcome.ts";
import { type Script, ScriptedServer, smtpScript } from "./testdata/scripted_server.ts";
import type { Transmission } from "./transmission.ts";

const OPENER = { hostname: "here.test", connectTimeoutMs: 2_000, commandTimeoutMs: 2_000 };

function transmission(name: string, fields: Partial<Transmission> = {}): Transmission {
  return {
    reversePath: "ann@here.test",
    forwardPaths: [`${name}@there.test`],
    bodyType: "7bit",
    needsSmtpUtf8: false,
    octets: new TextEncoder().encode(`Subject: ${name}\r\n\r\n`),
    beginBeforeMs: Infinity,
    endBeforeMs: Infinity,
    ...fields,
  };
}

interface Pool extends AsyncDisposable {
  readonly destination: Destination;
  readonly server: ScriptedServer;
  readonly clock: { nowMs: number };
  readonly counts: { opened: number; closed: number; reused: number; opens: number };
}

async function poolOf(
  script: Script,
  options: { maxSessions?: number; port?: number } = {},
): Promise<Pool> {
  const server = await ScriptedServer.start(script);
  const clock = { nowMs: 10_000 };
  const counts = { opened: 0, closed: 0, reused: 0, opens: 0 };
  const destination = new Destination({
    open: () => {
      counts.opens++;
      return openNextHop(
        { kind: "mx", domain: "[127.0.0.1]", port: options.port ?? server.port },
        {
          resolver: new ZoneResolver({}),
          random: () => 0.5,
          now: () => clock.nowMs,
          isOurs: () => false,
          open: (request) => openSession(request, OPENER),
        },
      );
    },
    maxSessions: options.maxSessions ?? 4,
    idleMs: 1_000,
    commandTimeoutMs: 5_000,
    now: () => clock.nowMs,
    observer: {
      opened: () => counts.opened++,
      closed: () => counts.closed++,
      reused: () => counts.reused++,
    },
  });
  return {
    destination,
    server,
    clock,
    counts,
    async [Symbol.asyncDispose]() {
      destination.close();
      await server[Symbol.asyncDispose]();
      assert.equal(counts.closed, counts.opened);
      assert.equal(destination.sessionCount, 0);
    },
  };
}

/** Answers everything, but a message only once it is let go. */
function gated(extensions: readonly string[] = ["PIPELINING"]) {
  const { promise, resolve } = Promise.withResolvers<void>();
  const script = smtpScript({
    extensions,
    send: async (peer, reply) => {
      if (reply.startsWith("250 2.0.0")) await promise;
      await peer.send(reply);
    },
  });
  return { ...script, release: resolve };
}

function kinds(results: { outcomes: readonly { kind: string }[] }[]): string[] {
  return results.map(({ outcomes }) => outcomes.map(({ kind }) => kind).join() || "given back");
}

async function until(isSo: () => boolean): Promise<void> {
  const endMs = performance.now() + 5_000;
  while (!isSo()) {
    assert.ok(performance.now() < endMs, `not so in time: ${isSo}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

const names = (count: number) => Array.from({ length: count }, (_, i) => `m${i}`);

Deno.test("Destination: one message after another takes one connection", async () => {
  const { run, messages } = smtpScript({ extensions: ["PIPELINING"] });
  await using pool = await poolOf(run);
  for (const name of names(20)) {
    const result = await pool.destination.submit(transmission(name));
    assert.equal(result.outcomes[0].kind, "delivered");
    assert.equal(result.peer?.mxHost, "[127.0.0.1]");
  }
  assert.equal(messages.length, 20);
  assert.equal(pool.server.peers.length, 1);
  assert.deepEqual(pool.counts, { opened: 1, closed: 0, reused: 19, opens: 1 });
});

Deno.test("Destination: many at once take as many connections as allowed, each message once", async () => {
  for (const extensions of [["PIPELINING"], []]) {
    const { run, messages, release } = gated(extensions);
    await using pool = await poolOf(run);
    const results = names(50).map((name) => pool.destination.submit(transmission(name)));
    await until(() => messages.length === 4);
    assert.equal(pool.destination.sessionCount, 4);
    release();
    assert.deepEqual(kinds(await Promise.all(results)), Array(50).fill("delivered"));
    assert.equal(pool.server.peers.length, 4);
    assert.equal(new Set(messages).size, 50);
    assert.equal(messages.length, 50);
  }
});

Deno.test("Destination: what no session has begun with can be taken back", async () => {
  const { run, messages, release } = gated([]);
  await using pool = await poolOf(run, { maxSessions: 1 });
  const results = names(5).map((name) => pool.destination.submit(transmission(name)));
  await until(() => messages.length === 1);
  assert.equal(pool.destination.waitingCount, 4);
  assert.equal(pool.destination.withdraw(), 4);
  release();
  assert.deepEqual(kinds(await Promise.all(results)), [
    "delivered",
    ...Array(4).fill("given back"),
  ]);
});

Deno.test("Destination: a host that is away answers for all who wait, and is asked again later", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr as Deno.NetAddr;
  listener.close();
  await using pool = await poolOf(() => {}, { port });
  for (const count of [30, 1]) {
    const before = pool.counts.opens;
    const results = names(count).map((name) => pool.destination.submit(transmission(name)));
    assert.deepEqual(kinds(await Promise.all(results)), Array(count).fill("deferred"));
    // As many as may be open at once were tried, and none for another message.
    assert.equal(pool.counts.opens - before, Math.min(count, 4));
    assert.equal(pool.destination.isUnused, true);
  }
});

Deno.test("Destination: a host that takes two connections only is used by two", async () => {
  const { run, messages, release } = gated();
  await using pool = await poolOf(async (peer, connection) => {
    if (connection < 2) return await run(peer, connection);
    await peer.send("421 4.7.0 too many connections\r\n");
    await peer.line();
  });
  const results = names(20).map((name) => pool.destination.submit(transmission(name)));
  await until(() => pool.server.peers.length === 4 && messages.length === 2);
  release();
  assert.deepEqual(kinds(await Promise.all(results)), Array(20).fill("delivered"));
  assert.equal(pool.server.peers.length, 4);
});

Deno.test("Destination: trouble of our own while connecting is deferred, not lost", async () => {
  const destination = new Destination({
    open: () => Promise.reject(new Error("out of descriptors")),
    maxSessions: 2,
    idleMs: 1,
    commandTimeoutMs: 1,
    now: () => 0,
    observer: { opened() {}, closed() {}, reused() {} },
  });
  const result = await destination.submit(transmission("one"));
  assert.equal(result.outcomes[0].kind, "deferred");
  assert.match(result.outcomes[0].diagnostic, /out of descriptors/);
  destination.close();
  assert.deepEqual(await destination.submit(transmission("two")), { outcomes: [], peer: null });
});

Deno.test("Destination: a session that ends between messages costs no delivery", async () => {
  const { run, messages } = smtpScript({
    extensions: ["PIPELINING"],
    after: (peer, command) => {
      if (command === ".") peer.end();
      return command !== ".";
    },
  });
  await using pool = await poolOf(run, { maxSessions: 2 });
  const results = names(12).map((name) => pool.destination.submit(transmission(name)));
  assert.deepEqual(kinds(await Promise.all(results)), Array(12).fill("delivered"));
  assert.equal(messages.length, 12);
});

Deno.test("Destination: a message lost with its connection too often goes back untried", async () => {
  // Every connection takes one message and then no second one.
  const { run } = smtpScript({
    extensions: [],
    answer: (command) => command.includes("unlucky") ? "421 4.3.0 no" : undefined,
    after: (peer, command) => {
      if (command.includes("unlucky")) peer.end();
      return true;
    },
  });
  await using pool = await poolOf(run, { maxSessions: 1 });
  for (let loss = 0; loss < 2; loss++) {
    const lucky = await pool.destination.submit(transmission("lucky"));
    assert.deepEqual(kinds([lucky]), ["delivered"]);
    const unlucky = pool.destination.submit(transmission("unlucky"));
    // On a fresh connection the server's word counts.
    assert.deepEqual(kinds([await unlucky]), ["deferred"]);
  }
});

Deno.test("Destination: idle sessions end after their time, and only those", async () => {
  const { run, messages, release } = gated();
  await using pool = await poolOf(run, { maxSessions: 2 });
  const results = names(2).map((name) => pool.destination.submit(transmission(name)));
  await until(() => messages.length === 2);
  pool.clock.nowMs += 1_500;
  pool.destination.tick(pool.clock.nowMs);
  assert.equal(pool.destination.sessionCount, 2);
  release();
  await Promise.all(results);
  pool.destination.tick(pool.clock.nowMs + 999);
  assert.equal(pool.destination.sessionCount, 2);
  pool.destination.tick(pool.clock.nowMs + 1_000);
  assert.equal(pool.destination.sessionCount, 0);
  assert.equal(pool.destination.isUnused, true);
});

Deno.test("Destination: nobody waits longer than they may, nor is tried longer", async () => {
  const { run, messages, release } = gated([]);
  await using pool = await poolOf(run, { maxSessions: 1 });
  const [first, second, third] = [
    transmission("one", { endBeforeMs: 12_000 }),
    transmission("two", { beginBeforeMs: 11_000 }),
    transmission("three", { beginBeforeMs: 11_001 }),
  ].map((request) => pool.destination.submit(request));
  await until(() => messages.length === 1);
  pool.clock.nowMs = 11_000;
  pool.destination.tick(11_000);
  assert.deepEqual(await second, { outcomes: [], peer: null });
  assert.equal(pool.destination.waitingCount, 1);
  pool.destination.withdraw();
  await third;
  pool.destination.tick(12_000);
  assert.equal((await first).outcomes[0].kind, "deferred");
  release();
});

Deno.test("Destination: a server that stops answering is given up", async () => {
  await using pool = await poolOf(
    smtpScript({
      extensions: ["PIPELINING"],
      answer: (command) => command.startsWith("EHLO") ? undefined : null,
    }).run,
  );
  const result = pool.destination.submit(transmission("one"));
  await until(() => pool.destination.waitingCount === 0);
  pool.destination.tick(14_999);
  assert.equal(pool.destination.sessionCount, 1);
  pool.destination.tick(15_000);
  assert.deepEqual((await result).outcomes, [deferred("4.2", "the server does not answer")]);
});
