/** A courier at work over real stores, real sessions and a scripted server, its clock in a test's hand. */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { deliveryId, queueIdGenerator } from "../../mail/queue_id.ts";
import type { MailboxSettings } from "../../store/directory.ts";
import type { DirectoryAnswer } from "../../routing/route.ts";
import { shardOf, SHARDS } from "../../store/dispatch.ts";
import { StoreUnavailableError } from "../../store/errors.ts";
import { memoryDispatch } from "../../store/memory_dispatch.ts";
import type { AcceptedMessage, Spool } from "../../store/spool.ts";
import { BodyCache } from "../body_cache.ts";
import { MailCarrier } from "../carrier.ts";
import { type Carrier, Courier } from "../courier.ts";
import { openNextHop } from "../next_hop.ts";
import { openSession } from "../node_smtp_opener.ts";
import { NodeMaildir } from "../local/node_maildir.ts";
import { Settler } from "../settler.ts";
import { ScriptedServer, type SmtpScript, smtpScript } from "./scripted_server.ts";
import { ZoneResolver } from "../../dns/zone_resolver.ts";

const NOON_MS = Date.UTC(2031, 4, 5, 12);
const MAILDIR: MailboxSettings = {
  transport: { kind: "maildir" },
  sealedWebhookSecret: null,
  quotaOctets: null,
  whenFull: "defer",
};

export const LEASE_MS = 900_000;
const LIFETIME_MS = 3_600_000;
export const clock = { nowMs: NOON_MS };
const now = () => clock.nowMs;
const newQueueId = queueIdGenerator({ generator: 5, now });
export const away = () => Promise.reject(new StoreUnavailableError("away for the test"));

export function message(
  forwardPaths: readonly string[],
  reversePath = "ann@here.test",
): AcceptedMessage {
  return {
    id: newQueueId(),
    acceptedAtMs: clock.nowMs,
    reversePath,
    bodyType: "7bit",
    smtpUtf8: false,
    clientAddress: "192.0.2.1",
    heloName: "client.test",
    protocol: "ESMTP",
    octets: Buffer.from(`Subject: to ${forwardPaths[0]}\r\n\r\n`),
    recipients: forwardPaths.map((forwardPath) => {
      const destination = forwardPath.slice(forwardPath.indexOf("@") + 1);
      return {
        forwardPath,
        transport: destination === "here.test" ? "local" : "smtp",
        destination,
      };
    }),
  };
}

export interface Bench {
  readonly spool: Spool;
  readonly root: string;
  readonly clear: () => Promise<void>;
}

/** A courier at work, with whatever of it a test wants to be otherwise. */
export async function atWork(
  bench: Bench,
  options: {
    script?: SmtpScript;
    spool?: Partial<Spool>;
    carrier?: Partial<Carrier>;
    lookup?: (forwardPath: string) => Promise<DirectoryAnswer>;
    signReport?: (octets: Uint8Array) => Promise<string>;
  },
  use: (work: {
    courier: Courier;
    server: ScriptedServer;
    script: ReturnType<typeof smtpScript>;
    errors: string[];
    commit: (...messages: AcceptedMessage[]) => Promise<void>;
    /** Lets time pass, and what is due come. */
    later: (ms: number) => Promise<void>;
    finished: () => Promise<void>;
  }) => Promise<void>,
): Promise<void> {
  await bench.clear();
  const script = smtpScript({ extensions: ["PIPELINING"], ...options.script });
  await using server = await ScriptedServer.start(script.run);
  await using dispatch = memoryDispatch({ now });
  const spool: Spool = { ...bench.spool, ...options.spool };
  const errors: string[] = [];
  const lookup = options.lookup ??
    (() => Promise.resolve({ kind: "mailbox", domain: "here.test", user: "ann" }));
  const maildir = new NodeMaildir({ root: bench.root, nonce: () => crypto.randomUUID(), now });
  const mail = new MailCarrier({
    local: {
      maildir,
      webhook: maildir,
      find: async (forwardPath) => {
        const answer = await lookup(forwardPath);
        if (answer.kind !== "mailbox") return null;
        const { domain, user } = answer;
        return { domain, user, settings: MAILDIR };
      },
    },
    smarthost: null,
    deliveryPort: server.port,
    open: (nextHop) =>
      openNextHop(nextHop, {
        resolver: new ZoneResolver({ "there.test": { a: ["127.0.0.1"] } }),
        random: () => 0.5,
        now,
        isOurs: () => false,
        open: (request) =>
          openSession(request, { hostname: "x", connectTimeoutMs: 900, commandTimeoutMs: 900 }),
      }),
    pool: {
      maxSessions: 2,
      idleMs: 1_000,
      commandTimeoutMs: 10_000,
      now,
      observer: { opened() {}, closed() {}, reused() {} },
    },
  });
  const carrier: Carrier = {
    keyOf: (delivery) => mail.keyOf(delivery),
    roomFor: (key) => mail.roomFor(key),
    carry: (key, consignment) => mail.carry(key, consignment),
    ...options.carrier,
  };
  const onError = (error: unknown) => errors.push(String(error));
  const courier = new Courier({
    spool,
    dispatch,
    settler: new Settler({ spool, dispatch, owner: "w", onError }),
    carrier,
    bodies: new BodyCache(1024 * 1024),
    shards: Array.from({ length: SHARDS }, (_, shard) => shard),
    consumer: "c",
    owner: "w",
    leaseMs: LEASE_MS,
    schedule: { firstDelayMs: 60_000, maxDelayMs: 600_000, growth: 2, lifetimeMs: LIFETIME_MS },
    hostname: "mx.here.test",
    newQueueId,
    newBoundary: () => "boundary",
    signReport: options.signReport ?? (() => Promise.resolve("")),
    routeReport: async (forwardPath) => {
      const { kind } = await lookup(forwardPath);
      return kind === "mailbox"
        ? [{ forwardPath, transport: "local", destination: "here.test" }]
        : [];
    },
    now,
    random: () => 0.5,
    observer: {
      claimed() {},
      attempted() {},
      failed: (context, error) => errors.push(`${context}: ${error}`),
    },
  });
  const stop = new AbortController();
  const running = courier.run(stop.signal);
  const finished = async () => {
    const endMs = performance.now() + 10_000;
    while (true) {
      const { ready, pending } = await dispatch.depth();
      if (courier.underWay === 0 && [...ready, ...pending].every((count) => count === 0)) return;
      assert.ok(performance.now() < endMs, `still ${courier.underWay} under way: ${errors}`);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  };
  try {
    await use({
      courier,
      server,
      script,
      errors,
      commit: async (...messages) => {
        await bench.spool.commit(messages);
        await dispatch.enqueue(
          messages.flatMap(({ id, recipients }) =>
            recipients.map(({ destination }, n) => ({
              id: deliveryId(id, n),
              shard: shardOf(destination),
            }))
          ),
        );
      },
      later: async (ms) => {
        clock.nowMs += ms;
        await dispatch.promote(clock.nowMs, 10_000);
        mail.tick(clock.nowMs);
        await finished();
      },
      finished,
    });
  } finally {
    stop.abort();
    // Ends the wait for more; there is no such delivery.
    await dispatch.enqueue([{ id: deliveryId(newQueueId(), 0), shard: 0 }]);
    mail.withdraw();
    await courier.drain(running);
    mail.close();
  }
  assert.equal(courier.underWay, 0);
}

/** Takes a message and says nothing any more. */
export const silentAfterMessage: SmtpScript = {
  answer: (command) => command === "." ? null : undefined,
  after: (_, command) => command !== ".",
};

/** States of the deliveries that are not finished. */
export async function left(spool: Spool): Promise<string> {
  const { queued, leased, deferred } = await spool.depth();
  return `${queued} queued, ${leased} leased, ${deferred} deferred`;
}

export const NOTHING = "0 queued, 0 leased, 0 deferred";

export function mails(root: string): string[] {
  try {
    const folder = `${root}/here.test/ann/new`;
    return [...Deno.readDirSync(folder)].map(({ name }) =>
      Deno.readTextFileSync(`${folder}/${name}`)
    );
  } catch {
    return [];
  }
}
