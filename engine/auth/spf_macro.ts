/** Macros of SPF (RFC 7208 §7): whether a text is well formed, and what it stands for. Asks no DNS. */

/** What macro letters stand for; one character an octet is not asked for here, texts are as SMTP gave them. */
export interface MacroValues {
  /** `local@domain`. */
  readonly s: string;
  readonly l: string;
  readonly o: string;
  /** The domain under evaluation. */
  readonly d: string;
  /** The client's address with dots between octets or nibbles. */
  readonly i: string;
  /** Its validated name, or `unknown`. */
  readonly p: string;
  readonly v: "in-addr" | "ip6";
  readonly h: string;
  /** In explanations only: the client's address for people, our name, Unix seconds. */
  readonly c: string;
  readonly r: string;
  readonly t: string;
}

const MACRO = /%(?:\{([slodiphvcrt])((?:0*[1-9][0-9]*)?)(r?)([.+,\/_=-]*)\}|([%_-]))/gi;
/** RFC 7208 §7.1: printable ASCII, the percent sign only as part of a macro. */
const LITERAL = /^[!-$&-~]*$/;
const EXPLANATION_LITERAL = /^[ !-$&-~]*$/;
/** RFC 7208 §7.2 */
const ONLY_IN_EXPLANATIONS = /[crt]/i;
const HAS_VALIDATED_NAME = /%\{p/i;
/** Each bounded in itself, so that no text grows beyond the product. */
const MAX_VALUE_CHARACTERS = 512;

/** Whether the text is a macro string of a record. */
export function isMacroString(text: string): boolean {
  return readMacroString(text) !== null;
}

/** What stands behind the last macro of a record's macro string; `null` when the text is none. */
export function readMacroString(
  text: string,
): { readonly tail: string; readonly endsInMacro: boolean } | null {
  if (!text.includes("%")) return LITERAL.test(text) ? { tail: text, endsInMacro: false } : null;
  let end = 0;
  for (const macro of text.matchAll(MACRO)) {
    if (!LITERAL.test(text.slice(end, macro.index))) return null;
    if (macro[1] !== undefined && ONLY_IN_EXPLANATIONS.test(macro[1])) return null;
    end = macro.index + macro[0].length;
  }
  const tail = text.slice(end);
  return LITERAL.test(tail) ? { tail, endsInMacro: end > 0 } : null;
}

/** Whether the text is an explanation: macro strings and spaces (RFC 7208 §6.2). */
export function isExplanation(text: string): boolean {
  return EXPLANATION_LITERAL.test(text.replace(MACRO, ""));
}

/** Whether the client's validated name is asked for, which costs questions to the DNS. */
export function asksForValidatedName(text: string): boolean {
  return HAS_VALIDATED_NAME.test(text);
}

/** The text with each macro replaced by what it stands for. */
export function expandMacros(text: string, values: MacroValues): string {
  if (!text.includes("%")) return text;
  return text.replace(MACRO, (_, letter, digits, reversed, delimiters, escape) => {
    if (escape !== undefined) return escape === "%" ? "%" : escape === "_" ? " " : "%20";
    const name = letter.toLowerCase() as keyof MacroValues;
    let value = values[name].slice(0, MAX_VALUE_CHARACTERS);
    if (digits !== "" || reversed !== "" || delimiters !== "") {
      const parts = split(value, delimiters === "" ? "." : delimiters);
      if (reversed !== "") parts.reverse();
      value = parts.slice(digits === "" ? 0 : -Number(digits)).join(".");
    }
    return letter === name ? value : escapeUrl(value);
  });
}

function split(value: string, delimiters: string): string[] {
  const parts: string[] = [];
  let start = 0;
  for (let at = 0; at < value.length; at++) {
    if (!delimiters.includes(value[at])) continue;
    parts.push(value.slice(start, at));
    start = at + 1;
  }
  parts.push(value.slice(start));
  return parts;
}

/** RFC 7208 §7.3: all but unreserved characters. */
function escapeUrl(value: string): string {
  return encodeURIComponent(value.toWellFormed()).replace(
    /[!'()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}
