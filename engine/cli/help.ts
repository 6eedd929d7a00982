/** What is said to somebody who asks how. */
import { type Command, commandName } from "./command.ts";

export const PROGRAM = "deno task cli";

/** The command with the words it takes. */
export function synopsis(command: Command): string {
  return `${commandName(command)} ${command.usage}`.trimEnd();
}

/** How to use these commands; of many, each noun shows one example. */
export function helpText(commands: readonly Command[]): string {
  const isOneNoun = new Set(commands.map(({ noun }) => noun)).size === 1;
  const seen = new Set<string>();
  const examples = commands.filter(({ noun }) => {
    const isShown = isOneNoun || !seen.has(noun);
    seen.add(noun);
    return isShown;
  });
  return [
    `Usage: ${PROGRAM} <noun> <verb> [words] [--json]`,
    "",
    ...commands.map((command) => `  ${synopsis(command)}\n      ${command.summary}`),
    "",
    '--json writes the answer, or {"error": …}, as one line of JSON.',
    "--password - reads the password from standard input.",
    "Exit code: 0 done, 1 failed or faults found, 2 wrong usage.",
    "",
    "Examples:",
    ...examples.map((command) => `  ${PROGRAM} ${command.example}`),
  ].join("\n");
}
