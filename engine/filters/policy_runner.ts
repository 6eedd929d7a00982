/**
 * Asks an operator's policy from a session worker. The policy runs in a thread of its own, so that whatever it does
 * keeps no session waiting beyond the hook's time: for a thread that does not answer any more another is started, after
 * a pause that grows while that happens again and again, and as long as few of them are busy for ever. A question without an answer counts as no
 * opinion, or puts the mail off, as it is set; no fault of a policy refuses mail for good or loses it. Hooks the
 * module does not have cost nothing.
 */
import { type Reply, reply } from "../mail/reply.ts";
import type { OnFailure } from "./filter_address.ts";
import type {
  ConnectFacts,
  HookName,
  RecipientFacts,
  RouteFacts,
  SenderFacts,
} from "./policy_hooks.ts";
import type { PolicyFault, PolicyOpinion, PolicyRoute, WireMessageFacts } from "./policy_wire.ts";
import {
  type PolicyAnswer,
  policyFault,
  PolicyWorker,
  type PolicyWorkerOptions,
} from "./policy_worker.ts";

export interface PolicyRunnerOptions extends PolicyWorkerOptions {
  readonly onFailure: OnFailure;
  readonly observer: PolicyObserver;
}

/** What log and metrics are told. */
export interface PolicyObserver {
  answered(answer: {
    readonly hook: HookName;
    readonly outcome: PolicyOutcome;
    readonly seconds: number;
  }): void;
  /** `hook`: `null` for what no hook did. `detail` is one line. */
  failed(failure: {
    readonly hook: HookName | null;
    readonly fault: PolicyFault | "unusable" | "complaint";
    readonly detail: string;
  }): void;
}

export type PolicyOutcome =
  | "none"
  | "accept"
  | "refused"
  | "deferred"
  | "quarantine"
  | "signal"
  | "route"
  | "failed";

export type RouteAnswer =
  | PolicyRoute
  /** Of a fault, where that puts mail off. */
  | { readonly kind: "refused"; readonly reply: Reply };

/** Facts of each hook as they go over; `policy_facts.ts` makes those of a message. */
interface HookFacts {
  readonly onConnect: ConnectFacts;
  readonly onMail: SenderFacts;
  readonly onRcpt: RecipientFacts;
  readonly onMessage: WireMessageFacts;
  readonly onRoute: RouteFacts;
}

const FIRST_PAUSE_MS = 100;
const MAX_PAUSE_MS = 30_000;
/** Threads not heard of that may be busy, each with a processor to itself: beyond it none is started. */
const MAX_GIVEN_UP = 1;
/** A thread that lived this long starts over with the shortest pause. */
const STEADY_MS = 60_000;

const DEFERRED = reply(451, "7.1", "A check of ours is not available, try again later");
/** RFC 5321 §3.8: in place of the greeting. */
const CLOSED = reply(421, "3.2", "Service not available, try again later");

/** Loads the module in a thread that is ended at once: what is wrong with it, in one line, or `null`. */
export async function checkPolicyModule(options: PolicyWorkerOptions): Promise<string | null> {
  const thread = await PolicyWorker.start(options, () => {});
  if (!(thread instanceof PolicyWorker)) return thread.reason;
  thread[Symbol.dispose]();
  return null;
}

export class PolicyRunner implements Disposable {
  readonly #options: PolicyRunnerOptions;
  #thread: PolicyWorker | null = null;
  /** Of the last module that loaded. */
  #hooks: ReadonlySet<HookName> = new Set();
  #isDisposed = false;
  #pauseMs = FIRST_PAUSE_MS;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #nextCall = 0;
  #givenUp = 0;

  private constructor(options: PolicyRunnerOptions) {
    this.#options = options;
  }

  /** @throws {Error} with one readable line when the module does not load. */
  static async start(options: PolicyRunnerOptions): Promise<PolicyRunner> {
    const runner = new PolicyRunner(options);
    const reason = await runner.#startThread();
    if (reason === null) return runner;
    runner[Symbol.dispose]();
    throw new Error(reason);
  }

  has(hook: HookName): boolean {
    return this.#hooks.has(hook);
  }

  /** Never rejects, and resolves within the hook's time and a little more. */
  async ask<Name extends Exclude<HookName, "onRoute">>(
    hook: Name,
    facts: HookFacts[Name],
  ): Promise<PolicyOpinion> {
    if (!this.#hooks.has(hook)) return { kind: "none" };
    const answer = await this.#ask(hook, facts);
    if (answer !== null) return answer as PolicyOpinion;
    if (this.#options.onFailure === "accept") return { kind: "none" };
    return { kind: "refused", reply: hook === "onConnect" ? CLOSED : DEFERRED };
  }

  /** Where a recipient's mail goes, if the policy says so. */
  async route(facts: RouteFacts): Promise<RouteAnswer> {
    if (!this.#hooks.has("onRoute")) return { kind: "none" };
    const answer = await this.#ask("onRoute", facts);
    if (answer !== null) return answer as PolicyRoute;
    return this.#options.onFailure === "accept"
      ? { kind: "none" }
      : { kind: "refused", reply: DEFERRED };
  }

  /** Loads the module anew; one that does not load is told of, and the one before stays. */
  async reload(): Promise<void> {
    const reason = await this.#startThread();
    if (reason !== null) this.#failed(null, "unusable", reason);
  }

  [Symbol.dispose](): void {
    this.#isDisposed = true;
    clearTimeout(this.#timer);
    this.#thread?.[Symbol.dispose]();
    this.#thread = null;
  }

  /** What is wrong with the module, or `null`. */
  async #startThread(): Promise<string | null> {
    const thread = await PolicyWorker.start(
      this.#options,
      (detail) => this.#failed(null, "complaint", detail),
    );
    if (!(thread instanceof PolicyWorker)) {
      this.#giveUp(thread.gone);
      return thread.reason;
    }
    if (this.#isDisposed) {
      thread[Symbol.dispose]();
      return null;
    }
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const before = this.#thread;
    this.#thread = thread;
    this.#hooks = thread.hooks;
    const startedMs = this.#options.now();
    thread.onDeath = (detail) => {
      if (this.#thread !== thread) return;
      this.#giveUp(thread.gone);
      this.#failed(null, "stuck", detail);
      if (this.#options.now() - startedMs > STEADY_MS) this.#pauseMs = FIRST_PAUSE_MS;
      this.#thread = null;
      this.#startLater();
    };
    if (before !== null) {
      before.retire();
      this.#giveUp(before.gone);
    }
    return null;
  }

  #giveUp(gone: Promise<void>): void {
    this.#givenUp++;
    gone.then(() => {
      this.#givenUp--;
      this.#startLater();
    });
  }

  /** Unless there is one, or will be. */
  #startLater(): void {
    if (this.#isDisposed || this.#thread !== null || this.#timer !== undefined) return;
    this.#timer = setTimeout(async () => {
      this.#timer = undefined;
      if (this.#givenUp > MAX_GIVEN_UP) {
        return this.#failed(
          null,
          "unusable",
          "no thread is started beside those that never end; restart the server to end them",
        );
      }
      const reason = await this.#startThread();
      if (reason === null || this.#isDisposed || this.#thread !== null) return;
      this.#failed(null, "unusable", reason);
      this.#startLater();
    }, this.#pauseMs);
    this.#pauseMs = Math.min(2 * this.#pauseMs, MAX_PAUSE_MS);
  }

  /** `null` for a fault, which is told of. */
  async #ask(hook: HookName, facts: unknown): Promise<PolicyOpinion | PolicyRoute | null> {
    const { now, observer } = this.#options;
    const call = this.#nextCall++;
    const askedAtMs = now();
    const answer: PolicyAnswer = this.#thread === null
      ? policyFault(call, "unavailable", "its thread is not back yet")
      : await this.#thread.ask({ kind: "ask", call, hook, facts });
    const seconds = (now() - askedAtMs) / 1000;
    if (answer.kind === "answer") {
      observer.answered({ hook, outcome: outcomeOf(answer.opinion), seconds });
      return answer.opinion;
    }
    observer.answered({ hook, outcome: "failed", seconds });
    this.#failed(hook, answer.fault, answer.detail);
    return null;
  }

  #failed(
    hook: HookName | null,
    fault: PolicyFault | "unusable" | "complaint",
    detail: string,
  ): void {
    this.#options.observer.failed({ hook, fault, detail });
  }
}

function outcomeOf(opinion: PolicyOpinion | PolicyRoute): PolicyOutcome {
  if (opinion.kind !== "refused") return opinion.kind;
  return opinion.reply.severity === "permanent" ? "refused" : "deferred";
}
