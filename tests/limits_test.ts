/**
 * Limits and greylisting over running servers: each limit is crossed, told in its own words, and left behind again;
 * alone on the embedded stores, and by two servers that share one Redis.
 */
import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { startPostgres } from "./fixtures/postgres.ts";
import { until } from "./fixtures/process.ts";
import { startRedis } from "./fixtures/redis.ts";
import { type ServerFixture, startServer } from "./fixtures/server.ts";
import { SmtpClient } from "./fixtures/smtp_client.ts";

/** Each lets one more through a second, so that none is crossed and left behind by accident. */
const LIMITS = {
  RATE_CONNECTIONS_PER_IP: "3/3s",
  RATE_CONNECTIONS_PER_NET: "7/7s",
  RATE_MESSAGES_PER_IP: "4/4s",
  RATE_MESSAGES_PER_NET: "6/6s",
  RATE_RECIPIENTS_PER_IP: "8/8s",
  RATE_RECIPIENTS_PER_NET: "14/14s",
  RATE_MESSAGES_PER_SENDER_DOMAIN: "3/3s",
  RATE_RECIPIENTS_PER_SENDER_DOMAIN: "5/5s",
  RATE_MESSAGES_PER_RECIPIENT: "2/2s",
};
/** What a slow machine may let through besides, as time goes on. */
const SLACK = 3;

/** A DNS server that knows no name, so that nothing is asked of the world. */
async function emptyDns(): Promise<AsyncDisposable & { readonly port: number }> {
  const socket = createSocket("udp4");
  socket.on("message", (query, peer) => {
    const answer = Uint8Array.from(query);
    // RFC 1035 §4.1.1: a response, NXDOMAIN, nothing behind the question.
    answer[2] |= 0x80;
    answer[3] = 0x83;
    answer.fill(0, 6, 12);
    let end = 12;
    while (end < answer.length && answer[end] !== 0) end += answer[end] + 1;
    socket.send(answer.subarray(0, end + 5), peer.port, peer.address);
  });
  socket.bind(0, "127.0.0.1");
  await once(socket, "listening");
  return {
    port: socket.address().port,
    [Symbol.asyncDispose]: () => new Promise((resolve) => socket.close(() => resolve())),
  };
}

/** How one limit is crossed. */
interface Crossing {
  readonly rule: string;
  readonly burst: number;
  /** Clients' addresses, each in its turn. */
  readonly from: readonly string[];
  readonly refusal: RegExp;
  readonly by: "connections" | "messages" | "recipients";
  readonly sender?: string;
  /** One of the group that takes all names, if left out. */
  readonly recipient?: (turn: number) => string;
}

/** Addresses of a network of the crossing's own. */
function clients(network: number, count: number): string[] {
  return Array.from({ length: count }, (_, i) => `127.7.${network}.${i + 1}`);
}

const AFTER = "try again in \\d+ seconds?$";
const CROSSINGS: readonly Crossing[] = [
  {
    ...{ rule: "connections_per_ip", burst: 3, from: clients(1, 1), by: "connections" },
    refusal: new RegExp(`^421 4.7.0 Too many connections, ${AFTER}`),
  },
  {
    ...{ rule: "connections_per_net", burst: 7, from: clients(2, 4), by: "connections" },
    refusal: new RegExp(`^421 4.7.0 Too many connections, ${AFTER}`),
  },
  {
    ...{ rule: "messages_per_ip", burst: 4, from: clients(3, 1), by: "messages" },
    refusal: new RegExp(`^450 4.7.1 Too many messages from your network, ${AFTER}`),
  },
  {
    ...{ rule: "messages_per_net", burst: 6, from: clients(4, 4), by: "messages" },
    refusal: new RegExp(`^450 4.7.1 Too many messages from your network, ${AFTER}`),
  },
  {
    ...{ rule: "recipients_per_ip", burst: 8, from: clients(5, 1), by: "recipients" },
    refusal: new RegExp(`^450 4.7.1 Too many recipients from your network, ${AFTER}`),
  },
  {
    ...{ rule: "recipients_per_net", burst: 14, from: clients(6, 4), by: "recipients" },
    refusal: new RegExp(`^450 4.7.1 Too many recipients from your network, ${AFTER}`),
  },
  {
    ...{ rule: "messages_per_sender_domain", burst: 3, from: clients(7, 4), by: "messages" },
    sender: "ann@busy.test",
    refusal: new RegExp(`^450 4.7.1 Too many messages from the sender's domain, ${AFTER}`),
  },
  {
    ...{ rule: "recipients_per_sender_domain", burst: 5, from: clients(8, 1), by: "recipients" },
    sender: "ann@crowd.test",
    refusal: new RegExp(`^450 4.7.1 Too many recipients from the sender's domain, ${AFTER}`),
  },
  {
    ...{ rule: "messages_per_recipient", burst: 2, from: clients(9, 4), by: "messages" },
    recipient: (turn) => `admin+${turn}@localhost`,
    refusal: new RegExp(`^450 4.7.1 Too many messages for this recipient, ${AFTER}`),
  },
];

/** Does one thing after another, on the servers in turn. */
class Stranger implements Disposable {
  readonly #servers: readonly ServerFixture[];
  readonly #crossing: Crossing;
  readonly #sessions = new Map<string, Promise<SmtpClient>>();
  #turn = 0;

  constructor(servers: readonly ServerFixture[], crossing: Crossing) {
    this.#servers = servers;
    this.#crossing = crossing;
  }

  /** What the next one is answered. */
  async next(): Promise<string> {
    const { by, from } = this.#crossing;
    const turn = this.#turn++;
    const address = from[turn % from.length];
    const { smtp } = this.#servers[turn % this.#servers.length].ports;
    if (by === "connections") {
      using client = await SmtpClient.connect(smtp, { from: address });
      return (await client.readLine())!.trimEnd();
    }
    const session = `${address} ${smtp}`;
    if (!this.#sessions.has(session)) this.#sessions.set(session, this.#begin(smtp, address));
    const client = await this.#sessions.get(session)!;
    const { rule, recipient = () => `${rule}-${turn}@localhost` } = this.#crossing;
    const [reply] = await client.exchange(`RCPT TO:<${recipient(turn)}>\r\n`, 1);
    if (by === "messages") await this.#mail(client, "RSET\r\n");
    return reply;
  }

  [Symbol.dispose](): void {
    for (const session of this.#sessions.values()) {
      session.then((client) => client[Symbol.dispose](), () => {});
    }
  }

  async #begin(port: number, from: string): Promise<SmtpClient> {
    const client = await SmtpClient.connect(port, { from });
    // Who talks before the greeting is turned away for that.
    assert.match((await client.exchange("", 1))[0], /^220 /);
    await this.#mail(client, "EHLO stranger.test\r\n");
    return client;
  }

  /** Sends a line and begins a message. */
  async #mail(client: SmtpClient, line: string): Promise<void> {
    const mail = `MAIL FROM:<${this.#crossing.sender ?? ""}>\r\n`;
    assert.match((await client.exchange(line + mail, 2))[1], /^250 /);
  }
}

async function cross(servers: readonly ServerFixture[], crossing: Crossing): Promise<void> {
  const { rule, burst, refusal } = crossing;
  using stranger = new Stranger(servers, crossing);
  let passed = 0;
  let told = await stranger.next();
  while (/^2[25]0 /.test(told) && passed < burst + SLACK) {
    passed++;
    told = await stranger.next();
  }
  assert.match(told, refusal, `${rule}: after ${passed}`);
  assert.ok(passed >= burst, `${rule}: ${passed} of ${burst} passed`);
  await until(async () => /^2[25]0 /.test(await stranger.next()), 10_000);
  // Which rule it was, for the operator.
  const isLogged = () => servers.some((server) => server.log().includes(`"${rule}"`));
  await until(isLogged, 10_000);
}

interface Mail {
  readonly from: string;
  readonly sender: string;
  readonly to: string;
}

/** The reply to a message, or the one before that kept it from being sent. */
async function send(server: ServerFixture, { from, sender, to }: Mail): Promise<string> {
  using client = await SmtpClient.connect(server.ports.smtp, { from });
  const header = `From: ${sender}\r\nTo: ${to}\r\nSubject: A word\r\n`;
  const lines = [
    ...["", "EHLO stranger.test\r\n", `MAIL FROM:<${sender}>\r\n`, `RCPT TO:<${to}>\r\n`],
    ...["DATA\r\n", `${header}\r\nHello.\r\n.\r\n`],
  ];
  let reply = "";
  for (const line of lines) {
    [reply] = await client.exchange(line, 1);
    if (!/^[23]/.test(reply)) break;
  }
  return reply;
}

/** The same, however long limits keep it from being sent. */
async function sendInTime(server: ServerFixture, mail: Mail): Promise<string> {
  let reply = "";
  await until(async () => !/ Too many /.test(reply = await send(server, mail)), 10_000);
  return reply;
}

/** A message comes again and again, to each server and from addresses of one network. */
async function greylist(servers: readonly ServerFixture[]): Promise<void> {
  const [a, b] = [servers[0], servers[servers.length - 1]];
  const first = { from: "127.8.1.1", sender: "ann@new.test", to: "bob@localhost" };
  const told = /^451 4\.7\.1 Greylisted, try again in \d seconds?$/;
  assert.match(await send(a, first), told);
  assert.match(await send(b, first), told);
  const again = { ...first, from: "127.8.1.2" };
  await until(async () => /^250 /.test(await send(b, again)), 10_000);
  // One that passed opens the door to its domain from that network.
  assert.match(await sendInTime(a, { ...first, from: "127.8.1.3", to: "cid@localhost" }), /^250 /);
  assert.match(await sendInTime(a, { ...first, from: "127.8.2.1", to: "dan@localhost" }), told);
}

async function crossAll(servers: readonly ServerFixture[]): Promise<void> {
  // A group, so that each name of it has a limit of its own.
  await servers[0].cli("alias", "add", "@localhost", "admin@localhost", "else@where.test");
  await Promise.all([
    ...CROSSINGS.map((crossing) => cross(servers, crossing)),
    greylist(servers),
  ]);
}

function settings(dns: { readonly port: number }): Record<string, string> {
  return {
    ...LIMITS,
    TRUSTED_NETWORKS: "none",
    DNS_SERVERS: `127.0.0.1:${dns.port}`,
    ENABLE_SPAM_FILTER: "false",
    GREYLIST: "all",
    GREYLIST_DELAY_S: "3",
    GREET_PAUSE_MS: "0",
  };
}

Deno.test("limits: each is crossed, told and left behind, on the embedded stores", async () => {
  await using dns = await emptyDns();
  // Two, so that what they share is asked for by ports.
  await using server = await startServer({ ...settings(dns), SESSION_WORKERS: "2" });
  await crossAll([server]);
});

Deno.test("limits: two servers that share one Redis keep them together", async () => {
  await using database = await startPostgres();
  await using redis = await startRedis();
  if (database === null || redis === null) {
    console.warn("Postgres or Redis is not installed: limits of two servers are not tried");
    return;
  }
  await using dns = await emptyDns();
  const env = {
    ...settings(dns),
    DATABASE_URL: database.url,
    REDIS_URL: redis.url,
    // Nodes that share a database share its secrets.
    SECRET_KEY: btoa("k".repeat(32)),
  };
  await using a = await startServer(env);
  await using b = await startServer({ ...env, SERVER_HOSTNAME: "mx2.sluice.test" });
  await crossAll([a, b]);
});
