import assert from "node:assert/strict";
import { parseJudgingOptions } from "./judging_options.ts";
import { UsageError } from "./options.ts";

Deno.test("parseJudgingOptions: defaults, and what is given in their place", () => {
  const { rounds, sessionChoices, skip, resultsDirectory } = parseJudgingOptions([]);
  assert.deepEqual([rounds, sessionChoices, skip.size, resultsDirectory], [
    3,
    [10, 20, 40],
    0,
    "bench/results",
  ]);
  const given = parseJudgingOptions([
    ...["--rounds", "1", "--sessions=5", "--skip-sluice", "--results", "none"],
  ]);
  assert.deepEqual([given.rounds, given.sessionChoices, [...given.skip], given.resultsDirectory], [
    1,
    [5],
    ["sluice"],
    null,
  ]);
});

Deno.test("parseJudgingOptions: what is wrong is said", () => {
  for (
    const args of [
      ["--round", "1"],
      ["--rounds", "none"],
      ["--size", "10"],
      ["--sessions", "10,"],
      ["--skip-sluice", "--skip-postfix"],
      ["word"],
    ]
  ) assert.throws(() => parseJudgingOptions(args), UsageError, args.join(" "));
});
