/** The session worker: sessions over the connections the main thread accepted, up to the commit. */
import { Socket } from "node:net";
import type { Config } from "../config/schema.ts";
import { openSslVerifyingKeys } from "../engine/crypto/ffi_openssl.ts";
import { openNodeVerifyingKey } from "../engine/crypto/node_verifier.ts";
import { SecretBox } from "../engine/crypto/secret_box.ts";
import { CachedVerifier } from "../engine/crypto/verifier_cache.ts";
import { BodyHandoff, type CommittedBody } from "../engine/delivery/body_handoff.ts";
import { NodeMailboxRoom } from "../engine/delivery/local/node_mailbox_room.ts";
import { nodeExchange } from "../engine/dns/node_exchange.ts";
import { systemServers } from "../engine/dns/node_resolv_conf.ts";
import { StubResolver } from "../engine/dns/stub_resolver.ts";
import { deliveryId, queueIdGenerator } from "../engine/mail/queue_id.ts";
import { parseNetworks } from "../engine/routing/networks.ts";
import type { HandedConnection } from "../engine/runtime/wire.ts";
import { MemoryBudget } from "../engine/smtp/memory_budget.ts";
import type { ListenerName, SessionPolicy, SessionServices } from "../engine/smtp/session.ts";
import { SessionServer } from "../engine/smtp/session_server.ts";
import { loadRules } from "../engine/spam/node_rules.ts";
import { SenderReputations } from "../engine/spam/sender_reputations.ts";
import { type Dispatch, shardOf } from "../engine/store/dispatch.ts";
import { GroupCommit } from "../engine/store/group_commit.ts";
import { connectPostgres } from "../engine/store/postgres_client.ts";
import { postgresDirectory } from "../engine/store/postgres_directory.ts";
import { postgresReputations } from "../engine/store/postgres_reputations.ts";
import { postgresSigningKeys } from "../engine/store/postgres_signing_keys.ts";
import { postgresSpool } from "../engine/store/postgres_spool.ts";
import { nextGenerator } from "../engine/store/postgres_generators.ts";
import type { AcceptedMessage, Spool } from "../engine/store/spool.ts";
import { logOf } from "../engine/telemetry/log.ts";
import { aliasFaultObserver } from "./alias_fault_observer.ts";
import { dnsObserver } from "./delivery_observer.ts";
import { openPolicy } from "./policy_hooks.ts";
import { inboundServices } from "./session_inbound.ts";
import { loginServices } from "./session_login.ts";
import { sessionObserver } from "./session_observer.ts";
import { outgoingServices } from "./session_outgoing.ts";
import { sessionReports } from "./session_reports.ts";
import { recipientServices } from "./session_recipients.ts";
import { SpamScorer } from "./spam_scorer.ts";
import {
  openCounters,
  openDispatch,
  openGreylist,
  openMeters,
  runThread,
  tellMain,
  type Thread,
} from "./thread.ts";

const BATCH_MESSAGES = 128;
const BATCH_OCTETS = 2 * 1024 * 1024;
/** More at once would only make smaller batches: what waits for one commit fills the next. */
const COMMITS_AT_ONCE = 1;
/** Public keys of signers, kept open. */
const MAX_OPEN_KEYS = 2_000;
const CLOSED_REPORT_MS = 20;
const FLUSH_DEADLINE_MS = 3_000;
const DEADLINE_CHECK_MS = 1_000;

runThread("session", async (thread) => {
  const { config, stores, certificates, secretKey, adopted } = thread.start;
  const log = logOf("session");
  const onError = (error: unknown) => log.error("store: {error}", { error: String(error) });
  const sql = connectPostgres(stores.database, {
    max: COMMITS_AT_ONCE + 1,
    applicationName: `sluice ${thread.name}`,
  });
  const spool = postgresSpool(sql);
  const handoffs: BodyHandoff[] = [];
  const commits = groupCommit(thread, {
    spool,
    dispatch: openDispatch(stores, onError),
    handoffs,
    onError,
  });
  const memory = new MemoryBudget(config.sessionMemoryBytes);
  const secrets = new SecretBox(secretKey);
  const srsSecret = secrets.derive("srs");
  const now = () => performance.now();
  const newNonce = () => crypto.randomUUID().replaceAll("-", "");
  const directory = postgresDirectory(sql, { now });
  const resolver = new StubResolver({
    servers: config.dnsServers ?? await systemServers(),
    exchange: nodeExchange,
    onQuery: dnsObserver(thread.metrics),
  });
  const scorer = new SpamScorer(
    await loadRules(config.judging.spamRulesPath),
    thread.start.spamKnowledge,
  );
  // Commits and recipients do not wait for it.
  const asideSql = connectPostgres(stores.database, {
    max: 1,
    applicationName: `sluice ${thread.name} aside`,
  });
  const reputations = new SenderReputations({
    store: postgresReputations(asideSql),
    now: Date.now,
    onError,
  });
  const reports = sessionReports(config, asideSql);
  const policy = await openPolicy(config, thread.metrics);
  const services: SessionServices = {
    policy: policyOf(config),
    login: loginServices(config, {
      directory,
      counters: openCounters(stores, log),
      secrets,
    }),
    recipients: recipientServices({
      directory,
      room: new NodeMailboxRoom({ root: `${config.dataDir}/mail`, now: Date.now, nonce: newNonce }),
      srsSecret,
      onAliasFault: aliasFaultObserver(thread.metrics, { now }),
      policy,
    }),
    outgoing: outgoingServices({
      hostname: config.serverHostname,
      keys: postgresSigningKeys(sql, { now }),
      secrets,
      directory,
      resolver,
      srsSecret,
      log,
    }),
    inbound: inboundServices(config, {
      resolver,
      verifier: new CachedVerifier(
        openSslVerifyingKeys(openNodeVerifyingKey) ?? openNodeVerifyingKey,
        {
          maxKeys: MAX_OPEN_KEYS,
        },
      ),
      meters: openMeters(stores, log),
      greylist: openGreylist(stores, log),
      reputations,
      score: (facts) => scorer.score(facts),
      policy,
      reports,
      metrics: thread.metrics,
    }),
    accept: (messages) => commits.commit(messages),
    memory,
    newNonce,
    newQueueId: queueIdGenerator({ generator: await nextGenerator(sql), now: Date.now }),
    now: Date.now,
    observer: sessionObserver(thread.metrics, { memory, nameKey: secrets.derive("log names") }),
  };
  const servers = new Map<ListenerName, SessionServer>();
  for (const name of ["smtp", "submission", "smtps"] as const) {
    servers.set(name, new SessionServer(name, { services, certificates }));
  }
  const reportClosed = closedReporter();
  setInterval(() => {
    for (const server of servers.values()) server.checkDeadlines(Date.now());
  }, DEADLINE_CHECK_MS);
  return (message) => {
    switch (message.kind) {
      case "connections":
        for (const connection of message.connections) {
          // Counted first: a descriptor closed by both sides could be somebody else's by then.
          Atomics.add(adopted, 0, 1);
          adopt(servers, connection, reportClosed);
        }
        break;
      case "handoff":
        handoffs[message.delivery]?.close();
        handoffs[message.delivery] = new BodyHandoff(message.port);
        break;
      case "certificates":
        for (const server of servers.values()) server.useCertificates(message.certificates);
        break;
      case "spam_knowledge":
        scorer.use(message.spamKnowledge);
        break;
      case "drain":
        drain(servers).then(() => flushed([reputations.flush(), reports.flush()])).then(() => {
          thread.log.flush();
          tellMain({ kind: "drained" });
        });
        break;
    }
  };
});

function policyOf(config: Config): SessionPolicy {
  const networks = parseNetworks(config.relayNetworks.join(","));
  if (networks.kind === "fault") throw new Error(`RELAY_NETWORKS: ${networks.reason}`);
  return {
    hostname: config.serverHostname,
    localDomain: config.serverDomain,
    maxMessageOctets: config.maxMessageBytes,
    maxRecipients: config.maxRecipients,
    maxReceivedHops: config.maxReceivedHops,
    idleTimeoutMs: config.sessionIdleTimeoutMs,
    greetPauseMs: config.greetPauseMs,
    relayNetworks: networks.networks,
    authMethods: config.enableAuth ? config.authMethods : [],
    allowsAuthWithoutTls: config.allowAuthWithoutTls,
    answersVrfy: config.enableVrfy,
  };
}

/** Commits in batches; behind the commit, bodies and ids are on their way to the delivery workers. */
function groupCommit(thread: Thread, stores: {
  readonly spool: Spool;
  readonly dispatch: Dispatch;
  readonly handoffs: readonly BodyHandoff[];
  readonly onError: (error: unknown) => void;
}): GroupCommit<readonly AcceptedMessage[]> {
  const { spool, dispatch, handoffs, onError } = stores;
  const { deliveryWorkers } = thread.start.config;
  return new GroupCommit({
    maxItems: BATCH_MESSAGES,
    maxOctets: BATCH_OCTETS,
    maxWrites: COMMITS_AT_ONCE,
    sizeOf: (messages) => messages.reduce((sum, { octets }) => sum + octets.length, 0),
    write: async (accepted) => {
      const messages = accepted.flat();
      await spool.commit(messages);
      thread.metrics.commitBatch.observe(messages.length);
      const ready = [];
      const bodies: CommittedBody[][] = handoffs.map(() => []);
      for (const { id, octets, recipients, hold } of messages) {
        if (hold) continue;
        for (let n = 0; n < recipients.length; n++) {
          const shard = shardOf(recipients[n].destination);
          ready.push({ id: deliveryId(id, n), shard });
          if (n > 0) continue;
          bodies[shard % deliveryWorkers]?.push({ id, octets: octets as Uint8Array<ArrayBuffer> });
        }
      }
      bodies.forEach((handed, worker) => handoffs[worker]?.offer(handed));
      // Not waited for: the sweeper finds what the dispatcher misses.
      dispatch.enqueue(ready).catch(onError);
    },
  });
}

function adopt(
  servers: ReadonlyMap<ListenerName, SessionServer>,
  connection: HandedConnection,
  onClosed: (address: string) => void,
): void {
  // The types leave `fd` to the operating system's own pipes and terminals; sockets work as well.
  const socket = new Socket({
    fd: connection.fd,
    readable: true,
    writable: true,
    allowHalfOpen: true,
  });
  const { address, port, listener } = connection;
  servers.get(listener)!.adopt(socket, { address, port, onClosed: () => onClosed(address) });
}

/** Tells the main thread of ended connections, a batch at a time. */
function closedReporter(): (address: string) => void {
  let addresses: string[] = [];
  return (address) => {
    if (addresses.push(address) > 1) return;
    setTimeout(() => {
      tellMain({ kind: "closed", addresses });
      addresses = [];
    }, CLOSED_REPORT_MS);
  };
}

/** Resolves when all is stored, or it takes too long. */
async function flushed(flushing: readonly Promise<void>[]): Promise<void> {
  const late = new Promise<void>((resolve) => setTimeout(resolve, FLUSH_DEADLINE_MS));
  await Promise.race([Promise.all(flushing), late]);
}

async function drain(servers: ReadonlyMap<ListenerName, SessionServer>): Promise<void> {
  for (const server of servers.values()) server.drain();
  while ([...servers.values()].some((server) => server.sessionCount > 0)) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
