/** Text that a stranger put into a report, brought into a form that tables and terminals can take. */
import { normalizeDomain } from "../../mail/domain.ts";
import { formatIp, parseIp } from "../../mail/ip_address.ts";

const MAX_CHARACTERS = 255;

/** One line of at most so many characters, without control characters and marks that turn text round. */
export function lineOf(text: string, maxCharacters = MAX_CHARACTERS): string {
  return text.slice(0, 4 * maxCharacters)
    // deno-lint-ignore no-control-regex
    .replace(/[\x00-\x20\x7f-\x9f\u2028-\u202e\u2066-\u2069]+/g, " ")
    .trim()
    .slice(0, maxCharacters)
    .toWellFormed();
}

/** The same; `null` for what is missing or empty. */
export function optionalLine(text: string | null | undefined): string | null {
  const line = lineOf(text ?? "");
  return line === "" ? null : line;
}

/** In the form domains are compared in; empty when it is none. */
export function domainOf(text: string | null | undefined): string {
  const line = lineOf(text ?? "");
  return normalizeDomain(line.endsWith(".") ? line.slice(0, -1) : line) ?? "";
}

export function addressOf(text: string | null | undefined): string | null {
  const ip = parseIp(lineOf(text ?? ""));
  return ip === null ? null : formatIp(ip);
}

/** A whole number from 0 to `max`, also when it was written with a fraction; `null` for anything else. */
export function wholeNumber(text: string | null | undefined, max: number): number | null {
  const match = /^(\d{1,15})(?:\.\d{0,6})?$/.exec(lineOf(text ?? ""));
  const number = match === null ? NaN : Number(match[1]);
  return number <= max ? number : null;
}
