/** The rules that come along, and a few domains of ours. */
import { NameWatch } from "../lookalike.ts";
import { parseRules, type Rules } from "../rules.ts";

const path = new URL("../../../config/spam_rules.json", import.meta.url);

export const RULES: Rules = rulesOf(await Deno.readTextFile(path));

export const localDomains = new NameWatch(["example.org", "our-company.example"]);

function rulesOf(text: string): Rules {
  const parsed = parseRules(text);
  if (parsed.kind === "mistakes") throw new Error(parsed.mistakes.join("\n"));
  return parsed.rules;
}
