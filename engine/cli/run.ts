/**
 * From words to an exit code: finds the command, reads its options, runs it on the stores and says how
 * it went, for people or with `--json` for programs. Exit codes: 0 done, 1 failed, 2 wrong usage.
 */
import { parseArgs } from "node:util";
import { type CliStores, type Command, type CommandResult, UsageError } from "./command.ts";

export interface CliOutput {
  readonly out: (line: string) => void;
  readonly error: (line: string) => void;
}

export interface CliContext extends CliOutput {
  readonly commands: readonly Command[];
  /** Called only when there is something to do. */
  readonly open: () => Promise<CliStores & AsyncDisposable>;
}

/** Answers the exit code. */
export async function runCli(words: readonly string[], context: CliContext): Promise<number> {
  const asJson = words.includes("--json");
  const fail = (message: string, hint = "") => {
    if (asJson) context.out(JSON.stringify({ error: message }));
    else context.error(message + hint);
  };
  let parsed: Parsed;
  try {
    parsed = parse(words, context.commands);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    fail(error.message, "\nTry: --help");
    return 2;
  }
  if (parsed.kind === "help") {
    context.out(parsed.text);
    return 0;
  }
  try {
    await using stores = await context.open();
    const result = await parsed.run(stores);
    if (result.kind === "failed") {
      fail(result.message);
      return 1;
    }
    if (asJson) context.out(JSON.stringify(result.json));
    else if (result.text !== "") context.out(result.text);
    return 0;
  } catch (error) {
    fail(error instanceof Error ? error.message : String(error));
    return error instanceof UsageError ? 2 : 1;
  }
}

type Parsed =
  | { readonly kind: "help"; readonly text: string }
  | { readonly kind: "run"; readonly run: (stores: CliStores) => Promise<CommandResult> };

function parse(words: readonly string[], commands: readonly Command[]): Parsed {
  const [noun, verb] = words.filter((word) => !word.startsWith("-"));
  const wantsHelp = words.includes("--help") || words.includes("-h");
  const ofNoun = commands.filter((command) => command.noun === noun);
  // A noun may do without verbs, as `trace` does.
  const command = ofNoun.find((candidate) => candidate.verb === "" || candidate.verb === verb);
  if (noun === undefined || noun === "help" || wantsHelp) {
    const some = command !== undefined ? [command] : ofNoun.length > 0 ? ofNoun : commands;
    return { kind: "help", text: helpText(some) };
  }
  if (ofNoun.length === 0) throw new UsageError(`unknown: ${noun}`);
  if (command === undefined) {
    const verbs = ofNoun.map((candidate) => candidate.verb).join(", ");
    throw new UsageError(`${noun} needs one of: ${verbs}`);
  }
  const { positionals, values } = readOptions(words, command);
  return {
    kind: "run",
    run: command.prepare({
      positionals: positionals.slice(command.verb === "" ? 1 : 2),
      options: values,
    }),
  };
}

function readOptions(words: readonly string[], command: Command) {
  try {
    const { positionals, values } = parseArgs({
      args: [...words],
      allowPositionals: true,
      options: { ...command.options, json: { type: "boolean" } },
    });
    return { positionals, values: values as Record<string, string | true | undefined> };
  } catch (error) {
    // What parseArgs throws is written for people.
    throw new UsageError(error instanceof Error ? error.message : String(error), { cause: error });
  }
}

/** How to use these commands. */
export function helpText(commands: readonly Command[]): string {
  const lines = commands.map((command) => {
    const synopsis = [command.noun, command.verb, command.usage].filter(Boolean).join(" ");
    return `  ${synopsis}\n      ${command.summary}`;
  });
  const examples = commands.map((command) => `  deno task cli ${command.example}`);
  return [
    "Usage: deno task cli <noun> <verb> [words] [--json]",
    "",
    ...lines,
    "",
    '--json writes the answer, or {"error": …}, as one line of JSON.',
    "Exit code: 0 done, 1 failed, 2 wrong usage.",
    "",
    "Examples:",
    ...examples,
  ].join("\n");
}
