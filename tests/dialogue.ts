/**
 * Dialogues as files: what a client sends, octet by octet, and what the server must answer. This module
 * reads the files; `dialogue_run.ts` holds them against a server. The first line is a comment naming the
 * rule and its RFC, then `# env NAME=value …` and `# listener submission` where needed, then the steps:
 *
 * ```
 * C: text               a line, CRLF is appended
 * C*1001: <u%d@x>       that many lines at once, %d counting from 0
 * C-raw: \x00.\r\n      these octets and no more
 * C-cut: a|\r|\n        a TCP segment each
 * C-drip 20ms: text\r\n an octet at a time, for as long as the server listens
 * C-pad 600: NOOP       a line of so many octets, padded
 * C-fill 100000         so many octets of text lines
 * C-flood 300000        so many octets without a line end
 * S: 250 2.1.0          the next line begins so
 * S~ ^250-SIZE \d+$     the next line matches
 * S*: 250               a whole reply, however many lines, the last of which begins so
 * S*1000: 250 2.1.5     so many whole replies
 * silent 200ms          nothing is said so long
 * wait 200ms
 * closes                the server closes, having said nothing more
 * closes-silently       … or nothing but octets of a handshake
 * half-close            the client closes its side
 * TLS                   the client shakes hands
 * connect               a new connection, in place of the one before
 * M: line               the message queued last arrives, consisting of these lines
 * M-raw: \r\n           … these octets
 * M-pad 600: text       … a line as C-pad sends it
 * M-fill 100000         … what C-fill sends
 * M-empty               … nothing at all
 * M-copies 2            … that many times
 * M~ ^Return-Path: <>   … with trace fields that match
 * ```
 *
 * In what is sent, `{plain}`, `{name}` and `{password}` stand for what `admin@localhost` logs in with.
 * That a message arrives which nobody was told of fails every dialogue, without being asked for.
 */
import { Buffer } from "node:buffer";

export type Step =
  | { readonly kind: "send"; readonly segments: readonly Buffer[]; readonly hellos: number }
  | { readonly kind: "drip"; readonly octets: Buffer; readonly everyMs: number }
  | { readonly kind: "line"; readonly prefix: string }
  | { readonly kind: "pattern"; readonly pattern: RegExp }
  | { readonly kind: "replies"; readonly count: number; readonly prefix: string }
  | { readonly kind: "silent" | "wait"; readonly forMs: number }
  | { readonly kind: "closes" | "closes_silently" | "half_close" | "tls" | "connect" }
  | { readonly kind: "message"; readonly message: ExpectedMessage };

export interface ExpectedMessage {
  /** `null`: any. */
  readonly octets: Buffer | null;
  readonly trace: readonly RegExp[];
  readonly copies: number;
}

export interface Dialogue {
  readonly name: string;
  readonly rule: string;
  readonly env: Readonly<Record<string, string>>;
  readonly listener: "smtp" | "submission" | "smtps";
  /** Shakes hands before all else, as the `smtps` listener wants it; not so for `smtps-plain`. */
  readonly hasImplicitTls: boolean;
  readonly steps: readonly (Step & { readonly line: number })[];
}

const FILL_LINE = "0123456789abcdefghijklmnopqrstuvwxyz ABCDEFGHIJKLMNOPQRSTUVWXYZ -- .0123456\r\n";

/** @throws {SyntaxError} naming the line. */
export function parseDialogue(name: string, text: string): Dialogue {
  const lines = text.split("\n");
  const rule = /^# (.*RFC \d+.*)$/.exec(lines[0])?.[1];
  if (rule === undefined) throw new SyntaxError(`${name}:1: no rule and RFC in the first line`);
  const env: Record<string, string> = {};
  let listener = "smtp";
  const steps: (Step & { line: number })[] = [];
  for (let at = 1; at < lines.length; at++) {
    const line = at + 1;
    const setting = /^# env (.+)$/.exec(lines[at]);
    const named = /^# listener (smtp|submission|smtps|smtps-plain)$/.exec(lines[at]);
    if (setting !== null) {
      for (const pair of setting[1].split(" ")) {
        const equals = pair.indexOf("=");
        env[pair.slice(0, equals)] = pair.slice(equals + 1);
      }
    } else if (named !== null) listener = named[1];
    else if (/^M/.test(lines[at])) {
      const start = at;
      while (/^M/.test(lines[at + 1] ?? "")) at++;
      const message = parseMessage(lines.slice(start, at + 1), `${name}:${line}`);
      steps.push({ kind: "message", message, line });
    } else if (lines[at] !== "" && lines[at][0] !== "#") {
      const step = parseStep(lines[at]);
      if (step === null) throw new SyntaxError(`${name}:${line}: no step: ${lines[at]}`);
      steps.push({ ...step, line });
    }
  }
  return {
    name,
    rule,
    env,
    listener: listener.replace("-plain", "") as Dialogue["listener"],
    hasImplicitTls: listener === "smtps",
    steps,
  };
}

function parseStep(text: string): Step | null {
  const [, word, , number, rest] = /^([CS]?[\w-]*[*~]?)( ?(\d+)(?:ms)?)?(?::? ?(.*))$/.exec(text) ??
    [];
  const count = Number(number ?? 1);
  switch (word) {
    case "C":
      return send([utf8(rest + "\r\n")]);
    case "C*":
      return send([
        utf8(
          Array.from({ length: count }, (_, n) => rest.replaceAll("%d", `${n}`) + "\r\n").join(""),
        ),
      ]);
    case "C-raw":
      return send([unescape(rest)]);
    case "C-cut":
      return send(rest.split("|").map(unescape));
    case "C-drip":
      return { kind: "drip", octets: unescape(rest), everyMs: count };
    case "C-pad":
      return send([pad(rest, count)]);
    case "C-fill":
      return send([fill(count)]);
    case "C-flood":
      return send([Buffer.alloc(count, "a")]);
    case "S":
      return { kind: "line", prefix: rest };
    case "S~":
      return { kind: "pattern", pattern: new RegExp(rest) };
    case "S*":
      return { kind: "replies", count, prefix: rest };
    case "silent":
    case "wait":
      return { kind: word, forMs: count };
    case "closes":
    case "connect":
      return { kind: word };
    case "closes-silently":
      return { kind: "closes_silently" };
    case "half-close":
      return { kind: "half_close" };
    case "TLS":
      return { kind: "tls" };
    default:
      return null;
  }
}

function send(segments: readonly Buffer[]): Step {
  const text = Buffer.concat(segments).toString("latin1");
  return { kind: "send", segments, hellos: text.match(/^(?:EHLO|HELO)/gim)?.length ?? 0 };
}

function parseMessage(lines: readonly string[], where: string): ExpectedMessage {
  const pieces: Buffer[] = [];
  const trace: RegExp[] = [];
  let hasContent = false;
  let copies = 1;
  for (const line of lines) {
    const match = /^M(-raw|-pad|-fill|-empty|-copies|~)?( \d+)?(?::? ?(.*))$/.exec(line);
    if (match === null) throw new SyntaxError(`${where}: no message: ${line}`);
    const [, how, number, rest] = match;
    if (how === "~") trace.push(new RegExp(rest, "m"));
    else if (how === "-copies") copies = Number(number);
    else {
      hasContent = true;
      if (how === "-raw") pieces.push(unescape(rest));
      else if (how === "-pad") pieces.push(pad(rest, Number(number)));
      else if (how === "-fill") pieces.push(fill(Number(number)));
      else if (how === undefined) pieces.push(utf8(rest + "\r\n"));
    }
  }
  return { octets: hasContent ? Buffer.concat(pieces) : null, trace, copies };
}

function utf8(text: string): Buffer {
  return Buffer.from(text, "utf8");
}

/** Text with `\r \n \t \0 \\ \xNN`; all else stands for itself, as UTF-8. */
function unescape(text: string): Buffer {
  const pieces = text.split(/(\\x[0-9a-fA-F]{2}|\\[rnt0\\])/).map((piece) => {
    if (piece.startsWith("\\x")) return Buffer.of(parseInt(piece.slice(2), 16));
    const at = ["\\r", "\\n", "\\t", "\\0", "\\\\"].indexOf(piece);
    return at < 0 ? utf8(piece) : Buffer.from("\r\n\t\0\\"[at]);
  });
  return Buffer.concat(pieces);
}

/** A line of so many octets, its end among them. */
function pad(text: string, octets: number): Buffer {
  return Buffer.from(text.padEnd(octets - 2, "a") + "\r\n");
}

/** Lines of text, the last one cut so that it ends with CRLF too. */
function fill(octets: number): Buffer {
  const filled = Buffer.alloc(octets, FILL_LINE);
  if (octets >= 2) filled.write("\r\n", octets - 2);
  // Cutting the last line must leave neither a bare CR nor an empty one.
  if (octets >= 4) filled.write("xx", octets - 4);
  return filled;
}
