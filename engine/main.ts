/** Composition root of `serve`: config → stores → workers → listeners. */
import { ConfigError, ENV_FILE, loadConfig } from "../config/load.ts";
import type { Config } from "../config/schema.ts";
import { serveAdminHttp } from "./admin/http.ts";
import { openCertificates } from "./certificates.ts";
import { makeFirstKeys } from "./cli/dkim_making.ts";
import { generatePassword, hashPassword } from "./crypto/password.ts";
import { SecretBox } from "./crypto/secret_box.ts";
import { checkPolicyModule } from "./filters/policy_runner.ts";
import { Learning } from "./learning.ts";
import { firstUser, nodeName } from "./runtime/first_start.ts";
import { readableByOthers } from "./runtime/file_mode.ts";
import { readSecretKey } from "./runtime/secret_key.ts";
import { openDatabase } from "./runtime/pglite_keeper.ts";
import { openReporter } from "./reporting.ts";
import { Server } from "./server.ts";
import { loadRules } from "./spam/node_rules.ts";
import { memoryCounters } from "./store/memory_counters.ts";
import { memoryGreylist } from "./store/memory_greylist.ts";
import { memoryMeters } from "./store/memory_meters.ts";
import { memoryDispatch } from "./store/memory_dispatch.ts";
import { connectPostgres } from "./store/postgres_client.ts";
import { postgresDirectory } from "./store/postgres_directory.ts";
import { postgresDmarcReports } from "./store/postgres_dmarc_reports.ts";
import { migrate } from "./store/postgres_migrate.ts";
import { postgresQuarantine } from "./store/postgres_quarantine.ts";
import { proveSecretKey } from "./store/postgres_secret_proof.ts";
import { postgresSigningKeys } from "./store/postgres_signing_keys.ts";
import { postgresSpool } from "./store/postgres_spool.ts";
import { redisDispatch } from "./store/redis_dispatch.ts";
import { bannerText } from "./telemetry/banner.ts";
import { openProcessMeter } from "./telemetry/ffi_process_usage.ts";
import { configureLog, type Log, logOf } from "./telemetry/log.ts";
import { sampleLoopLag } from "./telemetry/loop_lag.ts";
import { createMetrics } from "./telemetry/metrics.ts";
import { processRecorder } from "./telemetry/process_usage.ts";
import { VERSION } from "./version.ts";

/** What only shows when it is loaded: the rules of the spam score, and the operator's policy. */
async function checkJudging({ judging }: Config): Promise<void> {
  await loadRules(judging.spamRulesPath);
  if (judging.policyModule === null) return;
  const reason = await checkPolicyModule({
    ...judging.policyModule,
    thread: new URL("../workers/policy.ts", import.meta.url),
    now: () => performance.now(),
  });
  if (reason !== null) throw new ConfigError([reason]);
}

const WRONG_CONFIGURATION = 2;
/** How long a database that is not there yet is waited for. */
const DATABASE_WAIT_MS = 60_000;
const DATABASE_PAUSE_MS = 1_000;

async function serve(config: Config, log: Log): Promise<void> {
  await using stack = new AsyncDisposableStack();
  const logger = logOf("server");
  const metrics = createMetrics();
  metrics.build.state({ version: VERSION, deno: Deno.version.deno });
  stack.use(sampleLoopLag({ observe: (seconds) => metrics.eventLoopLagSeconds.observe(seconds) }));

  await checkJudging(config);
  await Deno.mkdir(config.dataDir, { recursive: true, mode: 0o700 });
  const database = stack.use(
    await openDatabase({
      databaseUrl: config.databaseUrl,
      dataDir: config.dataDir,
      onWaiting: (error) => {
        logger.warning("waiting for the embedded database: {error}", { error: error.message });
      },
      onRestart: (error) => {
        logger.error("embedded database restarts: {error}", { error: error.message });
        metrics.workerRestarts.of({ kind: "store" }).inc();
      },
    }),
  );
  const sql = connectPostgres(database.target, { max: 2, applicationName: "sluice main" });
  stack.defer(() => sql.end({ timeout: 1 }));
  await whenAvailable(() => migrate(sql), logger);
  const directory = postgresDirectory(sql, { now: () => performance.now() });
  const secretKey = readSecretKey({
    fromEnvironment: config.secretKey,
    dataDir: config.dataDir,
  });
  for (const path of readableByOthers([ENV_FILE, `${config.dataDir}/secret.key`])) {
    logger.warning("{path} holds secrets and others may read it: chmod 600 {path}", { path });
  }
  const secrets = new SecretBox(secretKey);
  if (await proveSecretKey(sql, secrets) === "different") {
    throw new Error(
      "the secrets in this database were sealed with another secret key: " +
        "give this server the SECRET_KEY, or the DATA_DIR/secret.key, of the one that was here first",
    );
  }
  const newUser = await firstUser(directory, {
    domain: config.serverDomain,
    newPassword: generatePassword,
    hash: hashPassword,
  });
  // A domain that others can look up is signed for from its first message on.
  if (newUser !== null && config.serverDomain.includes(".")) {
    const keys = postgresSigningKeys(sql, { now: () => performance.now() });
    for (const key of await makeFirstKeys(config.serverDomain, { secrets, nowMs: Date.now() })) {
      await keys.addKey(key);
    }
  }
  const certificates = stack.use(await openCertificates(config, { sql, secrets, metrics }));
  const dispatch = stack.use(
    config.redisUrl === null ? memoryDispatch({ now: Date.now }) : redisDispatch({
      url: config.redisUrl,
      onError: (error) => logger.error("redis: {error}", { error: error.message }),
    }),
  );
  const meter = stack.use(openProcessMeter());
  const node = await nodeName(config.dataDir);
  const spool = postgresSpool(sql);
  // What this node held when it ended is free again, before its new workers take leases of their own.
  const { length: count } = await spool.abandon(`${node}/`);
  if (count > 0) {
    const reason = "abandoned";
    logger.info("{count} deliveries requeued: {reason}", { event: "requeued", reason, count });
  }
  const learning = stack.use(await Learning.open({ config, sql, directory }));
  const server = new Server({
    config,
    node,
    database: database.target,
    spool,
    quarantine: postgresQuarantine(sql),
    dmarcReports: postgresDmarcReports(sql),
    dispatch,
    embedded: {
      counters: memoryCounters({ now: Date.now }),
      meters: memoryMeters({ now: Date.now }),
      greylist: memoryGreylist({ now: Date.now }),
    },
    secretKey,
    certificates: certificates.current(),
    spamKnowledge: learning.knowledge,
    metrics,
    recordProcess: processRecorder(metrics, () => meter.read()),
  });
  const reporter = await openReporter(config, { sql, secrets, directory, spool });
  if (reporter !== null) stack.use(reporter);
  stack.defer(() => server.stop());
  await server.start();
  certificates.start((set) => server.useCertificates(set));
  reporter?.start();
  learning.start((knowledge) => server.useSpamKnowledge(knowledge));
  const admin = serveAdminHttp({
    address: config.httpAddress,
    port: config.httpPort,
    readiness: () => server.readiness(),
    metrics: () => server.metrics(),
    onError: (error, path) => logger.error("http {path}: {error}", { path, error: String(error) }),
  });
  if (admin !== null) stack.use(admin);

  log.flush();
  console.error(bannerText({
    version: VERSION,
    hostname: config.serverHostname,
    domain: config.serverDomain,
    smtp: { addresses: config.listenAddresses, port: config.smtpPort },
    submission: { addresses: config.listenAddresses, port: config.submissionPort },
    smtps: { addresses: config.listenAddresses, port: config.smtpsPort },
    http: { addresses: [config.httpAddress], port: config.httpPort },
    dataDir: config.dataDir,
    databaseUrl: config.databaseUrl,
    redisUrl: config.redisUrl,
    certificate: { path: certificates.files.certPath, selfSigned: certificates.files.isSelfSigned },
    newUsers: newUser === null ? [] : [newUser],
  }));
  logger.info("ready", { event: "ready" });
  const signal = await stopSignal();
  logger.info("stopping on {signal}", { event: "stopping", signal });
}

/** Waits for a database that is still starting. */
async function whenAvailable<T>(
  run: () => Promise<T>,
  logger: ReturnType<typeof logOf>,
): Promise<T> {
  const deadlineMs = Date.now() + DATABASE_WAIT_MS;
  while (true) {
    try {
      return await run();
    } catch (error) {
      const { code } = error as { code?: string };
      const isAway = code === "ECONNREFUSED" || code === "57P03" || code === "ENOTFOUND" ||
        code === "CONNECT_TIMEOUT" || code === "ENOENT" || code === "CONNECTION_CLOSED";
      if (!isAway || Date.now() > deadlineMs) throw error;
      logger.warning("waiting for the database: {error}", { error: String(error) });
      await new Promise((resolve) => setTimeout(resolve, DATABASE_PAUSE_MS));
    }
  }
}

function stopSignal(): Promise<string> {
  return new Promise((resolve) => {
    for (const signal of ["SIGTERM", "SIGINT"] as const) {
      Deno.addSignalListener(signal, () => resolve(signal));
    }
  });
}

/** Runs the server until it is told to stop; answers the exit code. */
export async function main(): Promise<number> {
  let config: Config;
  try {
    config = loadConfig();
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    for (const mistake of error.mistakes) console.error(mistake);
    return WRONG_CONFIGURATION;
  }
  // The workers are told the format, since only this thread sees the terminal.
  const format = config.logFormat ?? (Deno.stdout.isTerminal() ? "pretty" : "json");
  config = { ...config, logFormat: format };
  const log = configureLog({ level: config.logLevel, format, thread: "main" });
  try {
    await serve(config, log);
    logOf("server").info("stopped", { event: "stopped" });
    return 0;
  } catch (error) {
    logOf("server").error("{error}", { error: String(error) });
    console.error(error instanceof Error ? error.message : String(error));
    return 1;
  } finally {
    log.flush();
  }
}

if (import.meta.main) Deno.exit(await main());
