/** One SMTP client connection of the load: says what a message needs, and tells how it ended. */
import type { Buffer } from "node:buffer";
import { connect, type Socket } from "node:net";

export interface Target {
  readonly port: number;
  /** Loopback address to come from. */
  readonly localAddress: string;
}

export type SendResult =
  | { readonly kind: "acknowledged" }
  /** `isSent`: the final dot went out. */
  | { readonly kind: "refused"; readonly reply: string; readonly isSent: boolean }
  /** The connection ended. */
  | { readonly kind: "cut"; readonly isSent: boolean }
  /** No reply came in time. */
  | { readonly kind: "silence"; readonly isSent: boolean };

type Answer = { readonly reply: string } | "cut" | "silence";

const REPLY_MS = 30_000;

export class Sender {
  readonly #socket: Socket;
  #unread = "";
  #replies: string[] = [];
  #isCut = false;
  #wake: (() => void) | null = null;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.on("data", (chunk: Buffer) => this.#read(chunk.toString("latin1")));
    socket.on("error", () => this.#cut());
    socket.on("close", () => this.#cut());
  }

  /** Resolves after the greeting and EHLO; `null` when nobody serves there now. */
  static async open(target: Target): Promise<Sender | null> {
    const sender = new Sender(connect({ host: "127.0.0.1", ...target }));
    const greeting = await sender.#answer();
    if (isPositive(greeting)) {
      if (isPositive(await sender.#say("EHLO load.test\r\n"))) return sender;
    }
    sender.destroy();
    return null;
  }

  async send(
    message: { readonly forwardPath: string; readonly text: string },
  ): Promise<SendResult> {
    for (
      const command of [
        "MAIL FROM:<load@load.test>\r\n",
        `RCPT TO:<${message.forwardPath}>\r\n`,
        "DATA\r\n",
      ]
    ) {
      const answer = await this.#say(command);
      if (isPositive(answer)) continue;
      if (typeof answer === "string") return { kind: answer, isSent: false };
      if (!answer.reply.startsWith("421")) await this.#say("RSET\r\n");
      return { kind: "refused", reply: answer.reply, isSent: false };
    }
    const answer = await this.#say(`${message.text}.\r\n`);
    if (typeof answer === "string") return { kind: answer, isSent: true };
    if (!answer.reply.startsWith("250")) {
      return { kind: "refused", reply: answer.reply, isSent: true };
    }
    return { kind: "acknowledged" };
  }

  get isCut(): boolean {
    return this.#isCut;
  }

  destroy(): void {
    this.#socket.destroy();
  }

  #say(octets: string): Promise<Answer> {
    if (!this.#isCut) this.#socket.write(octets, "latin1");
    return this.#answer();
  }

  async #answer(): Promise<Answer> {
    const deadlineMs = performance.now() + REPLY_MS;
    while (this.#replies.length === 0) {
      if (this.#isCut) return "cut";
      const leftMs = deadlineMs - performance.now();
      if (leftMs <= 0) return "silence";
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, leftMs);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    return { reply: this.#replies.shift()! };
  }

  #read(text: string): void {
    this.#unread += text;
    for (let end; (end = this.#unread.indexOf("\r\n")) !== -1;) {
      const line = this.#unread.slice(0, end);
      this.#unread = this.#unread.slice(end + 2);
      // RFC 5321 §4.2.1: a hyphen behind the code announces more lines.
      if (line[3] !== "-") this.#replies.push(line);
    }
    this.#wake?.();
  }

  #cut(): void {
    this.#isCut = true;
    this.#wake?.();
  }
}

function isPositive(answer: Answer): answer is { reply: string } {
  return typeof answer !== "string" && /^[23]/.test(answer.reply);
}
