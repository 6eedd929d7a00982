/**
 * A stub resolver (RFC 1034 §5.3.1): puts questions to recursive servers and remembers the answers.
 * Decides whom to ask, how often and for how long; how octets travel is the exchange's concern, what
 * a reply means that of `answer.ts`. It does not validate DNSSEC: it reports the server's AD bit.
 */
import { chainStart } from "./answer.ts";
import { AnswerCache } from "./answer_cache.ts";
import type { Exchange } from "./exchange.ts";
import { Gate } from "./gate.ts";
import type { Question } from "./message.ts";
import { canonicalName } from "./name.ts";
import type { DnsAnswer, RecordShapes, RecordType, Resolver, TempfailReason } from "./resolver.ts";
import { ServerSet } from "./server_set.ts";
import type { DnsServer } from "./servers.ts";

export interface StubResolverOptions {
  /** In order of preference; at least one. */
  readonly servers: readonly DnsServer[];
  readonly exchange: Exchange;
  /** For a question in all, its wait for a turn included; 5 seconds unless told. */
  readonly timeoutMs?: number;
  /** Queries sent for a name at the most, each given an equal share of the time; 3 unless told. */
  readonly attempts?: number;
  /** Answers remembered at the most, about 1 KiB each and 8 KiB at worst; 10,000 unless told. */
  readonly cacheEntries?: number;
  /** Questions on the network at once, one socket each; 256 unless told. */
  readonly maxInFlight?: number;
  /** Questions waiting for their turn; beyond, `overloaded`. 4,096 unless told. */
  readonly maxWaiting?: number;
  /** Milliseconds since the epoch; only the cache looks at it. */
  readonly now?: () => number;
  /** A 16-bit query id nobody can foresee (RFC 5452 §9.2). */
  readonly randomId?: () => number;
  readonly onQuery?: (event: QueryEvent) => void;
}

/** A question answered, for metrics. */
export interface QueryEvent {
  readonly type: RecordType;
  /** Where from: memory, an equal question already under way, or a server. */
  readonly via: "cache" | "coalesced" | "network";
  readonly outcome: "found" | "nodata" | "nxdomain" | TempfailReason;
}

export class StubResolver implements Resolver, AsyncDisposable {
  readonly #servers: ServerSet;
  readonly #timeoutMs: number;
  readonly #now: () => number;
  readonly #onQuery: (event: QueryEvent) => void;
  readonly #cache: AnswerCache;
  readonly #gate: Gate;
  readonly #underWay = new Map<string, Promise<DnsAnswer<unknown>>>();
  readonly #deadlines = new Set<AbortController>();
  #isClosed = false;

  constructor(options: StubResolverOptions) {
    const { timeoutMs = 5000, attempts = 3 } = options;
    this.#servers = new ServerSet({
      servers: options.servers,
      exchange: options.exchange,
      attempts,
      attemptTimeoutMs: timeoutMs / attempts,
      randomId: options.randomId ?? (() => crypto.getRandomValues(new Uint16Array(1))[0]),
    });
    this.#timeoutMs = timeoutMs;
    this.#now = options.now ?? Date.now;
    this.#onQuery = options.onQuery ?? (() => {});
    this.#cache = new AnswerCache({ maxEntries: options.cacheEntries ?? 10_000 });
    this.#gate = new Gate({
      maxInside: options.maxInFlight ?? 256,
      maxWaiting: options.maxWaiting ?? 4096,
    });
  }

  a(name: string): Promise<DnsAnswer<RecordShapes["A"]>> {
    return this.#resolve(name, "A");
  }

  aaaa(name: string): Promise<DnsAnswer<RecordShapes["AAAA"]>> {
    return this.#resolve(name, "AAAA");
  }

  mx(name: string): Promise<DnsAnswer<RecordShapes["MX"]>> {
    return this.#resolve(name, "MX");
  }

  txt(name: string): Promise<DnsAnswer<RecordShapes["TXT"]>> {
    return this.#resolve(name, "TXT");
  }

  ptr(name: string): Promise<DnsAnswer<RecordShapes["PTR"]>> {
    return this.#resolve(name, "PTR");
  }

  srv(name: string): Promise<DnsAnswer<RecordShapes["SRV"]>> {
    return this.#resolve(name, "SRV");
  }

  tlsa(name: string): Promise<DnsAnswer<RecordShapes["TLSA"]>> {
    return this.#resolve(name, "TLSA");
  }

  cname(name: string): Promise<DnsAnswer<RecordShapes["CNAME"]>> {
    return this.#resolve(name, "CNAME");
  }

  /** Ends what is under way as `timeout` and waits for it; later questions are `unreachable`. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    for (const deadline of this.#deadlines) deadline.abort();
    await Promise.all(this.#underWay.values());
  }

  async #resolve<K extends RecordType>(
    anyName: string,
    type: K,
  ): Promise<DnsAnswer<RecordShapes[K]>> {
    const name = canonicalName(anyName);
    if (name === null) return { kind: "nxdomain" };
    if (this.#isClosed) return { kind: "tempfail", reason: "unreachable" };
    const key = `${type} ${name}`;
    // Keys carry the type, so what is stored under this one has its shape.
    const cached = this.#cache.get(key, this.#now()) as DnsAnswer<RecordShapes[K]> | null;
    if (cached !== null) return this.#report(cached, { type, via: "cache" });
    const underWay = this.#underWay.get(key) as Promise<DnsAnswer<RecordShapes[K]>> | undefined;
    if (underWay !== undefined) {
      return this.#report(await underWay, { type, via: "coalesced" });
    }
    const asking = this.#takeTurn({ name, type }, key);
    this.#underWay.set(key, asking);
    try {
      return this.#report(await asking, { type, via: "network" });
    } finally {
      this.#underWay.delete(key);
    }
  }

  #report<T>(answer: DnsAnswer<T>, event: Omit<QueryEvent, "outcome">): DnsAnswer<T> {
    const outcome = answer.kind === "tempfail" ? answer.reason : answer.kind;
    this.#onQuery({ ...event, outcome });
    return answer;
  }

  async #takeTurn<K extends RecordType>(
    question: Question<K>,
    key: string,
  ): Promise<DnsAnswer<RecordShapes[K]>> {
    const deadline = new AbortController();
    const timer = setTimeout(() => deadline.abort(), this.#timeoutMs);
    this.#deadlines.add(deadline);
    try {
      const admission = await this.#gate.enter(deadline.signal);
      if (admission === "full") return { kind: "tempfail", reason: "overloaded" };
      if (admission === "aborted") return { kind: "tempfail", reason: "timeout" };
      try {
        return await this.#followChain(question, { key, signal: deadline.signal });
      } finally {
        this.#gate.leave();
      }
    } finally {
      clearTimeout(timer);
      this.#deadlines.delete(deadline);
    }
  }

  async #followChain<K extends RecordType>(
    question: Question<K>,
    options: { readonly key: string; readonly signal: AbortSignal },
  ): Promise<DnsAnswer<RecordShapes[K]>> {
    let chain = chainStart(question.name);
    let octets = 0;
    while (true) {
      const asked = await this.#servers.ask({ ...question, name: chain.name }, {
        chain,
        signal: options.signal,
      });
      octets += asked.octets;
      if (asked.kind === "continues") {
        chain = asked.chain;
        if (canonicalName(chain.name) === null) return { kind: "nxdomain" };
        continue;
      }
      const { answer, ttlS } = asked.kind === "answer"
        ? asked
        : { answer: { kind: "tempfail", reason: asked.reason } as const, ttlS: 0 };
      this.#cache.put(options.key, { answer, ttlS, octets, nowMs: this.#now() });
      return answer;
    }
  }
}
