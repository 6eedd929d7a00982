/** How answers are laid out for people. */

/** A title over rows of a name and what belongs to it; a row may have several lines. */
export function sheet(
  title: string,
  rows: readonly (readonly [name: string, value: string | readonly string[]])[],
): string {
  const width = Math.max(...rows.map(([name]) => name.length));
  const lines = rows.flatMap(([name, value]) =>
    (typeof value === "string" ? [value] : value).map((line, index) =>
      `  ${(index === 0 ? name : "").padEnd(width)}  ${line}`
    )
  );
  return [title, ...lines].join("\n");
}

/** Rows with their columns one below the other. */
export function columns(rows: readonly (readonly string[])[]): string {
  const widths: number[] = [];
  for (const row of rows) {
    row.forEach((cell, at) => widths[at] = Math.max(widths[at] ?? 0, cell.length));
  }
  return rows
    .map((row) => row.map((cell, at) => cell.padEnd(widths[at])).join("  ").trimEnd())
    .join("\n");
}

/** A time to the second. */
export function time(atMs: number): string {
  return `${new Date(atMs).toISOString().slice(0, 19)}Z`;
}
