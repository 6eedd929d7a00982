/** What a greylist may be asked. */
import type { GreylistQuery } from "./greylist.ts";

const MAX_KEYS = 16;
const KEY = /^[ -~]{1,256}$/;
const YEAR_MS = 366 * 86_400_000;

/** @throws {RangeError} when a caller asks for what greylists do not promise. */
export function checkQuery(query: GreylistQuery): void {
  const { senders, triplets, delayMs, windowMs, trustMs } = query;
  if (senders.length > MAX_KEYS || triplets.length > MAX_KEYS) {
    throw new RangeError(`more than ${MAX_KEYS} keys of a greylist`);
  }
  for (const key of [...senders.map(({ key }) => key), ...triplets]) {
    if (!KEY.test(key)) throw new RangeError("a greylist's key is 1 to 256 printable octets");
  }
  for (const { passes } of senders) {
    if (!isUpTo(1_000_000, passes)) throw new RangeError(`no number of passes: ${passes}`);
  }
  if (!isUpTo(YEAR_MS, windowMs)) throw new RangeError(`no window: ${windowMs} ms`);
  if (!isUpTo(windowMs - 1, delayMs) && delayMs !== 0) {
    throw new RangeError(`no delay: ${delayMs} ms`);
  }
  if (!isUpTo(10 * YEAR_MS, trustMs)) throw new RangeError(`no trust: ${trustMs} ms`);
}

function isUpTo(most: number, value: number): boolean {
  return Number.isSafeInteger(value) && value >= 1 && value <= most;
}
