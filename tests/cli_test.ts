import assert from "node:assert/strict";
import { COMMANDS } from "../engine/cli.ts";
import { commandName, UsageError } from "../engine/cli/command.ts";
import { findCommand } from "../engine/cli/find.ts";
import { verifyPassword } from "../engine/crypto/password.ts";
import { embeddedSocketPath } from "../engine/store/pglite_host.ts";
import { postgresDirectory } from "../engine/store/postgres_directory.ts";
import type { Said } from "./cli/console.ts";
import { makeDataDir } from "./fixtures/data_dir.ts";
import { client, embeddedPostgres } from "./fixtures/embedded_postgres.ts";
import { startPostgres } from "./fixtures/postgres.ts";
import { startServer } from "./fixtures/server.ts";

const ROOT = new URL("../", import.meta.url);
const { tasks } = JSON.parse(await Deno.readTextFile(new URL("deno.json", ROOT)));

/** The program as its users run it, with the permissions of its task. */
async function cli(
  words: string | readonly string[],
  env: Record<string, string>,
  stdin = "",
): Promise<Said> {
  const child = new Deno.Command(Deno.execPath(), {
    args: [
      ...tasks.cli.split(" ").slice(1),
      ...(typeof words === "string" ? words.split(" ") : words),
    ],
    cwd: ROOT,
    env: { DATABASE_URL: "", SECRET_KEY: "", ...env },
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  // A command that does not read may be gone by now.
  await writer.write(new TextEncoder().encode(stdin)).catch(() => {});
  await writer.close().catch(() => {});
  const { code, stdout, stderr } = await child.output();
  const text = (octets: Uint8Array) => new TextDecoder().decode(octets).trimEnd();
  return { code, out: text(stdout), error: text(stderr) };
}

/** A data directory for the length of a test. */
async function dataDirectory(): Promise<{ path: string } & AsyncDisposable> {
  const path = await makeDataDir("sluice-cli-");
  return {
    path,
    [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }),
  };
}

Deno.test("cli: works while a server runs on the embedded database", async () => {
  await using embedded = await embeddedPostgres();
  const env = { DATA_DIR: embedded.dataDir };
  const added = await cli("domain add Example.ORG --json", env);
  assert.equal(added.code, 0, added.error);
  assert.equal(JSON.parse(added.out).keys.length, 2);
  assert.equal(Deno.statSync(`${embedded.dataDir}/secret.key`).mode! & 0o777, 0o600);
  const user = await cli("user add Ann@example.org --password -", env, "chosen by ann\n");
  assert.deepEqual(user, { code: 0, out: "added ann@example.org", error: "" });
  await using sql = client(embedded.target);
  const directory = postgresDirectory(sql, { now: () => performance.now() });
  const account = await directory.account({ domain: "example.org", localPart: "ann" });
  assert.equal(await verifyPassword("chosen by ann", account?.passwordHash ?? null), true);
});

Deno.test("cli: works on Postgres, and refuses to seal under another secret key", async () => {
  await using postgres = await startPostgres();
  if (postgres === null) return;
  await using data = await dataDirectory();
  const SECRET_KEY = "00".repeat(32);
  const env = { DATABASE_URL: postgres.url, DATA_DIR: data.path };
  assert.equal((await cli("domain add example.org", { ...env, SECRET_KEY })).code, 0);
  const other = await cli("dkim rotate example.org", { ...env, SECRET_KEY: "11".repeat(32) });
  assert.equal(other.code, 1);
  assert.match(other.error, /sealed with another secret key/);
  // What needs no secret needs no key either; what needs one makes none that no server has.
  assert.equal((await cli("domain list", env)).out, "example.org");
  const keyless = await cli("domain add example.com", env);
  assert.equal(keyless.code, 1);
  assert.match(keyless.error, /^there is no secret key here: give [^\n]+ of the server$/);
  assert.throws(() => Deno.statSync(`${data.path}/secret.key`), Deno.errors.NotFound);
});

Deno.test("cli: without a server it opens the embedded database, one command after the other", async () => {
  await using data = await dataDirectory();
  const env = { DATA_DIR: data.path };
  const added = await Promise.all(
    ["a", "b"].map((name) => cli(`domain add ${name}.example`, env)),
  );
  assert.deepEqual(added.map((said) => said.code), [0, 0], JSON.stringify(added));
  assert.equal((await cli("domain list", env)).out, "a.example\nb.example");
  await assert.rejects(Deno.stat(embeddedSocketPath(env.DATA_DIR)), Deno.errors.NotFound);
});

Deno.test("cli: migrate says what it applied, and the second time that there is nothing", async () => {
  await using data = await dataDirectory();
  const env = { DATA_DIR: data.path };
  const first = await cli("migrate --json", env);
  assert.equal(first.code, 0, first.error);
  assert.equal(JSON.parse(first.out).applied[0], "0001_spool.sql");
  assert.deepEqual(await cli("migrate", env), { code: 0, out: "nothing to apply", error: "" });
});

Deno.test("cli: send hands a message to the running server, and trace tells of it", async () => {
  await using server = await startServer();
  const env = {
    DATA_DIR: server.dataDir,
    SMTP_PORT: `${server.ports.smtp}`,
    SUBMISSION_PORT: `${server.ports.submission}`,
  };
  const sent = await cli("send --from ann@example.net --to admin@localhost --json", env);
  assert.equal(sent.code, 0, sent.out);
  const { reply, queueId } = JSON.parse(sent.out);
  assert.match(reply, /^250 .*queued as/);
  const traced = await cli(`trace ${queueId}`, env);
  assert.match(traced.out, /accepted from <ann@example\.net>/);
  const refused = await cli("send --from ann@example.net --to bob@example.net", env);
  assert.equal(refused.code, 1);
  assert.match(refused.error, /^not sent by 127\.0\.0\.1:\d+: 5\d\d /);
  const submission = "send --from admin@localhost --to admin@localhost --user admin@localhost " +
    "--password -";
  const submitted = await cli(submission, env, `${server.password}\n`);
  assert.match(submitted.out, /says: 250 .*\nwhat becomes of it: deno task cli trace /);
  const wrong = await cli(submission, env, "not the password\n");
  assert.equal(wrong.code, 1);
  assert.match(wrong.error, /^not sent by 127\.0\.0\.1:\d+: 535 /);
});

Deno.test("cli: wrong usage is exit code 2 with a reason, and opens nothing", async () => {
  const env = { DATA_DIR: "/nonexistent/never-made" };
  const said = await cli("frobnicate", env);
  assert.equal(said.code, 2);
  assert.match(said.error, /^unknown: frobnicate\n/);
  const mistaken = await cli("domain list", { ...env, SMTP_PORT: "many" });
  assert.equal(mistaken.code, 2);
  assert.match(mistaken.error, /SMTP_PORT/);
  const secret = await cli("domain list", { ...env, SECRET_KEY: "hunter2" });
  assert.equal(secret.code, 2);
  assert.doesNotMatch(secret.error, /hunter2/);
});

Deno.test("cli: help and completion need no settings", async () => {
  const env = { SMTP_PORT: "many" };
  const all = await cli("--help", env);
  assert.equal(all.code, 0, all.error);
  assert.match(all.out, /user add <address>[^]*Examples:[^]*deno task cli domain add example\.org/);
  const bash = await cli("completion bash", env);
  assert.equal(bash.code, 0, bash.error);
  assert.match(bash.out, /complete .* sluice$/);
});

Deno.test("cli: a database that cannot be reached is one line and exit code 1", async () => {
  const said = await cli("domain list", {
    DATABASE_URL: "postgres://nobody@127.0.0.1:1/nothing",
  });
  assert.equal(said.code, 1);
  assert.match(said.error, /^the database is unavailable: [^\n]*$/);
});

/** Reads the words as the program does before it opens anything. @throws {UsageError} */
function read(words: readonly string[]): string {
  const { command, input } = findCommand(words, COMMANDS);
  command.prepare(input);
  return commandName(command);
}

Deno.test("COMMANDS: each is found by its name, and takes its own example", () => {
  for (const command of COMMANDS) {
    assert.equal(read(command.example.split(" ")), commandName(command));
    assert.match(command.summary, /^[A-Z].*\.$/s);
  }
  assert.equal(new Set(COMMANDS.map(commandName)).size, COMMANDS.length);
});

Deno.test("COMMANDS: words that make no sense are told apart before anything is opened", () => {
  for (
    const [words, reason] of [
      ["user add", /the address is missing/],
      ["user add not-an-address", /not a mail address/],
      ["user add ann@[127.0.0.1]", /not a mail address/],
      ["user add ann@example.org --password=", /1 to 1024 octets/],
      ["user quota ann@example.org", /the size, or none, is missing/],
      ["user quota ann@example.org lots", /not a size: lots/],
      ["user limits ann@example.org", /--per-hour, --per-day/],
      ["user limits ann@example.org --per-day 0", /--per-day takes a number/],
      ["user app-password add ann@example.org", /label is missing/],
      ["user grant ann@example.org @", /not a sender/],
      ["domain add -x", /-x/],
      ["domain add a_b..c", /not a domain name/],
      ["domain add a.example b.example", /too many words: b\.example/],
      ["domain list --color", /--color/],
      ["domain set example.org", /the setting is missing: --delivery/],
      ["domain set example.org --plus maybe", /on or off, not maybe/],
      ["domain set example.org --delivery pigeon", /not a way to deliver: pigeon/],
      ["domain set example.org --delivery webhook:https://u:p@h.example/", /no password/],
      ["domain set example.org --delivery webhook:http:u:p@127.0.0.1", /no password/],
      ["domain set example.org --delivery webhook:http:\\\\u:p@h.example\\", /no password/],
      [`domain set example.org --delivery webhook:http://h/${"é".repeat(999)}`, /not a way/],
      ["domain set example.org --delivery webhook:https://token@h.example/", /no password/],
      ["alias add sales@example.org", /the target of sales@example\.org is missing/],
      ["alias add sales@example.org nobody", /neither a mail address nor @domain/],
      ["dkim generate example.org --selector s1", /add --algorithm/],
      ["dkim generate example.org --algorithm dsa", /--algorithm takes rsa or ed25519 or both/],
      ["dkim generate example.org --algorithm rsa --selector a_b", /not a selector/],
      ["dkim remove example.org", /the selector is missing/],
      ["cert add mail.example.org --cert a.pem", /the file is missing: --key/],
      ["cert add *.*.example.org --cert a --key b", /neither a host name nor/],
      ["doctor", /the domain is missing/],
      ["doctor example.org --address here", /not an IP address: here/],
      ["doctor example.org example.net", /too many words: example\.net/],
      ["migrate now", /takes no words/],
      ["trace xyz", /not a queue id/],
      ["queue list --limit many", /--limit takes a number/],
    ] as const
  ) {
    const isReadable = (error: unknown) =>
      error instanceof UsageError && reason.test(error.message);
    assert.throws(() => read(words.split(" ")), isReadable, words);
  }
});
