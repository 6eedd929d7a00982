/**
 * The lower half of an SMTP session: lines in, replies out, deadlines kept by one clock for all
 * sessions, and the ends a session may come to. Takes smtp-server's protocol engine as it is and knows
 * nothing of what the commands mean; see `session_connection.ts`.
 */
import type { Buffer } from "node:buffer";
import type { Socket } from "node:net";
import type { SMTPServer } from "smtp-server";
import { SMTPConnection } from "smtp-server/lib/smtp-connection.js";
import { formatReply, type Reply, reply, severityOf } from "../mail/reply.ts";
import { CommandStream, type LineFault } from "./command_stream.ts";
import { lineFaultReply } from "./refusal.ts";

/** Replies of the 5yz kind a session may collect between two accepted messages before it ends. */
const MAX_FAULTS = 20;
/** Octets a second a message must come in at, past the idle time-out; below it is no honest client. */
const MIN_OCTETS_PER_SECOND = 512;
/** What web clients say first, once somebody points them at a mail port (RFC 9110 §9.3). */
const HTTP_METHODS = new Set(
  ["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"],
);

export type Done = () => void;

export interface TransportOptions {
  readonly address: string;
  readonly port: number;
  readonly idleTimeoutMs: number;
  /** The greeting is held back at least so long. */
  readonly greetPauseMs: number;
  readonly now: () => number;
  /** Called once, when the connection is gone. */
  readonly onClosed: () => void;
}

export abstract class SessionTransport extends SMTPConnection {
  readonly #options: TransportOptions;
  #deadlineMs = Infinity;
  #faults = 0;
  #isDraining = false;
  /** What the client said before it was greeted; it waits for the answer. */
  #whenGreeted: (() => void) | null = null;

  constructor(server: SMTPServer, socket: Socket, options: TransportOptions) {
    super(server, socket, {
      remoteAddress: options.address,
      remotePort: options.port,
      localAddress: "::",
    });
    this.#options = options;
  }

  /** Octets of a message read so far; each earns its sender time. */
  protected abstract get octetsRead(): number;
  protected abstract get isInTransaction(): boolean;
  /** The connection is gone; called once, before its owner is told. */
  protected abstract onGone(): void;
  /** What is said in place of the greeting; asked for while the greeting is held back. */
  protected abstract refuseToGreet(): Promise<Reply | null> | null;
  protected abstract onEarlyTalk(): void;

  protected get isDraining(): boolean {
    return this.#isDraining;
  }

  /** Ends the session if the client let its time run out. */
  checkDeadline(nowMs: number): void {
    if (this._handlerPending || this._closing) return;
    const earnedMs = this.octetsRead / MIN_OCTETS_PER_SECOND * 1000;
    if (nowMs < this.#deadlineMs + earnedMs) return;
    if (this._upgrading || !this._ready) this._socket.destroy();
    else this.answer(reply(421, "4.2", "Idle for too long, closing"));
  }

  /** Ends the session as soon as no transaction is under way. */
  drain(): void {
    this.#isDraining = true;
    if (!this._handlerPending && !this.isInTransaction) this.sayShutdown();
  }

  override init(): void {
    // RFC 3207 and RFC 8314: an implicit TLS listener shakes hands before the greeting.
    this._setListeners(() => {
      const { greetPauseMs } = this.#options;
      const refusal = this.refuseToGreet();
      if (greetPauseMs === 0 && refusal === null) this.connectionReady();
      else {
        const pause = new Promise<void>((resolve) => setTimeout(resolve, greetPauseMs));
        Promise.all([refusal, pause]).then(([answer]) => this.#endGreetPause(answer));
      }
    });
  }

  override _createParser(): CommandStream {
    const stream = new CommandStream({
      onCommand: (line, done) => this._onCommand(line, done),
      onFault: (fault, done) => this.#onLineFault(fault, done),
      onFlood: () => this.answer(reply(421, "7.0", "Too much input without a line end")),
    });
    // A client may close its side and still read the replies to what it sent.
    stream.once("finish", () => this.close());
    return stream;
  }

  /** All deadlines hang on one clock, see `checkDeadline`; sockets need no timers of their own. */
  override _armTimeout(socket?: Socket): void {
    this.#extendDeadline();
    if (!this._upgrading) return;
    // Our side stays open for replies when a client closes its own; amid a handshake there are none.
    socket?.once("end", () => {
      if (this._upgrading) socket.destroy();
    });
  }

  /** The replies smtp-server words itself. */
  override send(code: number, data?: string | string[] | null, context?: string | false): void {
    // Its context may be the client's own word, which must not choose the status.
    const status = this._getEnhancedStatusCode(code, context === false ? false : undefined);
    const text = Array.isArray(data) ? data.join("\n") : data ?? "";
    this.answer({ severity: severityOf(code), code, enhancedStatus: status || null, text });
  }

  override _onCommand(line: Buffer, done: Done): void {
    if (this._ready || this._upgrading) super._onCommand(line, done);
    else if (this.#options.greetPauseMs > 0) this.#refuseEarlyTalker();
    // Where nobody lies in wait for those who talk first, the greeting may be late for reasons of our own.
    else this.#whenGreeted = () => super._onCommand(line, done);
  }

  override _getHandler(verb: string) {
    return HTTP_METHODS.has(verb) ? this.#refuseHttp : super._getHandler(verb);
  }

  override _onClose(): void {
    if (!this._closed) {
      this.onGone();
      this.#options.onClosed();
    }
    super._onClose();
  }

  protected answer(answer: Reply): void {
    this.#extendDeadline();
    // Into a handshake nothing is said; a client that closed its own side still gets its replies.
    if (!this._upgrading && this._socket.writable) this._socket.write(formatReply(answer));
    if (answer.code === 421) this.close();
    else if (answer.code >= 500 && ++this.#faults > MAX_FAULTS && !this._closing) {
      this.answer(reply(421, "7.0", "Too many errors, closing"));
    }
  }

  /** The client did what it came for: its errors so far are forgiven. */
  protected forgive(): void {
    this.#faults = 0;
  }

  /** Goes on with the next command, unless the server is going down. */
  protected goOn(next: Done): void {
    if (this.#isDraining && !this.isInTransaction) this.sayShutdown();
    else next();
  }

  protected sayShutdown(): void {
    if (!this._closing) this.answer(reply(421, "3.2", "Service is going down, try again later"));
  }

  #onLineFault(fault: LineFault, done: Done): void {
    if (this._upgrading) return done();
    if (!this._ready) return this.#refuseEarlyTalker();
    const isResponse = this._nextHandler !== false;
    // RFC 4954 §4: a response that cannot be read ends the exchange.
    this._nextHandler = false;
    this.answer(lineFaultReply(fault, { isResponse }));
    done();
  }

  /** RFC 5321 §4.3.1: the client waits for the greeting. */
  #endGreetPause(refusal: Reply | null): void {
    if (this._closing || this._closed) return;
    const { greetPauseMs } = this.#options;
    if (refusal !== null) {
      this.answer(refusal);
      this.close();
    } else if (greetPauseMs > 0 && (this._parser as CommandStream).hasPartialLine) {
      this.#refuseEarlyTalker();
    } else {
      this.connectionReady();
      this.#whenGreeted?.();
    }
  }

  #refuseEarlyTalker(): void {
    this.onEarlyTalk();
    this.answer(reply(421, "7.0", "You talk before the greeting"));
  }

  readonly #refuseHttp = () => this.answer(reply(421, "7.0", "This is SMTP, not HTTP"));

  #extendDeadline(): void {
    this.#deadlineMs = this.#options.now() + this.#options.idleTimeoutMs;
  }
}
