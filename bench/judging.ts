/**
 * Mail of strangers judged and delivered: Sluice beside Postfix with rspamd as its milter, in turns within one
 * run: `deno task bench:judging`. Every message is signed and aligned, 5 KiB long, from one of some hundred
 * domains; the DNS is a server on the loopback and caches are warm; mailboxes are an LMTP sink.
 */

import { type JudgedMail, makeJudgedMail } from "./judged_mail.ts";
import { type JudgingOptions, parseJudgingOptions, usage } from "./judging_options.ts";
import { type Proof, proveJudging } from "./judging_proof.ts";
import { RECIPIENT, rspamdSide, sluiceSide } from "./judging_sides.ts";
import { sendMessages } from "./load_control.ts";
import { cpuPerMessage, describeMachine, readCpu, readIdleCores } from "./machine.ts";
import { type CpuGroup, cpuGroups, type CpuPerMessage, type Side } from "./measurement.ts";
import { UsageError } from "./options.ts";
import type { Contender, RunningServer } from "./peers/contender.ts";
import { nsdObstacle, startNsd } from "./peers/nsd.ts";
import { postfixObstacle } from "./peers/postfix.ts";
import { postgresDirectory } from "./peers/postgres.ts";
import { rspamdObstacle } from "./peers/rspamd.ts";
import { installed, pause, portOffsets, type Workplace } from "./process.ts";
import { allArrived } from "./scenarios.ts";
import { type CountingSink, startLmtpSink } from "./sink_control.ts";
import { median } from "./statistics.ts";

/** Each message its own connection, as strangers come, or many on one. */
const MODES = ["connection a message", "kept connections"] as const;
type Mode = (typeof MODES)[number];

interface Sample {
  readonly side: Side;
  readonly mode: Mode;
  readonly round: number;
  readonly sessions: number;
  readonly messages: number;
  /** Until the last one arrived at the sink. */
  readonly seconds: number;
  readonly ratePerSecond: number;
  readonly acceptedPerSecond: number;
  readonly cpu: CpuPerMessage;
}

const SENDER_KEYS = 8;
const WARM_UP_MESSAGES = 600;
const WARM_UP_SECONDS = 2;
const TRIAL_SECONDS = 1.5;
const SETTLE_MS = 500;
const IDLE_LOOK_MS = 800;

/** The mail there is, in a file that load generators read, and how far they have come. */
class Mailbag {
  #sent = 0;

  private constructor(readonly path: string, readonly mail: JudgedMail) {}

  static async fill(path: string, mail: JudgedMail, letters: number): Promise<Mailbag> {
    using file = await Deno.open(path, { create: true, write: true });
    const writer = file.writable.getWriter();
    for (let count = 0; count < letters; count++) {
      const { message, ...envelope } = await mail.write();
      await writer.write(new TextEncoder().encode(`${JSON.stringify(envelope)}\n`));
      await writer.write(message);
    }
    await writer.close();
    return new Mailbag(path, mail);
  }

  /** The number of the first of so many that are sent next. */
  take(messages: number): number {
    const first = this.#sent;
    this.#sent += messages;
    return first;
  }
}

class Course {
  readonly samples: Sample[] = [];
  readonly proofs: Partial<Record<Side, Proof>> = {};
  readonly #sessions = new Map<string, number>();

  constructor(
    readonly workplace: Workplace,
    readonly options: JudgingOptions,
    readonly mailbag: Mailbag,
    readonly say: (line: string) => void,
  ) {}

  async round(contender: Contender, round: number): Promise<void> {
    const { side } = contender;
    await using server = await contender.start("relay");
    const { workplace, mailbag: { mail } } = this;
    const name = `${side}-${round}`;
    this.proofs[side] = await proveJudging(server, { workplace, mail, name });
    this.say(`${name}: judges`);
    await using sink = await startLmtpSink(this.workplace, { dumpDirectory: null });
    for (const mode of MODES) {
      const rate = await this.#warmUp(server, { mode, sink });
      const sessions = await this.#bestSessions(server, { mode, sink, side, rate });
      const sample = await this.#measure(server, { mode, sink, rate, sessions });
      this.samples.push({ ...sample, side, round });
      const cpu = sample.cpu.machineMs.toFixed(2);
      this.say(`${side}, ${mode}: ${sample.ratePerSecond.toFixed(0)}/s, CPU ${cpu} ms`);
    }
  }

  async #warmUp(server: RunningServer, load: { mode: Mode; sink: CountingSink }): Promise<number> {
    const sessions = this.options.sessionChoices[0];
    const first = await this.#send(server, { ...load, sessions, messages: WARM_UP_MESSAGES });
    const messages = Math.ceil(WARM_UP_MESSAGES / first.seconds * WARM_UP_SECONDS);
    const second = await this.#send(server, { ...load, sessions, messages });
    return messages / second.seconds;
  }

  /** Found in the first round, for each side and mode. */
  async #bestSessions(
    server: RunningServer,
    load: { mode: Mode; sink: CountingSink; side: Side; rate: number },
  ): Promise<number> {
    const { sessionChoices } = this.options;
    if (sessionChoices.length === 1) return sessionChoices[0];
    const key = `${load.side} ${load.mode}`;
    const known = this.#sessions.get(key);
    if (known !== undefined) return known;
    let best = { sessions: sessionChoices[0], rate: 0 };
    for (const sessions of sessionChoices) {
      const messages = Math.ceil(load.rate * TRIAL_SECONDS);
      const rate = messages / (await this.#send(server, { ...load, sessions, messages })).seconds;
      this.say(`${key}, ${sessions} sessions: ${rate.toFixed(0)}/s`);
      if (rate > best.rate) best = { sessions, rate };
    }
    this.#sessions.set(key, best.sessions);
    return best.sessions;
  }

  async #measure(
    server: RunningServer,
    load: { mode: Mode; sink: CountingSink; rate: number; sessions: number },
  ): Promise<Omit<Sample, "side" | "round">> {
    const { signal } = this.workplace;
    const messages = Math.ceil(load.rate * this.options.secondsPerRun);
    const roots = { ...server.roots, sink: [load.sink.pid] };
    await pause(SETTLE_MS, signal);
    const idleCores = await readIdleCores(IDLE_LOOK_MS, signal);
    const before = await readCpu(roots);
    const { seconds, acceptSeconds } = await this.#send(server, { ...load, messages });
    await pause(SETTLE_MS, signal);
    const after = await readCpu(roots);
    return {
      mode: load.mode,
      sessions: load.sessions,
      messages,
      seconds,
      ratePerSecond: messages / seconds,
      acceptedPerSecond: messages / acceptSeconds,
      cpu: cpuPerMessage({ before, after }, { messages, idleCores }),
    };
  }

  async #send(
    server: RunningServer,
    load: { mode: Mode; sink: CountingSink; sessions: number; messages: number },
  ): Promise<{ seconds: number; acceptSeconds: number }> {
    const { mode, sink, sessions, messages } = load;
    const { signal } = this.workplace;
    const before = await sink.count();
    const startedAtMs = Date.now();
    const { seconds } = await sendMessages({
      host: "127.0.0.1",
      port: server.smtpPort,
      sessions: Math.min(sessions, messages),
      sourceAddresses: this.mailbag.mail.sourceAddresses,
      messages,
      first: this.mailbag.take(messages),
      keepConnections: mode === "kept connections",
      path: this.mailbag.path,
    }, signal);
    const expected = before.arrived + messages;
    const lastAtMs = await allArrived(sink, { expected, seconds, signal });
    return { seconds: (lastAtMs - startedAtMs) / 1000, acceptSeconds: seconds };
  }
}

/** Medians of the rounds. */
function summaryOf(samples: readonly Sample[]) {
  return MODES.flatMap((mode) =>
    (["postfix", "sluice"] as const).flatMap((side) => {
      const own = samples.filter((sample) => sample.mode === mode && sample.side === side);
      if (own.length === 0) return [];
      const middle = (read: (sample: Sample) => number) => median(own.map(read)) ?? 0;
      const groupsMs = Object.fromEntries(
        cpuGroups.map((group) => [group, middle((sample) => sample.cpu.groupsMs[group])]),
      ) as Record<CpuGroup, number>;
      return [{
        mode,
        side,
        sessions: own[0].sessions,
        ratePerSecond: middle((sample) => sample.ratePerSecond),
        acceptedPerSecond: middle((sample) => sample.acceptedPerSecond),
        /** What the side itself takes: its server, filter, stores and DNS. */
        ownMs: middle(({ cpu: { groupsMs } }) =>
          groupsMs.server + groupsMs.filter + groupsMs.postgres + groupsMs.redis + groupsMs.dns
        ),
        machineMs: middle((sample) => sample.cpu.machineMs),
        groupsMs,
      }];
    })
  );
}

function report(summary: ReturnType<typeof summaryOf>): string {
  const shown = ["server", "filter", "postgres", "redis", "dns"] as const;
  const lines = ["Judged and delivered, 5 KiB, signed; medians; CPU in ms a message", ""];
  const heads = ["messages/s", "own CPU", "machine", ...shown];
  lines.push(`${"".padEnd(36)}${heads.map((head) => head.padStart(11)).join("")}`);
  for (const row of summary) {
    const name = `${row.side === "postfix" ? "postfix+rspamd" : "sluice"}, ${row.mode}`;
    const figures = [row.ownMs, row.machineMs, ...shown.map((group) => row.groupsMs[group])];
    const columns = [row.ratePerSecond.toFixed(0), ...figures.map((ms) => ms.toFixed(2))];
    lines.push(`${name.padEnd(36)}${columns.map((text) => text.padStart(11)).join("")}`);
  }
  return lines.join("\n");
}

async function bench(options: JudgingOptions, signal: AbortSignal): Promise<void> {
  const startedAt = new Date();
  const say = (line: string) => {
    const seconds = ((Date.now() - startedAt.getTime()) / 1000).toFixed(0);
    console.error(`${seconds.padStart(4)} s  ${line}`);
  };
  for (
    const obstacle of [
      await nsdObstacle(),
      await installed("smtp-sink") ? null : "smtp-sink is not installed",
      ...(options.skip.has("postfix") ? [] : [await postfixObstacle(), await rspamdObstacle()]),
    ]
  ) if (obstacle !== null) throw new UsageError(obstacle);
  await using stack = new AsyncDisposableStack();
  const directory = await Deno.makeTempDir({ dir: options.directory, prefix: "sluice-judging-" });
  stack.defer(() => Deno.remove(directory, { recursive: true }));
  await Deno.chmod(directory, 0o755);
  const workplace: Workplace = {
    directory,
    signal,
    port: (use) => options.portBase + portOffsets[use],
  };
  const mail = stack.use(
    await makeJudgedMail({
      ...options,
      keys: SENDER_KEYS,
      recipient: RECIPIENT,
      nowMs: startedAt.getTime(),
    }),
  );
  const mailbag = await Mailbag.fill(`${directory}/mail`, mail, options.letters);
  const dns = stack.use(await startNsd(workplace, mail.zones));
  say("the mail is written");
  const surroundings = { workplace, mail, dns, options, stack };
  const contenders: Contender[] = [];
  if (!options.skip.has("postfix")) contenders.push(await rspamdSide(surroundings));
  if (!options.skip.has("sluice")) contenders.push(await sluiceSide(surroundings));
  say("stores and filters are ready");
  const course = new Course(workplace, options, mailbag, say);
  for (let round = 1; round <= options.rounds; round++) {
    for (const contender of contenders) await course.round(contender, round);
  }
  const summary = summaryOf(course.samples);
  console.log(report(summary));
  if (options.resultsDirectory === null) return;
  const machine = await describeMachine(directory, {
    postgres: [`${await postgresDirectory() ?? ""}/postgres`, "--version"],
    redis: ["redis-server", "--version"],
    postfix: ["postconf", "-d", "-h", "mail_version"],
    rspamd: ["rspamd", "--version"],
  });
  const { samples, proofs } = course;
  const { letters, senderDomains, sizeOctets, rspamdProcesses } = options;
  const text = JSON.stringify(
    {
      summary,
      startedAt: startedAt.toISOString(),
      tookSeconds: Math.round((Date.now() - startedAt.getTime()) / 1000),
      mail: { letters, senderDomains, sizeOctets },
      rspamdProcesses,
      machine,
      proofs,
      samples,
    },
    null,
    2,
  );
  await Deno.mkdir(options.resultsDirectory, { recursive: true });
  const path = `${options.resultsDirectory}/${startedAt.toISOString().slice(0, 10)}-judging.json`;
  await Deno.writeTextFile(path, `${text}\n`);
  console.error(`written: ${path}`);
}

if (import.meta.main) {
  if (Deno.args.includes("--help")) {
    console.log(usage);
    Deno.exit(0);
  }
  const interruption = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    Deno.addSignalListener(signal, () => interruption.abort(new Error(`ended by ${signal}`)));
  }
  try {
    await bench(parseJudgingOptions(Deno.args), interruption.signal);
    Deno.exit(0);
  } catch (fault) {
    const isUsage = fault instanceof UsageError;
    console.error(isUsage ? `${fault.message}\n\n${usage}` : fault);
    Deno.exit(isUsage ? 2 : 1);
  }
}
