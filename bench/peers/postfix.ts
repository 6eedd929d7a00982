/** Starts and ends a private Postfix instance with a queue of its own. */

import { processIdsBelow } from "../machine.ts";
import { installed, listening, poll, run, signalTo, tailOf, type Workplace } from "../process.ts";
import type { Contender, Role, RunningServer } from "./contender.ts";
import { type BenchCertificate, mainCf, masterCf, type PostfixJudging } from "./postfix_config.ts";

/** `null`, or why Postfix cannot take part. */
export async function postfixObstacle(): Promise<string | null> {
  if (!await installed("postfix")) return "postfix is not installed";
  // Its master opens the queue as root and gives up what it does not need.
  if (Deno.uid() !== 0) return "postfix can only be started by root";
  return null;
}

export interface PostfixOptions {
  readonly maxSessions: number;
  readonly certificate?: BenchCertificate;
  readonly judging?: PostfixJudging;
}

export function postfixContender(
  workplace: Workplace,
  options: PostfixOptions,
): Contender {
  let instance = 0;
  return {
    side: "postfix",
    start: (role) => startPostfix(workplace, { ...options, role, instance: instance++ }),
  };
}

async function startPostfix(
  workplace: Workplace,
  options: PostfixOptions & {
    role: Role;
    instance: number;
  },
): Promise<RunningServer> {
  const directory = `${workplace.directory}/postfix-${options.instance}`;
  const configDirectory = `${directory}/conf`;
  const smtpPort = workplace.port("postfix");
  const setup = {
    ...options,
    directory,
    smtpPort,
    sinkPort: workplace.port("sink"),
    certificate: options.certificate ?? null,
    judging: options.judging ?? null,
  };
  await using cleanup = new AsyncDisposableStack();
  // The queue stays until the whole run is over: freeing its thousands of files costs the disk so
  // much that the next server measured would take mail at half its speed.
  for (const name of [directory, configDirectory, `${directory}/queue`, `${directory}/data`]) {
    await Deno.mkdir(name);
  }
  await run("chown", ["postfix", `${directory}/data`]);
  await Deno.writeTextFile(`${configDirectory}/main.cf`, mainCf(setup));
  await Deno.writeTextFile(`${configDirectory}/master.cf`, masterCf(setup));

  await run("postfix", ["-c", configDirectory, "start"]);
  const master = Number(await Deno.readTextFile(`${directory}/queue/pid/master.pid`));
  cleanup.defer(() => stopPostfix(master));
  await listening(smtpPort, { signal: workplace.signal }).catch(async (cause) => {
    throw new Error(`Postfix: ${await tailOf(`${directory}/maillog`)}`, { cause });
  });
  const owned = cleanup.move();
  return {
    smtpPort,
    roots: { server: [master] },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** The master passes its end on, but its children may be in the middle of something. */
async function stopPostfix(master: number): Promise<void> {
  const pids = await processIdsBelow(master);
  signalTo(master, "SIGTERM");
  const left = async () => {
    const running = await run("sh", [
      "-c",
      'ls -d "$@" 2>/dev/null; true',
      "sh",
      ...procPaths(pids),
    ]);
    return running.trim() === "" ? true : null;
  };
  const unhurried = new AbortController().signal;
  await poll(left, { what: "Postfix ending", deadlineMs: 10_000, everyMs: 50, signal: unhurried })
    .catch(() => pids.forEach((pid) => signalTo(pid, "SIGKILL")));
}

function procPaths(pids: readonly number[]): string[] {
  return pids.map((pid) => `/proc/${pid}`);
}
