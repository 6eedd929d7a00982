/** Reads the file of rules, the operator's own or the one that comes with the server. */
import { fileURLToPath } from "node:url";
import { parseRules, type Rules } from "./rules.ts";

const OURS = new URL("../../config/spam_rules.json", import.meta.url);

/** @throws {Error} with a readable line for each mistake in it. */
export async function loadRules(path: string | null): Promise<Rules> {
  const file = path ?? fileURLToPath(OURS);
  const parsed = parseRules(await Deno.readTextFile(file));
  if (parsed.kind === "rules") return parsed.rules;
  throw new Error(parsed.mistakes.map((mistake) => `${file}: ${mistake}`).join("\n"));
}
