/** A filter program a test starts, listening on a unix socket. */
import { installed, until } from "../../../tests/fixtures/process.ts";
import type { FilterAddress } from "../filter_address.ts";

export interface FilterProgram {
  readonly path: string;
  /** What ends it, at once and with all its children. */
  readonly stopSignal: Deno.Signal;
  /** Makes what it needs in the folder, and answers its arguments and where it will listen. */
  readonly prepare: (dir: string) => Promise<{
    readonly args: readonly string[];
    readonly address: FilterAddress;
  }>;
}

/** `null`, with a word about it, where it is not installed. */
export async function startFilterProgram(
  program: FilterProgram,
): Promise<(AsyncDisposable & { readonly address: FilterAddress; readonly dir: string }) | null> {
  const path = await installed([program.path]);
  if (path === null) {
    console.warn(`${program.path} is not installed: the test with it is left out`);
    return null;
  }
  await using cleanup = new AsyncDisposableStack();
  const dir = await Deno.makeTempDir({ dir: "/tmp", prefix: "sluice-filter-" });
  cleanup.defer(() => Deno.remove(dir, { recursive: true }));
  const { args, address } = await program.prepare(dir);
  const child = new Deno.Command(path, { args: [...args], stdout: "null", stderr: "null" }).spawn();
  let hasEnded = false;
  child.status.then(() => hasEnded = true);
  cleanup.defer(async () => {
    if (!hasEnded) child.kill(program.stopSignal);
    await child.status;
  });
  await until(async () => {
    if (hasEnded) throw new Error(`${path} ended while starting`);
    return await answers(address);
  });
  const owned = cleanup.move();
  return { address, dir, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

async function answers(address: FilterAddress): Promise<boolean> {
  try {
    const conn = address.transport === "unix"
      ? await Deno.connect(address)
      : await Deno.connect({ hostname: address.host, port: address.port });
    conn.close();
    return true;
  } catch {
    return false;
  }
}
