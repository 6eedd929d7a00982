/**
 * What becomes of a message by its score, and what its header section says of it. Decides thresholds, the fields to
 * add and which fields of the sender's making are taken out; knows nothing of policies beside the score.
 */
import type { HeaderSection } from "../mail/header_section.ts";
import type { OctetRange } from "../mail/octet_range.ts";
import type { SpamScore } from "./facts.ts";

export type SpamVerdict = "accept" | "tag" | "quarantine" | "reject";

/** Points from which on; `null`: never. */
export interface SpamThresholds {
  readonly tag: number | null;
  readonly greylist: number | null;
  readonly quarantine: number | null;
  readonly reject: number | null;
}

/** The hardest one reached. */
export function spamVerdict({ points }: SpamScore, thresholds: SpamThresholds): SpamVerdict {
  const verdicts = ["reject", "quarantine", "tag"] as const;
  return verdicts.find((verdict) => reaches(points, thresholds[verdict])) ?? "accept";
}

/** Whether a sender not met before shall come again, whatever else the score leads to. */
export function isSuspicious({ points }: SpamScore, { greylist }: SpamThresholds): boolean {
  return reaches(points, greylist);
}

function reaches(points: number, from: number | null): boolean {
  return from !== null && points >= from;
}

const MAX_SIGNALS = 30;
const MAX_LINE = 76;

/**
 * Fields that tell the score, each with its line end: X-Spam-Flag for filters, X-Spam-Score, X-Spam-Status with the
 * signals. ASCII, folded, bounded. A message may be spam for other reasons than its score, or have none.
 *
 * @param options `tag`: the points from which on a score alone makes it spam.
 */
export function spamFields(
  score: SpamScore | null,
  { isSpam, tag }: { readonly isSpam: boolean; readonly tag: number | null },
): string {
  const flag = `X-Spam-Flag: ${isSpam ? "YES" : "NO"}\r\n`;
  if (score === null) return flag;
  const points = score.points.toFixed(1);
  const required = tag === null ? "" : ` required=${tag.toFixed(1)}`;
  const words = [
    `${isSpam ? "Yes" : "No"}, score=${points}${required}`,
    ...score.signals.slice(0, MAX_SIGNALS).map(({ name, points }) =>
      `${name}=${points.toFixed(1)}`
    ),
  ];
  return `${flag}X-Spam-Score: ${points}\r\n${folded("X-Spam-Status:", words)}`;
}

function folded(name: string, words: readonly string[]): string {
  let text = name;
  let line = name.length;
  for (const [index, word] of words.entries()) {
    const piece = word +
      (index === 0 && words.length > 1
        ? " signals:"
        : index > 0 && index < words.length - 1
        ? ","
        : "");
    const isFull = line + 1 + piece.length > MAX_LINE;
    text += isFull ? `\r\n\t${piece}` : ` ${piece}`;
    line = (isFull ? 1 : line + 1) + piece.length;
  }
  return `${text}\r\n`;
}

const FORGED = /^x-spam(?:-|$)/i;

/**
 * Where a message has fields that only we may write: someone's filter would believe them. In ascending order, whole
 * fields with their line ends.
 *
 * @param octets the message `header` was read from.
 */
export function forgedSpamFields(header: HeaderSection, octets: Uint8Array): readonly OctetRange[] {
  const ranges: { startOctet: number; endOctet: number }[] = [];
  for (const { name, startOctet, valueEndOctet } of header.fields()) {
    if (!FORGED.test(name)) continue;
    const endOctet = lineEnd(octets, valueEndOctet);
    const last = ranges.at(-1);
    if (last?.endOctet === startOctet) last.endOctet = endOctet;
    else ranges.push({ startOctet, endOctet });
  }
  return ranges;
}

function lineEnd(octets: Uint8Array, from: number): number {
  let at = from;
  if (octets[at] === 13) at++;
  return octets[at] === 10 ? at + 1 : at;
}
