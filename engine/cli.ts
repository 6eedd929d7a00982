/** Composition root of `cli`: the commands, and the stores they work on. */
import type { Sql } from "postgres";
import { ConfigError, loadConfig } from "../config/load.ts";
import type { Config } from "../config/schema.ts";
import { aliasCommands } from "./cli/alias.ts";
import { certCommands } from "./cli/cert.ts";
import { type CliSettings, type CliStores, type Command, UsageError } from "./cli/command.ts";
import { completionCommands } from "./cli/completion.ts";
import { dkimCommands } from "./cli/dkim.ts";
import { dkimRotationCommands } from "./cli/dkim_rotation.ts";
import { dmarcCommands } from "./cli/dmarc.ts";
import { doctorCommands } from "./cli/doctor.ts";
import { domainCommands } from "./cli/domain.ts";
import { domainSettingsCommands } from "./cli/domain_settings.ts";
import { migrateCommands } from "./cli/migrate.ts";
import { readMailFiles } from "./cli/node_mail_files.ts";
import { submit } from "./cli/node_submit.ts";
import { quarantineCommands } from "./cli/quarantine.ts";
import { queueCommands } from "./cli/queue.ts";
import { runCli } from "./cli/run.ts";
import { sendCommands } from "./cli/send.ts";
import { spamCommands } from "./cli/spam.ts";
import { spamExplainCommands } from "./cli/spam_explain.ts";
import { readLine } from "./cli/stdin.ts";
import { userAccessCommands } from "./cli/user_access.ts";
import { userCommands } from "./cli/user.ts";
import { userLimitCommands } from "./cli/user_limits.ts";
import { SecretBox } from "./crypto/secret_box.ts";
import { nodeExchange } from "./dns/node_exchange.ts";
import { systemServers } from "./dns/node_resolv_conf.ts";
import { StubResolver } from "./dns/stub_resolver.ts";
import { probeListener } from "./doctor/node_reachability.ts";
import type { StoreProbe } from "./doctor/system.ts";
import { openCommandDatabase } from "./runtime/pglite_command.ts";
import { findSecretKey, readSecretKey } from "./runtime/secret_key.ts";
import { postgresCertificates } from "./store/postgres_certificates.ts";
import { connectPostgres } from "./store/postgres_client.ts";
import { postgresDirectory } from "./store/postgres_directory.ts";
import { postgresDmarcReports } from "./store/postgres_dmarc_reports.ts";
import { postgresHistory } from "./store/postgres_history.ts";
import { migrate } from "./store/postgres_migrate.ts";
import { postgresQuarantine } from "./store/postgres_quarantine.ts";
import { proveSecretKey } from "./store/postgres_secret_proof.ts";
import { postgresSigningKeys } from "./store/postgres_signing_keys.ts";
import { postgresSpamMemory } from "./store/postgres_spam_memory.ts";

export const COMMANDS: readonly Command[] = [
  ...domainCommands,
  ...domainSettingsCommands,
  ...userCommands,
  ...userLimitCommands,
  ...userAccessCommands,
  ...aliasCommands,
  ...dkimCommands,
  ...dkimRotationCommands,
  ...certCommands,
  ...doctorCommands({
    probe: probeListener,
    now: Date.now,
    isColoured: () => Deno.stdout.isTerminal() && !Deno.noColor,
  }),
  ...sendCommands(submit),
  ...queueCommands,
  ...quarantineCommands,
  ...dmarcCommands,
  ...spamCommands({ readMailFiles, showProgress }),
  ...spamExplainCommands({ readMailFiles, readRules, now: Date.now }),
  ...migrateCommands,
  ...completionCommands({
    commands: () => COMMANDS,
    directory: new URL("../", import.meta.url).pathname.replace(/\/$/, ""),
  }),
];

async function openStores(config: Config): Promise<CliStores & AsyncDisposable> {
  const { databaseUrl, redisUrl, dataDir, dnsServers } = config;
  await using opening = new AsyncDisposableStack();
  const database = opening.use(
    await openCommandDatabase({
      databaseUrl,
      dataDir,
      onFatal: (error) => {
        console.error(error.message);
        Deno.exit(1);
      },
    }),
  );
  const sql = connectPostgres(database.target, { max: 1, applicationName: "sluice cli" });
  opening.defer(() => sql.end({ timeout: 5 }));
  const { applied } = await migrate(sql);
  const resolver = opening.use(
    new StubResolver({ servers: dnsServers ?? await systemServers(), exchange: nodeExchange }),
  );
  const opened = opening.move();
  const now = () => performance.now();
  let proven: Promise<SecretBox> | null = null;
  const secrets = async () => {
    const source = { fromEnvironment: config.secretKey, dataDir };
    // Beside a database that others use, a key made here would be one that no server has.
    const key = databaseUrl === null ? readSecretKey(source) : findSecretKey(source);
    if (key === null) {
      throw new Error(
        "there is no secret key here: give this command the SECRET_KEY or the DATA_DIR of the server",
      );
    }
    const box = new SecretBox(key);
    if (await proveSecretKey(sql, box) === "same") return box;
    throw new Error(
      "the secrets in this database were sealed with another secret key: " +
        "give this command the SECRET_KEY or the DATA_DIR of the server",
    );
  };
  return {
    directory: postgresDirectory(sql, { now }),
    history: postgresHistory(sql),
    quarantine: postgresQuarantine(sql),
    dmarcReports: postgresDmarcReports(sql),
    signingKeys: postgresSigningKeys(sql, { now }),
    certificates: postgresCertificates(sql),
    spamMemory: postgresSpamMemory(sql, { now: Date.now }),
    secrets: () => proven ??= secrets(),
    resolver,
    applied,
    probes: [
      postgresProbe(databaseUrl === null ? "embedded Postgres" : "Postgres", sql),
      ...(redisUrl === null ? [] : [redisProbe(redisUrl)]),
    ],
    settings: settingsOf(config),
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  };
}

function postgresProbe(name: string, sql: Sql): StoreProbe {
  return {
    name,
    ask: async () => {
      const [{ ms }] = await sql<[{ ms: number }]>`
        SELECT (extract(epoch FROM clock_timestamp()) * 1000)::float8 AS ms`;
      return ms;
    },
  };
}

/** Connects for one question, so that other commands need no Redis. */
function redisProbe(url: string): StoreProbe {
  return {
    name: "Redis",
    ask: async () => {
      const { RedisConnection } = await import("./store/redis_connection.ts");
      let fault: Error | null = null;
      await using connection = new RedisConnection({ url, onError: (error) => fault = error });
      try {
        const [seconds, microseconds] = await connection.call((redis) => redis.time());
        return Number(seconds) * 1000 + Number(microseconds) / 1000;
      } catch (error) {
        // What the connection met says more than that it is not up.
        throw fault ?? error;
      }
    },
  };
}

function readRules(path: string | null): Promise<string> {
  return Deno.readTextFile(path ?? new URL("../config/spam_rules.json", import.meta.url));
}

/** On the line it was shown before; nowhere but on a terminal. */
function showProgress(text: string | null): void {
  if (!Deno.stderr.isTerminal()) return;
  Deno.stderr.writeSync(new TextEncoder().encode(text === null ? "\r\x1b[K" : `\r${text}`));
}

function settingsOf(config: Config): CliSettings {
  return Object.freeze({
    hostname: config.serverHostname,
    domain: config.serverDomain,
    listenAddresses: config.listenAddresses,
    ports: Object.freeze({
      smtp: config.smtpPort,
      submission: config.submissionPort,
      smtps: config.smtpsPort,
      http: config.httpPort,
    }),
    dataDir: config.dataDir,
    dnsServers: config.dnsServers,
    hasAcme: config.acmeDirectoryUrl !== null,
    hasAcmeDns: config.acmeDnsHook !== null,
    spamRulesPath: config.judging.spamRulesPath,
  });
}

function main(): Promise<number> {
  return runCli(Deno.args, {
    commands: COMMANDS,
    settings: () => settingsOf(configuration()),
    open: () => openStores(configuration()),
    readLine: () => readLine(Deno.stdin.readable),
    out: (line) => console.log(line),
    error: (line) => console.error(line),
  });
}

/** @throws {UsageError} with every mistake on a line of its own. */
function configuration(): Config {
  try {
    return loadConfig();
  } catch (error) {
    if (error instanceof ConfigError) throw new UsageError(error.message, { cause: error });
    throw error;
  }
}

if (import.meta.main) Deno.exit(await main());
