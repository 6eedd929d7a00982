/**
 * Reads the process's use of processor, memory and descriptors. The descriptors are counted through
 * libc: Deno itself opens `/proc` to nobody but `--allow-all`.
 */
import process from "node:process";
import type { ProcessUsage } from "./process_usage.ts";

const SYMBOLS = {
  opendir: { parameters: ["buffer"], result: "pointer" },
  readdir: { parameters: ["pointer"], result: "pointer" },
  closedir: { parameters: ["pointer"], result: "i32" },
} as const;

const DESCRIPTORS = new TextEncoder().encode("/proc/self/fd\0");
/** `.`, `..` and the directory itself while it is read. */
const NOT_COUNTED = 3;

export interface ProcessMeter extends Disposable {
  read(): ProcessUsage;
}

/** Opens the meter; without a libc to ask, descriptors stay unknown. */
export function openProcessMeter(): ProcessMeter {
  const libc = openLibc();
  return {
    read() {
      const cpu = process.cpuUsage();
      return {
        cpuUserMicroseconds: cpu.user,
        cpuSystemMicroseconds: cpu.system,
        residentOctets: Deno.memoryUsage().rss,
        openDescriptors: libc === null ? null : countDescriptors(libc),
      };
    },
    [Symbol.dispose]: () => libc?.close(),
  };
}

type Libc = Deno.DynamicLibrary<typeof SYMBOLS>;

function openLibc(): Libc | null {
  if (Deno.build.os !== "linux") return null;
  try {
    return Deno.dlopen("libc.so.6", SYMBOLS);
  } catch {
    return null;
  }
}

function countDescriptors({ symbols }: Libc): number | null {
  const directory = symbols.opendir(DESCRIPTORS);
  if (directory === null) return null;
  let entries = 0;
  while (symbols.readdir(directory) !== null) entries++;
  symbols.closedir(directory);
  return entries - NOT_COUNTED;
}
