/**
 * The variables that configure the server, their defaults and limits, and the configuration they make.
 * What each is for stands in `.env.example`. Knows no file and no environment: see `load.ts`.
 */
import { z } from "zod";
import { JUDGING_VARIABLES, judgingContradictions, toJudging } from "./judging.ts";
import {
  address,
  addresses,
  decimal,
  dnsServers,
  domainName,
  listOf,
  mailAddress,
  networks,
  oneOf,
  orNull,
  path,
  port,
  readDomainName,
  seconds,
  secretKey,
  smarthost,
  storeUrl,
  webAddress,
  wholeNumber,
  yesOrNo,
} from "./fields.ts";

const MEBIBYTE = 1024 * 1024;
/** Postgres sends `bytea` as twice as many hexadecimal digits, and takes 1 GiB at once. */
const LARGEST_MESSAGE_OCTETS = 500 * MEBIBYTE;
/** What a session worker may hold if nothing larger is needed. */
const USUAL_SESSION_MEMORY_OCTETS = 64 * MEBIBYTE;
const YEAR_S = 365 * 24 * 3600;
const DAY_MS = 24 * 3600 * 1000;

const VARIABLES = {
  SERVER_HOSTNAME: orNull(domainName()),
  SERVER_DOMAIN: domainName().prefault("localhost"),
  LISTEN_ADDRESS: addresses().prefault("127.0.0.1,::1"),
  SMTP_PORT: port().prefault("2525"),
  SUBMISSION_PORT: port().prefault("2587"),
  SMTPS_PORT: port().prefault("2465"),
  HTTP_ADDRESS: address().prefault("127.0.0.1"),
  HTTP_PORT: port().prefault("9090"),
  DATABASE_URL: orNull(storeUrl(["postgres", "postgresql"])),
  REDIS_URL: orNull(storeUrl(["redis", "rediss"])),
  DATA_DIR: path().prefault("./data"),
  TLS_CERT_PATH: orNull(path()),
  TLS_KEY_PATH: orNull(path()),
  SECRET_KEY: orNull(secretKey()),
  ACME_DIRECTORY_URL: orNull(webAddress(["https", "http"])),
  ACME_EMAIL: orNull(mailAddress()),
  ACME_HTTP_PORT: port().prefault("80"),
  ACME_DNS_HOOK: orNull(webAddress(["https", "http"])),
  ENABLE_AUTH: yesOrNo().prefault("true"),
  AUTH_METHODS: listOf(["PLAIN", "LOGIN", "CRAM-MD5"]).prefault("PLAIN,LOGIN"),
  ALLOW_AUTH_WITHOUT_TLS: yesOrNo().prefault("false"),
  AUTH_FAILURES_PER_ADDRESS: wholeNumber(1, 1e6).prefault("10"),
  AUTH_FAILURES_PER_USER: wholeNumber(1, 1e6).prefault("50"),
  AUTH_LOCKOUT_S: seconds(1, 86_400).prefault("600"),
  AUTH_FAILURE_DELAY_S: seconds(0, 60).prefault("1"),
  ENABLE_VRFY: yesOrNo().prefault("false"),
  MAX_MESSAGES_PER_HOUR: wholeNumber(1, 1e9).prefault("1000"),
  MAX_MESSAGES_PER_DAY: wholeNumber(1, 1e9).prefault("10000"),
  MAX_MESSAGE_BYTES: wholeNumber(1024, LARGEST_MESSAGE_OCTETS).prefault("26214400"),
  MAX_RECIPIENTS: wholeNumber(1, 100_000).prefault("1000"),
  MAX_RECEIVED_HOPS: wholeNumber(1, 1000).prefault("50"),
  SMARTHOST: orNull(smarthost()),
  RELAY_NETWORKS: networks().optional(),
  DELIVERY_PORT: wholeNumber(1, 65535).prefault("25"),
  DNS_SERVERS: orNull(dnsServers()),
  SESSION_WORKERS: orNull(wholeNumber(1, 256)),
  DELIVERY_WORKERS: orNull(wholeNumber(0, 256)),
  GREET_PAUSE_MS: wholeNumber(0, 60_000).prefault("0"),
  SESSION_IDLE_TIMEOUT_S: seconds(1, 86_400).prefault("300"),
  SESSION_MEMORY_BYTES: orNull(wholeNumber(MEBIBYTE, 64 * 1024 * MEBIBYTE)),
  MAX_CONNECTIONS: wholeNumber(1, 1_000_000).prefault("20000"),
  MAX_CONNECTIONS_PER_IP: wholeNumber(1, 1_000_000).prefault("1000"),
  ...JUDGING_VARIABLES,
  SHUTDOWN_GRACE_S: seconds(0, 3600).prefault("30"),
  RETRY_FIRST_DELAY_S: seconds(0.001, YEAR_S).prefault("60"),
  RETRY_MAX_DELAY_S: seconds(0.001, YEAR_S).prefault("14400"),
  RETRY_GROWTH: decimal(1, 100).prefault("2"),
  QUEUE_LIFETIME_S: seconds(1, YEAR_S).prefault("432000"),
  HISTORY_DAYS: wholeNumber(1, 36_500).prefault("14"),
  CONNECTIONS_PER_DESTINATION: wholeNumber(1, 10_000).prefault("20"),
  DELIVERY_IDLE_S: seconds(0, 3600).prefault("20"),
  DELIVERY_CONNECT_TIMEOUT_S: seconds(0.1, 3600).prefault("30"),
  DELIVERY_COMMAND_TIMEOUT_S: seconds(0.1, 3600).prefault("300"),
  LEASE_S: seconds(1, 86_400).prefault("900"),
  LOG_LEVEL: oneOf(["trace", "debug", "info", "warning", "error", "fatal"], { warn: "warning" })
    .prefault("info"),
  LOG_FORMAT: orNull(oneOf(["json", "pretty"])),
} as const;

/** Every variable's name, in the order of `.env.example`. */
export const VARIABLE_NAMES = Object.keys(VARIABLES) as readonly VariableName[];
export type VariableName = keyof typeof VARIABLES;
type Settings = { [Name in VariableName]: z.output<(typeof VARIABLES)[Name]> };

/** The configuration: parsed once, frozen, plain data that may cross threads. */
export type Config = Readonly<ReturnType<typeof toConfig>>;

/** What the defaults depend on. */
export interface Machine {
  readonly hostname: string;
  readonly cores: number;
}

/** The configuration, or one readable line for each mistake; lines never hold a secret. */
export type ConfigResult =
  | { readonly config: Config }
  | { readonly mistakes: readonly string[] };

/** Reads variables by name; those it does not know are left alone, empty ones count as left out. */
export function parseConfig(
  variables: Readonly<Partial<Record<string, string>>>,
  machine: Machine,
): ConfigResult {
  const settings: Partial<Record<VariableName, unknown>> = {};
  const mistakes: string[] = [];
  for (const name of VARIABLE_NAMES) {
    const text = variables[name]?.trim();
    const result = VARIABLES[name].safeParse(text === "" ? undefined : text);
    if (result.success) settings[name] = result.data;
    else mistakes.push(...result.error.issues.map((issue) => `${name}: ${issue.message}`));
  }
  mistakes.push(...contradictions(settings as Partial<Settings>));
  if (mistakes.length > 0) return { mistakes };
  return { config: deepFreeze(toConfig(settings as Settings, machine)) };
}

/** Settings that are right one by one and cannot hold together. */
function contradictions(settings: Partial<Settings>): string[] {
  const mistakes: string[] = [];
  const { TLS_CERT_PATH: cert, TLS_KEY_PATH: key } = settings;
  if (cert && key === null) mistakes.push("TLS_KEY_PATH: missing, while TLS_CERT_PATH is set");
  if (key && cert === null) mistakes.push("TLS_CERT_PATH: missing, while TLS_KEY_PATH is set");
  const takenBy = new Map<number, string>();
  for (const name of ["SMTP_PORT", "SUBMISSION_PORT", "SMTPS_PORT", "HTTP_PORT"] as const) {
    const port = settings[name];
    if (!port) continue;
    const other = takenBy.get(port);
    if (other !== undefined) mistakes.push(`${name}: ${port} is already taken by ${other}`);
    takenBy.set(port, name);
  }
  mistakes.push(...judgingContradictions(settings));
  const neededOctets = leastSessionMemory(settings.MAX_MESSAGE_BYTES ?? 0);
  if ((settings.SESSION_MEMORY_BYTES ?? Infinity) < neededOctets) {
    mistakes.push(
      `SESSION_MEMORY_BYTES: expected at least 3 × MAX_MESSAGE_BYTES + 1 MiB, ${neededOctets}`,
    );
  }
  if ((settings.RETRY_FIRST_DELAY_S ?? 0) > (settings.RETRY_MAX_DELAY_S ?? Infinity)) {
    mistakes.push("RETRY_MAX_DELAY_S: expected at least the value of RETRY_FIRST_DELAY_S");
  }
  return mistakes;
}

/**
 * What the largest message needs lest it be put off for ever. Its recipients may take a quarter of it; what
 * is left holds the message twice, as it is while it is read, or with a copy for a domain that forwards it.
 */
function leastSessionMemory(maxMessageOctets: number): number {
  return 3 * maxMessageOctets + MEBIBYTE;
}

/** Threads by cores: sessions take all cores, deliveries half, since they mostly wait for peers. */
export function defaultWorkers(cores: number): { session: number; delivery: number } {
  return {
    session: Math.min(Math.max(1, Math.floor(cores)), 64),
    delivery: Math.min(Math.max(1, Math.floor(cores / 2)), 32),
  };
}

function toConfig(settings: Settings, machine: Machine) {
  const workers = defaultWorkers(machine.cores);
  return {
    serverHostname: settings.SERVER_HOSTNAME ?? readDomainName(machine.hostname) ?? "localhost",
    serverDomain: settings.SERVER_DOMAIN,
    listenAddresses: settings.LISTEN_ADDRESS,
    smtpPort: settings.SMTP_PORT,
    submissionPort: settings.SUBMISSION_PORT,
    smtpsPort: settings.SMTPS_PORT,
    httpAddress: settings.HTTP_ADDRESS,
    httpPort: settings.HTTP_PORT,
    databaseUrl: settings.DATABASE_URL,
    redisUrl: settings.REDIS_URL,
    dataDir: settings.DATA_DIR,
    tlsCertPath: settings.TLS_CERT_PATH,
    tlsKeyPath: settings.TLS_KEY_PATH,
    /** Base64 or hexadecimal of 32 octets; `null`: the one in `dataDir`. */
    secretKey: settings.SECRET_KEY,
    acmeDirectoryUrl: settings.ACME_DIRECTORY_URL,
    acmeEmail: settings.ACME_EMAIL,
    acmeHttpPort: settings.ACME_HTTP_PORT,
    acmeDnsHook: settings.ACME_DNS_HOOK,
    enableAuth: settings.ENABLE_AUTH,
    authMethods: settings.AUTH_METHODS,
    allowAuthWithoutTls: settings.ALLOW_AUTH_WITHOUT_TLS,
    authFailuresPerAddress: settings.AUTH_FAILURES_PER_ADDRESS,
    authFailuresPerUser: settings.AUTH_FAILURES_PER_USER,
    authLockoutMs: settings.AUTH_LOCKOUT_S,
    authFailureDelayMs: settings.AUTH_FAILURE_DELAY_S,
    enableVrfy: settings.ENABLE_VRFY,
    maxMessagesPerHour: settings.MAX_MESSAGES_PER_HOUR,
    maxMessagesPerDay: settings.MAX_MESSAGES_PER_DAY,
    maxMessageBytes: settings.MAX_MESSAGE_BYTES,
    maxRecipients: settings.MAX_RECIPIENTS,
    maxReceivedHops: settings.MAX_RECEIVED_HOPS,
    smarthost: settings.SMARTHOST,
    relayNetworks: settings.RELAY_NETWORKS ?? [],
    deliveryPort: settings.DELIVERY_PORT,
    dnsServers: settings.DNS_SERVERS,
    sessionWorkers: settings.SESSION_WORKERS ?? workers.session,
    deliveryWorkers: settings.DELIVERY_WORKERS ?? workers.delivery,
    greetPauseMs: settings.GREET_PAUSE_MS,
    sessionIdleTimeoutMs: settings.SESSION_IDLE_TIMEOUT_S,
    /** Octets in flight per session worker. */
    sessionMemoryBytes: settings.SESSION_MEMORY_BYTES ??
      Math.max(USUAL_SESSION_MEMORY_OCTETS, leastSessionMemory(settings.MAX_MESSAGE_BYTES)),
    maxConnections: settings.MAX_CONNECTIONS,
    maxConnectionsPerIp: settings.MAX_CONNECTIONS_PER_IP,
    judging: toJudging(settings),
    shutdownGraceMs: settings.SHUTDOWN_GRACE_S,
    retryFirstDelayMs: settings.RETRY_FIRST_DELAY_S,
    retryMaxDelayMs: settings.RETRY_MAX_DELAY_S,
    retryGrowth: settings.RETRY_GROWTH,
    queueLifetimeMs: settings.QUEUE_LIFETIME_S,
    historyMs: settings.HISTORY_DAYS * DAY_MS,
    connectionsPerDestination: settings.CONNECTIONS_PER_DESTINATION,
    /** How long a delivery connection is kept for the next message. */
    deliveryIdleMs: settings.DELIVERY_IDLE_S,
    deliveryConnectTimeoutMs: settings.DELIVERY_CONNECT_TIMEOUT_S,
    deliveryCommandTimeoutMs: settings.DELIVERY_COMMAND_TIMEOUT_S,
    leaseMs: settings.LEASE_S,
    logLevel: settings.LOG_LEVEL,
    /** `null`: pretty on a terminal, else JSON. */
    logFormat: settings.LOG_FORMAT,
  };
}

function deepFreeze<T>(value: T): T {
  if (typeof value !== "object" || value === null) return value;
  Object.values(value).forEach(deepFreeze);
  return Object.freeze(value);
}
