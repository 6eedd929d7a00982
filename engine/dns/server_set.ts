/**
 * Puts one question to the configured servers: whom to try next, over what, and when to give up. A
 * server that failed outright is not asked the same thing twice; one that was silent may be.
 */
import { type Chain, readAnswer, type Reading } from "./answer.ts";
import type { Exchange, ExchangeResult } from "./exchange.ts";
import { answersQuery, encodeQuery, type Question, readMessage } from "./message.ts";
import type { RecordShapes, RecordType, TempfailReason } from "./resolver.ts";
import type { DnsServer } from "./servers.ts";

export interface ServerSetOptions {
  /** In order of preference; at least one. */
  readonly servers: readonly DnsServer[];
  readonly exchange: Exchange;
  readonly attempts: number;
  readonly attemptTimeoutMs: number;
  /** A 16-bit query id nobody can foresee (RFC 5452 §9.2). */
  readonly randomId: () => number;
}

/** What a server said, and in how many octets. */
export type Asked<T> = Exclude<Reading<T>, { kind: "rejects_edns" }> & { readonly octets: number };

export class ServerSet {
  readonly #options: ServerSetOptions;
  /** Index of the server that answered last: a dead first one must not cost each question a wait. */
  #preferred = 0;

  constructor(options: ServerSetOptions) {
    if (options.servers.length === 0) throw new RangeError("a resolver needs a server");
    this.#options = options;
  }

  /** Asks until a server answers, the attempts are spent or the signal aborts. */
  async ask<K extends RecordType>(
    question: Question<K>,
    options: { readonly chain: Chain; readonly signal: AbortSignal },
  ): Promise<Asked<RecordShapes[K]>> {
    const { servers, attempts } = this.#options;
    const failed = new Set<number>();
    let reason: TempfailReason = "timeout";
    let edns = true;
    let index = this.#preferred;
    for (let tries = 0; tries < attempts && !options.signal.aborted; tries++) {
      const exchanged = await this.#exchange(servers[index], {
        query: encodeQuery(question, { id: this.#options.randomId(), edns }),
        signal: options.signal,
      });
      let isSilent = false;
      if (exchanged.kind === "reply") {
        const { octets } = exchanged;
        const reading = read(octets, { type: question.type, chain: options.chain });
        if (reading.kind === "rejects_edns" && edns) {
          edns = false;
          reason = "malformed";
          continue;
        }
        if (reading.kind === "answer" || reading.kind === "continues") {
          this.#preferred = index;
          return { ...reading, octets: octets.length };
        }
        reason = reading.kind === "failed" ? reading.reason : "malformed";
      } else {
        reason = exchanged.reason;
        isSilent = reason === "timeout";
      }
      if (!isSilent) failed.add(index);
      const next = nextIndex(index, { count: servers.length, failed });
      if (next === null) break;
      index = next;
      edns = true;
    }
    return { kind: "failed", reason, octets: 0 };
  }

  /** UDP, then TCP if the reply was truncated (RFC 7766 §5) or not to be trusted. */
  async #exchange(
    server: DnsServer,
    options: { readonly query: Uint8Array; readonly signal: AbortSignal },
  ): Promise<Exclude<ExchangeResult, { kind: "dubious" }>> {
    const { query, signal } = options;
    const exchangeOptions = {
      timeoutMs: this.#options.attemptTimeoutMs,
      accepts: (octets: Uint8Array) => answersQuery(octets, query),
      signal,
    };
    const result = await this.#options.exchange(server, query, { ...exchangeOptions, over: "udp" });
    const wantsTcp = result.kind === "dubious" ||
      (result.kind === "reply" && isTruncated(result.octets));
    if (!wantsTcp) return result;
    const retried = await this.#options.exchange(server, query, {
      ...exchangeOptions,
      over: "tcp",
    });
    // RFC 1035 §4.1.1: nothing truncates a stream.
    const isSound = retried.kind === "reply" && !isTruncated(retried.octets);
    return isSound || retried.kind === "failed" ? retried : { kind: "failed", reason: "malformed" };
  }
}

function read<K extends RecordType>(
  octets: Uint8Array,
  options: { readonly type: K; readonly chain: Chain },
): Reading<RecordShapes[K]> {
  const message = readMessage(octets, options.type);
  return message === null
    ? { kind: "failed", reason: "malformed" }
    : readAnswer(message, options.chain);
}

function isTruncated(octets: Uint8Array): boolean {
  return (octets[2] & 0x02) !== 0;
}

function nextIndex(
  index: number,
  options: { readonly count: number; readonly failed: ReadonlySet<number> },
): number | null {
  for (let step = 1; step <= options.count; step++) {
    const next = (index + step) % options.count;
    if (!options.failed.has(next)) return next;
  }
  return null;
}
