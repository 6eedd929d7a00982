/**
 * One client of the embedded database: reads its steps, waits for its turn at the session, runs them
 * and writes the answers. Whoever is in a transaction, or in the middle of an extended query, keeps the
 * turn; if such a client falls silent it is disconnected, so that it cannot stop the others.
 */
import {
  copyInvitation,
  dropCopyInvitation,
  failureReply,
  farewell,
  fatalResponse,
  FrontendFrames,
  type Step,
} from "./pg_frames.ts";
import { PgliteFatalError, type PgliteSession } from "./pglite_session.ts";
import type { Turns } from "./pglite_turns.ts";

/** Named prepared statements one connection may hold. */
const MAX_STATEMENTS = 4096;
/** How long a client that is sent away may take to notice. */
const LINGER_MS = 1_000;
const INITIAL_OUTPUT_OCTETS = 16 * 1024;
const KEPT_OUTPUT_OCTETS = 1024 * 1024;

export interface ConnectionLimits {
  /** How long a client may keep the others waiting without a word, and start up. */
  readonly idleMs: number;
  /** What a client may send in one step; more ends the connection. */
  readonly maxStepOctets: number;
  /** What the answers of one step may come to; more is an error. */
  readonly maxOutputOctets: number;
}

export interface ConnectionHost {
  readonly session: PgliteSession;
  readonly turns: Turns<unknown>;
  readonly limits: ConnectionLimits;
  /** False when too many are connected: the client is told so and sent away. */
  readonly admitted: boolean;
  /** Called with the octets of each step run. */
  readonly onRun: (octets: number) => void;
}

/** A peer that went away, as opposed to a fault of ours. */
function isDisconnection(error: unknown): boolean {
  return error instanceof Deno.errors.ConnectionReset || error instanceof Deno.errors.BrokenPipe ||
    error instanceof Deno.errors.BadResource || error instanceof Deno.errors.Interrupted ||
    error instanceof Deno.errors.NotConnected || error instanceof Deno.errors.ConnectionAborted;
}

export class PgliteConnection {
  readonly #conn: Deno.Conn;
  readonly #host: ConnectionHost;
  readonly #frames: FrontendFrames;
  readonly #statements = new Set<string>();
  #output = new Uint8Array(INITIAL_OUTPUT_OCTETS);
  #outputLength = 0;
  #outputTooLong = false;
  #open = false;
  #started = false;

  constructor(conn: Deno.Conn, host: ConnectionHost) {
    this.#conn = conn;
    this.#host = host;
    this.#frames = new FrontendFrames(host.limits.maxStepOctets);
  }

  /**
   * Resolves when the client is gone and has left nothing behind.
   * @throws {PgliteFatalError} from the session.
   */
  async serve(): Promise<void> {
    try {
      if (await this.#startUp()) await this.#dialogue();
      await this.#leave();
    } catch (error) {
      if (error instanceof PgliteFatalError) {
        await this.#tell("58000", error.message);
        throw error;
      }
      if (!isDisconnection(error)) throw error;
      await this.#leave();
    } finally {
      this.close();
    }
  }

  close(): void {
    try {
      this.#conn.close();
    } catch {
      // Closed already.
    }
  }

  async #startUp(): Promise<boolean> {
    for (;;) {
      const step = this.#frames.takeStartup();
      switch (step?.kind) {
        case undefined:
          if (!await this.#read()) return false;
          break;
        case "encryption":
          await this.#write(new Uint8Array([0x4e]));
          break;
        case "cancel":
          // Runs are synchronous: when this is read, the query it is meant for has ended.
          return false;
        case "violation":
          await this.#sayFatal("08P01", step.reason);
          return false;
        case "startup":
          if (!this.#host.admitted) {
            await this.#sayFatal("53300", "too many connections to the embedded database");
            return false;
          }
          await this.#write(this.#host.session.greeting);
          this.#started = true;
          return true;
      }
    }
  }

  async #dialogue(): Promise<void> {
    for (;;) {
      const step = this.#frames.take();
      switch (step?.kind) {
        case undefined:
          if (!await this.#read()) return;
          break;
        case "inviteCopy":
          await this.#write(copyInvitation());
          break;
        case "terminate":
          return;
        case "violation":
          return await this.#sayFatal("08P01", step.reason);
        case "run":
          await this.#host.turns.take(this);
          this.#run(step);
          if (this.#outputTooLong) {
            if (step.open || step.replies > 1) return;
            await this.#write(failureReply({
              code: "54000",
              message: `the answer is longer than ${this.#host.limits.maxOutputOctets} octets`,
              inTransaction: this.#host.turns.holds(this),
            }));
            break;
          }
          await this.#write(this.#output.subarray(0, this.#outputLength));
          if (this.#statements.size > MAX_STATEMENTS) {
            return await this.#sayFatal("54000", "too many prepared statements");
          }
      }
    }
  }

  #run(step: Step & { kind: "run" }): void {
    const { session, turns, onRun } = this.#host;
    if (this.#output.length > KEPT_OUTPUT_OCTETS) {
      this.#output = new Uint8Array(INITIAL_OUTPUT_OCTETS);
    }
    this.#outputLength = 0;
    this.#outputTooLong = false;
    for (const name of step.prepared) this.#statements.add(name);
    session.run(step.octets, this.#collect);
    if (step.copy) this.#outputLength = dropCopyInvitation(this.#output, this.#outputLength);
    for (const name of step.closed) this.#statements.delete(name);
    this.#open = step.open;
    if (!this.#open && !session.inTransaction) turns.giveBack(this);
    onRun(step.octets.length);
  }

  readonly #collect = (octets: Uint8Array): void => {
    const length = this.#outputLength + octets.length;
    if (length > this.#host.limits.maxOutputOctets) this.#outputTooLong = true;
    if (this.#outputTooLong) return;
    if (length > this.#output.length) {
      const grown = new Uint8Array(Math.max(length, this.#output.length * 2));
      grown.set(this.#output.subarray(0, this.#outputLength));
      this.#output = grown;
    }
    this.#output.set(octets, this.#outputLength);
    this.#outputLength = length;
  };

  /** Rolls back and forgets what the client left open; the next client finds a clean session. */
  async #leave(): Promise<void> {
    const { session, turns } = this.#host;
    const holding = turns.holds(this);
    if (!holding && this.#statements.size === 0) return;
    await turns.take(this);
    const octets = farewell({
      open: this.#open,
      inTransaction: holding && session.inTransaction,
      statements: this.#statements,
    });
    if (octets !== null) session.run(octets, () => {});
    turns.giveBack(this);
  }

  /** False at the end of the stream. */
  async #read(): Promise<boolean> {
    const count = await this.#guarded(this.#conn.read(this.#frames.room()));
    if (count === null) return false;
    this.#frames.added(count);
    return true;
  }

  async #write(octets: Uint8Array): Promise<void> {
    for (let at = 0; at < octets.length;) {
      at += await this.#guarded(this.#conn.write(octets.subarray(at)));
    }
  }

  /** Sends the client away. Reads on for a moment: closing on unread octets would lose the message. */
  async #sayFatal(code: string, message: string): Promise<void> {
    await this.#tell(code, message);
    const timer = setTimeout(() => this.close(), LINGER_MS);
    try {
      await this.#conn.closeWrite();
      const ignored = new Uint8Array(INITIAL_OUTPUT_OCTETS);
      while (await this.#conn.read(ignored) !== null);
    } catch (error) {
      if (!isDisconnection(error)) throw error;
    } finally {
      clearTimeout(timer);
    }
  }

  async #tell(code: string, message: string): Promise<void> {
    try {
      await this.#write(fatalResponse(code, message));
    } catch (error) {
      if (!isDisconnection(error)) throw error;
    }
  }

  /** Waits for the peer, with a limit while others may be waiting for us or it has not started. */
  async #guarded<T>(io: Promise<T>): Promise<T> {
    if (this.#started && !this.#host.turns.holds(this)) return await io;
    const timer = setTimeout(() => this.#expire(), this.#host.limits.idleMs);
    try {
      return await io;
    } finally {
      clearTimeout(timer);
    }
  }

  #expire(): void {
    this.#conn.write(fatalResponse("25P03", "kept the embedded database waiting too long"))
      .catch(() => {});
    this.close();
  }
}
