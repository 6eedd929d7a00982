/** The disk under the embedded database fills up: clients are asked to come again, until there is room. */
import { runProgram, until } from "../fixtures/process.ts";
import { World } from "./world.ts";

const DISK_OCTETS = 256 * 1024 * 1024;
/** Too little for a segment of the write-ahead log, and enough for one but not for its body tables. */
const LEFT_OCTETS = [3 * 1024 * 1024, 20 * 1024 * 1024];

/** A small file system of its own; `null` where this user may not mount one. */
async function smallDisk(): Promise<{ path: string } & AsyncDisposable | null> {
  if (Deno.build.os !== "linux" || Deno.uid() !== 0) return null;
  const path = await Deno.makeTempDir({ prefix: "sluice-disk-" });
  try {
    await runProgram("mount", ["-t", "tmpfs", "-o", `size=${DISK_OCTETS}`, "tmpfs", path]);
  } catch {
    await Deno.remove(path);
    return null;
  }
  return {
    path,
    async [Symbol.asyncDispose]() {
      await runProgram("umount", [path]);
      await Deno.remove(path);
    },
  };
}

/** Takes all room but so much. */
async function fill(path: string, leftOctets: number): Promise<string> {
  const { stdout } = await new Deno.Command("df", {
    args: ["--block-size=1", "--output=avail", path],
  }).output();
  const free = Number(new TextDecoder().decode(stdout).split("\n")[1]);
  const ballast = `${path}/ballast`;
  await runProgram("fallocate", ["--length", `${Math.max(1, free - leftOctets)}`, ballast]);
  return ballast;
}

Deno.test("disk full under the embedded database: 4xx until there is room again", async () => {
  await using disk = await smallDisk();
  if (disk === null) return;
  await using world = await World.open({ dataDir: `${disk.path}/data` });
  world.send();
  await world.progress(200);
  for (const leftOctets of LEFT_OCTETS) {
    const ballast = await fill(disk.path, leftOctets);
    const { refusals } = world.ledger;
    const before = refusals.get("451 4.3.0") ?? 0;
    await until(() => (refusals.get("451 4.3.0") ?? 0) > before + 50, 60_000);
    await Deno.remove(ballast);
    await world.progress(200);
  }
  await world.close("disk full × 2", { duplicates: 0 });
});
