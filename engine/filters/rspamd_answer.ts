/**
 * What rspamd says of a message (the answer of `/checkv2`), and what it comes to here. Its score becomes points;
 * of its actions only those count that are about whether to take the message at all, since what is spam here is
 * decided by all points together. Its greylisting asks for a `soft reject` when it means it; the action `greylist`
 * alone is a score.
 */
import { type Reply, reply } from "../mail/reply.ts";
import { filterFailure, type FilterOpinion, NO_CHANGES, NOTHING_FOUND } from "./filter.ts";

/** Symbols named in the signal's text, the weightiest first. */
const MAX_NAMED_SYMBOLS = 8;
const MAX_NAME_CHARACTERS = 40;
/** Looked at; an answer of bounded size may still name thousands. */
const MAX_SYMBOLS = 1_000;
/** Nothing outside is believed beyond this, in either direction. */
const MAX_POINTS = 100;

const REJECTED = reply(554, "7.1", "Message refused as spam");
const SOFT_REJECTED = reply(451, "7.1", "Message not accepted now, try again later");

export interface RspamdReading {
  /** What one point of rspamd's score is worth here; 0: its score counts for nothing. */
  readonly weight: number;
}

/** @param text the body of an answer with status 200. */
export function readRspamdAnswer(text: string, { weight }: RspamdReading): FilterOpinion {
  const answer = parseObject(text);
  if (answer === null) return filterFailure("nonsense", "rspamd's answer is no JSON object");
  const { action, score } = answer;
  if (answer.is_skipped === true) return NOTHING_FOUND;
  if (typeof action !== "string" || typeof score !== "number" || !Number.isFinite(score)) {
    return filterFailure("nonsense", "rspamd's answer lacks action or score");
  }
  const refusal = refusalOf(action);
  if (refusal !== null) return { kind: "refused", reply: refusal };
  const points = Math.min(Math.max(score * weight, -MAX_POINTS), MAX_POINTS);
  return {
    kind: "passed",
    signals: [{
      name: "RSPAMD",
      points: Math.round(points * 100) / 100,
      text: `rspamd scores ${shown(score)}${symbolsOf(answer.symbols)}`,
    }],
    // Nothing is dropped behind the sender's back.
    quarantine: action === "quarantine" || action === "discard" ? `rspamd asks to ${action}` : null,
    changes: NO_CHANGES,
  };
}

/** Of the other actions, an operator's own among them, nothing but the score is heard. */
function refusalOf(action: string): Reply | null {
  if (action === "reject") return REJECTED;
  return action === "soft reject" ? SOFT_REJECTED : null;
}

/** `: BAYES_SPAM 5.1, …`, or nothing when no symbol has a score. */
function symbolsOf(symbols: unknown): string {
  if (typeof symbols !== "object" || symbols === null) return "";
  const scored: { readonly name: string; readonly score: number }[] = [];
  for (const [name, symbol] of Object.entries(symbols).slice(0, MAX_SYMBOLS)) {
    const score = (symbol as { score?: unknown } | null)?.score;
    if (typeof score === "number" && Number.isFinite(score) && score !== 0) {
      scored.push({ name, score });
    }
  }
  if (scored.length === 0) return "";
  scored.sort((a, b) => Math.abs(b.score) - Math.abs(a.score));
  const named = scored.slice(0, MAX_NAMED_SYMBOLS)
    .map(({ name, score }) => `${printable(name)} ${shown(score)}`).join(", ");
  return `: ${named}${scored.length > MAX_NAMED_SYMBOLS ? ", ..." : ""}`;
}

function shown(score: number): string {
  return String(Math.round(score * 100) / 100);
}

function printable(text: string): string {
  return text.slice(0, MAX_NAME_CHARACTERS).replace(/[^ -~]/g, "?");
}

function parseObject(text: string): Readonly<Record<string, unknown>> | null {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value)
      ? value as Readonly<Record<string, unknown>>
      : null;
  } catch {
    return null;
  }
}
