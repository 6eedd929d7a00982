/** The delivery worker: from the dispatcher's streams to mailboxes and other servers. */
import { hostname as machineName } from "node:os";
import type { Config } from "../config/schema.ts";
import { SecretBox } from "../engine/crypto/secret_box.ts";
import { BodyCache } from "../engine/delivery/body_cache.ts";
import { receiveBodies } from "../engine/delivery/body_handoff.ts";
import { MailCarrier } from "../engine/delivery/carrier.ts";
import { Courier } from "../engine/delivery/courier.ts";
import { NodeMaildir } from "../engine/delivery/local/node_maildir.ts";
import { NodeWebhook } from "../engine/delivery/local/node_webhook.ts";
import type { FoundMailbox } from "../engine/delivery/local_carrier.ts";
import { openNextHop } from "../engine/delivery/next_hop.ts";
import { openSession } from "../engine/delivery/node_smtp_opener.ts";
import { Settler } from "../engine/delivery/settler.ts";
import { nodeExchange } from "../engine/dns/node_exchange.ts";
import { systemServers } from "../engine/dns/node_resolv_conf.ts";
import { StubResolver } from "../engine/dns/stub_resolver.ts";
import { parseMailbox } from "../engine/mail/path.ts";
import { queueIdGenerator } from "../engine/mail/queue_id.ts";
import type { Directory } from "../engine/store/directory.ts";
import { SHARDS } from "../engine/store/dispatch.ts";
import { connectPostgres } from "../engine/store/postgres_client.ts";
import { postgresDirectory } from "../engine/store/postgres_directory.ts";
import { nextGenerator } from "../engine/store/postgres_generators.ts";
import { postgresSigningKeys } from "../engine/store/postgres_signing_keys.ts";
import { postgresSpool } from "../engine/store/postgres_spool.ts";
import { logOf } from "../engine/telemetry/log.ts";
import { courierObserver, dnsObserver, poolObserver, timed } from "./delivery_observer.ts";
import { reportSigner, routeReport } from "./report_mail.ts";
import { openDispatch, runThread, tellMain, type Thread } from "./thread.ts";

/** Claim, read, settle: no more than one of each at a time. */
const CONNECTIONS = 3;
const BODY_CACHE_OCTETS = 64 * 1024 * 1024;
const TICK_MS = 1_000;
const PROMOTE_MS = 250;
const PROMOTE_LIMIT = 1_000;
const RECLAIM_MS = 15_000;
/** An entry read and not acknowledged for so long is looked at again. */
const RECLAIM_IDLE_MS = 60_000;
const RECLAIM_ENTRIES = 32;
const WEBHOOK_TIMEOUT_MS = 60_000;

runThread("delivery", async (thread) => {
  const { config, stores, index, owner, secretKey } = thread.start;
  const log = logOf("delivery");
  const onError = (error: unknown) => log.error("store: {error}", { error: String(error) });
  const sql = connectPostgres(stores.database, {
    max: CONNECTIONS,
    applicationName: `sluice ${thread.name}`,
  });
  const dispatch = openDispatch(stores, onError);
  const spool = postgresSpool(sql);
  const directory = postgresDirectory(sql, { now: () => performance.now() });
  const bodies = new BodyCache(BODY_CACHE_OCTETS);
  const stop = new AbortController();
  const secrets = new SecretBox(secretKey);
  const srsSecret = secrets.derive("srs");
  const carrier = await openCarrier(thread, { directory, secrets });
  const shards = Array.from({ length: SHARDS }, (_, shard) => shard)
    .filter((shard) => shard % config.deliveryWorkers === index);
  const consumer = `${config.serverHostname}-${index}`;
  const courier = new Courier({
    spool,
    dispatch,
    settler: new Settler({
      spool: { ...spool, settle: timed(thread.metrics, "settle", spool.settle) },
      dispatch,
      owner,
      onError,
    }),
    carrier,
    bodies,
    shards,
    consumer,
    owner,
    leaseMs: config.leaseMs,
    schedule: {
      firstDelayMs: config.retryFirstDelayMs,
      maxDelayMs: config.retryMaxDelayMs,
      growth: config.retryGrowth,
      lifetimeMs: config.queueLifetimeMs,
    },
    hostname: config.serverHostname,
    newQueueId: queueIdGenerator({ generator: await nextGenerator(sql), now: Date.now }),
    newBoundary: () => `sluice-${crypto.randomUUID()}`,
    signReport: reportSigner(config, {
      keys: postgresSigningKeys(sql, { now: () => performance.now() }),
      secrets,
      log,
    }),
    routeReport: (forwardPath) => routeReport(directory, forwardPath, srsSecret),
    now: Date.now,
    random: Math.random,
    observer: courierObserver(thread.metrics),
  });

  setInterval(() => {
    carrier.tick(Date.now());
    const { busy, idle } = carrier.sessions;
    thread.metrics.poolConnections.of({ state: "busy" }).set(busy);
    thread.metrics.poolConnections.of({ state: "idle" }).set(idle);
  }, TICK_MS);
  every(PROMOTE_MS, onError, () => dispatch.promote(Date.now(), PROMOTE_LIMIT));
  const reclaim = async (idleMs: () => number) => {
    for (let found = RECLAIM_ENTRIES; found === RECLAIM_ENTRIES && !stop.signal.aborted;) {
      const options = { consumer, minIdleMs: idleMs(), maxEntries: RECLAIM_ENTRIES };
      const entries = await dispatch.reclaim(shards, options);
      found = entries.length;
      if (found > 0) await courier.take(entries);
    }
  };
  // If this worker follows one that died, what that had read and not claimed need not wait.
  const startedMs = Date.now();
  reclaim(() => Date.now() - startedMs).catch(onError);
  every(RECLAIM_MS, onError, () => reclaim(() => RECLAIM_IDLE_MS));
  const running = courier.run(stop.signal);

  return (message) => {
    switch (message.kind) {
      case "handoff":
        receiveBodies(message.port, (id, octets) => bodies.put(id, octets));
        break;
      case "drain":
        stop.abort();
        carrier.withdraw();
        courier.drain(running).then(() => {
          carrier.close();
          thread.log.flush();
          tellMain({ kind: "drained" });
        });
        break;
    }
  };
});

async function openCarrier(
  thread: Thread,
  { directory, secrets }: { readonly directory: Directory; readonly secrets: SecretBox },
): Promise<MailCarrier> {
  const { config } = thread.start;
  const resolver = new StubResolver({
    servers: config.dnsServers ?? await systemServers(),
    exchange: nodeExchange,
    onQuery: dnsObserver(thread.metrics),
  });
  const isOurs = ourselves(config);
  const opener = {
    hostname: config.serverHostname,
    connectTimeoutMs: config.deliveryConnectTimeoutMs,
    commandTimeoutMs: config.deliveryCommandTimeoutMs,
  };
  const { smarthost } = config;
  return new MailCarrier({
    local: {
      maildir: new NodeMaildir({
        root: `${config.dataDir}/mail`,
        nonce: () => crypto.randomUUID().replaceAll("-", ""),
        now: Date.now,
        junkFolder: config.judging.junkFolder ?? "",
      }),
      webhook: new NodeWebhook({
        openSecret: (sealed, context) => secrets.open(sealed, context),
        timeoutMs: WEBHOOK_TIMEOUT_MS,
        now: Date.now,
      }),
      find: (forwardPath) => findMailbox(directory, forwardPath),
    },
    smarthost: smarthost === null ? null : {
      host: smarthost.host,
      port: smarthost.port,
      isSecure: smarthost.secure ?? false,
      credentials: smarthost.user === undefined
        ? null
        : { user: smarthost.user, password: smarthost.password ?? "" },
    },
    deliveryPort: config.deliveryPort,
    open: timed(thread.metrics, "connect", (nextHop) =>
      openNextHop(nextHop, {
        resolver,
        random: Math.random,
        now: Date.now,
        isOurs,
        open: (request) => openSession(request, opener),
      })),
    pool: {
      maxSessions: config.connectionsPerDestination,
      idleMs: config.deliveryIdleMs,
      commandTimeoutMs: config.deliveryCommandTimeoutMs,
      now: Date.now,
      observer: poolObserver(thread.metrics),
    },
  });
}

/** Whether a host is this server, so that mail does not go round in circles (RFC 5321 §5.1). */
function ourselves(config: Config): (name: string, address: string | null) => boolean {
  const names = new Set([config.serverHostname, machineName().toLowerCase()]);
  const addresses = new Set(config.smtpPort === config.deliveryPort ? config.listenAddresses : []);
  return (name, address) => names.has(name) || (address !== null && addresses.has(address));
}

/** The mailbox a forward-path names now: settings may have changed since it was accepted. */
async function findMailbox(
  directory: Directory,
  forwardPath: string,
): Promise<FoundMailbox | null> {
  const mailbox = parseMailbox(forwardPath);
  if (typeof mailbox === "string") return null;
  const answer = await directory.lookup(mailbox.domain, mailbox.localPart);
  const found = answer.kind === "mailbox"
    ? answer
    // An alias may stand on its own list, for a copy in the mailbox of that name.
    : answer.kind === "alias" && answer.user !== null
    ? { domain: mailbox.domain, user: answer.user }
    : null;
  if (found === null) return null;
  const { domain, user } = found;
  const settings = await directory.mailbox({ domain, localPart: user });
  return settings === null ? null : { domain, user, settings };
}

/** Runs a task again and again, the pause counted from its end. */
function every(pauseMs: number, onError: (error: unknown) => void, run: () => Promise<unknown>) {
  const again = () => setTimeout(() => run().catch(onError).finally(again), pauseMs);
  again();
}
