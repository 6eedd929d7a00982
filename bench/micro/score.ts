/**
 * What scoring a message costs, step by step: `deno run --allow-read bench/micro/score.ts`. One thread; messages of
 * 5 KiB, plain and HTML, against a Bayes model of 300,000 tokens; processor time, not the clock's.
 */
import { Buffer } from "node:buffer";
import process from "node:process";
import { readHeaderSection } from "../../engine/mail/header_section.ts";
import { BayesModel, GLOBAL_SCOPE, type TokenId } from "../../engine/spam/bayes.ts";
import { NameWatch } from "../../engine/spam/lookalike.ts";
import { readContent } from "../../engine/spam/read_content.ts";
import { parseRules } from "../../engine/spam/rules.ts";
import { scoreMail } from "../../engine/spam/score.ts";
import { tokensOf } from "../../engine/spam/tokens.ts";

const ROUNDS = 300;
const TURNS = 10;
const TOKENS = 300_000;
const SIZE_OCTETS = 5 * 1024;

const WORDS =
  ("the a of to and in is that for it with as was on be at by this have from or one had not but what all " +
    "were when we there can an your which their said if do will each about how up out them then she many some so " +
    "these would other into has more her two like him see time could no make than first been its who now people " +
    "my made over did down only way find use may water long little very after words called just where most know " +
    "invoice meeting report project schedule attached regards question answer customer delivery account order")
    .split(" ");

/** The same numbers in every run (Lehmer). */
function numbers(seed: number): () => number {
  let state = seed;
  return () => (state = state * 48_271 % 2_147_483_647);
}

function prose(octets: number, seed: number): string {
  const next = numbers(seed);
  let text = "";
  while (text.length < octets) {
    const word = next() % 4 === 0 ? `w${next() % 5_000}` : WORDS[next() % WORDS.length];
    text += word + (next() % 14 === 0 ? ".\r\n" : " ");
  }
  return text.slice(0, octets);
}

function message(body: string, type: string): Uint8Array {
  return new Uint8Array(Buffer.from(
    "Received: from mail.example.net (mail.example.net [192.0.2.7]) by mx.example.org; " +
      "Fri, 02 Jan 2026 03:04:07 +0000\r\nFrom: Ann Example <ann@example.net>\r\n" +
      "To: Bob <bob@example.org>\r\nSubject: The monthly report, and a question\r\n" +
      "Date: Fri, 02 Jan 2026 03:04:05 +0000\r\nMessage-ID: <4a7.12@mail.example.net>\r\n" +
      `MIME-Version: 1.0\r\nContent-Type: ${type}; charset=utf-8\r\n\r\n${body}`,
  ));
}

const link = (at: number) =>
  `<p><a href="https://www.example${at}.com/a/b?c=${at}">Read more</a></p>\r\n`;
const messages = {
  plain: message(prose(SIZE_OCTETS - 400, 7), "text/plain"),
  html: message(
    "<html><body>" + Array.from({ length: 12 }, (_, at) => link(at)).join("") +
      prose(SIZE_OCTETS - 1_300, 9).replaceAll(".\r\n", ".<br>\r\n") + "</body></html>",
    "text/html",
  ),
};

const parsed = parseRules(
  await Deno.readTextFile(new URL("../../config/spam_rules.json", import.meta.url)),
);
if (parsed.kind === "mistakes") throw new Error(parsed.mistakes.join("\n"));
const { rules } = parsed;
const localDomains = new NameWatch(
  Array.from({ length: 1_000 }, (_, at) => `customer${at}.example`),
);
const model = bayesModel();

function bayesModel(): BayesModel {
  const next = numbers(11);
  const rows: [id: TokenId, ham: number, spam: number][] = [];
  for (const octets of Object.values(messages)) {
    const header = readHeaderSection(octets);
    for (const id of tokensOf({ header, content: readContent(octets, header) })) {
      rows.push([id, next() % 50, next() % 50]);
    }
  }
  while (rows.length < TOKENS) {
    rows.push([next() * 1_048_576 + next() % 1_048_576, next() % 9, next() % 9]);
  }
  const messageCounts = { ham: 5_000, spam: 5_000 };
  return BayesModel.fromCounts(
    new Map([[GLOBAL_SCOPE, { messages: messageCounts, tokens: rows }]]),
  );
}

console.log(`microseconds of processor time a message of ${SIZE_OCTETS} octets`);
for (const [name, octets] of Object.entries(messages)) {
  const header = readHeaderSection(octets);
  const content = readContent(octets, header);
  const tokens = tokensOf({ header, content });
  const bayes = model.probability(tokens);
  const facts = {
    nowMs: Date.UTC(2026, 0, 2, 3, 5),
    client: {
      address: "192.0.2.7",
      reverse: { verdict: "pass" as const, name: "mail.example.net" },
      heloName: "mail.example.net",
      heloFaults: [],
      lists: [],
    },
    reversePath: "ann@example.net",
    recipients: ["bob@example.org"],
    authentication: null,
    header,
    content,
    sizeOctets: octets.length,
    linkLists: [],
    reputations: [],
  };
  const steps = {
    content: cost(() => readContent(octets, header)),
    tokens: cost(() => tokensOf({ header, content })),
    bayes: cost(() => model.probability(tokens)),
    signals: cost(() => scoreMail(facts, { rules, bayes, localDomains })),
  };
  const shown = Object.entries(steps).map(([step, us]) => `${step} ${us.toFixed(0)}`).join(", ");
  const judging = steps.tokens + steps.bayes + steps.signals;
  console.log(`${name}: ${shown}; tokens, bayes and signals together ${judging.toFixed(0)}`);
}

/** The least of a few turns: what else the machine does only adds. */
function cost(run: () => unknown): number {
  const turns: number[] = [];
  for (let turn = 0; turn < TURNS; turn++) {
    const before = process.cpuUsage();
    for (let round = 0; round < ROUNDS; round++) run();
    const { user, system } = process.cpuUsage(before);
    turns.push((user + system) / ROUNDS);
  }
  return Math.min(...turns);
}
