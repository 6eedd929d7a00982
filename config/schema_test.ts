import assert from "node:assert/strict";
import fc from "fast-check";
import { type Config, defaultWorkers, parseConfig, VARIABLE_NAMES } from "./schema.ts";

const MACHINE = { hostname: "Mail.Example.ORG", cores: 2 };

function configOf(variables: Record<string, string>): Config {
  const result = parseConfig(variables, MACHINE);
  if ("mistakes" in result) throw new Error(result.mistakes.join("\n"));
  return result.config;
}

function mistakesOf(variables: Record<string, string>): readonly string[] {
  const result = parseConfig(variables, MACHINE);
  return "mistakes" in result ? result.mistakes : [];
}

Deno.test("parseConfig: an empty environment gives a server that works on loopback", () => {
  const { judging: _, ...config } = configOf({});
  assert.deepEqual(config, {
    serverHostname: "mail.example.org",
    serverDomain: "localhost",
    listenAddresses: ["127.0.0.1", "::1"],
    smtpPort: 2525,
    submissionPort: 2587,
    smtpsPort: 2465,
    historyMs: 14 * 24 * 3_600_000,
    httpAddress: "127.0.0.1",
    httpPort: 9090,
    databaseUrl: null,
    redisUrl: null,
    dataDir: "./data",
    tlsCertPath: null,
    tlsKeyPath: null,
    secretKey: null,
    acmeDirectoryUrl: null,
    acmeEmail: null,
    acmeHttpPort: 80,
    acmeDnsHook: null,
    enableAuth: true,
    authMethods: ["PLAIN", "LOGIN"],
    allowAuthWithoutTls: false,
    authFailuresPerAddress: 10,
    authFailuresPerUser: 50,
    authLockoutMs: 600_000,
    authFailureDelayMs: 1000,
    enableVrfy: false,
    maxMessagesPerHour: 1000,
    maxMessagesPerDay: 10000,
    maxMessageBytes: 26214400,
    maxRecipients: 1000,
    maxReceivedHops: 50,
    smarthost: null,
    relayNetworks: [],
    deliveryPort: 25,
    dnsServers: null,
    sessionWorkers: 2,
    deliveryWorkers: 1,
    greetPauseMs: 0,
    sessionIdleTimeoutMs: 300_000,
    sessionMemoryBytes: 79691776,
    maxConnections: 20_000,
    maxConnectionsPerIp: 1000,
    shutdownGraceMs: 30_000,
    retryFirstDelayMs: 60_000,
    retryMaxDelayMs: 14_400_000,
    retryGrowth: 2,
    queueLifetimeMs: 432_000_000,
    connectionsPerDestination: 20,
    deliveryIdleMs: 20_000,
    deliveryConnectTimeoutMs: 30_000,
    deliveryCommandTimeoutMs: 300_000,
    leaseMs: 900_000,
    logLevel: "info",
    logFormat: null,
  });
});

Deno.test("parseConfig: is frozen to its depth and may cross threads", () => {
  const config = configOf({ SMARTHOST: "smtp://relay.example.org", DNS_SERVERS: "127.0.0.1" });
  assert.ok(Object.isFrozen(config) && Object.isFrozen(config.listenAddresses));
  assert.ok(Object.isFrozen(config.smarthost) && Object.isFrozen(config.dnsServers?.[0]));
  assert.deepEqual(structuredClone(config), config);
});

Deno.test("parseConfig: reads lists, units, words and addresses", () => {
  const config = configOf({
    LISTEN_ADDRESS: "0.0.0.0, ::, 0.0.0.0",
    AUTH_METHODS: "plain,CRAM-MD5",
    ENABLE_AUTH: "No",
    RELAY_NETWORKS: "10.0.0.0/8,2001:db8::1",
    DNS_SERVERS: "127.0.0.1:5353,[::1]:54,192.0.2.53",
    RETRY_FIRST_DELAY_S: "0.25",
    LOG_LEVEL: "WARN",
    LOG_FORMAT: "Json",
    SMTP_PORT: "0",
    SUBMISSION_PORT: "0",
    DATA_DIR: "  /var/lib/sluice ",
    REDIS_URL: "",
    UNRELATED: "anything",
    SMTP_SOMETHING: "from a later version",
  });
  assert.deepEqual(config.listenAddresses, ["0.0.0.0", "::"]);
  assert.deepEqual(config.authMethods, ["PLAIN", "CRAM-MD5"]);
  assert.equal(config.enableAuth, false);
  assert.deepEqual(config.relayNetworks, ["10.0.0.0/8", "2001:db8::1"]);
  assert.deepEqual(config.dnsServers, [
    { host: "127.0.0.1", port: 5353 },
    { host: "::1", port: 54 },
    { host: "192.0.2.53", port: 53 },
  ]);
  assert.equal(config.retryFirstDelayMs, 250);
  assert.equal(config.logLevel, "warning");
  assert.equal(config.logFormat, "json");
  assert.equal(config.dataDir, "/var/lib/sluice");
  assert.equal(config.redisUrl, null);
});

Deno.test("parseConfig: reads smarthosts with and without credentials, port and TLS", () => {
  const smarthost = (url: string) => configOf({ SMARTHOST: url }).smarthost;
  assert.deepEqual(smarthost("smtp://ann%40example.org:p%23%3Aw@relay.example.org:2525"), {
    host: "relay.example.org",
    port: 2525,
    secure: false,
    user: "ann@example.org",
    password: "p#:w",
  });
  assert.deepEqual(smarthost("smtps://[::1]/"), { host: "::1", port: 465, secure: true });
  assert.deepEqual(smarthost("smtp://192.0.2.1"), { host: "192.0.2.1", port: 25, secure: false });
});

Deno.test("parseConfig: reports every mistake at once, a readable line each", () => {
  assert.deepEqual(
    mistakesOf({
      SERVER_HOSTNAME: "mail_1.example.org",
      SERVER_DOMAIN: "192.0.2.1",
      SMTP_PORT: "abc",
      LISTEN_ADDRESS: "localhost",
      TLS_CERT_PATH: "cert.pem",
      ACME_EMAIL: "nobody",
      ACME_DNS_HOOK: "/usr/local/bin/hook",
      ENABLE_AUTH: "maybe",
      AUTH_METHODS: "PLAIN,NTLM",
      MAX_RECIPIENTS: "0",
      RELAY_NETWORKS: "10.0.0.5/8",
      SUBMISSION_PORT: "2465",
      MAX_MESSAGE_BYTES: "41943040",
      SESSION_MEMORY_BYTES: "67108864",
      LEASE_S: "-1",
      LOG_LEVEL: "loud",
    }),
    [
      'SERVER_HOSTNAME: expected a domain name, got "mail_1.example.org"',
      'SERVER_DOMAIN: expected a domain name, got "192.0.2.1"',
      'LISTEN_ADDRESS: expected IP addresses, separated by commas, got "localhost"',
      'SMTP_PORT: expected a port from 0 to 65535, got "abc"',
      'ACME_EMAIL: expected a mail address, got "nobody"',
      "ACME_DNS_HOOK: expected an address such as https://host/…, got a value not shown here",
      'ENABLE_AUTH: expected true or false, got "maybe"',
      "AUTH_METHODS: expected some of PLAIN, LOGIN, CRAM-MD5, separated by commas, " +
      'got "PLAIN,NTLM"',
      'MAX_RECIPIENTS: expected a whole number from 1 to 100000, got "0"',
      "RELAY_NETWORKS: expected networks such as 10.0.0.0/8 or 2001:db8::/32 with no bits " +
      'behind the prefix, separated by commas, got "10.0.0.5/8"',
      'LEASE_S: expected seconds from 1 to 86400, got "-1"',
      'LOG_LEVEL: expected one of trace, debug, info, warning, error, fatal, got "loud"',
      "TLS_KEY_PATH: missing, while TLS_CERT_PATH is set",
      "SMTPS_PORT: 2465 is already taken by SUBMISSION_PORT",
      "SESSION_MEMORY_BYTES: expected at least 3 × MAX_MESSAGE_BYTES + 1 MiB, 126877696",
    ],
  );
});

Deno.test("parseConfig: mistakes never show a secret", () => {
  const mistakes = mistakesOf({
    SECRET_KEY: "hunter2",
    SMARTHOST: "smtp://ann:hunter2/@relay.example.org",
    DATABASE_URL: "mysql://ann:hunter2@db/mail",
    REDIS_URL: "redis://:hunter2@redis host",
  });
  assert.equal(mistakes.length, 4);
  assert.doesNotMatch(mistakes.join("\n"), /hunter2/);
});

Deno.test("parseConfig: a smarthost's user without a password is a mistake", () => {
  assert.equal(mistakesOf({ SMARTHOST: "smtp://ann@relay.example.org" }).length, 1);
  assert.equal(mistakesOf({ SMARTHOST: "smtp://ann:%zz@relay.example.org" }).length, 1);
  assert.equal(mistakesOf({ SMARTHOST: "smtp://relay.example.org:0" }).length, 1);
});

Deno.test("parseConfig: a session worker has memory for the largest message, unless told otherwise", () => {
  const memoryOf = (variables: Record<string, string>) => {
    const result = parseConfig(variables, MACHINE);
    return "config" in result ? result.config.sessionMemoryBytes : result.mistakes.length;
  };
  assert.equal(memoryOf({ MAX_MESSAGE_BYTES: "1024" }), 64 * 1024 * 1024);
  assert.equal(memoryOf({ MAX_MESSAGE_BYTES: "41943040" }), 126_877_696);
  const SESSION_MEMORY_BYTES = "126877696";
  assert.equal(memoryOf({ MAX_MESSAGE_BYTES: "41943040", SESSION_MEMORY_BYTES }), 126_877_696);
  assert.equal(memoryOf({ MAX_MESSAGE_BYTES: "41943041", SESSION_MEMORY_BYTES }), 1);
});

Deno.test("parseConfig: a machine without a usable name greets as localhost", () => {
  const result = parseConfig({}, { hostname: "build_host", cores: 1 });
  assert.ok("config" in result);
  assert.equal(result.config.serverHostname, "localhost");
});

Deno.test("parseConfig: no value throws", () => {
  const variables = fc.dictionary(fc.constantFrom(...VARIABLE_NAMES), fc.string());
  fc.assert(fc.property(variables, (values) => {
    parseConfig(values, MACHINE);
  }));
});

Deno.test("defaultWorkers: sessions take the cores, deliveries half of them, at least one each", () => {
  assert.deepEqual(defaultWorkers(1), { session: 1, delivery: 1 });
  assert.deepEqual(defaultWorkers(2), { session: 2, delivery: 1 });
  assert.deepEqual(defaultWorkers(8), { session: 8, delivery: 4 });
  assert.deepEqual(defaultWorkers(512), { session: 64, delivery: 32 });
});
