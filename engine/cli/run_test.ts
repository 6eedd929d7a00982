import assert from "node:assert/strict";
import type { Command } from "./command.ts";
import { runCli } from "./run.ts";
import { onlyWord } from "./command.ts";

const COMMANDS: readonly Command[] = [
  {
    noun: "user",
    verb: "add",
    usage: "<address>",
    summary: "Add one.",
    example: "user add ann@example.org",
    needs: "settings",
    options: { password: { type: "string", mayBeStdin: true } },
    prepare: (input) => {
      const address = onlyWord(input, "the address");
      const json = { address, ...input.options };
      return () => Promise.resolve({ kind: "done", text: `added ${address}`, json });
    },
  },
  ...["list", "remove"].map((verb): Command => ({
    noun: "user",
    verb: `app-password ${verb}`,
    usage: "<address>",
    summary: `${verb} them.`,
    example: `user app-password ${verb} ann@example.org`,
    needs: "settings",
    prepare: (input) => {
      const address = onlyWord(input, "the address");
      return () => Promise.resolve({ kind: "failed", message: `cannot ${verb} ${address}` });
    },
  })),
  {
    noun: "doctor",
    verb: "",
    usage: "<domain>",
    summary: "Looks at it.",
    example: "doctor example.org",
    needs: "settings",
    prepare: (input) => {
      const domain = onlyWord(input, "the domain");
      return () => Promise.resolve({ kind: "faults", text: `${domain} is ill`, json: { domain } });
    },
  },
  {
    noun: "trace",
    verb: "",
    usage: "<id>",
    summary: "Opens stores.",
    example: "trace 1",
    prepare: (input) => {
      const id = onlyWord(input, "the id");
      return () => Promise.resolve({ kind: "done", text: id, json: id });
    },
  },
];

async function run(words: string, stdin = "") {
  const said = { out: "", error: "" };
  const code = await runCli(words.split(" ").filter(Boolean), {
    commands: COMMANDS,
    settings: () => {
      throw new Error("nobody asked for settings");
    },
    open: () => Promise.reject(new Error("the database is away")),
    readLine: () => Promise.resolve(stdin),
    out: (line) => said.out += line,
    error: (line) => said.error += line,
  });
  return { code, ...said };
}

Deno.test("runCli: finds verbs of one word, of two and none, wherever options stand", async () => {
  assert.deepEqual(await run("user add a@b"), { code: 0, out: "added a@b", error: "" });
  assert.equal((await run("--password add user add a@b")).out, "added a@b");
  assert.equal((await run("user app-password list a@b")).error, "cannot list a@b");
  assert.equal((await run("trace 1")).error, "the database is away");
});

Deno.test("runCli: exit codes tell done, failed and wrong usage apart", async () => {
  assert.equal((await run("user add a@b")).code, 0);
  assert.equal((await run("user app-password list a@b")).code, 1);
  assert.equal((await run("trace 1")).code, 1);
  assert.equal((await run("user add")).code, 2);
});

Deno.test("runCli: faults found are told as an answer is, and fail all the same", async () => {
  assert.deepEqual(await run("doctor a.example"), { code: 1, out: "a.example is ill", error: "" });
  const said = { code: 1, out: '{"domain":"a.example"}', error: "" };
  assert.deepEqual(await run("doctor --json a.example"), said);
  assert.match(
    (await run("doctor")).error,
    /^the domain is missing\nUsage: deno task cli doctor </,
  );
  assert.match((await run("docter a.example")).error, /^unknown: docter; did you mean doctor\?/);
});

Deno.test("runCli: a word that is missing is named, with usage and an example", async () => {
  assert.equal(
    (await run("user add")).error,
    [
      "the address is missing",
      "Usage: deno task cli user add <address>",
      "Example: deno task cli user add ann@example.org",
      "More: deno task cli user --help",
    ].join("\n"),
  );
  assert.deepEqual(JSON.parse((await run("user add --json")).out), {
    error: "the address is missing",
    usage: "user add <address>",
    example: "user add ann@example.org",
    more: "user --help",
  });
});

Deno.test("runCli: unknown words meet the nearest known one", async () => {
  assert.match(
    (await run("usr add")).error,
    /^unknown: usr; did you mean user\?\nThere is: user, doctor, t/,
  );
  assert.match((await run("user ad x")).error, /^unknown: user ad; did you mean user add\?/);
  assert.match((await run("user app-passwrd")).error, /did you mean user app-password\?/);
  assert.match((await run("user app-password ls")).error, /did you mean user app-password list\?/);
  assert.match((await run("user app-password")).error, /^user app-password needs one of: list, re/);
  assert.match((await run("user")).error, /^user needs one of: add, app-password list, /);
  assert.match((await run("user add x --color")).error, /--color/);
});

Deno.test("runCli: an option given as - is read from standard input, where it may be", async () => {
  const said = await run("user add a@b --password - --json", "from stdin");
  assert.deepEqual(JSON.parse(said.out), { address: "a@b", password: "from stdin", json: true });
  const empty = await run("user add a@b --password -");
  assert.equal(empty.code, 2);
  assert.match(empty.error, /nothing on standard input/);
});

Deno.test("runCli: a password among the words is noted, one from standard input is not", async () => {
  const said = await run("user add a@b --password hunter2 --json");
  assert.equal(said.code, 0);
  assert.match(said.error, /^note: others [^\n]+; --password - reads it from standard input$/);
  assert.doesNotMatch(said.error, /hunter2/);
  assert.equal((await run("user add a@b --password -", "from stdin")).error, "");
});

Deno.test("runCli: no words at all are wrong usage, answered with how to use it", async () => {
  const { out } = await run("help");
  assert.deepEqual(await run(""), { code: 2, out: "", error: out });
  const said = await run("--json");
  assert.equal(said.code, 2);
  assert.deepEqual(JSON.parse(said.out), { error: "there is no command", try: "--help" });
});

Deno.test("runCli: help is about what was named", async () => {
  const all = await run("--help");
  assert.equal(all.code, 0);
  assert.match(all.out, /user add <address>[^]*trace <id>[^]*Examples:/);
  assert.doesNotMatch((await run("user add --help")).out, /app-password/);
  assert.match((await run("help user")).out, /user add[^]*app-password list/);
  assert.match((await run("user app-password -h")).out, /app-password list/);
  assert.equal((await run("frobnicate --help")).out, all.out);
});
