/** Pieces of a message, by where their octets stand. */

/** Octets of a message, counted from its start. */
export interface OctetRange {
  readonly startOctet: number;
  /** Behind the last one. */
  readonly endOctet: number;
}

/** In ascending order, none within another or touching the next. */
export function mergeRanges(ranges: readonly OctetRange[]): readonly OctetRange[] {
  const merged: OctetRange[] = [];
  for (const range of ranges.toSorted((a, b) => a.startOctet - b.startOctet)) {
    const last = merged.at(-1);
    if (last === undefined || range.startOctet > last.endOctet) merged.push(range);
    else if (range.endOctet > last.endOctet) {
      merged[merged.length - 1] = { startOctet: last.startOctet, endOctet: range.endOctet };
    }
  }
  return merged;
}
