/** `spam explain`: the score of a message in a file, and each reason for it. */
import { type HeaderSection, readHeaderSection } from "../mail/header_section.ts";
import { BayesModel, type BayesProbability, GLOBAL_SCOPE } from "../spam/bayes.ts";
import type { ClientFacts, MailFacts } from "../spam/facts.ts";
import { NameWatch } from "../spam/lookalike.ts";
import { readContent } from "../spam/read_content.ts";
import { parseRules, type Rules } from "../spam/rules.ts";
import { scoreMail } from "../spam/score.ts";
import { tokensOf } from "../spam/tokens.ts";
import type { SpamMemory } from "../store/spam_memory.ts";
import { allPages, type CliStores, type Command, type CommandResult, onlyWord } from "./command.ts";
import { columns } from "./layout.ts";
import type { MailFile, ReadMailFiles } from "./node_mail_files.ts";
import { scopeOf } from "./spam.ts";

export interface SpamExplainOptions {
  readonly readMailFiles: ReadMailFiles;
  /** The text of the rules; `null`: those that come with the server. */
  readonly readRules: (path: string | null) => Promise<string>;
  readonly now: () => number;
}

const MAX_OCTETS = 67_108_864;
/** A file does not tell who brought the message: nothing is said of it. */
const NOBODY: ClientFacts = {
  address: "",
  reverse: { verdict: "temperror", name: null },
  heloName: "",
  heloFaults: [],
  lists: [],
};

export function spamExplainCommands(options: SpamExplainOptions): readonly Command[] {
  return [{
    noun: "spam",
    verb: "explain",
    usage: "<file> [--domain <name>]",
    summary:
      "Show how a message in a file is scored by itself, for all domains or for mail to one; who sent it is not looked into.",
    example: "spam explain message.eml",
    options: { domain: { type: "string" } },
    prepare: (input) => {
      const [path, scope] = [onlyWord(input, "the file"), scopeOf(input)];
      return (stores) => explain(stores, { path, scope }, options);
    },
  }];
}

async function explain(
  stores: CliStores,
  { path, scope }: { readonly path: string; readonly scope: string },
  options: SpamExplainOptions,
): Promise<CommandResult> {
  const rules = parseRules(await options.readRules(stores.settings.spamRulesPath));
  if (rules.kind === "mistakes") {
    return { kind: "failed", message: ["the rules are wrong", ...rules.mistakes].join("\n") };
  }
  const file = await firstOf(options.readMailFiles([path], { maxOctets: MAX_OCTETS }));
  if (file === null) return { kind: "failed", message: `there is no mail in ${path}` };
  return await scored(stores, {
    octets: file.octets,
    scope,
    rules: rules.rules,
    nowMs: options.now(),
  });
}

async function scored(
  { spamMemory, directory }: CliStores,
  mail: {
    readonly octets: Uint8Array;
    readonly scope: string;
    readonly rules: Rules;
    readonly nowMs: number;
  },
): Promise<CommandResult> {
  const { octets, scope, rules, nowMs } = mail;
  const header = readHeaderSection(octets);
  const content = readContent(octets, header);
  const facts: MailFacts = {
    nowMs: receivedAtMs(header) ?? nowMs,
    client: NOBODY,
    reversePath: (header.first("return-path") ?? "").replace(/^<|>$/g, ""),
    recipients: [],
    authentication: null,
    header,
    content,
    sizeOctets: octets.length,
    linkLists: [],
    reputations: [],
  };
  const bayes = await bayesOf(spamMemory, tokensOf({ header, content }), scope);
  const domains = await allPages((after?: string) =>
    directory.domains(after === undefined ? undefined : { after })
  );
  const { points, signals } = scoreMail(facts, {
    rules,
    bayes,
    localDomains: new NameWatch(domains),
  });
  const rows = signals.map((signal) => [signed(signal.points), signal.name, signal.text]);
  return {
    kind: "done",
    text: columns([[signed(points), "in all", bayesText(bayes)], ...rows]),
    json: { points, signals, bayes },
  };
}

/** When whoever has it received it (RFC 5321 §4.4): it was judged then, and is not old since. */
function receivedAtMs(header: HeaderSection): number | null {
  const field = header.first("received");
  if (field === null) return null;
  const atMs = Date.parse(field.slice(field.lastIndexOf(";") + 1).trim());
  return Number.isNaN(atMs) ? null : atMs;
}

/** What was learnt, asked for these tokens alone. */
async function bayesOf(
  memory: SpamMemory,
  tokens: Float64Array,
  scope: string,
): Promise<BayesProbability | null> {
  const counts = new Map();
  for (const learned of await memory.scopes()) {
    if (learned.scope !== GLOBAL_SCOPE && learned.scope !== scope) continue;
    const { tokens: ids, ham, spam } = await memory.countsOf(learned.scope, tokens);
    const rows = Array.from(ids, (id, row) => [id, ham[row], spam[row]] as const);
    counts.set(learned.scope, { messages: learned.messages, tokens: rows });
  }
  return BayesModel.fromCounts(counts).probability(tokens, scope);
}

function bayesText(bayes: BayesProbability | null): string {
  return bayes === null
    ? "too little was learnt to compare with"
    : `compared with ${bayes.messages.ham} ham and ${bayes.messages.spam} spam`;
}

function signed(points: number): string {
  return `${points < 0 ? "" : "+"}${points.toFixed(2)}`.padStart(7);
}

async function firstOf(files: AsyncIterable<MailFile>): Promise<MailFile | null> {
  for await (const file of files) return file;
  return null;
}
