import assert from "node:assert/strict";
import { parseEnvFile } from "./env_file.ts";
import { ConfigError, describeConfig, loadConfig } from "./load.ts";
import { parseConfig, VARIABLE_NAMES } from "./schema.ts";

const MACHINE = { hostname: "mail.example.org", cores: 2 };
const EXAMPLE = new URL(".env.example", import.meta.url);

function load(options: { environment?: Record<string, string>; file?: string }) {
  const envFile = Deno.makeTempFileSync();
  try {
    if (options.file === undefined) Deno.removeSync(envFile);
    else Deno.writeTextFileSync(envFile, options.file);
    const variable = (name: string) => options.environment?.[name];
    return loadConfig({ variable, envFile, machine: MACHINE });
  } finally {
    if (options.file !== undefined) Deno.removeSync(envFile);
  }
}

Deno.test("loadConfig: the environment wins over the file, the file over the defaults", () => {
  const config = load({
    environment: { SMTP_PORT: "2526" },
    file: "SMTP_PORT=1\nSUBMISSION_PORT=2588 # theirs\n",
  });
  assert.equal(config.smtpPort, 2526);
  assert.equal(config.submissionPort, 2588);
  assert.equal(config.smtpsPort, 2465);
});

Deno.test("loadConfig: goes without a file", () => {
  assert.equal(load({}).smtpPort, 2525);
});

Deno.test("loadConfig: throws the mistakes of file and values together", () => {
  assert.throws(
    () => load({ environment: { HTTP_PORT: "x" }, file: "nonsense\nSMTP_PORT=70000\n" }),
    (error) => {
      assert.ok(error instanceof ConfigError);
      assert.equal(error.mistakes.length, 3);
      assert.match(error.mistakes[0], /: line 1: expected NAME=value$/);
      assert.equal(
        error.mistakes[1],
        'SMTP_PORT: expected a port from 0 to 65535, got "70000"',
      );
      assert.equal(error.mistakes[2], 'HTTP_PORT: expected a port from 0 to 65535, got "x"');
      assert.equal(error.message, error.mistakes.join("\n"));
      return true;
    },
  );
});

Deno.test("loadConfig: a file that cannot be read is a mistake, not a crash", () => {
  const directory = Deno.makeTempDirSync();
  try {
    assert.throws(
      () => loadConfig({ variable: () => undefined, envFile: directory, machine: MACHINE }),
      (error) => error instanceof ConfigError && /cannot be read/.test(error.message),
    );
  } finally {
    Deno.removeSync(directory);
  }
});

Deno.test(".env.example: names every variable with its default", () => {
  const uncommented = Deno.readTextFileSync(EXAMPLE).replace(/^#(?=[A-Z_]+=)/gm, "");
  const { variables, mistakes } = parseEnvFile(uncommented);
  assert.deepEqual(mistakes, []);
  assert.deepEqual(Object.keys(variables).sort(), [...VARIABLE_NAMES].sort());
  assert.deepEqual(parseConfig(variables, MACHINE), parseConfig({}, MACHINE));
});

Deno.test("describeConfig: shows every setting and no password", () => {
  const config = load({
    environment: {
      SMARTHOST: "smtp://ann:hunter2@relay.example.org",
      DATABASE_URL: "postgres://ann:hunt@r2/x@db.example.org/mail?sslpassword=hunter2&a=b",
      REDIS_URL: "redis://:hunter2@redis.example.org:6379/0",
      DNS_SERVERS: "127.0.0.1:5353",
      SECRET_KEY: "4e".repeat(32),
    },
  });
  const described = describeConfig(config);
  assert.deepEqual(Object.keys(described), Object.keys(config));
  assert.doesNotMatch(JSON.stringify(described), /hunt|4e4e/);
  assert.equal(
    described.databaseUrl,
    "postgres://ann:***@db.example.org/mail?sslpassword=***&a=b",
  );
  assert.equal(described.redisUrl, "redis://:***@redis.example.org:6379/0");
  assert.equal(described.secretKey, "***");
  assert.equal(describeConfig(load({})).secretKey, "");
  assert.equal(described.listenAddresses, "127.0.0.1,::1");
  assert.equal(described.tlsCertPath, "");
  assert.match(described.smarthost, /"user":"ann","password":"\*\*\*"/);
});
