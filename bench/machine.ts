/**
 * Reads processor time and memory of the machine and of groups of processes, and describes the
 * machine. Deno lets no program read /proc without every permission, so `cat` and `grep` do.
 */

import { type CpuGroup, cpuGroups, type CpuPerMessage, type Machine } from "./measurement.ts";
import {
  parseMachineCpu,
  parseProcessStat,
  parseProportionalSizes,
  type ProcessStat,
  treeOf,
} from "./proc_text.ts";
import { installed, pause, run } from "./process.ts";

/** The topmost processes of each group; what they start belongs to the group too. */
export type ProcessRoots = Readonly<Partial<Record<CpuGroup, readonly number[]>>>;

export interface CpuReading {
  readonly atMs: number;
  readonly busyMs: number;
  readonly groupsMs: Readonly<Record<CpuGroup, number>>;
}

async function readProcesses() {
  const text = await run("sh", ["-c", "cat /proc/stat /proc/[0-9]*/stat 2>/dev/null; true"]);
  const processes = new Map<number, ProcessStat>();
  for (const line of text.split("\n")) {
    const process = parseProcessStat(line);
    if (process !== null) processes.set(process.pid, process);
  }
  return { busyMs: parseMachineCpu(text).busyMs, processes };
}

/** The process ids of `root` and everything it has started. */
export async function processIdsBelow(root: number): Promise<readonly number[]> {
  return treeOf(root, (await readProcesses()).processes).map((process) => process.pid);
}

/**
 * One reading of every group. Load generators have ended by the time their work is read, so their
 * time is what this process has reaped.
 */
export async function readCpu(roots: ProcessRoots): Promise<CpuReading> {
  const { busyMs, processes } = await readProcesses();
  const self = processes.get(Deno.pid);
  const groupsMs = Object.fromEntries(cpuGroups.map((group) => {
    const trees = (roots[group] ?? []).flatMap((root) => treeOf(root, processes));
    return [group, trees.reduce((sum, process) => sum + process.ownMs + process.reapedMs, 0)];
  })) as Record<CpuGroup, number>;
  groupsMs.load += self?.reapedMs ?? 0;
  groupsMs.harness += self?.ownMs ?? 0;
  return { atMs: performance.now(), busyMs, groupsMs };
}

/** Busy cores while nobody sends anything. */
export async function readIdleCores(overMs: number, signal: AbortSignal): Promise<number> {
  const before = await readCpu({});
  await pause(overMs, signal);
  const after = await readCpu({});
  return (after.busyMs - before.busyMs) / (after.atMs - before.atMs);
}

/** What lies between two readings, per message, less the idle baseline. */
export function cpuPerMessage(
  span: { before: CpuReading; after: CpuReading },
  options: { messages: number; idleCores: number },
): CpuPerMessage {
  const { before, after } = span;
  const { messages, idleCores } = options;
  const idleMs = idleCores * (after.atMs - before.atMs);
  const groupsMs = Object.fromEntries(
    cpuGroups.map((group) => [group, (after.groupsMs[group] - before.groupsMs[group]) / messages]),
  ) as Record<CpuGroup, number>;
  return { machineMs: (after.busyMs - before.busyMs - idleMs) / messages, groupsMs, idleCores };
}

export interface MemoryReading {
  readonly mib: number;
  readonly processes: readonly { readonly name: string; readonly mib: number }[];
}

/** Proportional set sizes of all processes below the roots, the largest first. */
export async function readMemory(roots: readonly number[]): Promise<MemoryReading> {
  const { processes } = await readProcesses();
  const members = roots.flatMap((root) => treeOf(root, processes));
  const paths = members.map((process) => `/proc/${process.pid}/smaps_rollup`);
  const text = await run("sh", ["-c", 'grep -H ^Pss: "$@" 2>/dev/null; true', "sh", ...paths]);
  const sizes = parseProportionalSizes(text);
  const listed = members
    .map((process) => ({ name: process.name, mib: (sizes.get(process.pid) ?? 0) / 1024 }))
    .toSorted((a, b) => b.mib - a.mib);
  return { mib: listed.reduce((sum, process) => sum + process.mib, 0), processes: listed };
}

/** Describes where the figures come from; what cannot be learnt is `unknown` or left out. */
export async function describeMachine(
  directory: string,
  commands: Readonly<Record<string, readonly string[]>>,
): Promise<Omit<Machine, "toolCeilingPerSecond" | "loadTool">> {
  const ask = (command: string, ...args: string[]) =>
    run(command, args).then((text) => text.trim(), () => "unknown");
  const repository = new URL("..", import.meta.url).pathname;
  const [cpu, memory, fileSystem, commit, changes] = await Promise.all([
    ask("cat", "/proc/cpuinfo"),
    ask("cat", "/proc/meminfo"),
    ask("findmnt", "-n", "-o", "FSTYPE,OPTIONS", "-T", directory),
    ask("git", "-C", repository, "rev-parse", "HEAD"),
    ask("git", "-C", repository, "status", "--porcelain", "--untracked-files=no"),
  ]);
  const versions: Record<string, string> = {
    deno: Deno.version.deno,
    v8: Deno.version.v8,
  };
  for (const [name, [command, ...args]] of Object.entries(commands)) {
    if (await installed(command)) versions[name] = (await ask(command, ...args)).split("\n")[0];
  }
  return {
    cores: navigator.hardwareConcurrency,
    cpuModel: /^model name\s*: (.+)$/m.exec(cpu)?.[1] ?? "unknown",
    memoryMib: Math.round(Number(/^MemTotal:\s+(\d+)/m.exec(memory)?.[1] ?? 0) / 1024),
    kernel: Deno.osRelease(),
    fileSystem: fileSystem.replace(/\s+/, " "),
    versions,
    commit: changes === "" || changes === "unknown" ? commit : `${commit} with local changes`,
  };
}
