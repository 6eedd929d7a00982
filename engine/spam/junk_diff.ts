/** What happened to a Junk folder between two looks at it. Pure. */

/** A message that was seen in a Junk folder. */
export interface KnownJunk {
  /** Its name in the folder, the same whatever flags it gets. */
  readonly name: string;
  readonly fingerprint: string;
  readonly sizeOctets: number;
}

export interface JunkDiff {
  readonly arrived: readonly string[];
  readonly gone: readonly KnownJunk[];
  readonly stayed: readonly KnownJunk[];
}

/** @param names what is there now. */
export function junkDiff(known: readonly KnownJunk[], names: readonly string[]): JunkDiff {
  const present = new Set(names);
  const seen = new Set(known.map(({ name }) => name));
  return {
    arrived: [...present].filter((name) => !seen.has(name)),
    gone: known.filter(({ name }) => !present.has(name)),
    stayed: known.filter(({ name }) => present.has(name)),
  };
}
