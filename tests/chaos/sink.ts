/** The next hop of all load: counts what it takes, and can refuse, fall silent or go away. */
import type { Buffer } from "node:buffer";
import { createServer, type Server, type Socket } from "node:net";
import type { Ledger } from "./ledger.ts";

/**
 * `accept`; `refuse_rcpt` and `refuse_data`: 451 there; `hang_up`: ends connections in the middle of
 * the dialogue, somewhere else each time.
 */
export type Behaviour = "accept" | "refuse_rcpt" | "refuse_data" | "hang_up";

/** Chunks of input from one end to the next, over all connections. */
const HANG_UP_EVERY = 7;

export class Sink implements AsyncDisposable {
  readonly port: number;
  behaviour: Behaviour = "accept";
  /** How long it takes to answer the final dot. */
  answerMs = 0;
  /** Connections it ended itself while it was to `hang_up`. */
  hangUps = 0;
  readonly #ledger: Ledger;
  readonly #sockets = new Set<Socket>();
  #server: Server | null = null;
  #chunks = 0;

  private constructor(port: number, ledger: Ledger) {
    this.port = port;
    this.#ledger = ledger;
  }

  static async start(port: number, ledger: Ledger): Promise<Sink> {
    const sink = new Sink(port, ledger);
    await sink.comeBack();
    return sink;
  }

  /** Refuses connections and ends those there are; answers how many. */
  async goAway(): Promise<number> {
    const server = this.#server;
    this.#server = null;
    const cut = this.#sockets.size;
    for (const socket of this.#sockets) socket.destroy();
    if (server !== null) await new Promise((resolve) => server.close(resolve));
    return cut;
  }

  async comeBack(): Promise<void> {
    const server = createServer((socket) => this.#serve(socket));
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(this.port, "127.0.0.1", resolve);
    });
    this.#server = server;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.goAway();
  }

  #serve(socket: Socket): void {
    this.#sockets.add(socket);
    socket.setNoDelay(true);
    socket.on("error", () => {});
    socket.on("close", () => this.#sockets.delete(socket));
    const session = new SinkSession(this.#ledger);
    socket.on("data", (chunk: Buffer) => {
      if (this.behaviour === "hang_up" && ++this.#chunks % HANG_UP_EVERY === 0) {
        this.hangUps++;
        return void socket.destroy();
      }
      const { reply, final } = session.feed(chunk.toString("latin1"), this.behaviour);
      const answer = () => {
        if (reply !== "" && !socket.destroyed) socket.write(reply, "latin1");
      };
      if (final && this.answerMs > 0) setTimeout(answer, this.answerMs);
      else answer();
    });
    socket.write("220 sink.test ESMTP\r\n");
  }
}

class SinkSession {
  readonly #ledger: Ledger;
  #input = "";
  #reversePath = "";
  #hasRecipient = false;
  #inData = false;

  constructor(ledger: Ledger) {
    this.#ledger = ledger;
  }

  /** `final`: the reply answers a message. */
  feed(text: string, behaviour: Behaviour): { reply: string; final: boolean } {
    // The end mark may have begun in what came before.
    let searched = Math.max(0, this.#input.length - 4);
    this.#input += text;
    let reply = "";
    let final = false;
    for (;;) {
      const mark = this.#inData ? "\r\n.\r\n" : "\r\n";
      const end = this.#input.indexOf(mark, searched);
      if (end === -1) return { reply, final };
      const taken = this.#input.slice(0, end);
      this.#input = this.#input.slice(end + mark.length);
      searched = 0;
      final ||= this.#inData;
      reply += this.#inData ? this.#message(`${taken}\r\n`, behaviour) : this.#command(
        taken,
        behaviour,
      );
    }
  }

  #command(line: string, behaviour: Behaviour): string {
    switch (line.slice(0, 4).toUpperCase()) {
      case "EHLO":
        return "250-sink.test\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 ENHANCEDSTATUSCODES\r\n";
      case "MAIL":
        this.#reversePath = /<(.*?)>/.exec(line)?.[1] ?? "";
        this.#hasRecipient = false;
        return "250 2.1.0 Ok\r\n";
      case "RCPT":
        if (behaviour === "refuse_rcpt") return "451 4.3.2 Not now\r\n";
        this.#hasRecipient = true;
        return "250 2.1.5 Ok\r\n";
      case "DATA":
        if (!this.#hasRecipient) return "503 5.5.1 RCPT first\r\n";
        this.#inData = true;
        return "354 Go on\r\n";
      case "QUIT":
        return "221 2.0.0 Bye\r\n";
      default:
        return "250 2.0.0 Ok\r\n";
    }
  }

  #message(text: string, behaviour: Behaviour): string {
    this.#inData = false;
    this.#hasRecipient = false;
    if (behaviour === "refuse_data") return "451 4.3.2 Not now\r\n";
    this.#ledger.arrived({ reversePath: this.#reversePath, text });
    return "250 2.0.0 Ok\r\n";
  }
}
