/**
 * What a command of the `cli` is: a noun, a verb and what they do with the stores. Knows neither the
 * terminal nor where the stores are; the root does.
 */
import type { SecretBox } from "../crypto/secret_box.ts";
import type { Resolver } from "../dns/resolver.ts";
import type { DnsServer } from "../dns/servers.ts";
import type { StoreProbe } from "../doctor/system.ts";
import type { CertificateStore } from "../store/certificates.ts";
import type { DirectoryAdmin } from "../store/directory.ts";
import type { DmarcReports } from "../store/dmarc_reports.ts";
import type { History } from "../store/history.ts";
import type { Quarantine } from "../store/quarantine.ts";
import type { SigningKeyAdmin } from "../store/signing_keys.ts";
import type { SpamMemory } from "../store/spam_memory.ts";

/** What commands know of the server's configuration; frozen. */
export interface CliSettings {
  readonly hostname: string;
  /** The first local domain. */
  readonly domain: string;
  readonly listenAddresses: readonly string[];
  /** 0 where a listener is off. */
  readonly ports: {
    readonly smtp: number;
    readonly submission: number;
    readonly smtps: number;
    readonly http: number;
  };
  readonly dataDir: string;
  /** `null`: the system's. */
  readonly dnsServers: readonly DnsServer[] | null;
  /** The server has certificates issued. */
  readonly hasAcme: boolean;
  /** It can prove wildcards by DNS. */
  readonly hasAcmeDns: boolean;
  /** `null`: the rules that come with the server. */
  readonly spamRulesPath: string | null;
}

/** What commands work on. */
export interface CliStores {
  readonly directory: DirectoryAdmin;
  readonly history: History;
  readonly quarantine: Quarantine;
  readonly dmarcReports: DmarcReports;
  readonly signingKeys: SigningKeyAdmin;
  readonly certificates: CertificateStore;
  readonly spamMemory: SpamMemory;
  /**
   * Makes the server's secret key where there is none yet beside an embedded database, so only those
   * ask who need it.
   * @throws {Error} when it is not the key that the secrets in the database were sealed with, or none.
   */
  secrets(): Promise<SecretBox>;
  readonly resolver: Resolver;
  /** The migrations that the database lacked until now, by name. */
  readonly applied: readonly string[];
  /** Each of the server's stores, to be asked whether it is well. */
  readonly probes: readonly StoreProbe[];
  readonly settings: CliSettings;
}

/** A command's words behind its verb. */
export interface CommandInput {
  readonly positionals: readonly string[];
  /** Options the command declares; one that takes no value is `true`. */
  readonly options: Readonly<Record<string, string | true | undefined>>;
}

export type CommandResult =
  | {
    /** With `faults` it was done too, but what it looked at is not as it must be; exit code 1. */
    readonly kind: "done" | "faults";
    /** For people; may be empty. */
    readonly text: string;
    /** The same for programs. */
    readonly json: unknown;
  }
  /** Nothing was done, and why, for people; its first line says it all. */
  | { readonly kind: "failed"; readonly message: string };

export interface CommandOption {
  readonly type: "string" | "boolean";
  /** Given as `-`, its value is the first line of what stands on standard input. */
  readonly mayBeStdin?: true;
}

interface CommandText {
  readonly noun: string;
  /** One word or two; empty for a noun that does without. */
  readonly verb: string;
  /** Words behind the verb, e.g. `<name>`. */
  readonly usage: string;
  readonly summary: string;
  readonly example: string;
  readonly options?: Readonly<Record<string, CommandOption>>;
}

export interface StoreCommand extends CommandText {
  readonly needs?: "stores";
  /**
   * Reads the words, before any store is opened.
   * @throws {UsageError}
   */
  prepare(input: CommandInput): (stores: CliStores) => Promise<CommandResult>;
}

/** One that runs without stores, and without settings too unless it asks for them. */
export interface LightCommand extends CommandText {
  readonly needs: "settings";
  /** @throws {UsageError} */
  prepare(input: CommandInput): (settings: () => CliSettings) => Promise<CommandResult>;
}

export type Command = StoreCommand | LightCommand;

/** The words, or the settings they need, make no sense; exit code 2. */
export class UsageError extends Error {
  override name = "UsageError";
}

/** `noun verb`, as one types it. */
export function commandName(command: Pick<Command, "noun" | "verb">): string {
  return command.verb === "" ? command.noun : `${command.noun} ${command.verb}`;
}

/** The words a command takes, one for each of `what`. @throws {UsageError} naming the first missing. */
export function wordsOf<const T extends readonly string[]>(
  input: CommandInput,
  what: T,
): { readonly [K in keyof T]: string } {
  const { positionals } = input;
  const missing = what[positionals.length];
  if (missing !== undefined) throw new UsageError(`${missing} is missing`);
  if (positionals.length > what.length) {
    throw new UsageError(`too many words: ${positionals.slice(what.length).join(" ")}`);
  }
  return positionals as { readonly [K in keyof T]: string };
}

/** The one word a command takes. @throws {UsageError} */
export function onlyWord(input: CommandInput, what: string): string {
  return wordsOf(input, [what])[0];
}

/** The value of an option, `null` when it is not given. */
export function optionOf(input: CommandInput, name: string): string | null {
  const value = input.options[name];
  return typeof value === "string" ? value : null;
}

/** One of `choices`, in any case. @throws {UsageError} */
export function choiceOf<const T extends string>(
  text: string,
  { what, choices }: { readonly what: string; readonly choices: readonly T[] },
): T {
  const choice = choices.find((candidate) => candidate === text.toLowerCase());
  if (choice !== undefined) return choice;
  throw new UsageError(`${what} takes ${choices.join(" or ")}, not ${text}`);
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
