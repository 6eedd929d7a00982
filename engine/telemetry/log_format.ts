/**
 * Log records as text: one line each, at most `LINE_OCTETS`, control characters escaped, secrets
 * masked by the name of their key and in URLs. Written out by hand, since a line is made for every
 * message and every delivery.
 */
import type { LogRecord } from "@logtape/logtape";
import { maskUrlsIn } from "./mask.ts";

/** The longest line, its newline included. */
export const LINE_OCTETS = 2048;
const VALUE_CHARACTERS = 512;
const VALUE_OCTETS = 1024;
/** Characters of a value that fit `VALUE_OCTETS` even when each is escaped. */
const ESCAPED_CHARACTERS = 160;
const NAME_CHARACTERS = 64;
const MAX_DEPTH = 3;
const MAX_ITEMS = 20;
const MAX_CACHED = 1000;

const PLAIN = /^[\x20\x21\x23-\x5b\x5d-\x7e]*$/;
// deno-lint-ignore no-control-regex
const ASCII = /^[\x00-\x7f]*$/;
/** C1 controls, line separators and marks that reorder text. */
const UNSAFE = /[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g;
const SECRET_KEY =
  /passw|passphrase|secret|token|authorization|credential|cookie|api_?key|private_?key|auth_?(response|data)/i;

export type Formatter = (record: LogRecord) => string;

/** One JSON object a line: time, level, logger, thread, event, queue id, msg, then the rest. */
export function jsonFormatter(options: { thread?: string } = {}): Formatter {
  const thread = options.thread === undefined ? "" : `,"thread":${quote(options.thread)}`;
  const timeOf = cachedTime();
  const prefixOf = cachedPrefixes();
  const textOf = cachedTemplates();
  return (record) => {
    const { timestamp, level, category, properties } = record;
    let head = `{"time":"${timeOf(timestamp)}","level":"${level}"` +
      `,"logger":${quote(loggerName(category))}${thread}`;
    if (properties.event !== undefined) head += `,"event":${name(properties.event)}`;
    if (properties.queue_id !== undefined) head += `,"queue_id":${name(properties.queue_id)}`;
    head += `,"msg":${quote(textOf(record))}`;
    const parts: string[] = [];
    for (const key in properties) {
      if (key === "event" || key === "queue_id" || properties[key] === undefined) continue;
      const { text, secret } = prefixOf(key);
      parts.push(text + (secret ? '"***"' : value(properties[key], 1)));
    }
    return assemble({ head, parts, end: "}", shortEnd: ',"truncated":true}' });
  };
}

/** The line with as many of its parts as fit, and how it ends when they all do or do not. */
function assemble(
  line: { head: string; parts: readonly string[]; end: string; shortEnd: string },
): string {
  const whole = line.head + line.parts.join("") + line.end;
  if (whole.length <= LINE_OCTETS / 3 - 1) return whole;
  let room = LINE_OCTETS - 1 - octets(line.head) - octets(line.shortEnd);
  const fitting = line.parts.filter((part) => {
    const fits = octets(part) <= room;
    if (fits) room -= octets(part);
    return fits;
  });
  const end = fitting.length === line.parts.length ? line.end : line.shortEnd;
  return line.head + fitting.join("") + end;
}

/** For eyes: `12:34:56.789 INFO  delivery: message key=value …`. */
export function prettyFormatter(options: { thread?: string; color?: boolean } = {}): Formatter {
  const paint = options.color ? PAINT : {};
  const thread = options.thread === undefined ? "" : ` [${options.thread}]`;
  const timeOf = cachedTime();
  const prefixOf = cachedPrefixes();
  const textOf = cachedTemplates();
  return (record) => {
    const { timestamp, level, category, properties } = record;
    const [on, off] = paint[level] ?? ["", ""];
    const text = quote(textOf(record)).slice(1, -1).replaceAll('\\"', '"');
    const head = `${timeOf(timestamp).slice(11, 23)} ${on}${level.toUpperCase().padEnd(7)}${off}` +
      `${thread} ${quote(loggerName(category)).slice(1, -1)}: ${text}`;
    const parts: string[] = [];
    for (const key in properties) {
      if (key === "event" || properties[key] === undefined) continue;
      const shown = prefixOf(key).secret ? "***" : value(properties[key], 1);
      parts.push(` ${key}=${/^"[^\s"\\=]+"$/.test(shown) ? shown.slice(1, -1) : shown}`);
    }
    return assemble({ head, parts, end: "", shortEnd: " …" });
  };
}

const PAINT: Readonly<Record<string, readonly [string, string]>> = {
  trace: ["\x1b[2m", "\x1b[0m"],
  debug: ["\x1b[2m", "\x1b[0m"],
  info: ["\x1b[32m", "\x1b[0m"],
  warning: ["\x1b[33m", "\x1b[0m"],
  error: ["\x1b[31m", "\x1b[0m"],
  fatal: ["\x1b[1;31m", "\x1b[0m"],
};

/** The category below the root one. */
function loggerName(category: readonly string[]): string {
  return category.length === 2 ? category[1] : category.slice(1).join(".") || category.join(".");
}

/** A message with places for properties, texts and keys in turns. */
interface Template {
  readonly texts: readonly string[];
  readonly keys: readonly { readonly key: string; readonly secret: boolean }[];
}

/** Fills in `{name}`s like LogTape, which parses its templates anew for each record. */
function cachedTemplates(): (record: LogRecord) => string {
  const cache = new Map<string, Template>();
  return (record) => {
    const { rawMessage, properties } = record;
    if (typeof rawMessage !== "string") return joined(record.message);
    let template = cache.get(rawMessage);
    if (template === undefined) {
      template = parseTemplate(rawMessage);
      if (cache.size >= MAX_CACHED || template.texts.some((text) => /[{}]/.test(text))) {
        return joined(record.message);
      }
      cache.set(rawMessage, template);
    }
    const { texts, keys } = template;
    let text = texts[0];
    for (let i = 0; i < keys.length; i++) {
      text += keys[i].secret ? "***" : shown(properties[keys[i].key]);
      text += texts[i + 1];
    }
    return text;
  };
}

function parseTemplate(text: string): Template {
  const parts = text.split(/\{([A-Za-z_][A-Za-z0-9_]*)\}/);
  const keys = parts.filter((_, index) => index % 2 === 1);
  return {
    texts: parts.filter((_, index) => index % 2 === 0),
    keys: keys.map((key) => ({ key, secret: SECRET_KEY.test(key) })),
  };
}

function joined(message: readonly unknown[]): string {
  return message.map(shown).join("");
}

function shown(part: unknown): string {
  return typeof part === "string" ? part : value(part, 1);
}

/** The value of a key that names things, kept short so that a line's head always fits. */
function name(given: unknown): string {
  return quote(cut(shown(given), NAME_CHARACTERS));
}

function value(given: unknown, depth: number): string {
  switch (typeof given) {
    case "string":
      return quote(given);
    case "number":
      return Number.isFinite(given) ? String(given) : "null";
    case "boolean":
      return String(given);
    case "bigint":
      return `"${given}"`;
    case "object":
      return given === null ? "null" : compound(given, depth);
    default:
      return "null";
  }
}

function compound(given: object, depth: number): string {
  if (given instanceof Date) {
    return Number.isNaN(given.getTime()) ? "null" : `"${given.toISOString()}"`;
  }
  if (ArrayBuffer.isView(given)) return `"<${given.byteLength} octets>"`;
  if (given instanceof Error) {
    const { name, message, stack, cause } = given;
    const frames = stack?.split("\n    at ").slice(1, 5).join(" < ");
    return fields(Object.entries({ name, message, cause, stack: frames }), depth);
  }
  if (depth > MAX_DEPTH) return '"…"';
  if (Array.isArray(given)) {
    return `[${given.slice(0, MAX_ITEMS).map((item) => value(item, depth + 1)).join(",")}]`;
  }
  return fields(Object.entries(given).slice(0, MAX_ITEMS), depth);
}

function fields(entries: readonly [string, unknown][], depth: number): string {
  const parts: string[] = [];
  for (const [key, item] of entries) {
    if (item === undefined) continue;
    const shown = depth > MAX_DEPTH ? '"…"' : value(item, depth + 1);
    parts.push(`${quote(key)}:${SECRET_KEY.test(key) ? '"***"' : shown}`);
  }
  return `{${parts.join(",")}}`;
}

/** A JSON string of at most `VALUE_OCTETS`, cut when longer. */
function quote(text: string): string {
  text = maskUrlsIn(text);
  if (text.length <= VALUE_CHARACTERS && PLAIN.test(text)) return `"${text}"`;
  const quoted = escape(cut(text, VALUE_CHARACTERS));
  return octets(quoted) <= VALUE_OCTETS ? quoted : escape(cut(text, ESCAPED_CHARACTERS));
}

function cut(text: string, characters: number): string {
  return text.length <= characters ? text : text.slice(0, characters - 3) + "...";
}

function escape(text: string): string {
  return JSON.stringify(text).replace(UNSAFE, (character) => {
    return "\\u" + character.charCodeAt(0).toString(16).padStart(4, "0");
  });
}

/** Never fewer than the text's octets in UTF-8. */
function octets(text: string): number {
  return ASCII.test(text) ? text.length : text.length * 3;
}

/** Lines come in bursts: most share their millisecond with the one before. */
function cachedTime(): (timestampMs: number) => string {
  let lastMs = NaN;
  let text = "";
  return (timestampMs) => {
    if (timestampMs !== lastMs) {
      lastMs = timestampMs;
      text = new Date(timestampMs).toISOString();
    }
    return text;
  };
}

function cachedPrefixes(): (key: string) => { text: string; secret: boolean } {
  const cache = new Map<string, { text: string; secret: boolean }>();
  return (key) => {
    let prefix = cache.get(key);
    if (prefix === undefined) {
      prefix = { text: `,${quote(key)}:`, secret: SECRET_KEY.test(key) };
      if (cache.size < MAX_CACHED) cache.set(key, prefix);
    }
    return prefix;
  };
}
