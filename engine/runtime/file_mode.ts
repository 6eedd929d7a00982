/** Whether files with secrets are their owner's alone. */

const READ_BY_GROUP_OR_OTHERS = 0o044;

/** Those that are there and may be read by more than their owner. */
export function readableByOthers(paths: readonly string[]): string[] {
  return paths.filter((path) => (modeOf(path) & READ_BY_GROUP_OR_OTHERS) !== 0);
}

/** 0 where there is none that we see, or none on this system. */
function modeOf(path: string): number {
  try {
    return Deno.statSync(path).mode ?? 0;
  } catch {
    return 0;
  }
}
