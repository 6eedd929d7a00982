/** Which command the words mean, and which one was probably meant where there is none. */
import { parseArgs } from "node:util";
import { type Command, type CommandInput, commandName, UsageError } from "./command.ts";
import { nearest } from "./nearest.ts";

export interface Found {
  readonly command: Command;
  readonly input: CommandInput;
}

/** The options every command takes. */
const GENERAL = { json: { type: "boolean" }, help: { type: "boolean", short: "h" } } as const;

/** The words that are no options and no values of options, whatever the command. */
export function bareWords(words: readonly string[], commands: readonly Command[]): string[] {
  const options = Object.assign({}, ...commands.map((command) => command.options ?? {}), GENERAL);
  const { positionals } = parseArgs({
    args: [...words],
    allowPositionals: true,
    strict: false,
    options: typesOf(options),
  });
  return positionals;
}

/** The command whose noun and verb the words begin with; of two, the one with the longer verb. */
export function commandOf(bare: readonly string[], commands: readonly Command[]): Command | null {
  const begins = commands.filter((command) =>
    nameWords(command).every((word, index) => bare[index] === word)
  );
  return begins.sort((a, b) => nameWords(b).length - nameWords(a).length)[0] ?? null;
}

/** The command and its words. @throws {UsageError} */
export function findCommand(words: readonly string[], commands: readonly Command[]): Found {
  const bare = bareWords(words, commands);
  const command = commandOf(bare, commands);
  if (command === null) throw new UsageError(unknown(bare, commands));
  const { positionals, options } = readOptions(words, command);
  return {
    command,
    input: { positionals: positionals.slice(nameWords(command).length), options },
  };
}

function nameWords(command: Command): string[] {
  return commandName(command).split(" ");
}

/** @throws {UsageError} */
function readOptions(words: readonly string[], command: Command) {
  try {
    const { positionals, values } = parseArgs({
      args: [...words],
      allowPositionals: true,
      options: { ...typesOf(command.options ?? {}), ...GENERAL },
    });
    return { positionals, options: values as CommandInput["options"] };
  } catch (error) {
    // What parseArgs throws is written for people.
    throw new UsageError(error instanceof Error ? error.message : String(error), { cause: error });
  }
}

function typesOf(options: NonNullable<Command["options"]>) {
  return Object.fromEntries(Object.entries(options).map(([name, { type }]) => [name, { type }]));
}

/** What to say about words that begin no command. */
function unknown(bare: readonly string[], commands: readonly Command[]): string {
  const [noun, ...rest] = bare;
  const nouns = [...new Set(commands.map((command) => command.noun))];
  const verbs = commands.filter((command) => command.noun === noun).map(({ verb }) => verb);
  if (verbs.length === 0) {
    return `unknown: ${noun}${suggestion("", nearest(noun, nouns))}\nThere is: ${nouns.join(", ")}`;
  }
  // `user app-password` has verbs of two words below it.
  const below = verbs.filter((verb) => verb.startsWith(`${rest[0]} `))
    .map((verb) => verb.slice(rest[0].length + 1));
  const [asked, typed, choices] = below.length > 0
    ? [`${noun} ${rest[0]}`, rest[1], below]
    : [noun, rest[0], verbs];
  const needs = `${asked} needs one of: ${choices.join(", ")}`;
  if (typed === undefined) return needs;
  const firstWords = [...new Set(choices.map((verb) => verb.split(" ")[0]))];
  return `unknown: ${asked} ${typed}${
    suggestion(`${asked} `, nearest(typed, firstWords))
  }\n${needs}`;
}

function suggestion(before: string, word: string | null): string {
  return word === null ? "" : `; did you mean ${before}${word}?`;
}
