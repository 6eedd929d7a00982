/** `spam train | forget | status`: what spam scoring has learnt. */
import { normalizeDomain } from "../mail/domain.ts";
import { GLOBAL_SCOPE } from "../spam/bayes.ts";
import { LESSON_OCTETS, lessonOf } from "../spam/lesson.ts";
import type { LearnedScope, MailLabel } from "../store/spam_memory.ts";
import { noSuchDomain } from "./address.ts";
import {
  type CliStores,
  type Command,
  type CommandInput,
  type CommandResult,
  optionOf,
  UsageError,
} from "./command.ts";
import { columns, time } from "./layout.ts";
import type { MailFile, ReadMailFiles } from "./node_mail_files.ts";

export interface SpamCommandOptions {
  readonly readMailFiles: ReadMailFiles;
  /** Shown while there is more to do, and `null` when there is not. */
  readonly showProgress: (text: string | null) => void;
}

const BATCH = 50;

export function spamCommands(options: SpamCommandOptions): readonly Command[] {
  return [
    {
      noun: "spam",
      verb: "train",
      usage: "--spam|--ham <path>… [--domain <name>]",
      summary:
        "Learn from mail: mailbox files, Maildirs, folders of messages; for all domains, or for one.",
      example: "spam train --spam /var/mail/junk.mbox",
      options: {
        spam: { type: "boolean" },
        ham: { type: "boolean" },
        domain: { type: "string" },
      },
      prepare: (input) => {
        const [paths, label, scope] = [pathsOf(input), labelOf(input), scopeOf(input)];
        return (stores) =>
          inScope(stores, scope, () => train(stores, { paths, label, scope }, options));
      },
    },
    {
      noun: "spam",
      verb: "forget",
      usage: "<path>…|--all [--domain <name>]",
      summary: "Take back what was learnt from these messages, or everything.",
      example: "spam forget mistake.eml",
      options: { all: { type: "boolean" }, domain: { type: "string" } },
      prepare: (input) => {
        const scope = scopeOf(input);
        if (input.options.all === true) {
          if (input.positionals.length > 0) throw new UsageError("--all takes no paths");
          return async ({ spamMemory }) => {
            await spamMemory.clear(scope);
            const text = `forgot everything learnt for ${scopeText(scope)}`;
            return { kind: "done", text, json: { scope, all: true } };
          };
        }
        const paths = pathsOf(input);
        return (stores) => forget(stores, { paths, scope }, options);
      },
    },
    {
      noun: "spam",
      verb: "status",
      usage: "",
      summary: "Show how much was learnt, for all domains and for each that learns by itself.",
      example: "spam status",
      prepare: (input) => {
        if (input.positionals.length > 0) throw new UsageError("spam status takes no words");
        return status;
      },
    },
  ];
}

/** @throws {UsageError} */
function pathsOf({ positionals }: CommandInput): readonly string[] {
  if (positionals.length === 0) throw new UsageError("the path is missing");
  return positionals;
}

/** @throws {UsageError} */
function labelOf({ options }: CommandInput): MailLabel {
  const [isSpam, isHam] = [options.spam === true, options.ham === true];
  if (isSpam === isHam) throw new UsageError("say one of --spam and --ham");
  return isSpam ? "spam" : "ham";
}

/** The scope of `--domain`, or everyone's. @throws {UsageError} */
export function scopeOf(input: CommandInput): string {
  const text = optionOf(input, "domain");
  if (text === null) return GLOBAL_SCOPE;
  const domain = normalizeDomain(text);
  if (domain === null) throw new UsageError(`not a domain: ${text}`);
  return domain;
}

function scopeText(scope: string): string {
  return scope === GLOBAL_SCOPE ? "all domains" : scope;
}

async function inScope(
  { directory }: CliStores,
  scope: string,
  run: () => Promise<CommandResult>,
): Promise<CommandResult> {
  const isOurs = scope === GLOBAL_SCOPE || await directory.domain(scope) !== null;
  return isOurs ? await run() : noSuchDomain(scope);
}

async function train(
  { spamMemory }: CliStores,
  what: { readonly paths: readonly string[]; readonly label: MailLabel; readonly scope: string },
  options: SpamCommandOptions,
): Promise<CommandResult> {
  const { paths, label, scope } = what;
  const counts = { messages: 0, learned: 0, moved: 0, known: 0 };
  for await (const batch of batches(paths, options)) {
    const outcomes = await spamMemory.learn(
      batch.map(({ octets }) => ({ ...lessonOf(octets), label, scopes: [scope] })),
    );
    counts.messages += batch.length;
    for (const outcome of outcomes) counts[outcome]++;
    options.showProgress(`${counts.messages} messages`);
  }
  options.showProgress(null);
  const { messages, learned, moved, known } = counts;
  if (messages === 0) return { kind: "failed", message: `there is no mail in ${paths.join(" ")}` };
  const other = label === "spam" ? "ham" : "spam";
  const notes = [
    ...(moved > 0 ? [`${moved} had been ${other}`] : []),
    ...(known > 0 ? [`${known} were known`] : []),
  ];
  return {
    kind: "done",
    text: `learnt ${learned + moved} of ${messages} messages as ${label} for ${scopeText(scope)}` +
      (notes.length > 0 ? `; ${notes.join(", ")}` : ""),
    json: { scope, label, ...counts },
  };
}

async function forget(
  { spamMemory }: CliStores,
  { paths, scope }: { readonly paths: readonly string[]; readonly scope: string },
  options: SpamCommandOptions,
): Promise<CommandResult> {
  let messages = 0;
  let forgotten = 0;
  for await (const batch of batches(paths, options)) {
    forgotten += await spamMemory.forget(
      batch.map(({ octets }) => ({ ...lessonOf(octets), scopes: [scope] })),
    );
    messages += batch.length;
    options.showProgress(`${messages} messages`);
  }
  options.showProgress(null);
  return {
    kind: "done",
    text: `forgot ${forgotten} of ${messages} messages for ${scopeText(scope)}`,
    json: { scope, messages, forgotten },
  };
}

async function* batches(
  paths: readonly string[],
  { readMailFiles }: SpamCommandOptions,
): AsyncGenerator<readonly MailFile[]> {
  let batch: MailFile[] = [];
  for await (const file of readMailFiles(paths, { maxOctets: LESSON_OCTETS })) {
    batch.push(file);
    if (batch.length < BATCH) continue;
    yield batch;
    batch = [];
  }
  if (batch.length > 0) yield batch;
}

async function status({ spamMemory }: CliStores): Promise<CommandResult> {
  const scopes = (await spamMemory.scopes())
    .filter(({ scope, learnedAtMs }) => scope === GLOBAL_SCOPE || learnedAtMs !== null);
  const rows: { readonly learned: LearnedScope; readonly tokens: number }[] = [];
  for (const learned of scopes) {
    rows.push({ learned, tokens: await spamMemory.tokenCount(learned.scope) });
  }
  const lines = rows.map(({ learned: { scope, messages, learnedAtMs }, tokens }) => [
    scopeText(scope),
    `${messages.ham} ham`,
    `${messages.spam} spam`,
    `${tokens} tokens`,
    learnedAtMs === null ? "never trained" : `last trained ${time(learnedAtMs)}`,
  ]);
  return {
    kind: "done",
    text: columns(lines),
    json: rows.map(({ learned: { scope, messages, learnedAtMs }, tokens }) => ({
      scope,
      ...messages,
      tokens,
      learnedAt: learnedAtMs === null ? null : new Date(learnedAtMs).toISOString(),
    })),
  };
}
