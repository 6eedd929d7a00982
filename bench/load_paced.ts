/**
 * Load generator, open loop: messages fall due at a fixed pace whether or not earlier ones are done,
 * so that a server which stalls is seen to stall. A program of its own, started with one JSON
 * argument; prints one JSON line at the end.
 */

import { Buffer } from "node:buffer";
import type { Percentiles } from "./measurement.ts";
import { SmtpDialogue } from "./smtp_dialogue.ts";
import { payloadOf, stampNowMs } from "./stamp.ts";
import { percentilesOf } from "./statistics.ts";

export interface PacedOrder {
  readonly host: string;
  readonly port: number;
  readonly pacePerSecond: number;
  readonly messages: number;
  readonly sizeOctets: number;
  readonly keepConnections: boolean;
  /** At most so many connections at once; a message beyond them waits and is late. */
  readonly maxConnections: number;
}

export interface PacedReport {
  readonly accepted: number;
  readonly failed: number;
  readonly firstFault: string | null;
  readonly sentPerSecond: number;
  /** From just before DATA to its 250. */
  readonly acceptMs: Percentiles;
  readonly behindScheduleMs: Percentiles;
}

class PacedLoad {
  readonly #order: PacedOrder;
  readonly #payload: Buffer;
  readonly #free: SmtpDialogue[] = [];
  readonly #overdue: number[] = [];
  readonly #acceptMs: number[] = [];
  readonly #behindMs: number[] = [];
  #open = 0;
  #failed = 0;
  #firstFault: string | null = null;
  #startAtMs = 0;
  readonly #finished = Promise.withResolvers<void>();

  constructor(order: PacedOrder) {
    this.#order = order;
    this.#payload = Buffer.from(payloadOf(order.sizeOctets), "latin1");
  }

  async run(): Promise<PacedReport> {
    await this.#openAhead();
    this.#startAtMs = stampNowMs();
    let serial = 0;
    const timer = setInterval(() => {
      const dueNow = (stampNowMs() - this.#startAtMs) * this.#order.pacePerSecond / 1000;
      while (serial < this.#order.messages && serial <= dueNow) this.#begin(serial++);
      if (serial === this.#order.messages) clearInterval(timer);
    }, 1);
    await this.#finished.promise;
    const seconds = (stampNowMs() - this.#startAtMs) / 1000;
    for (const dialogue of this.#free) dialogue.quit();
    return {
      accepted: this.#acceptMs.length,
      failed: this.#failed,
      firstFault: this.#firstFault,
      sentPerSecond: this.#acceptMs.length / seconds,
      acceptMs: percentilesOf(this.#acceptMs),
      behindScheduleMs: percentilesOf(this.#behindMs),
    };
  }

  /** Kept connections are there before the clock starts: their setup is not what is measured. */
  async #openAhead(): Promise<void> {
    if (!this.#order.keepConnections) return;
    const ahead = Math.min(20, this.#order.maxConnections);
    this.#open = ahead;
    this.#free.push(
      ...await Promise.all(Array.from({ length: ahead }, () => SmtpDialogue.open(this.#order))),
    );
  }

  #begin(serial: number): void {
    const dialogue = this.#free.pop();
    if (dialogue !== undefined) void this.#send(serial, dialogue);
    else if (this.#open < this.#order.maxConnections) {
      this.#open++;
      void this.#send(serial, null);
    } else this.#overdue.push(serial);
  }

  async #send(serial: number, ready: SmtpDialogue | null): Promise<void> {
    let dialogue = ready;
    try {
      dialogue ??= await SmtpDialogue.open(this.#order);
      const done = await dialogue.send({ serial, payload: this.#payload });
      const dueAtMs = this.#startAtMs + serial * 1000 / this.#order.pacePerSecond;
      this.#acceptMs.push(done.acceptedAtMs - done.dataAtMs);
      this.#behindMs.push(Math.max(0, done.dataAtMs - dueAtMs));
    } catch (fault) {
      this.#failed++;
      this.#firstFault ??= String(fault);
    }
    if (dialogue !== null && !this.#order.keepConnections) dialogue.quit();
    this.#release(dialogue);
    if (this.#acceptMs.length + this.#failed === this.#order.messages) this.#finished.resolve();
  }

  #release(dialogue: SmtpDialogue | null): void {
    const usable = dialogue !== null && !dialogue.broken ? dialogue : null;
    const waiting = this.#overdue.shift();
    if (waiting !== undefined) void this.#send(waiting, usable);
    else if (usable !== null) this.#free.push(usable);
    else this.#open--;
  }
}

if (import.meta.main) {
  console.log(JSON.stringify(await new PacedLoad(JSON.parse(Deno.args[0])).run()));
  Deno.exit(0);
}
