import assert from "node:assert/strict";
import { DataDirInUseError, DataDirLock } from "../store/data_dir_lock.ts";
import { openDatabase } from "./pglite_keeper.ts";

Deno.test("openDatabase: waits for a command that holds the data directory, and says so once", async () => {
  const dataDir = await Deno.makeTempDir({ prefix: "sluice-keeper-" });
  try {
    const lock = await DataDirLock.acquire(dataDir);
    const waits: Error[] = [];
    await using database = await openDatabase({
      databaseUrl: null,
      dataDir,
      onWaiting: (error) => {
        waits.push(error);
        // Past a poll or two.
        setTimeout(() => lock[Symbol.dispose](), 250);
      },
      onRestart: (error) => {
        throw error;
      },
    });
    assert.equal(database.target.kind, "embedded");
    assert.equal(waits.length, 1);
    assert.ok(waits[0] instanceof DataDirInUseError);
    assert.match(waits[0].message, new RegExp(`in use by process ${Deno.pid}`));
  } finally {
    await Deno.remove(dataDir, { recursive: true });
  }
});
