/**
 * Octets to text (RFC 2045, RFC 2978), by the names and tables of the WHATWG Encoding Standard and a few
 * names it lacks. Always gives text; what did not fit is said. UTF-7 is unknown here as it is to browsers.
 */
import { Buffer, isAscii } from "node:buffer";

export type CharsetDefect = "unknown_charset" | "bad_charset_octets";

export interface DecodedText {
  readonly text: string;
  readonly defect: CharsetDefect | null;
  /** False does not say that it is not. */
  readonly isAscii: boolean;
}

/** What programs write and the standard does not list. */
const ALIASES: ReadonlyMap<string, string> = new Map([
  ["cp932", "shift_jis"],
  ["ms932", "shift_jis"],
  ["cp936", "gbk"],
  ["ms936", "gbk"],
  ["cp949", "euc-kr"],
  ["ms949", "euc-kr"],
  ["cp950", "big5"],
  ["ms950", "big5"],
  ["utf_8", "utf-8"],
  ["iso-8859-1-windows-1252", "windows-1252"],
]);
const ASCII_NAMES: ReadonlySet<string> = new Set(["us-ascii", "ascii", "ansi_x3.4-1968"]);
const MAX_NAME_CHARACTERS = 40;
/** Charsets that hold ASCII in its place, among them what nearly all mail is in. */
const PLAIN_NAME = /^(?:|utf-?8|us-ascii|ascii|iso-8859-[0-9]{1,2}|windows-125[0-9])$/;

/**
 * Text without a charset is UTF-8 if it can be and else Windows-1252, which is what readers show.
 *
 * @param options `isCut`: the octets go on, so that half a character at their end is no defect.
 */
export function decodeCharset(
  octets: Uint8Array,
  options: { readonly charset: string | null; readonly isCut?: boolean },
): DecodedText {
  const { isCut = false } = options;
  const name = options.charset?.trim().toLowerCase() ?? "";
  if (isAscii(octets) && PLAIN_NAME.test(name)) {
    const view = Buffer.from(octets.buffer, octets.byteOffset, octets.byteLength);
    return { text: view.toString("latin1"), defect: null, isAscii: true };
  }
  if (name === "" || ASCII_NAMES.has(name)) return decodeUnlabelled(octets, { name, isCut });
  const decoder = name.length > MAX_NAME_CHARACTERS ? null : decoderOf(ALIASES.get(name) ?? name);
  if (decoder === null) return answer(decodeLatin1(octets), "unknown_charset");
  const text = decoder.decode(octets, { stream: isCut });
  return answer(text, text.includes("\ufffd") ? "bad_charset_octets" : null);
}

function decodeUnlabelled(
  octets: Uint8Array,
  { name, isCut }: { readonly name: string; readonly isCut: boolean },
): DecodedText {
  const text = new TextDecoder().decode(octets, { stream: isCut });
  if (text.includes("\ufffd")) return answer(decodeLatin1(octets), "bad_charset_octets");
  // A name that promises ASCII, and octets that are not.
  return answer(text, name === "" || isAscii(octets) ? null : "bad_charset_octets");
}

function answer(text: string, defect: CharsetDefect | null): DecodedText {
  return { text, defect, isAscii: false };
}

function decodeLatin1(octets: Uint8Array): string {
  return new TextDecoder("windows-1252").decode(octets);
}

function decoderOf(name: string): TextDecoder | null {
  try {
    return new TextDecoder(name);
  } catch {
    return null;
  }
}
