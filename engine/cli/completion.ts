/** `completion bash | zsh | fish`: a script for the shell, made from the list of commands. */
import { type Command, UsageError } from "./command.ts";
import { PROGRAM } from "./help.ts";

const SHELLS = ["bash", "zsh", "fish"] as const;
type Shell = typeof SHELLS[number];

export interface CompletionOptions {
  /** Asked when a script is made, as the commands of `completion` are among them. */
  readonly commands: () => readonly Command[];
  /** Where deno.json is. */
  readonly directory: string;
}

/**
 * The scripts define `sluice` as a short form of the program, since `deno`, the word it otherwise begins
 * with, has a completion of its own.
 */
export function completionCommands(options: CompletionOptions): readonly Command[] {
  return SHELLS.map((shell): Command => ({
    noun: "completion",
    verb: shell,
    usage: "",
    summary: `Print a script to source in ${shell}: it defines sluice and completes its words.`,
    example: `completion ${shell}`,
    needs: "settings",
    prepare: (input) => {
      if (input.positionals.length > 0) throw new UsageError(`completion ${shell} takes no words`);
      return () => {
        const script = completionScript(shell, options);
        return Promise.resolve({ kind: "done", text: script, json: { script } });
      };
    },
  }));
}

/** The script's text. */
export function completionScript(shell: Shell, options: CompletionOptions): string {
  const tree = wordTree(options.commands());
  const run = PROGRAM.replace("task", `task --quiet --cwd ${quoted(options.directory)}`);
  return shell === "fish" ? fishScript(tree, run) : bashScript(shell, tree, run);
}

/** What may follow: by the words before, joined with spaces; the empty text begins. */
type WordTree = ReadonlyMap<string, readonly string[]>;

function wordTree(commands: readonly Command[]): WordTree {
  const tree = new Map<string, Set<string>>();
  const follow = (before: string, word: string) => {
    tree.set(before, (tree.get(before) ?? new Set()).add(word));
  };
  for (const { noun, verb, options } of commands) {
    const words = [noun, ...verb.split(" ").filter(Boolean)];
    words.forEach((word, index) => follow(words.slice(0, index).join(" "), word));
    const names = [...Object.keys(options ?? {}), "json", "help"];
    for (const name of names) follow(words.join(" "), `--${name}`);
  }
  return new Map(Array.from(tree, ([before, words]) => [before, [...words]]));
}

// Nouns, verbs and options are of letters, digits and hyphens: nothing in them needs quoting.

function bashScript(shell: "bash" | "zsh", tree: WordTree, run: string): string {
  const cases = Array.from(
    tree,
    ([before, words]) => `    "${before}") echo "${words.join(" ")}" ;;`,
  );
  const forZsh = [
    "autoload -U +X compinit && compinit",
    "autoload -U +X bashcompinit && bashcompinit",
  ];
  return [
    ...(shell === "zsh" ? forZsh : []),
    `sluice() { ${run} "$@"; }`,
    "_sluice_after() {",
    '  case "$1" in',
    ...cases,
    "    *) return 1 ;;",
    "  esac",
    "}",
    "_sluice() {",
    '  local before="" words next found at',
    '  words=$(_sluice_after "")',
    "  for ((at = 1; at < COMP_CWORD; at++)); do",
    '    next="${before:+$before }${COMP_WORDS[at]}"',
    '    found=$(_sluice_after "$next") || continue',
    '    before="$next" words="$found"',
    "  done",
    '  COMPREPLY=($(compgen -W "$words" -- "${COMP_WORDS[COMP_CWORD]}"))',
    "}",
    "complete -o default -F _sluice sluice",
  ].join("\n");
}

function fishScript(tree: WordTree, run: string): string {
  const cases = Array.from(
    tree,
    ([before, words]) => `    case '${before}'\n      printf '%s\\n' ${words.join(" ")}`,
  );
  return [
    `function sluice; ${run} $argv; end`,
    "function __sluice_after",
    '  switch "$argv"',
    ...cases,
    "    case '*'",
    "      return 1",
    "  end",
    "end",
    "function __sluice_words",
    "  set -l before",
    "  set -l words (__sluice_after)",
    "  set -l typed (commandline -opc)",
    "  set -e typed[1]",
    "  for word in $typed",
    "    set -l next $before $word",
    "    if set -l found (__sluice_after $next)",
    "      set before $next",
    "      set words $found",
    "    end",
    "  end",
    "  printf '%s\\n' $words",
    "end",
    "complete -c sluice -n 'not __fish_seen_subcommand_from cert' -f",
    "complete -c sluice -a '(__sluice_words)'",
  ].join("\n");
}

/** For bash, zsh and fish alike. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
