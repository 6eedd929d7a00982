/**
 * Keeps a number of workers of one kind alive: a worker that throws is replaced after a pause that grows
 * while it keeps failing. Knows nothing of what the workers do.
 */
import type { FromWorker, ToWorker } from "./wire.ts";

export interface WorkerPoolOptions<Config> {
  readonly count: number;
  readonly module: URL;
  /** Shown in stack traces and logs, with the index behind it. */
  readonly name: string;
  /** The first message for a new worker, and what is transferred with it. */
  readonly start: (index: number) => [message: ToWorker<Config>, transfer: Transferable[]];
  readonly onMessage: (index: number, message: FromWorker) => void;
  /** Worker `index` takes messages now; called after each (re)start. */
  readonly onReady: (index: number) => void;
  /** Worker `index` is gone, and will be replaced. */
  readonly onDeath: (index: number, error: string) => void;
}

const FIRST_PAUSE_MS = 50;
const MAX_PAUSE_MS = 10_000;
/** A worker that lived this long starts over with the shortest pause. */
const STEADY_MS = 30_000;

interface Slot {
  worker: Worker | null;
  isReady: boolean;
  pauseMs: number;
  startedMs: number;
  timer: ReturnType<typeof setTimeout> | undefined;
}

export class WorkerPool<Config> implements Disposable {
  readonly #options: WorkerPoolOptions<Config>;
  readonly #slots: Slot[];
  #isDisposed = false;

  constructor(options: WorkerPoolOptions<Config>) {
    this.#options = options;
    this.#slots = Array.from({ length: options.count }, () => ({
      worker: null,
      isReady: false,
      pauseMs: FIRST_PAUSE_MS,
      startedMs: 0,
      timer: undefined,
    }));
    this.#slots.forEach((_, index) => this.#start(index));
  }

  get size(): number {
    return this.#slots.length;
  }

  isReady(index: number): boolean {
    return this.#slots[index]!.isReady;
  }

  get areAllReady(): boolean {
    return this.#slots.every((slot) => slot.isReady);
  }

  /** Sends to a worker; false when it is down just now, and then nothing was transferred. */
  send(index: number, message: ToWorker<Config>, transfer: Transferable[] = []): boolean {
    const slot = this.#slots[index]!;
    if (!slot.isReady || slot.worker === null) return false;
    slot.worker.postMessage(message, transfer);
    return true;
  }

  broadcast(message: ToWorker<Config>): void {
    for (let index = 0; index < this.#slots.length; index++) this.send(index, message);
  }

  /** Terminates the workers at once. */
  [Symbol.dispose](): void {
    this.#isDisposed = true;
    for (const slot of this.#slots) {
      clearTimeout(slot.timer);
      slot.worker?.terminate();
      slot.worker = null;
      slot.isReady = false;
    }
  }

  #start(index: number): void {
    const { module, name, start, onMessage, onReady } = this.#options;
    const slot = this.#slots[index]!;
    const worker = new Worker(module, { type: "module", name: `${name}-${index}` });
    slot.worker = worker;
    slot.startedMs = Date.now();
    worker.onmessage = ({ data }: MessageEvent<FromWorker>) => {
      if (slot.worker !== worker) return;
      if (data.kind === "ready") {
        slot.isReady = true;
        onReady(index);
      } else onMessage(index, data);
    };
    worker.onerror = (event) => {
      event.preventDefault();
      this.#replace(index, worker, event.message);
    };
    worker.postMessage(...start(index));
  }

  #replace(index: number, worker: Worker, error: string): void {
    const slot = this.#slots[index]!;
    if (slot.worker !== worker || this.#isDisposed) return;
    slot.worker = null;
    slot.isReady = false;
    worker.terminate();
    this.#options.onDeath(index, error);
    if (Date.now() - slot.startedMs > STEADY_MS) slot.pauseMs = FIRST_PAUSE_MS;
    slot.timer = setTimeout(() => this.#start(index), slot.pauseMs);
    slot.pauseMs = Math.min(slot.pauseMs * 2, MAX_PAUSE_MS);
  }
}
