/** Which of the known words somebody meant who typed another one. */

/** What other programs call our verbs. */
const SYNONYMS: Readonly<Record<string, string>> = {
  create: "add",
  new: "add",
  delete: "remove",
  del: "remove",
  rm: "remove",
  ls: "list",
  info: "show",
  get: "show",
  passwd: "password",
  mail: "send",
  activate: "switch",
};

/** The word meant, or `null` when none is near: at most one slip in three letters. */
export function nearest(word: string, known: readonly string[]): string | null {
  const typed = word.toLowerCase();
  const synonym = SYNONYMS[typed];
  if (synonym !== undefined && known.includes(synonym)) return synonym;
  let best: string | null = null;
  let least = Math.max(1, Math.floor(typed.length / 3)) + 1;
  for (const candidate of known) {
    // Somebody who stops typing early means what begins so.
    const slips = typed.length >= 2 && candidate.startsWith(typed) ? 0 : distance(typed, candidate);
    if (slips < least) [best, least] = [candidate, slips];
  }
  return best;
}

/** Letters to insert, drop, replace or swap with their neighbour. Words are short. */
export function distance(a: string, b: string): number {
  const rows: number[][] = [Array.from({ length: b.length + 1 }, (_, column) => column)];
  for (let i = 1; i <= a.length; i++) {
    rows[i] = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = rows[i - 1][j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1);
      rows[i][j] = Math.min(replaced, rows[i - 1][j] + 1, rows[i][j - 1] + 1);
      const isSwapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      if (isSwapped) rows[i][j] = Math.min(rows[i][j], rows[i - 2][j - 2] + 1);
    }
  }
  return rows[a.length][b.length];
}
