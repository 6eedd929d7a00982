/**
 * What a command of the `cli` is: a noun, a verb and what they do with the stores. Knows neither the
 * terminal nor where the stores are; the root does.
 */
import type { DirectoryAdmin } from "../store/directory.ts";
import type { History } from "../store/history.ts";

/** What commands work on. */
export interface CliStores {
  readonly directory: DirectoryAdmin;
  readonly history: History;
}

/** A command's words behind its verb. */
export interface CommandInput {
  readonly positionals: readonly string[];
  /** Options the command declares; one that takes no value is `true`. */
  readonly options: Readonly<Record<string, string | true | undefined>>;
}

export type CommandResult =
  | {
    readonly kind: "done";
    /** For people; may be empty. */
    readonly text: string;
    /** The same for programs. */
    readonly json: unknown;
  }
  /** Nothing was done, and why in one line. */
  | { readonly kind: "failed"; readonly message: string };

export interface Command {
  readonly noun: string;
  /** Empty for a noun that does without. */
  readonly verb: string;
  /** Words behind the verb, e.g. `<name>`. */
  readonly usage: string;
  readonly summary: string;
  readonly example: string;
  readonly options?: Readonly<Record<string, { type: "string" | "boolean" }>>;
  /**
   * Reads the words, before any store is opened.
   * @throws {UsageError}
   */
  prepare(input: CommandInput): (stores: CliStores) => Promise<CommandResult>;
}

/** The words, or the settings they need, make no sense; exit code 2. */
export class UsageError extends Error {
  override name = "UsageError";
}

/** The one word a command takes. @throws {UsageError} */
export function onlyWord(input: CommandInput, what: string): string {
  const [word, ...more] = input.positionals;
  if (word === undefined) throw new UsageError(`${what} is missing`);
  if (more.length > 0) throw new UsageError(`too many words: ${more.join(" ")}`);
  return word;
}

/** Asks page by page until one is empty. */
export async function allPages<T>(
  page: (after: T | undefined) => Promise<readonly T[]>,
): Promise<T[]> {
  const all: T[] = [];
  for (;;) {
    const next = await page(all.at(-1));
    if (next.length === 0) return all;
    all.push(...next);
  }
}
