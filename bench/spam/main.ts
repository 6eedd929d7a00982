/**
 * `deno task bench:spam`: how well Sluice, SpamAssassin and rspamd tell spam from other mail, each having learnt the
 * same half of a public corpus and judging the other, then the other way round. Message texts alone: no filter gets
 * an envelope, a client or DNS. Prints a table and writes `bench/results/spam.json`.
 */
import type { Contender } from "./contender.ts";
import { type CorpusMessage, loadCorpus } from "./corpus.ts";
import { type Figures, figuresOf, HAM_SHARES, type OperatingPoint } from "./figures.ts";
import { rspamd } from "./rspamd.ts";
import { sluice } from "./sluice.ts";
import { spamAssassin } from "./spamassassin.ts";

const USAGE = `deno task bench:spam [flags]
  --only sluice|spamassassin|rspamd
  --results PATH   where to write (bench/results/spam.json); "none": nowhere
`;

interface Result {
  readonly filter: string;
  readonly learnt: 0 | 1;
  readonly seconds: number;
  readonly figures: Figures;
}

const ended = new AbortController();
const end = () => ended.abort(new Error("interrupted"));
Deno.addSignalListener("SIGINT", end);
const options = readFlags(Deno.args);
const corpus = await loadCorpus();
const contenders = (await Promise.all([
  isWanted("sluice") ? sluice() : null,
  isWanted("spamassassin") ? spamAssassin(ended.signal) : null,
  isWanted("rspamd") ? rspamd(ended.signal) : null,
])).filter((one) => one !== null);
const results: Result[] = [];
for (const contender of contenders) {
  for (const learnt of [0, 1] as const) results.push(await measure(contender, learnt));
}
console.log(table(results));
if (options.results !== "none") {
  const text = JSON.stringify({ messages: corpus.length, hamShares: HAM_SHARES, results }, null, 2);
  await Deno.writeTextFile(options.results, text + "\n");
}
Deno.removeSignalListener("SIGINT", end);

async function measure(contender: Contender, learnt: 0 | 1): Promise<Result> {
  const half = (wanted: 0 | 1) => corpus.filter(({ half }) => half === wanted);
  const judged: readonly CorpusMessage[] = half(learnt === 0 ? 1 : 0);
  const startedMs = performance.now();
  const points = await contender.judge(judged, half(learnt));
  const seconds = Math.round((performance.now() - startedMs) / 100) / 10;
  console.error(`${contender.name}, half ${learnt} learnt: ${seconds} s`);
  const scored = judged.map(({ label }, index) => ({ label, points: points[index] }));
  return {
    filter: contender.name,
    learnt,
    seconds,
    figures: figuresOf(scored, contender.defaultPoints),
  };
}

function table(results: readonly Result[]): string {
  const head = [
    "filter",
    "learnt",
    "ham",
    "spam",
    "AUC",
    "at its default",
    ...HAM_SHARES.map((share) => `ham ≤ ${share * 100} %`),
    "s",
  ];
  const rows = results.map(({ filter, learnt, seconds, figures }) => [
    filter,
    `half ${learnt}`,
    String(figures.ham),
    String(figures.spam),
    figures.auc.toFixed(5),
    cell(figures.atDefault, figures),
    ...figures.best.map((point) => cell(point, figures)),
    seconds.toFixed(0),
  ]);
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n");
}

/** Ham and spam above, and from how many points on. */
function cell({ points, hamAbove, spamAbove }: OperatingPoint, { spam }: Figures): string {
  return `${hamAbove} ham, ${(spamAbove / spam * 100).toFixed(2)} % (${points.toFixed(2)})`;
}

function isWanted(name: string): boolean {
  return options.only === null || options.only === name;
}

function readFlags(
  args: readonly string[],
): { readonly only: string | null; readonly results: string } {
  let only: string | null = null;
  let results = new URL("../results/spam.json", import.meta.url).pathname;
  for (let at = 0; at < args.length; at += 2) {
    const value = args[at + 1];
    if (args[at] === "--only" && value !== undefined) only = value;
    else if (args[at] === "--results" && value !== undefined) results = value;
    else {
      console.error(USAGE);
      Deno.exit(2);
    }
  }
  return { only, results };
}
