/** rspamd as Debian ships it, in a folder of its own with a Redis of its own: its rules and Bayes, no network. */
import { installed, listening, poll, run, startLogged, stop, tailOf } from "../process.ts";
import type { Contender } from "./contender.ts";
import type { CorpusMessage } from "./corpus.ts";
import { freePort, inTurns, writeMessages } from "./scratch.ts";

const PROCESSES = 2;
const WAITING = 16;
const USER = "_rspamd";
/** Compiling its expressions takes it a while, once for each database directory. */
const READY_WITHIN_MS = 180_000;

/** `null` where it is not installed. */
export async function rspamd(signal: AbortSignal): Promise<Contender | null> {
  for (const program of ["rspamd", "rspamc", "redis-server"]) {
    if (!await installed(program)) return null;
  }
  const version = /version (\S+)/.exec(await run("rspamd", ["--version"]))?.[1] ?? "";
  return {
    name: `rspamd ${version}`,
    defaultPoints: 6,
    judge: (messages, learnt) => judge(messages, learnt, signal),
  };
}

async function judge(
  messages: readonly CorpusMessage[],
  learnt: readonly CorpusMessage[],
  signal: AbortSignal,
): Promise<readonly number[]> {
  const folder = await Deno.makeTempDir({ dir: "/var/tmp", prefix: "bench-rspamd-" });
  await using cleanup = new AsyncDisposableStack();
  cleanup.defer(() => Deno.remove(folder, { recursive: true }));
  await Deno.chmod(folder, 0o755);
  const [redisPort, normalPort, controlPort, closedPort] = [1, 2, 3, 4].map(freePort);
  const redis = startLogged([
    ...["redis-server", "--port", String(redisPort), "--bind", "127.0.0.1", "--dir", folder],
    ...["--save", "", "--appendonly", "no", "--daemonize", "no"],
  ], { logPath: `${folder}/redis.log` });
  cleanup.defer(() => stop(redis));
  await listening(redisPort, { signal, child: redis, logPath: `${folder}/redis.log` });

  for (const name of ["conf/local.d", "db", "run", "log"]) {
    await Deno.mkdir(`${folder}/${name}`, { recursive: true });
  }
  const files = settings({ redisPort, normalPort, controlPort, closedPort });
  for (const [name, text] of Object.entries(files)) {
    await Deno.writeTextFile(`${folder}/conf/local.d/${name}`, text);
  }
  const isRoot = Deno.uid() === 0;
  if (isRoot) {
    await run("chown", [
      "-R",
      `${USER}:`,
      ...["db", "run", "log"].map((name) => `${folder}/${name}`),
    ]);
  }
  const child = startLogged([
    ...[
      "rspamd",
      "-f",
      "-c",
      "/etc/rspamd/rspamd.conf",
      ...(isRoot ? ["-u", USER, "-g", USER] : []),
    ],
    ...[`--var=LOCAL_CONFDIR=${folder}/conf`, `--var=DBDIR=${folder}/db`],
    ...[`--var=RUNDIR=${folder}/run`, `--var=LOGDIR=${folder}/log`],
  ], { logPath: `${folder}/output` });
  cleanup.defer(() => stop(child));
  await compiled(folder, child.exited, signal);

  await writeMessages(`${folder}/learnt`, learnt);
  for (const label of ["ham", "spam"]) {
    const said = await run("rspamc", [
      ...["-h", `127.0.0.1:${controlPort}`, "-n", String(PROCESSES), `learn_${label}`],
      `${folder}/learnt/${label}`,
    ]);
    if (!said.includes("success = true")) {
      throw new Error(`rspamc learnt nothing: ${said.slice(-300)}`);
    }
  }
  return await inTurns(messages, {
    // Most of its time it waits for DNS, which does not answer.
    atOnce: WAITING,
    call: ({ octets }) => {
      signal.throwIfAborted();
      return pointsOf(normalPort, octets);
    },
  });
}

async function compiled(folder: string, exited: Promise<number>, signal: AbortSignal) {
  const logPath = `${folder}/log/rspamd.log`;
  let hasEnded = false;
  void exited.then(() => hasEnded = true);
  await poll(async () => {
    if (hasEnded) throw new Error(`rspamd ended: ${await tailOf(`${folder}/output`)}`);
    const log = await Deno.readTextFile(logPath).catch(() => "");
    return log.includes("full hyperscan database") || null;
  }, { what: "rspamd's expressions compiled", deadlineMs: READY_WITHIN_MS, everyMs: 250, signal });
}

/** Modules that ask the network, or do what is not judging. */
const OFF = [
  ...["rbl", "surbl", "fuzzy_check", "asn", "mx_check", "neural", "url_redirector"],
  ...["rspamd_update", "dkim_signing", "history_redis", "greylist", "ratelimit"],
];

function settings(
  ports: Readonly<Record<"redisPort" | "normalPort" | "controlPort" | "closedPort", number>>,
): Readonly<Record<string, string>> {
  const { redisPort, normalPort, controlPort, closedPort } = ports;
  return {
    ...Object.fromEntries(OFF.map((name) => [`${name}.conf`, "enabled = false;\n"])),
    "options.inc":
      `dns { nameserver = ["127.0.0.1:${closedPort}"]; timeout = 0.1s; retransmits = 1; }\n` +
      "check_local = true;\n",
    "redis.conf": `servers = "127.0.0.1:${redisPort}";\n`,
    "worker-normal.inc": `bind_socket = "127.0.0.1:${normalPort}";\ncount = ${PROCESSES};\n`,
    "worker-controller.inc": `bind_socket = "127.0.0.1:${controlPort}";\n`,
    "worker-proxy.inc": "enabled = false;\n",
    // It compares Date with today, and all of these came twenty years ago.
    "headers_group.conf": 'symbols { "DATE_IN_PAST" { weight = 0.0; } }\n',
  };
}

async function pointsOf(port: number, octets: Uint8Array<ArrayBuffer>): Promise<number> {
  const response = await fetch(`http://127.0.0.1:${port}/checkv2`, {
    method: "POST",
    body: octets,
  });
  const said = await response.json();
  if (typeof said.score !== "number") throw new Error(`rspamd answered ${JSON.stringify(said)}`);
  return said.score;
}
