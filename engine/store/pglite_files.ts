/**
 * Where the embedded database keeps its files, and that they survive a power cut.
 *
 * PGlite runs Postgres with fsync off, and its mount of the host's file system ignores fsync; both
 * are put right here. `fdatasync` of the C library is a stub there, which is why the database is told
 * `wal_sync_method=fsync`; what reaches the disk is fdatasync nevertheless, since it carries all that
 * is needed to read the file again.
 */
import { closeSync, fdatasyncSync, fsyncSync, openSync, readdirSync } from "node:fs";
import { join } from "node:path";
import type { PGliteOptions } from "@electric-sql/pglite";

type Files = NonNullable<PGliteOptions["fs"]>;
type InitArguments = Parameters<Files["init"]>;

interface HostStream {
  readonly nfd: number;
  readonly node: { readonly mode: number };
}

/** What is used of the Emscripten module; its published types leave these out. */
interface HostModule {
  readonly NODEFS: { readonly stream_ops: { fsync?: (stream: HostStream) => number } };
  readonly FS: {
    isDir(mode: number): boolean;
    mkdirTree(path: string): void;
    mount(type: unknown, options: { root: string }, path: string): void;
    quit(): void;
  };
}

const PGDATA = "/pglite/data";

/** A directory of the host as the database's data directory, with fsync. */
export class DurableFiles implements Files {
  readonly #root: string;
  #module: HostModule | null = null;

  constructor(root: string) {
    this.#root = root;
  }

  init(...[_pg, options]: InitArguments): ReturnType<Files["init"]> {
    const mount = (raw: unknown) => {
      const module = raw as HostModule;
      this.#module = module;
      module.NODEFS.stream_ops.fsync = (stream) => {
        if (module.FS.isDir(stream.node.mode)) fsyncSync(stream.nfd);
        else fdatasyncSync(stream.nfd);
        return 0;
      };
      module.FS.mkdirTree(PGDATA);
      module.FS.mount(module.NODEFS, { root: this.#root }, PGDATA);
    };
    return Promise.resolve({
      emscriptenOpts: { ...options, preRun: [...(options.preRun ?? []), mount] },
    });
  }

  syncToFs(): Promise<void> {
    return Promise.resolve();
  }

  initialSyncFs(): Promise<void> {
    return Promise.resolve();
  }

  dumpTar(): Promise<never> {
    return Promise.reject(new Error("the embedded database is not dumped through PGlite"));
  }

  closeFs(): Promise<void> {
    this.#module?.FS.quit();
    return Promise.resolve();
  }
}

/** Flushes every file and directory below `root` to the disk. */
export function syncTree(root: string): void {
  for (const entry of readdirSync(root, { withFileTypes: true })) {
    const path = join(root, entry.name);
    if (entry.isDirectory()) syncTree(path);
    else if (entry.isFile()) syncPath(path);
  }
  syncPath(root);
}

export function syncPath(path: string): void {
  const descriptor = openSync(path, "r");
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}
