/**
 * The public corpus of SpamAssassin: 6,046 messages people sorted, with the names of those who gave them changed. It
 * has a configuration and lock file of its own, so that nobody but this bench downloads it.
 */
import { createHash } from "node:crypto";

export interface CorpusMessage {
  readonly name: string;
  readonly label: "ham" | "spam";
  /** Which half it falls into, by its content: the same in every run. */
  readonly half: 0 | 1;
  /** As it was sent: line ends are LF, the line that separates messages of a mailbox file is gone. */
  readonly octets: Uint8Array<ArrayBuffer>;
}

const GROUPS: Readonly<Record<string, "ham" | "spam">> = {
  "easy-ham-1": "ham",
  "easy-ham-2": "ham",
  "hard-ham-1": "ham",
  "spam-1": "spam",
  "spam-2": "spam",
};

export async function loadCorpus(): Promise<readonly CorpusMessage[]> {
  const folder = await corpusFolder();
  const messages: CorpusMessage[] = [];
  for (const [group, label] of Object.entries(GROUPS)) {
    const names: string[] = [];
    for await (const { name } of Deno.readDir(new URL(`${group}/`, folder))) {
      if (name.endsWith(".txt")) names.push(name);
    }
    for (const name of names.sort()) {
      const octets = await Deno.readFile(new URL(`${group}/${name}`, folder));
      const digest = createHash("sha256").update(octets).digest();
      messages.push({
        name: `${group}/${name}`,
        label,
        half: digest[31] % 2 === 0 ? 0 : 1,
        octets: withoutSeparator(octets),
      });
    }
  }
  return messages;
}

async function corpusFolder(): Promise<URL> {
  const cwd = new URL("corpus/", import.meta.url);
  await deno(["install", "--frozen", "--quiet"], cwd);
  const where = await deno(["run", "--no-prompt", "--allow-read", "where.ts"], cwd);
  return new URL(where.trim());
}

async function deno(args: readonly string[], cwd: URL): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [...args],
    cwd,
    stdout: "piped",
    stderr: "piped",
  }).output();
  if (success) return new TextDecoder().decode(stdout);
  throw new Error(`the corpus cannot be had: ${new TextDecoder().decode(stderr).trim()}`);
}

function withoutSeparator(octets: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  const isSeparated = new TextDecoder("latin1").decode(octets.subarray(0, 5)) === "From ";
  return isSeparated ? octets.subarray(octets.indexOf(10) + 1) : octets;
}
