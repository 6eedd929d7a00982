/**
 * A private rspamd, as Debian ships it, for a Postfix to ask as a milter: SPF, DKIM, DMARC, ARC, its rules and
 * its Bayes classifier, all at work; whatever needs the network is off. Its settings lie beside the system's
 * own and override them the documented way, so that its rules are Debian's.
 */

import { installed, poll, run, startLogged, stop, tailOf, type Workplace } from "../process.ts";

/** Takes part as a milter; ends with its disposal. */
export interface RunningRspamd extends AsyncDisposable {
  readonly pid: number;
  readonly milterPort: number;
  /** Teaches its Bayes classifier the messages in a directory. */
  learn(kind: "ham" | "spam", directory: string): Promise<void>;
}

export interface RspamdOptions {
  readonly dnsPort: number;
  readonly redisPort: number;
  /** Processes that judge; each is the milter as well, so that no message goes from one to the next. */
  readonly processes: number;
}

const USER = "_rspamd";
/** Compiling its expressions takes it a while, once for each database directory. */
const READY_WITHIN_MS = 180_000;

/** `null`, or why rspamd cannot take part. */
export async function rspamdObstacle(): Promise<string | null> {
  if (!await installed("rspamd")) return "rspamd is not installed";
  if (Deno.uid() !== 0) return "rspamd drops its rights, so it has to be started by root";
  return null;
}

export async function startRspamd(
  workplace: Workplace,
  options: RspamdOptions,
): Promise<RunningRspamd> {
  const directory = `${workplace.directory}/rspamd`;
  const milterPort = workplace.port("rspamdMilter");
  const controlPort = workplace.port("rspamdControl");
  const logPath = `${directory}/log/rspamd.log`;
  const outputPath = `${directory}/output`;
  await using cleanup = new AsyncDisposableStack();
  for (const name of ["", "/conf", "/conf/local.d", "/db", "/run", "/log"]) {
    await Deno.mkdir(`${directory}${name}`);
  }
  cleanup.defer(() => Deno.remove(directory, { recursive: true }));
  const files = settings({ ...options, milterPort, controlPort });
  for (const [name, text] of Object.entries(files)) {
    await Deno.writeTextFile(`${directory}/conf/local.d/${name}`, text);
  }
  await run("chown", [
    "-R",
    `${USER}:`,
    ...["db", "run", "log"].map((name) => `${directory}/${name}`),
  ]);

  const child = startLogged([
    ...["rspamd", "-f", "-u", USER, "-g", USER, "-c", "/etc/rspamd/rspamd.conf"],
    `--var=LOCAL_CONFDIR=${directory}/conf`,
    `--var=DBDIR=${directory}/db`,
    `--var=RUNDIR=${directory}/run`,
    `--var=LOGDIR=${directory}/log`,
  ], { logPath: outputPath });
  cleanup.defer(() => stop(child));
  let hasEnded = false;
  void child.exited.then(() => hasEnded = true);
  await poll(async () => {
    if (hasEnded) throw new Error("ended while starting");
    // Until then it matches expressions one by one, which no site would measure.
    const log = await Deno.readTextFile(logPath).catch(() => "");
    return log.includes("full hyperscan database") || null;
  }, {
    what: "its expressions compiled",
    deadlineMs: READY_WITHIN_MS,
    everyMs: 250,
    signal: workplace.signal,
  }).catch(async (cause) => {
    const said = `${await tailOf(logPath)} ${await tailOf(outputPath)}`;
    throw new Error(`rspamd: ${cause.message}: ${said}`, { cause });
  });
  const owned = cleanup.move();
  return {
    pid: child.pid,
    milterPort,
    learn: async (kind, from) => {
      const said = await run("rspamc", ["-h", `127.0.0.1:${controlPort}`, `learn_${kind}`, from]);
      if (!said.includes("success = true")) throw new Error(`rspamc learnt nothing: ${said}`);
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** Modules that ask the network, or do what is not judging; nobody is greylisted on either side. */
const OFF = [
  ...["rbl", "surbl", "fuzzy_check", "asn", "mx_check", "neural", "url_redirector"],
  ...["rspamd_update", "dkim_signing", "history_redis", "greylist"],
];

function settings(
  options: RspamdOptions & { readonly milterPort: number; readonly controlPort: number },
): Readonly<Record<string, string>> {
  const { dnsPort, redisPort, processes, milterPort, controlPort } = options;
  return {
    ...Object.fromEntries(OFF.map((name) => [`${name}.conf`, "enabled = false;\n"])),
    // Clients on the loopback are strangers here.
    "options.inc": `dns { nameserver = ["127.0.0.1:${dnsPort}"]; }\ncheck_local = true;\n`,
    "redis.conf": `servers = "127.0.0.1:${redisPort}";\n`,
    "worker-proxy.inc": `bind_socket = "127.0.0.1:${milterPort}";\ncount = ${processes};\n` +
      `upstream "local" { default = yes; self_scan = yes; }\n`,
    "worker-controller.inc": `bind_socket = "127.0.0.1:${controlPort}";\n`,
    // The milter's processes judge themselves.
    "worker-normal.inc": "enabled = false;\n",
    "dmarc.conf": `actions = { quarantine = "add_header"; reject = "reject"; }\n`,
    "milter_headers.conf": `use = ["authentication-results", "x-spamd-result"];\n` +
      "skip_local = false;\nskip_authenticated = false;\n",
  };
}
