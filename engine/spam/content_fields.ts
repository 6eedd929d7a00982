/**
 * What the content fields of a header section say of its body (RFC 2045 §5 and §6, RFC 2183). Reads them
 * as mail programs do, the first of several counting, and says what is wrong. Knows no body.
 */
import { Buffer } from "node:buffer";
import type { HeaderSection } from "../mail/header_section.ts";
import { boundFileName, type ContentParameters, parameterText } from "./file_name.ts";
import type { ContentDefect } from "./message_content.ts";

export interface ContentFields {
  /** In lower case. */
  readonly mediaType: string;
  readonly charset: string | null;
  /** Of a multipart; `null` when there is none that a line could hold. */
  readonly boundary: string | null;
  /** In lower case. */
  readonly transferEncoding: string;
  readonly disposition: "inline" | "attachment" | null;
  readonly fileName: string | null;
}

export interface ContentFieldOptions {
  readonly defaultType: string;
  readonly maxFileNameCharacters: number;
  readonly note: (defect: ContentDefect) => void;
}

/** Longer ones are cut; RFC 2231 makes them long, but not that long. */
const MAX_FIELD_OCTETS = 16_384;
const MAX_PARAMETERS = 200;
/** RFC 2046 §5.1.1 allows 70; longer ones are read by everyone, so they are here. */
const MAX_BOUNDARY_CHARACTERS = 500;
const MAX_TOKEN_CHARACTERS = 100;

/** RFC 2045 §5.1, behind white space. */
const MEDIA_TYPE =
  /^[ \t]{0,100}([!#-'*+.0-9A-Z^-~-]{1,100})[ \t]{0,9}\/[ \t]{0,9}([!#-'*+.0-9A-Z^-~-]{1,100})(?=[ \t(;]|$)/i;
const TOKEN = /^[ \t]{0,100}"?([!#-'*+.0-9A-Z^-~-]{1,100})/i;

export function readContentFields(
  octets: Uint8Array,
  header: HeaderSection,
  options: ContentFieldOptions,
): ContentFields {
  const { note } = options;
  const values = valuesOf(octets, header, note);
  const type = values.type === null ? null : MEDIA_TYPE.exec(values.type);
  if (values.type !== null && type === null) note("bad_content_type");
  const mediaType = type === null ? options.defaultType : `${type[1]}/${type[2]}`.toLowerCase();
  const parameters = parametersOf(type === null ? "" : values.type!.slice(type[0].length), note);
  const disposition = values.disposition === null ? null : TOKEN.exec(values.disposition);
  return {
    mediaType,
    charset: shortToken(parameters.get("charset")),
    boundary: mediaType.startsWith("multipart/") ? boundaryOf(parameters) : null,
    transferEncoding: values.encoding === null
      ? "7bit"
      : TOKEN.exec(values.encoding)?.[1].toLowerCase() ?? "7bit",
    disposition: dispositionOf(disposition?.[1]),
    fileName: fileNameOf(values.disposition, parameters, options),
  };
}

interface ContentValues {
  type: string | null;
  encoding: string | null;
  disposition: string | null;
}

const FIELDS: Readonly<Record<string, keyof ContentValues>> = {
  "content-type": "type",
  "content-transfer-encoding": "encoding",
  "content-disposition": "disposition",
};

/** Unfolded, one character an octet. */
function valuesOf(
  octets: Uint8Array,
  header: HeaderSection,
  note: ContentFieldOptions["note"],
): ContentValues {
  const view = Buffer.from(octets.buffer, octets.byteOffset, octets.byteLength);
  const values: ContentValues = { type: null, encoding: null, disposition: null };
  for (const { name, valueStartOctet, valueEndOctet } of header.fields()) {
    const first = name.charCodeAt(0) | 0x20;
    // "c", which few other fields start with.
    if (first !== 0x63 || name.length < 12 || name.length > 25) continue;
    const lower = name.toLowerCase();
    if (!Object.hasOwn(FIELDS, lower)) continue;
    const key = FIELDS[lower];
    if (values[key] !== null) {
      note("duplicate_content_field");
      continue;
    }
    const end = Math.min(valueEndOctet, valueStartOctet + MAX_FIELD_OCTETS);
    // RFC 5322 §2.2.3: unfolding removes the line end and keeps the white space behind it.
    values[key] = view.toString("latin1", valueStartOctet, end).replace(/\r?\n/g, "");
  }
  return values;
}

/** What a mail program shows as a file of the part. */
function fileNameOf(
  dispositionValue: string | null,
  typeParameters: ContentParameters,
  { maxFileNameCharacters, note }: ContentFieldOptions,
): string | null {
  const semicolon = dispositionValue?.indexOf(";") ?? -1;
  const ofDisposition = semicolon < 0
    ? null
    : parameterText(parametersOf(dispositionValue!.slice(semicolon), note), "filename");
  const name = ofDisposition ?? parameterText(typeParameters, "name");
  return name === null ? null : boundFileName(name, maxFileNameCharacters);
}

function dispositionOf(token: string | undefined): ContentFields["disposition"] {
  if (token === undefined) return null;
  // RFC 2183 §2.8: an unknown type is treated as an attachment.
  return token.toLowerCase() === "inline" ? "inline" : "attachment";
}

function boundaryOf(parameters: ContentParameters): string | null {
  const boundary = (parameters.get("boundary") ?? joined(parameters, "boundary")).trimEnd();
  // A boundary of nothing would make every line of two hyphens a delimiter; programs disagree about it.
  return boundary === "" || boundary.length > MAX_BOUNDARY_CHARACTERS ? null : boundary;
}

/** RFC 2231 §3 lets even a boundary stand in sections. */
function joined(parameters: ContentParameters, name: string): string {
  let text = "";
  for (let index = 0; index < MAX_PARAMETERS && text.length <= MAX_BOUNDARY_CHARACTERS; index++) {
    const section = parameters.get(`${name}*${index}`);
    if (section === undefined) break;
    text += section;
  }
  return text;
}

function shortToken(value: string | undefined): string | null {
  const token = value?.trim().slice(0, MAX_TOKEN_CHARACTERS).toLowerCase() ?? "";
  return token === "" ? null : token;
}

/**
 * `; name=value` again and again, in one pass. Takes unquoted values with spaces in them and quoted ones
 * without a semicolon behind.
 */
function parametersOf(text: string, note: ContentFieldOptions["note"]): ContentParameters {
  const parameters = new Map<string, string>();
  let at = 0;
  while (at < text.length && parameters.size < MAX_PARAMETERS) {
    const start = skip(text, at);
    if (start >= text.length) break;
    const nameEnd = until(text, start, EQUALS);
    if (text[nameEnd] !== "=") {
      // Words without a value, between two semicolons.
      at = nameEnd + 1;
      continue;
    }
    const name = text.slice(start, nameEnd).trim().toLowerCase();
    const valueStart = skipBlanks(text, nameEnd + 1);
    let value: string;
    if (text[valueStart] === '"') {
      const quoted = readQuoted(text, valueStart + 1);
      if (!quoted.isClosed) note("bad_content_type");
      value = quoted.value;
      at = quoted.end;
    } else {
      at = until(text, valueStart, SEMICOLON);
      value = text.slice(valueStart, at);
      const comment = value.indexOf(" (");
      value = (comment < 0 ? value : value.slice(0, comment)).trim();
    }
    if (name !== "" && !parameters.has(name)) parameters.set(name, value);
  }
  return parameters;
}

function readQuoted(
  text: string,
  start: number,
): { value: string; end: number; isClosed: boolean } {
  let value = "";
  let from = start;
  for (let at = start; at < text.length; at++) {
    const character = text[at];
    if (character === '"') {
      return { value: value + text.slice(from, at), end: at + 1, isClosed: true };
    }
    if (character !== "\\") continue;
    value += text.slice(from, at);
    from = ++at;
  }
  return { value: value + text.slice(from), end: text.length, isClosed: false };
}

/** Behind white space, semicolons and comments (RFC 5322 §3.2.2), which may be nested. */
function skip(text: string, start: number): number {
  let depth = 0;
  for (let at = start; at < text.length; at++) {
    const character = text[at];
    if (character === "(") depth++;
    else if (depth > 0 && character === ")") depth--;
    else if (depth > 0 && character === "\\") at++;
    else if (depth === 0 && character !== " " && character !== "\t" && character !== ";") return at;
  }
  return text.length;
}

function skipBlanks(text: string, start: number): number {
  let at = start;
  while (text[at] === " " || text[at] === "\t") at++;
  return at;
}

const EQUALS = 0x3d;
const SEMICOLON = 0x3b;

/** Where the next semicolon stands, or the end; an equals sign too where it is asked for. */
function until(text: string, start: number, stop: typeof EQUALS | typeof SEMICOLON): number {
  let at = start;
  for (; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === SEMICOLON || code === stop) break;
  }
  return at;
}
