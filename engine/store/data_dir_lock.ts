/**
 * One process at a time works in a data directory. The lock is the operating system's, on an open file,
 * so it ends with its process however that ends; the process id inside is for people only.
 */
import { join } from "node:path";

const LOCK_FILE = "postgres.lock";

/** Another process has the data directory. */
export class DataDirInUseError extends Error {
  override name = "DataDirInUseError";
}

export class DataDirLock implements Disposable {
  readonly #file: Deno.FsFile;
  #released = false;

  private constructor(file: Deno.FsFile) {
    this.#file = file;
  }

  /** @throws {DataDirInUseError} */
  static async acquire(dataDir: string): Promise<DataDirLock> {
    const path = join(dataDir, LOCK_FILE);
    const file = await Deno.open(path, { read: true, write: true, create: true, mode: 0o600 });
    try {
      if (!await file.tryLock(true)) {
        const owner = (await Deno.readTextFile(path)).trim();
        throw new DataDirInUseError(
          `${dataDir} is already in use by process ${owner || "unknown"}`,
        );
      }
      await file.truncate();
      await file.write(new TextEncoder().encode(`${Deno.pid}\n`));
    } catch (error) {
      file.close();
      throw error;
    }
    return new DataDirLock(file);
  }

  [Symbol.dispose](): void {
    if (this.#released) return;
    this.#released = true;
    this.#file.close();
  }
}
