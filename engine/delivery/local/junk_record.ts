/** What was seen in a Junk folder, as a file beside its messages keeps it between two looks. Pure text. */

export interface SeenJunk {
  readonly name: string;
  readonly fingerprint: string;
  readonly sizeOctets: number;
}

export interface JunkRecord {
  readonly lookedAtMs: number;
  readonly seen: readonly SeenJunk[];
  /** Names of messages that were moved out. */
  readonly movedOut: readonly string[];
}

export const MAX_RECORD_OCTETS = 4_194_304;
const FORM = 1;
const FINGERPRINT = /^[0-9a-f]{32}$/;

export function formatJunkRecord({ lookedAtMs, seen, movedOut }: JunkRecord): string {
  const rows = seen.map(({ name, fingerprint, sizeOctets }) => [name, fingerprint, sizeOctets]);
  return JSON.stringify({ form: FORM, lookedAtMs, seen: rows, movedOut });
}

/** `null` for a file that is no such record: then nothing was seen. */
export function parseJunkRecord(text: string): JunkRecord | null {
  let record: unknown;
  try {
    record = JSON.parse(text);
  } catch {
    return null;
  }
  if (typeof record !== "object" || record === null) return null;
  const { form, lookedAtMs, seen, movedOut } = record as Record<string, unknown>;
  if (form !== FORM || !Number.isSafeInteger(lookedAtMs)) return null;
  if (!Array.isArray(seen) || !Array.isArray(movedOut)) return null;
  if (!movedOut.every((name) => typeof name === "string")) return null;
  const parsed: SeenJunk[] = [];
  for (const row of seen) {
    if (!Array.isArray(row)) return null;
    const [name, fingerprint, sizeOctets] = row as unknown[];
    if (typeof name !== "string" || typeof fingerprint !== "string") return null;
    if (!FINGERPRINT.test(fingerprint) || !Number.isSafeInteger(sizeOctets)) return null;
    parsed.push({ name, fingerprint, sizeOctets: sizeOctets as number });
  }
  return { lookedAtMs: lookedAtMs as number, seen: parsed, movedOut };
}
