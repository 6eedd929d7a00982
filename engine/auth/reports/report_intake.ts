/**
 * Reads reports out of messages that were accepted, behind the acceptance: one message at a time, some waiting,
 * those beyond left to their reader in the mailbox. What is lost with the process is lost; the message is not.
 */
import type { ParsedReport } from "./report.ts";
import { readReports } from "./report_mail.ts";

export interface ReportIntakeOptions<Origin> {
  /** Answers how many were new, and about a domain of ours. */
  readonly keep: (reports: readonly ParsedReport[], origin: Origin) => Promise<number>;
  readonly onRead: (
    outcome: { readonly kept: number; readonly faults: readonly string[] },
    origin: Origin,
  ) => void;
  readonly onDropped: (origin: Origin) => void;
  readonly onError: (error: unknown) => void;
}

const MAX_WAITING = 16;
const MAX_WAITING_OCTETS = 32 * 1024 * 1024;

export class ReportIntake<Origin> {
  readonly #options: ReportIntakeOptions<Origin>;
  readonly #waiting: { readonly octets: Uint8Array; readonly origin: Origin }[] = [];
  #waitingOctets = 0;
  #reading: Promise<void> | null = null;

  constructor(options: ReportIntakeOptions<Origin>) {
    this.#options = options;
  }

  /** Takes a copy of the octets. */
  offer(octets: Uint8Array, origin: Origin): void {
    const isFull = this.#waiting.length >= MAX_WAITING ||
      this.#waitingOctets + octets.length > MAX_WAITING_OCTETS;
    if (isFull) return this.#options.onDropped(origin);
    this.#waiting.push({ octets: new Uint8Array(octets), origin });
    this.#waitingOctets += octets.length;
    this.#reading ??= this.#readAll().finally(() => {
      this.#reading = null;
    });
  }

  /** Resolves once nothing waits. */
  async settled(): Promise<void> {
    await this.#reading;
  }

  async #readAll(): Promise<void> {
    const { keep, onRead, onError } = this.#options;
    for (let next = this.#waiting.at(0); next !== undefined; next = this.#waiting.at(0)) {
      const { octets, origin } = next;
      try {
        const { reports, faults } = await readReports(octets);
        const kept = reports.length === 0 ? 0 : await keep(reports, origin);
        onRead({ kept, faults }, origin);
      } catch (error) {
        onError(error);
      }
      this.#waiting.shift();
      this.#waitingOctets -= octets.length;
    }
  }
}
