/** Reads what Linux says of itself in /proc (proc(5)). Text in, figures out. */

/** Processor time the machine spent, in milliseconds since it started. */
export interface MachineCpu {
  /** Everything but idle, waiting for a disk, and time taken by other guests. */
  readonly busyMs: number;
}

export interface ProcessStat {
  readonly pid: number;
  readonly name: string;
  readonly parent: number;
  /** Its own time. */
  readonly ownMs: number;
  /** Time of its ended and awaited children. */
  readonly reapedMs: number;
}

/** Linux reports times to user space in hundredths of a second on every architecture of today. */
const tickMs = 10;

/** @throws {Error} when the `cpu` line is missing. */
export function parseMachineCpu(stat: string): MachineCpu {
  const line = /^cpu +(.+)$/m.exec(stat);
  if (line === null) throw new Error("no cpu line in /proc/stat");
  const [user, nice, system, , , irq, softirq] = line[1].split(" ").map(Number);
  return { busyMs: (user + nice + system + irq + softirq) * tickMs };
}

/** `null` for a line of another form: a process may vanish while it is read. */
export function parseProcessStat(line: string): ProcessStat | null {
  // The name stands in parentheses and may itself contain both kinds and spaces.
  const open = line.indexOf(" (");
  const close = line.lastIndexOf(") ");
  if (open === -1 || close < open) return null;
  const pid = Number(line.slice(0, open));
  const fields = line.slice(close + 2).split(" ");
  if (!Number.isInteger(pid) || fields.length < 15) return null;
  const [, parent] = fields.map(Number);
  const [utime, stime, cutime, cstime] = fields.slice(11, 15).map(Number);
  return {
    pid,
    name: line.slice(open + 2, close),
    parent,
    ownMs: (utime + stime) * tickMs,
    reapedMs: (cutime + cstime) * tickMs,
  };
}

/** `root` and everything below it; empty when `root` is not there. */
export function treeOf(
  root: number,
  processes: ReadonlyMap<number, ProcessStat>,
): readonly ProcessStat[] {
  const children = Map.groupBy(processes.values(), (process) => process.parent);
  const found: ProcessStat[] = [];
  const visit = (process: ProcessStat) => {
    found.push(process);
    for (const child of children.get(process.pid) ?? []) visit(child);
  };
  const top = processes.get(root);
  if (top !== undefined) visit(top);
  return found;
}

/** Proportional set sizes in KiB by process id, from `grep -H ^Pss: /proc/N/smaps_rollup …`. */
export function parseProportionalSizes(text: string): ReadonlyMap<number, number> {
  const sizes = new Map<number, number>();
  for (const [, pid, kib] of text.matchAll(/^\/proc\/(\d+)\/smaps_rollup:Pss:\s+(\d+) kB$/gm)) {
    sizes.set(Number(pid), Number(kib));
  }
  return sizes;
}
