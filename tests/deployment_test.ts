/** What starts Sluice elsewhere says the same as `deno.json`: container, unit, tasks and their permissions. */
import assert from "node:assert/strict";
import { VARIABLE_NAMES } from "../config/schema.ts";
import { client, embeddedPostgres } from "./fixtures/embedded_postgres.ts";

const ROOT = new URL("../", import.meta.url);
const read = (path: string) => Deno.readTextFile(new URL(path, ROOT));
const { tasks }: { tasks: Record<string, string> } = JSON.parse(await read("deno.json"));

/** Instructions of a Dockerfile, continued lines joined. */
async function instructions(name: string): Promise<string[]> {
  return (await read("Dockerfile")).replaceAll("\\\n", "").split("\n")
    .filter((line) => line.startsWith(`${name} `))
    .map((line) => line.slice(name.length + 1).trim());
}

Deno.test("tasks: every permission is named, and none is for everything", () => {
  for (const [name, command] of Object.entries(tasks)) {
    assert.doesNotMatch(command, /(^|\s)(-A|--allow-all)\b/, name);
  }
  for (const name of ["serve", "cli", "migrate"]) {
    const words = tasks[name].split(" ");
    const variables = words.find((word) => word.startsWith("--allow-env="));
    assert.equal(variables, `--allow-env=${VARIABLE_NAMES.join(",")}`, name);
    // A library that asks for another variable finds it unset.
    assert.ok(words.includes("--ignore-env"), name);
    assert.ok(words.includes("--no-prompt"), name);
    assert.doesNotMatch(tasks[name], /--allow-run|--allow-import/);
  }
});

Deno.test("Dockerfile: starts what `deno task serve` starts", async () => {
  const [entrypoint] = await instructions("ENTRYPOINT");
  assert.deepEqual(JSON.parse(entrypoint), tasks.serve.split(" "));
});

Deno.test("Dockerfile: the image has the libcrypto that signs", async () => {
  assert.match((await instructions("RUN")).join("\n"), /apt-get install .*\blibssl3\b/);
});

Deno.test("Dockerfile: what it copies and caches exists and gets into the build", async () => {
  const kept = (await read(".dockerignore")).split("\n")
    .filter((line) => line.startsWith("!")).map((line) => line.slice(1));
  const copied = (await instructions("COPY")).flatMap((words) =>
    words.split(/\s+/).slice(0, -1).filter((word) => !word.startsWith("--"))
  );
  assert.ok(copied.length > 0);
  for (const path of copied) {
    await Deno.stat(new URL(path, ROOT));
    assert.ok(kept.includes(path), `${path} is left out by .dockerignore`);
  }
  const cached = (await read("Dockerfile")).match(/"[\w/]+\.ts"/g) ?? [];
  assert.ok(cached.length > 5);
  for (const quoted of cached) await Deno.stat(new URL(JSON.parse(quoted), ROOT));
});

Deno.test("sluice.service: starts what `deno task serve` starts", async () => {
  const unit = (await read("config/sluice.service")).replaceAll("\\\n", "");
  const words = /^ExecStart=\/usr\/local\/bin\/(.*)$/m.exec(unit)?.[1].split(/\s+/);
  assert.deepEqual(words, tasks.serve.split(" "));
});

Deno.test("sluice.service: its instructions keep the file with the secrets to root", async () => {
  const lines = (await read("config/sluice.service")).split("\n");
  const making = lines.filter((line) => line.startsWith("#   ") && line.endsWith("/sluice.env"));
  assert.deepEqual(making.map((line) => line.split(" ").slice(3, 6)), [["install", "-m", "0600"]]);
});

Deno.test("compose.yaml: holds no password and gives none a default", async () => {
  const text = await read("compose.yaml");
  const passwords = [...text.matchAll(/\$\{(\w*PASSWORD)([^}]*)\}/g)];
  assert.deepEqual(
    new Set(passwords.map(([, name]) => name)),
    new Set([
      "POSTGRES_PASSWORD",
      "REDIS_PASSWORD",
    ]),
  );
  for (const [whole, , rest] of passwords) assert.match(rest, /^:\?/, whole);
  for (const [, value] of text.matchAll(/^\s+\w*PASSWORD: (.*)$/gm)) assert.match(value, /^\$\{/);
});

Deno.test("one version of Deno: documentation, container and gate name the same", async () => {
  const named = new Set<string>();
  for (const path of ["README.md", "CONTRIBUTING.md", "Dockerfile", ".ci/run"]) {
    for (const [, version] of (await read(path)).matchAll(/\bdeno[@:](\d+\.\d+\.\d+)/g)) {
      named.add(version);
    }
  }
  assert.deepEqual([...named], ["2.9.6"]);
});

Deno.test("migrate: applies what is missing once, with the task's own permissions", async () => {
  await using embedded = await embeddedPostgres();
  const run = async () => {
    const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: tasks.migrate.split(" ").slice(1),
      cwd: ROOT,
      env: { DATABASE_URL: "", DATA_DIR: embedded.dataDir },
    }).output();
    const text = (octets: Uint8Array) => new TextDecoder().decode(octets).trim();
    return { code, out: text(stdout), error: text(stderr) };
  };
  const first = await run();
  assert.equal(first.code, 0, first.error);
  assert.match(first.out, /^applied 0001_spool\.sql\n/);
  assert.deepEqual(await run(), { code: 0, out: "nothing to apply", error: "" });
  await using sql = client(embedded.target);
  assert.equal((await sql`SELECT count(*)::integer AS count FROM messages`)[0].count, 0);
});

Deno.test("migrate: wrong settings are exit code 2, an unreachable database 1, in one line", async () => {
  for (
    const [env, code, line] of [
      [{ SMTP_PORT: "many" }, 2, /^SMTP_PORT: [^\n]*$/],
      [{ DATABASE_URL: "postgres://nobody@127.0.0.1:1/none" }, 1, /^the database is [^\n]*$/],
    ] as const
  ) {
    const said = await new Deno.Command(Deno.execPath(), {
      args: tasks.migrate.split(" ").slice(1),
      cwd: ROOT,
      env,
    }).output();
    assert.equal(said.code, code);
    assert.match(new TextDecoder().decode(said.stderr).trim(), line);
  }
});
