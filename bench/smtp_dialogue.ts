/**
 * One client connection of the load generators: connect, EHLO, transactions, QUIT.
 * Speaks only what a bench needs, and treats every reply other than the wished one as an error.
 */

import { Buffer } from "node:buffer";
import { connect, type Socket } from "node:net";
import { headerSectionOf, stampNowMs } from "./stamp.ts";

export interface DialogueTarget {
  readonly host: string;
  readonly port: number;
  /** Source address, to spread idle connections over many clients. */
  readonly localAddress?: string;
}

/** When DATA was written and when the message was accepted. */
export interface Transaction {
  readonly dataAtMs: number;
  readonly acceptedAtMs: number;
}

interface Waiter {
  readonly wanted: string;
  readonly resolve: () => void;
  readonly reject: (reason: Error) => void;
}

export class SmtpDialogue {
  readonly #socket: Socket;
  #waiting: Waiter[] = [];
  #unread = "";
  #fault: Error | null = null;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.on("data", (chunk: Buffer) => this.#read(chunk.toString("latin1")));
    socket.on("error", (cause) => this.#fail(new Error("connection broke", { cause })));
    socket.on("close", () => this.#fail(new Error("connection closed by the server")));
  }

  /** Resolves after the greeting and EHLO. */
  static async open(target: DialogueTarget): Promise<SmtpDialogue> {
    const dialogue = new SmtpDialogue(connect(target));
    await dialogue.#expect("220");
    await dialogue.#say("EHLO load.bench.test\r\n", "250");
    return dialogue;
  }

  get broken(): boolean {
    return this.#fault !== null;
  }

  /** Sends one message; MAIL and RCPT go together, DATA alone, for it is timed. */
  async send(message: { serial: number; payload: Buffer }): Promise<Transaction> {
    await this.#envelope("load@bench.test", "sink@bench.test");
    const dataAtMs = stampNowMs();
    await this.#message(() => {
      const head = headerSectionOf({ sentAtMs: dataAtMs, serial: message.serial });
      this.#socket.write(head, "latin1");
      this.#socket.write(message.payload);
    });
    return { dataAtMs, acceptedAtMs: stampNowMs() };
  }

  /** Sends a message as it is: its lines end in CRLF, the last one too, and none begins with a dot. */
  async sendAs(
    envelope: { readonly from: string; readonly to: string },
    message: Uint8Array,
  ): Promise<void> {
    await this.#envelope(envelope.from, envelope.to);
    await this.#message(() => this.#socket.write(message));
  }

  async #envelope(from: string, to: string): Promise<void> {
    const recipient = this.#expect("250");
    const sender = this.#say(`MAIL FROM:<${from}>\r\nRCPT TO:<${to}>\r\n`, "250");
    await Promise.all([recipient, sender]);
  }

  async #message(write: () => void): Promise<void> {
    await this.#say("DATA\r\n", "354");
    this.#socket.cork();
    write();
    const accepted = this.#say(".\r\n", "250");
    this.#socket.uncork();
    await accepted;
  }

  /** Says QUIT and lets go without waiting for the answer. */
  quit(): void {
    this.#fault ??= new Error("connection already ended");
    this.#socket.end("QUIT\r\n");
    this.#socket.resume();
  }

  #say(command: string, wanted: string): Promise<void> {
    const answered = this.#expect(wanted);
    if (this.#fault === null) this.#socket.write(command, "latin1");
    return answered;
  }

  #expect(wanted: string): Promise<void> {
    if (this.#fault !== null) return Promise.reject(this.#fault);
    return new Promise((resolve, reject) => this.#waiting.push({ wanted, resolve, reject }));
  }

  #read(text: string): void {
    this.#unread += text;
    for (let end; (end = this.#unread.indexOf("\r\n")) !== -1;) {
      const line = this.#unread.slice(0, end);
      this.#unread = this.#unread.slice(end + 2);
      // RFC 5321 §4.2.1: a hyphen after the code announces more lines of the same reply.
      if (line[3] === "-") continue;
      const waiter = this.#waiting.shift();
      if (waiter?.wanted === line.slice(0, 3)) {
        waiter.resolve();
        continue;
      }
      const fault = new Error(`wished for ${waiter?.wanted ?? "no reply"}, got "${line}"`);
      waiter?.reject(fault);
      this.#fail(fault);
      return;
    }
  }

  #fail(reason: Error): void {
    this.#fault ??= reason;
    this.#socket.destroy();
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const waiter of waiting) waiter.reject(reason);
  }
}
