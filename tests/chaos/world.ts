/** A server, the load in front of it, the sink behind it and the book of what became of the mail. */
import assert from "node:assert/strict";
import { makeDataDir } from "../fixtures/data_dir.ts";
import { until } from "../fixtures/process.ts";
import { Ledger } from "./ledger.ts";
import { Load, type LoadOptions } from "./load.ts";
import { freePort } from "../fixtures/ports.ts";
import { Sink } from "./sink.ts";
import { Sluice, type SluiceOptions } from "./sluice.ts";

export interface WorldOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly inspect?: boolean;
  /** Kills that its first server meets before it may go on, by the time since each launch. */
  readonly killedAfterMs?: readonly number[];
  /** A directory the caller keeps; left out, one that ends with the world. */
  readonly dataDir?: string;
}

export interface Expected {
  /** At the most: how many there is a reason for. */
  readonly duplicates: number;
  /** In the last server's last life. */
  readonly workerDeaths?: number;
}

const SETTLED_MS = 60_000;
const PROGRESS_MS = 30_000;

export class World implements AsyncDisposable {
  readonly ledger = new Ledger();
  readonly #startedMs = performance.now();
  readonly #stack = new AsyncDisposableStack();
  #sink: Sink | null = null;
  #servers: Sluice[] = [];
  #load: Load | null = null;

  /** With one server in it, which is ready. */
  static async open(options: WorldOptions = {}): Promise<World> {
    const world = new World();
    try {
      world.#sink = world.#stack.use(await Sink.start(freePort(), world.ledger));
      await world.addServer(options);
      return world;
    } catch (error) {
      await world[Symbol.asyncDispose]();
      throw error;
    }
  }

  get sink(): Sink {
    return this.#sink!;
  }

  get sluice(): Sluice {
    return this.#servers[0];
  }

  /** Another server with the same next hop, which is ready. */
  async addServer({ env, inspect, dataDir, killedAfterMs = [] }: WorldOptions): Promise<Sluice> {
    const options: SluiceOptions = {
      inspect,
      // Who is to be killed at its first start makes its database itself.
      dataDir: dataDir ?? await this.#temporaryDirectory({ isEmpty: killedAfterMs.length > 0 }),
      env: { SMARTHOST: `smtp://127.0.0.1:${this.sink.port}`, ...env },
    };
    const sluice = this.#stack.use(new Sluice(options));
    this.#servers.push(sluice);
    for (const delayMs of killedAfterMs) {
      sluice.launch();
      await new Promise((resolve) => setTimeout(resolve, delayMs));
      await sluice.kill();
    }
    await sluice.start();
    return sluice;
  }

  /** Begins to send to all servers there are. */
  send(options: Omit<LoadOptions, "ledger" | "ports"> = {}): Load {
    const ports = this.#servers.map(({ smtpPort }) => smtpPort);
    this.#load = this.#stack.use(Load.start({ ...options, ports, ledger: this.ledger }));
    return this.#load;
  }

  /** Resolves once so many more messages were acknowledged. */
  async progress(messages: number): Promise<void> {
    const goal = this.ledger.acknowledged.size + messages;
    await until(() => this.ledger.acknowledged.size >= goal, PROGRESS_MS);
  }

  /**
   * Ends the load, waits until everything acknowledged arrived and nothing is left to deliver, and
   * closes the book.
   */
  async close(scenario: string, expected: Expected): Promise<void> {
    await this.#load?.stop();
    const { ledger } = this;
    const last = this.#servers.at(-1)!;
    const stoppedMs = performance.now();
    const isEmpty = async () => ledger.lost.length === 0 && await last.unfinished() === 0;
    await until(isEmpty, SETTLED_MS).catch(() => this.#explain(scenario));
    const endedMs = performance.now();
    ledger.close(scenario, {
      explained: expected.duplicates,
      seconds: (endedMs - this.#startedMs) / 1000,
      backlogSeconds: (endedMs - stoppedMs) / 1000,
    });
    assert.equal(this.#load?.silences ?? 0, 0, "commands that had no reply in time");
    assert.equal(await last.workerDeaths(), expected.workerDeaths ?? 0, "workers died");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack[Symbol.asyncDispose]();
  }

  async #explain(scenario: string): Promise<void> {
    const left = await this.#servers.at(-1)!.unfinished();
    const told = this.#servers.flatMap(({ told }) => told.errors.slice(-30));
    console.log(`${scenario}: not empty in time, ${left} left\n${told.join("\n")}`);
  }

  async #temporaryDirectory({ isEmpty }: { readonly isEmpty: boolean }): Promise<string> {
    const prefix = "sluice-chaos-";
    const directory = isEmpty ? await Deno.makeTempDir({ prefix }) : await makeDataDir(prefix);
    this.#stack.defer(() => Deno.remove(directory, { recursive: true }));
    return directory;
  }
}
