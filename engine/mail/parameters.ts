/**
 * Parameters of MAIL and RCPT (RFC 5321 §4.1.2 esmtp-param, RFC 6531 §3.3 for UTF-8 values) and the
 * xtext some of their values wear (RFC 3461 §4). Decides syntax only; what a keyword means, and whether
 * we know it, is the session's business.
 */

/** By keyword in upper case; `true` where the parameter has no value. */
export type Parameters = ReadonlyMap<string, string | true>;

export type ParametersFault = "parameter_syntax" | "duplicate_parameter";

export type ParametersResult =
  | { readonly kind: "parameters"; readonly parameters: Parameters }
  | { readonly kind: "fault"; readonly fault: ParametersFault };

const NONE: Parameters = new Map();
// The value ends before C0, space, `=`, DEL and C1; everything from U+00A0 is RFC 6531 text.
const PARAMETER = /^([A-Za-z0-9][A-Za-z0-9-]*)(?:=([!-<>-~\u00a0-\u{10ffff}]+))?$/u;

/**
 * Reads what follows the path: empty, or parameters each behind a space. Several spaces and spaces at
 * the end pass, as they do at most servers. The caller bounds the text.
 */
export function parseParameters(text: string): ParametersResult {
  if (text === "") return { kind: "parameters", parameters: NONE };
  if (text[0] !== " ") return { kind: "fault", fault: "parameter_syntax" };
  const parameters = new Map<string, string | true>();
  for (const word of text.split(" ")) {
    if (word === "") continue;
    const match = PARAMETER.exec(word);
    if (match === null) return { kind: "fault", fault: "parameter_syntax" };
    const keyword = match[1].toUpperCase();
    if (parameters.has(keyword)) return { kind: "fault", fault: "duplicate_parameter" };
    parameters.set(keyword, match[2] ?? true);
  }
  return { kind: "parameters", parameters };
}

const XTEXT = /^(?:[!-*,-<>-~]|\+[0-9A-F]{2})*$/;

/** Decodes xtext (RFC 3461 §4) to text; `null` when it is malformed or its octets are no UTF-8. */
export function decodeXtext(text: string): string | null {
  if (!XTEXT.test(text)) return null;
  if (!text.includes("+")) return text;
  const octets: number[] = [];
  for (let at = 0; at < text.length; at++) {
    if (text[at] === "+") {
      octets.push(parseInt(text.slice(at + 1, at + 3), 16));
      at += 2;
    } else {
      octets.push(text.charCodeAt(at));
    }
  }
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(
      Uint8Array.from(octets),
    );
  } catch {
    return null;
  }
}

/** Encodes text, as UTF-8, in xtext (RFC 3461 §4). */
export function encodeXtext(text: string): string {
  let encoded = "";
  for (const octet of new TextEncoder().encode(text)) {
    const plain = octet >= 0x21 && octet <= 0x7e && octet !== 0x2b && octet !== 0x3d;
    encoded += plain
      ? String.fromCharCode(octet)
      : "+" + octet.toString(16).toUpperCase().padStart(2, "0");
  }
  return encoded;
}
