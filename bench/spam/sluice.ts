/** Sluice's own scoring: what a session worker does with a message, less what the envelope and DNS would add. */
import { Buffer } from "node:buffer";
import { readHeaderSection } from "../../engine/mail/header_section.ts";
import { type BayesCounts, BayesModel, GLOBAL_SCOPE } from "../../engine/spam/bayes.ts";
import { parseDateTime } from "../../engine/spam/date_time.ts";
import type { MailFacts } from "../../engine/spam/facts.ts";
import { NameWatch } from "../../engine/spam/lookalike.ts";
import { readContent } from "../../engine/spam/read_content.ts";
import { parseRules, type Rules } from "../../engine/spam/rules.ts";
import { scoreMail } from "../../engine/spam/score.ts";
import { tokensOf } from "../../engine/spam/tokens.ts";
import type { Contender } from "./contender.ts";
import type { CorpusMessage } from "./corpus.ts";

/** SPAM_TAG_POINTS, unless someone sets it. */
const DEFAULT_TAG_POINTS = 5;

export async function sluice(): Promise<Contender> {
  const rules = await loadRules();
  const localDomains = new NameWatch([]);
  return {
    name: "Sluice",
    defaultPoints: DEFAULT_TAG_POINTS,
    judge: (messages, learnt) => {
      const model = BayesModel.fromCounts(new Map([[GLOBAL_SCOPE, countsOf(learnt)]]));
      const scores = messages.map((message) => {
        const facts = factsOf(message);
        const bayes = model.probability(tokensOf(facts));
        return scoreMail(facts, { rules, bayes, localDomains }).points;
      });
      return Promise.resolve(scores);
    },
  };
}

export async function loadRules(): Promise<Rules> {
  const path = new URL("../../config/spam_rules.json", import.meta.url);
  const parsed = parseRules(await Deno.readTextFile(path));
  if (parsed.kind === "mistakes") throw new Error(parsed.mistakes.join("\n"));
  return parsed.rules;
}

function countsOf(learnt: readonly CorpusMessage[]): BayesCounts {
  const counts = new Map<number, [ham: number, spam: number]>();
  for (const message of learnt) {
    for (const token of tokensOf(factsOf(message))) {
      const count = counts.get(token) ?? [0, 0];
      count[message.label === "spam" ? 1 : 0]++;
      counts.set(token, count);
    }
  }
  const spam = learnt.filter(({ label }) => label === "spam").length;
  return {
    messages: { ham: learnt.length - spam, spam },
    tokens: Array.from(counts, ([id, [ham, spam]]) => [id, ham, spam] as const),
  };
}

/** Nobody knows who brought the message, so nothing is said of it; it is judged as on the day it came. */
export function factsOf({ octets: lines }: Pick<CorpusMessage, "octets">): MailFacts {
  // Lines end as they come over SMTP.
  const text = Buffer.from(lines).toString("latin1").replace(/\r?\n/g, "\r\n");
  const octets = new Uint8Array(Buffer.from(text, "latin1"));
  const header = readHeaderSection(octets);
  const received = header.first("received") ?? "";
  const arrival = parseDateTime(received.slice(received.lastIndexOf(";") + 1)) ??
    parseDateTime(header.first("date") ?? "");
  return {
    nowMs: arrival?.atMs ?? 0,
    client: {
      address: "192.0.2.1",
      reverse: { verdict: "temperror", name: null },
      heloName: "client.example",
      heloFaults: [],
      lists: [],
    },
    reversePath: "",
    recipients: [],
    authentication: null,
    header,
    content: readContent(octets, header),
    sizeOctets: octets.length,
    linkLists: [],
    reputations: [],
  };
}
