/**
 * One thread with an operator's policy in it, as the session worker holds it: questions go over and answers come
 * back. A thread that answers nobody any more is given up. It cannot be ended while its code loops: Deno waits for a
 * pause of it (denoland/deno#35657). What that means, and whether another follows, is decided in `policy_runner.ts`.
 */
import type { HookName } from "./policy_hooks.ts";
import type { FromPolicyThread, PolicyFault, ToPolicyThread } from "./policy_wire.ts";

export interface PolicyWorkerOptions {
  /** The module of the thread. */
  readonly thread: URL;
  /** The operator's module. */
  readonly path: string;
  /** For each hook. */
  readonly timeoutMs: number;
  /** Monotonic ms. */
  readonly now: () => number;
}

export type PolicyAnswer = Extract<FromPolicyThread, { kind: "answer" | "fault" }>;
type Question = Omit<Extract<ToPolicyThread, { kind: "ask" }>, "untilMs">;

/** Why a thread did not start. */
export interface NoThread {
  /** One readable line. */
  readonly reason: string;
  /** Of a thread that is not heard of: resolves once it is, and ends. */
  readonly gone: Promise<void>;
}

interface Call {
  readonly end: (answer: PolicyAnswer) => void;
  timer: ReturnType<typeof setTimeout>;
}

/** Under way at once; each holds its facts, those of a message some hundred KiB at the most. */
const MAX_CALLS = 256;
/** The thread times its hooks itself, so this side waits longer than it may take to break one off. */
const GRACE_MS = 1_000;
const LAST_LOOK_MS = 20;
/** A module that takes longer to load does not work. */
const LOAD_TIMEOUT_MS = 30_000;

export class PolicyWorker implements Disposable {
  readonly hooks: ReadonlySet<HookName>;
  /** Told once when the thread ends on its own, or is given up. */
  onDeath: (detail: string) => void = () => {};
  readonly #gone = Promise.withResolvers<void>();
  readonly #worker: Worker;
  readonly #options: PolicyWorkerOptions;
  readonly #calls = new Map<number, Call>();
  #lastHeardMs = -Infinity;
  #isEnded = false;
  #retiring: ReturnType<typeof setTimeout> | undefined;

  private constructor(
    worker: Worker,
    facts: { readonly hooks: readonly HookName[]; readonly options: PolicyWorkerOptions },
  ) {
    this.#worker = worker;
    this.#options = facts.options;
    this.hooks = new Set(facts.hooks);
  }

  static start(
    options: PolicyWorkerOptions,
    onComplaint: (detail: string) => void,
  ): Promise<PolicyWorker | NoThread> {
    const { thread, path, timeoutMs } = options;
    const worker = new Worker(thread, { type: "module", name: "policy" });
    return new Promise((resolve) => {
      const fail = (reason: string) => {
        clearTimeout(timer);
        worker.terminate();
        resolve({ reason, gone: Promise.resolve() });
      };
      const timer = setTimeout(() => {
        const reason = `${path}: does not load within ${LOAD_TIMEOUT_MS / 1000} s`;
        resolve({ reason, gone: whenHeard(worker) });
      }, LOAD_TIMEOUT_MS);
      worker.onerror = (event) => {
        event.preventDefault();
        fail(`${path}: ${event.message.split("\n", 1)[0]}`);
      };
      worker.onmessage = ({ data }: MessageEvent<FromPolicyThread>) => {
        if (data.kind === "unusable") return fail(data.reason);
        if (data.kind === "complaint") return onComplaint(data.detail);
        if (data.kind !== "ready") return;
        clearTimeout(timer);
        const started = new PolicyWorker(worker, { hooks: data.hooks, options });
        worker.onmessage = ({ data }: MessageEvent<FromPolicyThread>) => {
          if (data.kind === "complaint") onComplaint(data.detail);
          else if (data.kind === "answer" || data.kind === "fault") started.#hear(data);
        };
        worker.onerror = (event) => {
          event.preventDefault();
          started.#gone.resolve();
          started.#die(event.message.split("\n", 1)[0].slice(0, 300));
        };
        resolve(started);
      };
      const load: ToPolicyThread = { kind: "load", path, timeoutMs };
      worker.postMessage(load);
    });
  }

  /** Of a thread that was given up or retires: resolves when it takes no time any more. */
  get gone(): Promise<void> {
    return this.#gone.promise;
  }

  /** Never rejects, and resolves within the hook's time and a little more. */
  ask(question: Question): Promise<PolicyAnswer> {
    const { call } = question;
    if (this.#isEnded) return Promise.resolve(policyFault(call, "unavailable", "its thread ended"));
    if (this.#calls.size >= MAX_CALLS) {
      return Promise.resolve(policyFault(call, "overloaded", "its thread does not keep up"));
    }
    const { now, timeoutMs } = this.#options;
    const askedAtMs = now();
    const giveUp = () => {
      // While it says anything to others it is slow; else some hook never gives the thread back.
      if (this.#lastHeardMs >= askedAtMs) {
        this.#take(policyFault(call, "late", "its thread does not keep up"));
      } else this.#giveUp("a hook never ends");
    };
    return new Promise((end) => {
      const asked: Call = {
        end,
        timer: setTimeout(() => {
          // Where this thread was busy itself, the answer may be here and was not looked at yet.
          asked.timer = setTimeout(giveUp, LAST_LOOK_MS);
        }, timeoutMs + GRACE_MS),
      };
      this.#calls.set(call, asked);
      const message: ToPolicyThread = { ...question, untilMs: Date.now() + timeoutMs };
      this.#worker.postMessage(message);
    });
  }

  /** Another takes its place: it ends once the questions under way have their answer. */
  retire(): void {
    const { timeoutMs } = this.#options;
    // Behind the last look at what was asked just now.
    this.#retiring = setTimeout(() => this.#leave(), timeoutMs + GRACE_MS + 2 * LAST_LOOK_MS);
    if (this.#calls.size === 0) this.#leave();
  }

  [Symbol.dispose](): void {
    this.#worker.terminate();
    this.#end("unavailable", "its thread ended");
  }

  #hear(answer: PolicyAnswer): void {
    this.#lastHeardMs = this.#options.now();
    this.#take(answer);
  }

  #take(answer: PolicyAnswer): void {
    const call = this.#calls.get(answer.call);
    if (call === undefined) return;
    this.#calls.delete(answer.call);
    clearTimeout(call.timer);
    call.end(answer);
    if (this.#retiring !== undefined && this.#calls.size === 0) this.#leave();
  }

  #leave(): void {
    if (this.#isEnded) return;
    this.#end("unavailable", "its thread ended");
    whenHeard(this.#worker).then(this.#gone.resolve);
  }

  #giveUp(detail: string): void {
    if (this.#isEnded) return;
    whenHeard(this.#worker).then(this.#gone.resolve);
    this.#die(detail);
  }

  #die(detail: string): void {
    if (this.#isEnded) return;
    this.#end("stuck", detail);
    this.onDeath(detail);
  }

  #end(kind: PolicyFault, detail: string): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    clearTimeout(this.#retiring);
    for (const [call, { end, timer }] of this.#calls) {
      clearTimeout(timer);
      end(policyFault(call, kind, detail));
    }
    this.#calls.clear();
  }
}

/** Ends the thread at its first word, until when it cannot be ended. */
function whenHeard(worker: Worker): Promise<void> {
  return new Promise((resolve) => {
    worker.onmessage = () => {
      worker.terminate();
      resolve();
    };
    worker.onerror = (event) => {
      event.preventDefault();
      resolve();
    };
    const leave: ToPolicyThread = { kind: "leave" };
    worker.postMessage(leave);
  });
}

export function policyFault(call: number, fault: PolicyFault, detail: string): PolicyAnswer {
  return { kind: "fault", call, fault, detail };
}
