import assert from "node:assert/strict";
import { type ZoneData, ZoneResolver } from "../dns/zone_resolver.ts";
import { type NextHop, nextHopKey, type OpenedNextHop, openNextHop } from "./next_hop.ts";
import { type OpenRequest, openSession } from "./node_smtp_opener.ts";
import { ScriptedServer, smtpScript } from "./testdata/scripted_server.ts";

const OPENER = { hostname: "here.test", connectTimeoutMs: 500, commandTimeoutMs: 500 };
const ZONE: ZoneData = {
  "there.test": {
    mx: [{ preference: 10, exchange: "a.test" }, { preference: 20, exchange: "b.test" }],
  },
  "a.test": { a: ["127.0.0.2"] },
  "b.test": { a: ["127.0.0.3"] },
  "bare.test": { a: ["127.0.0.2"] },
  "null.test": { mx: [{ preference: 0, exchange: "." }] },
  "both.test": { a: ["127.0.0.2"], aaaa: ["::1"] },
  "broken.test": { fails: "servfail" },
  "relay.test": { a: ["127.0.0.3"] },
};

interface Run {
  readonly result: OpenedNextHop;
  readonly requests: readonly OpenRequest[];
}

async function run(
  nextHop: NextHop,
  options: { now?: () => number } = {},
): Promise<Run> {
  const requests: OpenRequest[] = [];
  const result = await openNextHop(nextHop, {
    resolver: new ZoneResolver(ZONE),
    random: () => 0.5,
    now: options.now ?? Date.now,
    isOurs: () => false,
    open: (request) => {
      requests.push(request);
      return openSession(request, OPENER);
    },
  });
  if (result.kind === "open") result.opened.socket.destroy();
  return { result, requests };
}

/** Servers at one port of several loopback addresses; what a server says to start with. */
async function servers(
  greetings: Record<string, string>,
): Promise<AsyncDisposable & { readonly port: number }> {
  const stack = new AsyncDisposableStack();
  let port = 0;
  for (const [host, greeting] of Object.entries(greetings)) {
    const { run } = smtpScript({ extensions: ["PIPELINING"] });
    const server = await ScriptedServer.start(async (peer, connection) => {
      if (greeting === "") return await run(peer, connection);
      await peer.send(`${greeting}\r\n`);
      await peer.line();
    }, { host, port });
    port = server.port;
    stack.use(server);
  }
  return { port, [Symbol.asyncDispose]: () => stack.disposeAsync() };
}

function addresses(requests: readonly OpenRequest[]): string[] {
  return requests.map(({ address }) => address);
}

Deno.test("openNextHop: the most preferred host that takes a session (RFC 5321 §5.1)", async () => {
  await using both = await servers({ "127.0.0.2": "", "127.0.0.3": "" });
  const first = await run({ kind: "mx", domain: "there.test", port: both.port });
  assert.ok(first.result.kind === "open");
  assert.deepEqual(first.result.peer, { mxHost: "a.test", address: "127.0.0.2", tls: false });
  assert.deepEqual(addresses(first.requests), ["127.0.0.2"]);
});

Deno.test("openNextHop: a host that is away or unwilling leaves it to the next one", async () => {
  for (const greeting of ["554 no", "421 busy"]) {
    await using some = await servers({ "127.0.0.3": "", "127.0.0.2": greeting });
    const { result } = await run({ kind: "mx", domain: "there.test", port: some.port });
    assert.ok(result.kind === "open");
    assert.equal(result.peer.mxHost, "b.test");
  }
  await using one = await servers({ "127.0.0.3": "" });
  const { result } = await run({ kind: "mx", domain: "there.test", port: one.port });
  assert.equal(result.kind, "open");
});

Deno.test("openNextHop: nobody takes it: deferred, with the last host's words", async () => {
  await using none = await servers({ "127.0.0.2": "421 busy", "127.0.0.3": "554 5.7.1 no" });
  const { result } = await run({ kind: "mx", domain: "there.test", port: none.port });
  assert.ok(result.kind === "unreachable");
  assert.equal(result.outcome.kind, "deferred");
  assert.match(result.outcome.diagnostic, /^554/);
  assert.equal(result.peer?.mxHost, "b.test");
});

Deno.test("openNextHop: after some time no further host is tried", async () => {
  await using none = await servers({ "127.0.0.2": "421 busy", "127.0.0.3": "421 busy" });
  let nowMs = 0;
  const now = () => nowMs += 200_000;
  const { requests } = await run({ kind: "mx", domain: "there.test", port: none.port }, { now });
  assert.deepEqual(addresses(requests), ["127.0.0.2"]);
});

Deno.test("openNextHop: without MX the domain is the host, by IPv6 and by IPv4", async () => {
  await using four = await servers({ "127.0.0.2": "" });
  const implicit = await run({ kind: "mx", domain: "bare.test", port: four.port });
  assert.ok(implicit.result.kind === "open" && implicit.result.peer.mxHost === "bare.test");
  const both = await run({ kind: "mx", domain: "both.test", port: four.port });
  assert.ok(both.result.kind === "open");
  assert.deepEqual(addresses(both.requests), ["::1", "127.0.0.2"]);
});

Deno.test("openNextHop: what the DNS says is an outcome of its own", async () => {
  const outcomeOf = async (domain: string) => {
    const { result, requests } = await run({ kind: "mx", domain, port: 1 });
    assert.ok(result.kind === "unreachable" && requests.length === 0);
    return `${result.outcome.kind} ${result.outcome.enhancedStatus}`;
  };
  assert.equal(await outcomeOf("null.test"), "failed 5.1.10");
  assert.equal(await outcomeOf("nowhere.test"), "failed 5.1.2");
  assert.equal(await outcomeOf("broken.test"), "deferred 4.4.3");
});

Deno.test("openNextHop: a smarthost that is not found is no reason to return mail", async () => {
  const smarthost = (host: string, port = 1): NextHop => ({
    kind: "smarthost",
    smarthost: { host, port, isSecure: false, credentials: null },
  });
  for (const host of ["nowhere.test", "broken.test"]) {
    const { result } = await run(smarthost(host));
    assert.ok(result.kind === "unreachable" && result.outcome.kind === "deferred", host);
  }
  await using relay = await servers({ "127.0.0.3": "" });
  for (const host of ["relay.test", "127.0.0.3"]) {
    assert.equal((await run(smarthost(host, relay.port))).result.kind, "open", host);
  }
  assert.equal(nextHopKey(smarthost("a")), nextHopKey(smarthost("b")));
});

Deno.test("openNextHop: a broken handshake is followed by plain text, but not for a password (RFC 7435)", async () => {
  const commands: string[] = [];
  const { run: script } = smtpScript({
    extensions: ["STARTTLS", "AUTH PLAIN"],
    answer: (command) => {
      commands.push(command);
      if (command.startsWith("LHLO")) return "250-test\r\n250 STARTTLS";
      return command === "STARTTLS"
        ? "220 go\r\nthis is no TLS record at all, by no means"
        : undefined;
    },
  });
  await using server = await ScriptedServer.start(script, { host: "127.0.0.2" });
  const plain = await run({ kind: "mx", domain: "bare.test", port: server.port });
  assert.ok(plain.result.kind === "open");
  assert.equal(plain.result.peer.tls, false);
  assert.deepEqual(plain.requests.map(({ security }) => security), ["opportunistic", "plain"]);

  const lmtp = await run({ kind: "lmtp", address: `127.0.0.2:${server.port}` });
  assert.ok(lmtp.result.kind === "open" && !lmtp.result.peer.tls);

  const credentials = { user: "ann", password: "secret" };
  const { result, requests } = await run({
    kind: "smarthost",
    smarthost: { host: "127.0.0.2", port: server.port, isSecure: false, credentials },
  });
  assert.ok(result.kind === "unreachable" && result.outcome.kind === "deferred");
  assert.equal(requests.length, 1);
  assert.ok(!commands.some((command) => command.startsWith("AUTH")));
});
