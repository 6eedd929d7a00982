/** Keeps sending over several connections, whatever happens to the server, and books what it says. */
import { type Ledger, messageText } from "./ledger.ts";
import { Sender, type SendResult, type Target } from "./sender.ts";

export interface LoadOptions {
  readonly ledger: Ledger;
  /** The connections take turns with them. */
  readonly ports: readonly number[];
  readonly connections?: number;
  /** Over all connections, at the most. */
  readonly perSecond?: number;
  readonly octetsOf?: (serial: number) => number;
}

const CONNECTIONS = 12;
const PER_SECOND = 600;
/** Enough to reach every shard of the dispatcher. */
const DESTINATIONS = 40;
const RECONNECT_MS = 50;

/** Mostly small messages, some large, in runs so that whole commits are large. */
export function mixedOctets(serial: number): number {
  return serial % 200 < 20 ? 120_000 : 1_500;
}

export class Load implements AsyncDisposable {
  readonly #options: LoadOptions;
  readonly #running: Promise<void>;
  /** Times each connection was lost, in their order. */
  readonly cuts: number[];
  /** Replies that did not come in time. */
  silences = 0;
  #isStopping = false;

  private constructor(options: LoadOptions) {
    this.#options = options;
    const connections = options.connections ?? CONNECTIONS;
    this.cuts = Array.from({ length: connections }, () => 0);
    this.#running = Promise.all(this.cuts.map((_, index) => this.#run(index))).then(() => {});
  }

  static start(options: LoadOptions): Load {
    return new Load(options);
  }

  /** Resolves once every message under way had its answer. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    await this.#running;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  async #run(index: number): Promise<void> {
    const { ports, perSecond = PER_SECOND } = this.#options;
    // Addresses of their own, so that the server spreads the connections over its workers.
    const target = { port: ports[index % ports.length], localAddress: `127.0.1.${index + 1}` };
    const paceMs = 1000 * this.cuts.length / perSecond;
    let sender: Sender | null = null;
    let dueAtMs = performance.now() + paceMs * Math.random();
    while (!this.#isStopping) {
      if (sender === null || sender.isCut) sender = await this.#connect(target);
      if (sender === null) break;
      await this.#send(sender, index);
      dueAtMs = Math.max(performance.now(), dueAtMs + paceMs);
      await pause(dueAtMs - performance.now());
    }
    sender?.destroy();
  }

  async #connect(target: Target): Promise<Sender | null> {
    while (!this.#isStopping) {
      const sender = await Sender.open(target);
      if (sender !== null) return sender;
      await pause(RECONNECT_MS);
    }
    return null;
  }

  async #send(sender: Sender, index: number): Promise<void> {
    const { ledger, octetsOf = mixedOctets } = this.#options;
    const serial = ledger.nextSerial();
    const result = await sender.send({
      forwardPath: `sink@d${serial % DESTINATIONS}.test`,
      text: messageText(serial, octetsOf(serial)),
    });
    this.#book(serial, result);
    if (result.kind === "cut") this.cuts[index]++;
    if (result.kind === "silence") {
      this.silences++;
      sender.destroy();
    }
    if (result.kind === "refused") await pause(RECONNECT_MS);
  }

  #book(serial: number, result: SendResult): void {
    const { ledger } = this.#options;
    if (result.kind === "acknowledged") {
      ledger.acknowledged.add(serial);
      return;
    }
    if (result.isSent) ledger.unknown.add(serial);
    if (result.kind === "refused") ledger.refused(result.reply);
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, Math.max(0, ms)));
}
