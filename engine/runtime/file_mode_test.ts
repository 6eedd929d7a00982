import assert from "node:assert/strict";
import { readableByOthers } from "./file_mode.ts";

Deno.test("readableByOthers: tells files of their owner alone from others and from none", () => {
  const directory = Deno.makeTempDirSync({ prefix: "sluice-mode-" });
  try {
    const paths = [0o600, 0o400, 0o640, 0o604, 0o644].map((mode) => {
      const path = `${directory}/${mode.toString(8)}`;
      Deno.writeTextFileSync(path, "");
      Deno.chmodSync(path, mode);
      return path;
    });
    assert.deepEqual(readableByOthers([...paths, `${directory}/none`]), paths.slice(2));
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
});
