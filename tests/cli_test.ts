import assert from "node:assert/strict";
import { verifyPassword } from "../engine/crypto/password.ts";
import { embeddedSocketPath } from "../engine/store/pglite_host.ts";
import { postgresDirectory } from "../engine/store/postgres_directory.ts";
import { client, embeddedPostgres } from "./fixtures/embedded_postgres.ts";
import { startPostgres } from "./fixtures/postgres.ts";

const ROOT = new URL("../", import.meta.url);
const { tasks } = JSON.parse(await Deno.readTextFile(new URL("deno.json", ROOT)));

interface Said {
  readonly code: number;
  readonly out: string;
  readonly error: string;
}

async function cli(words: readonly string[], env: Record<string, string>): Promise<Said> {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [...tasks.cli.split(" ").slice(1), ...words],
    cwd: ROOT,
    env: { DATABASE_URL: "", ...env },
  }).output();
  const text = (octets: Uint8Array) => new TextDecoder().decode(octets).trimEnd();
  return { code, out: text(stdout), error: text(stderr) };
}

async function administers(
  test: Deno.TestContext,
  env: Record<string, string>,
): Promise<{ password: string }> {
  const run = (words: string) => cli(words.split(" "), env);
  let password = "";

  await test.step("domain add, list, remove", async () => {
    assert.deepEqual(await run("domain add Example.ORG"), {
      code: 0,
      out: "added example.org",
      error: "",
    });
    assert.deepEqual(await run("domain add example.org --json"), {
      code: 1,
      out: '{"error":"example.org is there already"}',
      error: "",
    });
    assert.equal((await run("domain add bücher.example")).code, 0);
    const [text, json] = await Promise.all([run("domain list"), run("domain list --json")]);
    assert.equal(text.out, "example.org\nbücher.example");
    assert.equal(json.out, '[{"domain":"example.org"},{"domain":"xn--bcher-kva.example"}]');
    assert.equal((await run("domain remove bücher.example")).code, 0);
  });

  await test.step("user add, list, password, remove", async () => {
    const added = await run("user add Ann@example.org --json");
    assert.equal(added.code, 0);
    const answer = JSON.parse(added.out);
    assert.equal(answer.user, "ann@example.org");
    assert.match(answer.password, /^\w{20}$/);
    password = "chosen by ann";
    const set = await cli(["user", "password", "ann@example.org", "--password", password], env);
    assert.deepEqual(set, { code: 0, out: "password set for ann@example.org", error: "" });
    assert.match((await run("user add bob@example.org")).out, /^added bob.*\npassword: \w{20} /);
    assert.equal((await run("user list example.org")).out, "ann@example.org\nbob@example.org");
    assert.equal((await run("user remove bob@example.org")).code, 0);
    assert.equal((await run("user list --json")).out, '[{"user":"ann@example.org"}]');
    assert.equal((await run("user remove bob@example.org")).error, "no such user: bob@example.org");
    assert.match((await run("user add eve@example.net")).error, /first: domain add example.net/);
    assert.match((await run("domain remove example.org")).error, /still has users/);
  });
  return { password };
}

Deno.test("cli: works while a server runs on the embedded database", async (test) => {
  await using embedded = await embeddedPostgres();
  const { password } = await administers(test, { DATA_DIR: embedded.dataDir });
  await using sql = client(embedded.target);
  const directory = postgresDirectory(sql, { now: () => performance.now() });
  const hash = await directory.passwordHash({ domain: "example.org", localPart: "ann" });
  assert.equal(await verifyPassword(password, hash), true);
});

Deno.test("cli: works on Postgres", async (test) => {
  await using postgres = await startPostgres();
  if (postgres !== null) await administers(test, { DATABASE_URL: postgres.url });
});

Deno.test("cli: without a server it opens the embedded database, one command after the other", async () => {
  const dataDir = await Deno.makeTempDir({ prefix: "sluice-cli-" });
  const env = { DATA_DIR: `${dataDir}/data` };
  const added = await Promise.all(
    ["a", "b"].map((name) => cli(["domain", "add", `${name}.example`], env)),
  );
  assert.deepEqual(added.map((said) => said.code), [0, 0], JSON.stringify(added));
  assert.equal((await cli(["domain", "list"], env)).out, "a.example\nb.example");
  await assert.rejects(Deno.stat(embeddedSocketPath(env.DATA_DIR)), Deno.errors.NotFound);
  await Deno.remove(dataDir, { recursive: true });
});

Deno.test("cli: wrong usage is exit code 2 with a reason, and opens nothing", async () => {
  const env = { DATA_DIR: "/nonexistent/never-made" };
  for (
    const [words, reason] of [
      ["frobnicate", /unknown: frobnicate/],
      ["user", /user needs one of: add, remove, list, password/],
      ["user add", /the address is missing/],
      ["user add not-an-address", /not a mail address/],
      ["user add ann@[127.0.0.1]", /not a mail address/],
      ["domain add -x", /-x/],
      ["domain add a_b..c", /not a domain name/],
      ["domain list --color", /--color/],
      ["user add ann@example.org --password=", /1 to 1024 octets/],
    ] as const
  ) {
    const said = await cli(words.split(" "), env);
    assert.equal(said.code, 2, words);
    assert.match(said.error, reason);
    assert.match(said.error, /--help/);
  }
  const mistaken = await cli(["domain", "list"], { ...env, SMTP_PORT: "many" });
  assert.equal(mistaken.code, 2);
  assert.match(mistaken.error, /SMTP_PORT/);
});

Deno.test("cli: help shows usage and examples", async () => {
  const all = await cli([], {});
  assert.equal(all.code, 0);
  assert.match(all.out, /user add <address>[^]*Examples:[^]*deno task cli domain add example\.org/);
  const one = await cli(["user", "add", "--help"], {});
  assert.match(one.out, /user add/);
  assert.doesNotMatch(one.out, /domain add/);
});

Deno.test("cli: a database that cannot be reached is one line and exit code 1", async () => {
  const said = await cli(["domain", "list"], {
    DATABASE_URL: "postgres://nobody@127.0.0.1:1/nothing",
  });
  assert.equal(said.code, 1);
  assert.match(said.error, /^the database is unavailable: [^\n]*$/);
});
