/** SpamAssassin as Debian ships it, in a folder of its own: local tests and Bayes, nothing that needs the network. */
import { installed, run } from "../process.ts";
import type { Contender } from "./contender.ts";
import type { CorpusMessage } from "./corpus.ts";
import { writeMessages } from "./scratch.ts";

const PROCESSES = 2;

/** `null` where it is not installed. */
export async function spamAssassin(signal: AbortSignal): Promise<Contender | null> {
  for (const program of ["spamassassin", "sa-learn"]) if (!await installed(program)) return null;
  const version = /version (\S+)/.exec(await run("spamassassin", ["--version"]))?.[1] ?? "";
  return {
    name: `SpamAssassin ${version}`,
    defaultPoints: 5,
    judge: (messages, learnt) => judge(messages, learnt, signal),
  };
}

async function judge(
  messages: readonly CorpusMessage[],
  learnt: readonly CorpusMessage[],
  signal: AbortSignal,
): Promise<readonly number[]> {
  const folder = await Deno.makeTempDir({ dir: "/var/tmp", prefix: "bench-spamassassin-" });
  await using cleanup = new AsyncDisposableStack();
  cleanup.defer(() => Deno.remove(folder, { recursive: true }));
  const site = await configure(folder);
  await writeMessages(`${folder}/learnt`, learnt);
  for (const label of ["ham", "spam"]) {
    await run("sa-learn", [
      ...settings(site),
      ...["--no-sync", `--${label}`, `${folder}/learnt/${label}`],
    ]);
  }
  await run("sa-learn", [...settings(site), "--sync"]);

  const paths = await writeMessages(`${folder}/judged`, messages);
  const program = new URL("spamassassin.pl", import.meta.url).pathname;
  const points = new Array<number>(paths.length);
  await Promise.all(Array.from({ length: PROCESSES }, async (_, turn) => {
    // Each takes every so manieth, for the spam is at the end.
    const own = [...paths.keys()].filter((at) => at % PROCESSES === turn);
    const said = await printed(["perl", program, site], {
      signal,
      lines: own.map((at) => paths[at]),
    });
    for (const [row, text] of said.trim().split("\n").entries()) points[own[row]] = Number(text);
  }));
  if (!Array.from(points).every(Number.isFinite)) throw new Error("not every message was judged");
  return points;
}

/** @returns the folder of its settings. */
async function configure(folder: string): Promise<string> {
  const site = `${folder}/site`;
  await Deno.mkdir(site);
  await Deno.mkdir(`${folder}/bayes`);
  for await (const { name } of Deno.readDir("/etc/spamassassin")) {
    if (name.endsWith(".pre")) await Deno.copyFile(`/etc/spamassassin/${name}`, `${site}/${name}`);
  }
  await Deno.writeTextFile(
    `${site}/local.cf`,
    [
      "use_bayes 1",
      "bayes_auto_learn 0",
      "bayes_auto_expire 0",
      `bayes_path ${folder}/bayes/bayes`,
      "skip_rbl_checks 1",
      "dns_available no",
      "required_score 5",
      "",
    ].join("\n"),
  );
  return site;
}

/** Flags that name these settings and no others. */
function settings(site: string): readonly string[] {
  return [
    `--siteconfigpath=${site}`,
    "--configpath=/usr/share/spamassassin",
    "--prefspath=/dev/null",
    "--local",
  ];
}

/** What a command prints that reads lines. */
async function printed(
  [program, ...args]: readonly string[],
  { signal, lines }: { readonly signal: AbortSignal; readonly lines: readonly string[] },
): Promise<string> {
  const child = new Deno.Command(program, {
    args,
    signal,
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  const written = writer.write(new TextEncoder().encode(lines.join("\n") + "\n"))
    .then(() => writer.close());
  const [output] = await Promise.all([child.output(), written]);
  const text = (octets: Uint8Array) => new TextDecoder().decode(octets);
  if (output.success) return text(output.stdout);
  throw new Error(`${program} ended with ${output.code}: ${text(output.stderr).slice(-600)}`);
}
