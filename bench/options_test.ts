import assert from "node:assert/strict";
import { parseOptions, UsageError } from "./options.ts";

Deno.test("parseOptions: defaults are three rounds of every scenario on both sides", () => {
  const options = parseOptions([]);
  assert.equal(options.rounds, 3);
  assert.deepEqual([...options.only], ["a", "b", "c", "f", "d", "e", "x"]);
  assert.equal(options.skip.size, 0);
  assert.equal(options.messages, null);
});

Deno.test("parseOptions: --quick shortens, and an explicit flag wins over it", () => {
  const options = parseOptions(["--rounds", "2", "--quick"]);
  assert.equal(options.rounds, 2);
  assert.equal(options.sessionChoices.length, 1);
});

Deno.test("parseOptions: values stand beside the flag or behind an equals sign", () => {
  const options = parseOptions(["--only=a,c", "--messages", "500", "--skip-sluice"]);
  assert.deepEqual([...options.only], ["a", "c"]);
  assert.equal(options.messages, 500);
  assert.ok(options.skip.has("sluice"));
});

Deno.test("parseOptions: every mistake is a UsageError that names the flag", () => {
  const mistakes = [["--round"], ["--rounds"], ["--rounds", "0"], ["--seconds", "x"], [
    "--only",
    "a,z",
  ], ["--sessions", "20,"]];
  for (const args of mistakes) {
    assert.throws(
      () => parseOptions(args),
      (error) => error instanceof UsageError && error.message.includes(args[0]),
    );
  }
});
