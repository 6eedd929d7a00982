/**
 * The `maildirsize` file by which programs that share a Maildir agree how full it is (Maildir++): the limit
 * on the first line, then a line for each change, octets and messages, which add up. Pure text.
 */

/** A file longer than this is made anew: summing it would take longer than it saves. */
export const MAX_SIZE_FILE_OCTETS = 5_120;

/** The octets a `maildirsize` adds up to; `null` when it is for another limit, or no such file. */
export function parseSizeFile(text: string, quotaOctets: number): number | null {
  if (text.length > MAX_SIZE_FILE_OCTETS) return null;
  const [limit, ...changes] = text.split("\n");
  if (limit !== `${quotaOctets}S`) return null;
  let octets = 0;
  for (const change of changes) {
    if (change === "") continue;
    const match = /^ *(-?\d{1,15}) +-?\d{1,15} *$/.exec(change);
    if (match === null) return null;
    octets += Number(match[1]);
  }
  return octets;
}

export function formatSizeFile(
  quotaOctets: number,
  sum: { readonly octets: number; readonly messages: number },
): string {
  return `${quotaOctets}S\n${formatChange(sum)}`;
}

export function formatChange(
  { octets, messages }: { readonly octets: number; readonly messages: number },
): string {
  return `${octets} ${messages}\n`;
}

/** The octets a message's file name tells; `null` when it does not. */
export function sizeInName(name: string): number | null {
  const match = /,S=(\d{1,15})(?:[,:]|$)/.exec(name);
  return match === null ? null : Number(match[1]);
}
