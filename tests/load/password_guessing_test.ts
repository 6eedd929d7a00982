/** Ten thousand wrong passwords from one address: others log in as if nothing were, and no log tells. */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { connect, type Socket } from "node:net";
import { startServer } from "../fixtures/server.ts";

const GUESSES = 10_000;
const CONNECTIONS = 40;
const LOGIN_WITHIN_MS = 100;
const GUESS = "hunter2-of-a-stranger";

/** Replies' last lines from an address of our choice, as the server tells clients apart by. */
class Client {
  readonly #socket: Socket;
  #unread = "";
  #hasEnded = false;
  #wake: () => void = () => {};

  constructor(port: number, localAddress: string) {
    this.#socket = connect({ host: "127.0.0.1", port, localAddress, noDelay: true });
    this.#socket.on("data", (chunk: Buffer) => {
      this.#unread += chunk.toString("latin1");
      this.#wake();
    });
    for (const event of ["end", "error", "close"]) {
      this.#socket.on(event, () => {
        this.#hasEnded = true;
        this.#wake();
      });
    }
  }

  /** `null` once the server hung up. */
  async ask(line: string | null): Promise<string | null> {
    if (line !== null && !this.#hasEnded) this.#socket.write(`${line}\r\n`);
    for (;;) {
      const match = /^(?:\d{3}-[^\n]*\n)*(\d{3}(?: [^\n]*)?\n)/.exec(this.#unread);
      if (match !== null) {
        this.#unread = this.#unread.slice(match[0].length);
        return match[1].trim();
      }
      if (this.#hasEnded) return null;
      await new Promise<void>((resolve) => this.#wake = resolve);
    }
  }

  close(): void {
    this.#socket.destroy();
  }
}

function plain(password: string): string {
  return `AUTH PLAIN ${Buffer.from(`\0admin@localhost\0${password}`).toString("base64")}`;
}

Deno.test("guessing: 10,000 wrong passwords from one address do not hinder another", async () => {
  await using server = await startServer({
    ALLOW_AUTH_WITHOUT_TLS: "true",
    AUTH_FAILURE_DELAY_S: "0",
    MAX_CONNECTIONS_PER_IP: "10000",
  });
  const { submission } = server.ports;
  const answers = new Map<string, number>();
  let left = GUESSES;
  const guess = async () => {
    while (left > 0) {
      const client = new Client(submission, "127.0.0.2");
      await client.ask(null);
      await client.ask("EHLO guesser.test");
      while (left > 0) {
        left--;
        const reply = await client.ask(plain(GUESS + left));
        if (reply === null) break;
        const code = reply.slice(0, 9);
        answers.set(code, (answers.get(code) ?? 0) + 1);
        if (code.startsWith("421")) break;
      }
      client.close();
    }
  };
  const guessing = Promise.all(Array.from({ length: CONNECTIONS }, guess));
  const tookMs: number[] = [];
  const logIn = async () => {
    const client = new Client(submission, "127.0.0.3");
    await client.ask(null);
    await client.ask("EHLO ann.test");
    const startedMs = performance.now();
    assert.match(await client.ask(plain(server.password)) ?? "", /^235/);
    tookMs.push(performance.now() - startedMs);
    client.close();
  };
  while (left > 0) {
    await logIn();
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  await guessing;
  await logIn();
  // The first one may meet a cold server, with guesses being hashed on both cores.
  const others = tookMs.slice(1).sort((a, b) => a - b);
  const most = others[Math.floor(others.length * 0.95)];
  const longest = others.at(-1)!;
  console.log(
    `${others.length} logins: most ${most.toFixed(0)} ms, longest ${longest.toFixed(0)} ms`,
  );
  // What a neighbour does to a machine may hit one of them; a server that is hindered is so in all.
  assert.ok(most < LOGIN_WITHIN_MS && longest < 5 * LOGIN_WITHIN_MS, `${tookMs}`);
  const refused = answers.get("535 5.7.8") ?? 0;
  assert.ok(refused >= 10 && refused <= 20, JSON.stringify([...answers]));
  const log = server.log();
  assert.match(log, /AUTH PLAIN from 127\.0\.0\.2 as admin@localhost failed/);
  const lines = log.split("\n").filter((line) => line.startsWith("{"));
  for (const secret of [GUESS, server.password, Buffer.from(server.password).toString("base64")]) {
    assert.deepEqual(lines.filter((line) => line.includes(secret)), []);
  }
});
