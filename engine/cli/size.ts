/** Sizes in octets as people write them: `500M`, `2G`, in steps of 1024. */

const UNITS = ["", "K", "M", "G", "T"];
const SIZE = /^(\d{1,12}(?:\.\d{1,6})?) ?([KMGT]?)(?:i?B)?$/i;

/** Whole octets, at least 1; `null` when the text is no size. */
export function parseSize(text: string): number | null {
  const match = SIZE.exec(text.trim());
  if (match === null) return null;
  const octets = Math.round(Number(match[1]) * 1024 ** UNITS.indexOf(match[2].toUpperCase()));
  return octets >= 1 && Number.isSafeInteger(octets) ? octets : null;
}

/** In the largest unit that states it exactly, so that `parseSize` reads the same. */
export function formatSize(octets: number): string {
  let size = octets;
  let unit = 0;
  while (size >= 1024 && size % 1024 === 0 && unit < UNITS.length - 1) {
    size /= 1024;
    unit++;
  }
  return `${size}${UNITS[unit]}`;
}
