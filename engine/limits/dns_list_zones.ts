/**
 * Reads the settings that name DNS lists, entries of `zone[=pattern][*weight]` as Postfix's postscreen
 * has them, and tells which entries an answer of a list fits (RFC 5782 §2.1, §2.3). Asks nobody.
 */
import { normalizeDomain } from "../mail/domain.ts";

/** One zone, asked once whatever number of entries it has. */
export interface DnsList {
  /** In A-labels and lower case. */
  readonly zone: string;
  readonly entries: readonly DnsListEntry[];
}

export interface DnsListEntry {
  /** `null` for every value that says "listed". */
  readonly pattern: ValuePattern | null;
  /** Against the client where positive. */
  readonly weight: number;
}

/** Four octets, each with the ranges it may be in. */
export type ValuePattern = readonly (readonly OctetBounds[])[];

export interface OctetBounds {
  readonly least: number;
  readonly most: number;
}

export type DnsListsResult =
  | { readonly kind: "lists"; readonly lists: readonly DnsList[] }
  /** `entry` as written, `reason` for the person who wrote it. */
  | { readonly kind: "fault"; readonly entry: string; readonly reason: string };

/** Each is a question for every client. */
const MAX_ZONES = 30;
const MAX_ENTRIES = 200;
/** Room for the longest thing looked up below a zone, an IPv6 address with its dots. */
const MAX_ZONE_CHARACTERS = 253 - 64;
const MAX_WEIGHT = 1000;

/** Reads entries separated by commas or white space. */
export function parseDnsLists(text: string): DnsListsResult {
  const entriesByZone = new Map<string, DnsListEntry[]>();
  let count = 0;
  for (const entry of text.split(/[\s,]+/)) {
    if (entry === "") continue;
    const read = readEntry(entry);
    if (typeof read === "string") return { kind: "fault", entry, reason: read };
    const entries = entriesByZone.get(read.zone) ?? [];
    entries.push({ pattern: read.pattern, weight: read.weight });
    entriesByZone.set(read.zone, entries);
    if (++count > MAX_ENTRIES || entriesByZone.size > MAX_ZONES) {
      const reason = `more than ${MAX_ZONES} zones or ${MAX_ENTRIES} entries`;
      return { kind: "fault", entry, reason };
    }
  }
  const lists = [...entriesByZone].map(([zone, entries]) => ({ zone, entries }));
  return { kind: "lists", lists };
}

/** Whether a list's answer, an IPv4 address, fits a pattern. */
export function fitsPattern(value: string, pattern: ValuePattern): boolean {
  const octets = value.split(".");
  return octets.length === pattern.length && pattern.every((bounds, at) => {
    const octet = Number(octets[at]);
    return bounds.some(({ least, most }) => octet >= least && octet <= most);
  });
}

interface EntryRead extends DnsListEntry {
  readonly zone: string;
}

/** The entry, or what is wrong with it. */
function readEntry(entry: string): EntryRead | string {
  const star = entry.lastIndexOf("*");
  const weightText = star < 0 ? "1" : entry.slice(star + 1);
  if (!/^[+-]?\d{1,4}$/.test(weightText) || Math.abs(Number(weightText)) > MAX_WEIGHT) {
    return `the weight behind * is a whole number from -${MAX_WEIGHT} to ${MAX_WEIGHT}`;
  }
  const rest = star < 0 ? entry : entry.slice(0, star);
  const equals = rest.indexOf("=");
  const zone = normalizeDomain(equals < 0 ? rest : rest.slice(0, equals));
  if (zone === null || !zone.includes(".") || zone.length > MAX_ZONE_CHARACTERS) {
    return "no name of a DNS list";
  }
  const pattern = equals < 0 ? null : readPattern(rest.slice(equals + 1));
  if (typeof pattern === "string") return pattern;
  return { zone, pattern, weight: Number(weightText) };
}

// An octet, or a list of octets and ranges in brackets.
const OCTET = /(\d{1,3})|\[([\d.;]{1,200})\]/y;
const RANGE = /^(\d{1,3})(?:\.\.(\d{1,3}))?$/;

function readPattern(text: string): ValuePattern | string {
  const fault = "the pattern behind = is four octets, each a number, [1;4;8] or [2..11]";
  const pattern: OctetBounds[][] = [];
  let at = 0;
  while (pattern.length < 4) {
    if (pattern.length > 0 && text[at++] !== ".") return fault;
    OCTET.lastIndex = at;
    const match = OCTET.exec(text);
    if (match === null) return fault;
    at = OCTET.lastIndex;
    const bounds: OctetBounds[] = [];
    for (const part of (match[1] ?? match[2]).split(";")) {
      const range = RANGE.exec(part);
      if (range === null) return fault;
      const least = Number(range[1]);
      const most = Number(range[2] ?? range[1]);
      if (most > 255 || least > most) return fault;
      bounds.push({ least, most });
    }
    pattern.push(bounds);
  }
  if (at !== text.length) return fault;
  return pattern[0].some(({ least, most }) => least <= 127 && most >= 127)
    ? pattern
    : "lists answer with 127.x.x.x, which the pattern leaves out";
}
