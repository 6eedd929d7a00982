/**
 * The sessions of one next hop, and the transmissions waiting for one. Sessions are kept and reused;
 * another one is opened while more waits than is being connected for, up to a limit.
 */
import type { OpenedNextHop, Peer } from "./next_hop.ts";
import { SmtpSession } from "./node_smtp_session.ts";
import { type AttemptOutcome, deferred } from "./outcome.ts";
import type { Transmission } from "./transmission.ts";

export interface DestinationOptions {
  readonly open: () => Promise<OpenedNextHop>;
  /** For this next hop, in this worker. */
  readonly maxSessions: number;
  /** A session unused for so long is ended. */
  readonly idleMs: number;
  readonly commandTimeoutMs: number;
  readonly now: () => number;
  readonly observer: PoolObserver;
}

export interface PoolObserver {
  opened(): void;
  closed(): void;
  reused(): void;
}

export interface SubmittedResult {
  /** By the order of the forward-paths. */
  readonly outcomes: readonly AttemptOutcome[];
  readonly peer: Peer | null;
}

interface Waiting {
  readonly transmission: Transmission;
  readonly resolve: (result: SubmittedResult) => void;
  /** Times a connection was lost under it before the peer took anything in. */
  losses: number;
}

interface Pooled {
  readonly session: SmtpSession;
  readonly peer: Peer;
}

const MAX_LOSSES = 3;
/** After a refused connection, while others live or are on their way: the host has enough of us. */
const ENOUGH_MS = 5_000;

export class Destination {
  readonly #options: DestinationOptions;
  readonly #sessions = new Set<Pooled>();
  #waiting: Waiting[] = [];
  #connecting = 0;
  #openAgainAtMs = 0;
  /** Nothing is begun with any more. */
  #isWithdrawn = false;

  constructor(options: DestinationOptions) {
    this.#options = options;
  }

  get waitingCount(): number {
    return this.#waiting.length;
  }

  get sessionCount(): number {
    return this.#sessions.size + this.#connecting;
  }

  /** Open sessions with nothing to do. */
  get idleCount(): number {
    let idle = 0;
    for (const { session } of this.#sessions) if (session.isIdle) idle++;
    return idle;
  }

  get isUnused(): boolean {
    return this.#waiting.length === 0 && this.sessionCount === 0;
  }

  /** Resolves with an outcome for every forward-path; never rejects. The caller bounds how many wait. */
  submit(transmission: Transmission): Promise<SubmittedResult> {
    if (this.#isWithdrawn) return Promise.resolve({ outcomes: [], peer: null });
    return new Promise((resolve) => {
      this.#waiting.push({ transmission, resolve, losses: 0 });
      this.#pump();
    });
  }

  /** Takes back what no session has begun with, and whatever comes from now on. */
  withdraw(): number {
    this.#isWithdrawn = true;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const { resolve } of waiting) resolve({ outcomes: [], peer: null });
    return waiting.length;
  }

  /** Ends what times out: sessions, idle or not, and the patience of who waits; call about once a second. */
  tick(nowMs: number): void {
    this.#giveBackLate(nowMs);
    for (const { session } of [...this.#sessions]) {
      if (session.isIdle && nowMs - session.idleSinceMs >= this.#options.idleMs) session.close();
      else session.checkDeadline(nowMs);
    }
    this.#pump();
  }

  /** Ends all sessions; what they are in the middle of is lost to them. */
  close(): void {
    this.withdraw();
    for (const { session } of [...this.#sessions]) session.close();
  }

  /** Leases are of one length, so that what came first is late first, save what was lost and came again. */
  #giveBackLate(nowMs: number): void {
    while (this.#waiting.length > 0 && nowMs >= this.#waiting[0].transmission.beginBeforeMs) {
      this.#waiting.shift()!.resolve({ outcomes: [], peer: null });
    }
  }

  #pump(): void {
    if (this.#waiting.length === 0) return;
    for (const pooled of this.#sessions) {
      if (this.#waiting.length === 0) return;
      if (pooled.session.isIdle && pooled.session.isReady) this.#begin(pooled);
    }
    const { maxSessions, now } = this.#options;
    while (
      this.#waiting.length > this.#connecting && this.sessionCount < maxSessions &&
      now() >= this.#openAgainAtMs
    ) this.#open();
  }

  #begin(pooled: Pooled): void {
    this.#giveBackLate(this.#options.now());
    const waiting = this.#waiting.shift();
    if (waiting === undefined) return;
    if (pooled.session.transmitted > 0) this.#options.observer.reused();
    pooled.session.transmit(waiting.transmission).then((result) => {
      if (result.kind === "answered") {
        waiting.resolve({ outcomes: result.outcomes, peer: pooled.peer });
      } else if (++waiting.losses < MAX_LOSSES && !this.#isWithdrawn) {
        this.#waiting.unshift(waiting);
      } else waiting.resolve({ outcomes: [], peer: pooled.peer });
      this.#pump();
    });
  }

  #open(): void {
    this.#connecting++;
    this.#options.open().catch((error): OpenedNextHop => ({
      kind: "unreachable",
      // Trouble of our own, which is never final.
      outcome: deferred("3.0", `cannot connect: ${error}`),
      peer: null,
    })).then((answer) => {
      this.#connecting--;
      if (answer.kind === "unreachable") this.#onUnreachable(answer);
      else this.#onOpened(answer);
      this.#pump();
    });
  }

  #onOpened({ opened, peer }: Extract<OpenedNextHop, { kind: "open" }>): void {
    const { commandTimeoutMs, now, observer } = this.#options;
    observer.opened();
    const pooled: Pooled = {
      peer,
      session: new SmtpSession({
        socket: opened.socket,
        protocol: opened.protocol,
        extensions: opened.extensions,
        commandTimeoutMs,
        now,
        onReady: () => this.#begin(pooled),
        onClosed: () => {
          if (this.#sessions.delete(pooled)) observer.closed();
        },
      }),
    };
    this.#sessions.add(pooled);
    if (this.#isWithdrawn) pooled.session.close();
  }

  #onUnreachable({ outcome, peer }: Extract<OpenedNextHop, { kind: "unreachable" }>): void {
    this.#openAgainAtMs = this.#options.now() + ENOUGH_MS;
    if (this.sessionCount > 0) return;
    // The last hope is gone: whoever waits has the answer, and whoever comes next tries anew.
    this.#openAgainAtMs = 0;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const { transmission, resolve } of waiting) {
      resolve({ outcomes: transmission.forwardPaths.map(() => outcome), peer });
    }
  }
}
