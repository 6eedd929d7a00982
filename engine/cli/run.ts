/**
 * From words to an exit code: finds the command, reads its options, runs it on the stores and says how
 * it went, for people or with `--json` for programs. Exit codes: 0 done, 1 failed
 * or faults found, 2 wrong usage.
 */
import {
  type CliSettings,
  type CliStores,
  type Command,
  type CommandInput,
  type CommandResult,
  optionOf,
  UsageError,
} from "./command.ts";
import { bareWords, commandOf, findCommand, type Found } from "./find.ts";
import { helpText, PROGRAM, synopsis } from "./help.ts";

export interface CliOutput {
  readonly out: (line: string) => void;
  readonly error: (line: string) => void;
}

export interface CliContext extends CliOutput {
  readonly commands: readonly Command[];
  /** @throws {UsageError} */
  readonly settings: () => CliSettings;
  /** Called only when there is something to do. */
  readonly open: () => Promise<CliStores & AsyncDisposable>;
  /** The first line of standard input. */
  readonly readLine: () => Promise<string>;
}

/** Answers the exit code. */
export async function runCli(words: readonly string[], context: CliContext): Promise<number> {
  const { commands } = context;
  const asJson = words.includes("--json");
  const fail = (message: string, hints: Record<string, string> = {}) => {
    if (asJson) return context.out(JSON.stringify({ error: message, ...hints }));
    const lines = Object.entries(hints).map(([name, hint]) =>
      `${name[0].toUpperCase()}${name.slice(1)}: ${PROGRAM} ${hint}`
    );
    context.error([message, ...lines].join("\n"));
  };
  const help = helpAskedFor(words, commands);
  if (help !== null) {
    context.out(help);
    return 0;
  }
  if (bareWords(words, commands).length === 0) {
    if (asJson) fail("there is no command", { try: "--help" });
    else context.error(helpText(commands));
    return 2;
  }
  let found: Found | null = null;
  let run: Run;
  try {
    found = findCommand(words, commands);
    for (const name of shownSecrets(found)) {
      context.error(
        `note: others on this machine can see what stands behind --${name}; ` +
          `--${name} - reads it from standard input`,
      );
    }
    run = prepare(found.command, await withStdin(found, context.readLine));
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    fail(error.message, found === null ? { try: "--help" } : usageHints(found.command));
    return 2;
  }
  try {
    const result = await run(context);
    if (result.kind === "failed") {
      fail(result.message);
      return 1;
    }
    if (asJson) context.out(JSON.stringify(result.json));
    else if (result.text !== "") context.out(result.text);
    return result.kind === "faults" ? 1 : 0;
  } catch (error) {
    fail(error instanceof Error ? error.message : String(error));
    return error instanceof UsageError ? 2 : 1;
  }
}

/** What to show instead of doing anything; `null` when nobody asked. */
function helpAskedFor(words: readonly string[], commands: readonly Command[]): string | null {
  const bare = bareWords(words, commands);
  const isAsked = words.includes("--help") || words.includes("-h") || bare[0] === "help";
  if (!isAsked) return null;
  const about = bare[0] === "help" ? bare.slice(1) : bare;
  const command = commandOf(about, commands);
  if (command !== null) return helpText([command]);
  const ofNoun = commands.filter(({ noun }) => noun === about[0]);
  return helpText(ofNoun.length > 0 ? ofNoun : commands);
}

function usageHints(command: Command): Record<string, string> {
  return {
    usage: synopsis(command),
    example: command.example,
    more: `${command.noun} --help`,
  };
}

type Run = (context: CliContext) => Promise<CommandResult>;

/** @throws {UsageError} */
function prepare(command: Command, input: CommandInput): Run {
  if (command.needs === "settings") {
    const run = command.prepare(input);
    return ({ settings }) => run(settings);
  }
  const run = command.prepare(input);
  return async ({ open }) => {
    await using stores = await open();
    return await run(stores);
  };
}

/** The options given in clear that could have been read from standard input. */
function shownSecrets({ command, input }: Found): string[] {
  return Object.entries(command.options ?? {})
    .filter(([name, { mayBeStdin }]) => {
      const given = optionOf(input, name);
      return mayBeStdin === true && given !== null && given !== "-";
    })
    .map(([name]) => name);
}

/** The input with the option that was given as `-` read. @throws {UsageError} */
async function withStdin(
  { command, input }: Found,
  readLine: () => Promise<string>,
): Promise<CommandInput> {
  const asked = Object.entries(command.options ?? {})
    .filter(([name, { mayBeStdin }]) => mayBeStdin === true && input.options[name] === "-")
    .map(([name]) => name);
  if (asked.length === 0) return input;
  const line = await readLine();
  if (line === "") throw new UsageError(`--${asked[0]} -: there is nothing on standard input`);
  return { ...input, options: { ...input.options, [asked[0]]: line } };
}
