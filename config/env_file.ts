/**
 * Reads a `.env` file: `NAME=value` a line, `export` in front allowed, `#` comments, single quotes as
 * they stand, double quotes with `\n`, `\t`, `\"` and `\\`. A value ends at its line's end, and an
 * unquoted `#` opens a comment only after a blank, so that a password may hold one.
 */

/** Variables of the file and one readable line for each line that is none. */
export interface EnvFile {
  readonly variables: Readonly<Record<string, string>>;
  readonly mistakes: readonly string[];
}

const ASSIGNMENT = /^(?:export[ \t]+)?([A-Za-z_][A-Za-z0-9_]*)[ \t]*=[ \t]*(.*)$/;
const ESCAPES: Readonly<Record<string, string>> = { n: "\n", r: "\r", t: "\t" };

/** Parses the text of a `.env` file; a name given twice keeps its last value. */
export function parseEnvFile(text: string): EnvFile {
  const variables: Record<string, string> = Object.create(null);
  const mistakes: string[] = [];
  for (const [index, line] of text.replace(/^\uFEFF/, "").split(/\r\n|\n|\r/).entries()) {
    const trimmed = line.trim();
    if (trimmed === "" || trimmed.startsWith("#")) continue;
    const assignment = ASSIGNMENT.exec(trimmed);
    const value = assignment === null ? null : readValue(assignment[2]);
    if (assignment === null) {
      mistakes.push(`line ${index + 1}: expected NAME=value`);
    } else if (value === null) {
      mistakes.push(`line ${index + 1}: ${assignment[1]}: expected the quote to end the value`);
    } else {
      variables[assignment[1]] = value;
    }
  }
  return { variables, mistakes };
}

/** `null` when a quote is left open or followed by more than a comment. */
function readValue(text: string): string | null {
  if (text.startsWith("'")) {
    return /^'([^']*)'(?:[ \t]*|[ \t]+#.*)$/.exec(text)?.[1] ?? null;
  }
  if (text.startsWith('"')) {
    const quoted = /^"((?:[^"\\]|\\.)*)"(?:[ \t]*|[ \t]+#.*)$/.exec(text)?.[1];
    return quoted?.replace(/\\(.)/g, (_, escaped) => ESCAPES[escaped] ?? escaped) ?? null;
  }
  return text.replace(/(^|[ \t]+)#.*$/, "").trimEnd();
}
