/**
 * One SMTP session: smtp-server's protocol engine with our own stages in place of its MAIL, RCPT and
 * DATA, our own reading of lines and messages, and deadlines kept by one clock for all sessions.
 */
import type { Buffer } from "node:buffer";
import type { Socket } from "node:net";
import { protocolName } from "../mail/received.ts";
import { formatReply, intermediateReply, type Reply, reply, severityOf } from "../mail/reply.ts";
import { SMTPConnection } from "smtp-server/lib/smtp-connection.js";
import type { SMTPServer } from "smtp-server";
import { CommandStream, type LineFault } from "./command_stream.ts";
import { decideData, TRACE_HEADROOM_OCTETS } from "./data.ts";
import { decideMail } from "./mail.ts";
import { MessageReader } from "./message_reader.ts";
import { decideRcpt, parseRcpt } from "./rcpt.ts";
import { lineFaultReply, refusalReason } from "./refusal.ts";
import type { Client, SessionServices, Transaction } from "./session.ts";

/** Replies of the 5yz kind a session may collect between two accepted messages before it ends. */
const MAX_FAULTS = 20;
/** Octets a second a message must come in at, past the idle time-out; below it is no honest client. */
const MIN_OCTETS_PER_SECOND = 512;
/** What web clients say first, once somebody points them at a mail port (RFC 9110 §9.3). */
const HTTP_METHODS = new Set(
  ["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"],
);

type Done = () => void;

export class SessionConnection extends SMTPConnection {
  readonly #services: SessionServices;
  readonly #client: Client;
  #transaction: Transaction | null = null;
  #reader: MessageReader | null = null;
  #deadlineMs = Infinity;
  #faults = 0;
  #isDraining = false;
  /** By the last HELO or EHLO that was accepted. */
  #protocol: "none" | "smtp" | "esmtp" = "none";
  readonly #onClosed: () => void;

  /** @param options `onClosed`: called once, when the connection is gone. */
  constructor(
    server: SMTPServer,
    socket: Socket,
    options: {
      readonly client: Client;
      readonly services: SessionServices;
      readonly onClosed: () => void;
    },
  ) {
    super(server, socket, {
      remoteAddress: options.client.address,
      remotePort: options.client.port,
      localAddress: "::",
    });
    this.#client = options.client;
    this.#services = options.services;
    this.#onClosed = options.onClosed;
  }

  /** Ends the session if the client let its time run out. */
  checkDeadline(nowMs: number): void {
    if (this._handlerPending || this._closing) return;
    const reader = this.#reader;
    const earnedMs = reader === null ? 0 : reader.readOctets / MIN_OCTETS_PER_SECOND * 1000;
    if (nowMs < this.#deadlineMs + earnedMs) return;
    if (this._upgrading || !this._ready) this._socket.destroy();
    else this.#reply(reply(421, "4.2", "Idle for too long, closing"));
  }

  /** Ends the session as soon as no transaction is under way. */
  drain(): void {
    this.#isDraining = true;
    if (!this._handlerPending && this.#transaction === null) this.#sayShutdown();
  }

  override init(): void {
    // RFC 3207 and RFC 8314: an implicit TLS listener shakes hands before the greeting.
    this._setListeners(() => {
      const { greetPauseMs } = this.#services.policy;
      if (greetPauseMs === 0) this.connectionReady();
      else setTimeout(() => this.#endGreetPause(), greetPauseMs);
    });
  }

  override _createParser(): CommandStream {
    const stream = new CommandStream({
      onCommand: (line, done) => this._onCommand(line, done),
      onFault: (fault, done) => this.#onLineFault(fault, done),
      onFlood: () => this.#reply(reply(421, "7.0", "Too much input without a line end")),
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

  override _resetSession(): void {
    super._resetSession();
    this.#transaction = null;
  }

  /** The replies smtp-server words itself. */
  override send(code: number, data?: string | string[] | null, context?: string | false): void {
    // Its context may be the client's own word, which must not choose the status.
    const status = this._getEnhancedStatusCode(code, context === false ? false : undefined);
    const text = Array.isArray(data) ? data.join("\n") : data ?? "";
    this.#reply({ severity: severityOf(code), code, enhancedStatus: status || null, text });
  }

  override _onCommand(line: Buffer, done: Done): void {
    if (this._ready || this._upgrading) super._onCommand(line, done);
    else this.#refuseEarlyTalker();
  }

  override _getHandler(verb: string) {
    return HTTP_METHODS.has(verb) ? this.#refuseHttp : super._getHandler(verb);
  }

  override handler_EHLO(command: Buffer, done: Done): void {
    this.#hello("esmtp", () => super.handler_EHLO(command, () => {}));
    done();
  }

  override handler_HELO(command: Buffer, done: Done): void {
    this.#hello("smtp", () => super.handler_HELO(command, () => {}));
    done();
  }

  override handler_QUIT(command: Buffer, done: Done): void {
    // RFC 5321 §4.1.1
    if (hasArgument(command)) {
      this.#reply(reply(501, "5.4", "QUIT takes no argument"));
      done();
    } else super.handler_QUIT(command, done);
  }

  override handler_HELP(_command: Buffer, done: Done): void {
    this.#reply(reply(214, "0.0", "RFC 5321 tells what may be said here"));
    done();
  }

  override handler_VRFY(command: Buffer, done: Done): void {
    // RFC 5321 §3.5.3: neither confirmed nor denied.
    if (!hasArgument(command)) {
      this.#reply(reply(501, "5.4", "VRFY takes an address"));
    } else this.#reply(reply(252, "0.0", "Cannot VRFY, but will take the message and try"));
    done();
  }

  handler_EXPN(_command: Buffer, done: Done): void {
    this.#reply(reply(502, "5.1", "EXPN is not implemented"));
    done();
  }

  override handler_RSET(command: Buffer, done: Done): void {
    if (hasArgument(command)) {
      this.#reply(reply(501, "5.4", "RSET takes no argument"));
    } else super.handler_RSET(command, () => {});
    this.#finish(done);
  }

  override handler_MAIL(command: Buffer, done: Done): void {
    if (!/^MAIL FROM:/i.test(command.toString("latin1", 0, 10))) {
      this.#reply(reply(501, "5.4", "Syntax: MAIL FROM:<address>"));
      return done();
    }
    if (this.#transaction !== null) {
      this.#reply(reply(503, "5.1", "A transaction is under way already"));
      return done();
    }
    if (this.#isDraining) return this.#sayShutdown();
    const { memory, policy } = this.#services;
    const decision = decideMail(command.subarray(10), {
      client: this.#client,
      policy,
      isFull: memory.isFull,
    });
    if (decision.kind === "refused") this.#services.observer.refused(refusalReason(decision.reply));
    else {
      this.#transaction = decision.transaction;
      // Keeps smtp-server's own notion of a transaction in step.
      this.session.envelope.mailFrom = { address: decision.transaction.reversePath, args: false };
    }
    this.#reply(decision.reply);
    done();
  }

  override handler_RCPT(command: Buffer, done: Done): void {
    const transaction = this.#transaction;
    if (transaction === null) {
      this.#reply(reply(503, "5.1", "MAIL first"));
      return done();
    }
    if (!/^RCPT TO:/i.test(command.toString("latin1", 0, 8))) {
      this.#reply(reply(501, "5.4", "Syntax: RCPT TO:<address>"));
      return done();
    }
    const { policy, directory } = this.#services;
    const parsed = parseRcpt(command.subarray(8), { transaction, policy });
    if (parsed.kind === "refused") {
      this.#reply(parsed.reply);
      return done();
    }
    const { path } = parsed;
    directory.lookup(path.domain, path.localPart).then((answer) => {
      const decision = decideRcpt(path, { answer, client: this.#client, transaction, policy });
      if (decision.kind === "refused") {
        this.#services.observer.refused(refusalReason(decision.reply));
      } else {
        transaction.recipients.set(decision.recipient.forwardPath, decision.recipient);
      }
      return decision.reply;
    }).catch((error) => this.#ownTrouble("RCPT", error)).then((answer) => {
      this.#reply(answer);
      done();
    });
  }

  override handler_DATA(command: Buffer, done: Done): void {
    const transaction = this.#transaction;
    if (hasArgument(command)) {
      this.#reply(reply(501, "5.4", "DATA takes no argument"));
    } else if (transaction === null) this.#reply(reply(503, "5.1", "MAIL first"));
    else if (transaction.recipients.size === 0) {
      // RFC 5321 §3.3
      this.#reply(reply(554, "5.1", "No valid recipients"));
    } else this.#readMessage(transaction);
    done();
  }

  override _onClose(): void {
    // A message on its way to the store keeps its memory until it is there.
    if (!this._handlerPending) this.#releaseReader();
    if (!this._closed) {
      const { listener } = this.#client;
      this.#services.observer.closed({
        listener,
        protocol: this.#protocol,
        tls: listener === "smtps" ? "implicit" : this.secure ? "starttls" : "none",
      });
      this.#onClosed();
    }
    super._onClose();
  }

  #readMessage(transaction: Transaction): void {
    const { memory, policy, now } = this.#services;
    const reader = new MessageReader({
      headroomOctets: TRACE_HEADROOM_OCTETS,
      maxOctets: policy.maxMessageOctets,
      announcedOctets: transaction.announcedOctets,
      reserve: (octets) => memory.reserve(octets),
    });
    this.#reader = reader;
    const startedMs = now();
    (this._parser as CommandStream).readMessage(reader, () => {
      this._handlerPending = true;
      this.#store(transaction, reader, startedMs)
        .catch((error) => this.#ownTrouble("DATA", error))
        .then((answer) => {
          this.#releaseReader();
          this._handlerPending = false;
          this._resetSession();
          this.#reply(answer);
          this.#finish(() => this._parser && this._parser.continue());
        });
    });
    this.#reply(intermediateReply(354, "End data with <CR><LF>.<CR><LF>"));
  }

  async #store(transaction: Transaction, reader: MessageReader, startedMs: number): Promise<Reply> {
    const { policy, now, newQueueId, accept, observer } = this.#services;
    const nowMs = now();
    const decision = decideData(reader.finish(), {
      transaction,
      arrival: {
        client: this.#client,
        heloName: this.hostNameAppearsAs || "",
        protocol: protocolName({
          extended: this.#protocol === "esmtp",
          tls: this.secure,
          authenticated: false,
          smtpUtf8: transaction.smtpUtf8,
        }),
        tls: this.tlsOptions
          ? { version: this.tlsOptions.version, cipher: this.tlsOptions.name }
          : null,
      },
      policy,
      id: newQueueId(),
      nowMs,
    });
    if (decision.kind === "refused") {
      observer.refused(refusalReason(decision.reply));
      return decision.reply;
    }
    const { message } = decision;
    const sizeOctets = message.octets.length;
    await accept(message);
    this.#faults = 0;
    observer.accepted(message, {
      sessionId: this.id,
      sizeOctets,
      dataMs: nowMs - startedMs,
      commitMs: now() - nowMs,
    });
    return reply(250, "0.0", `queued as ${message.id}`);
  }

  /** Our own trouble is a 4yz, and says no more than that. */
  #ownTrouble(context: string, error: unknown): Reply {
    const { observer } = this.#services;
    observer.failed(context, error);
    observer.refused("store");
    return reply(451, "3.0", "Local trouble, try again later");
  }

  #onLineFault(fault: LineFault, done: Done): void {
    if (this._upgrading) return done();
    if (!this._ready) return this.#refuseEarlyTalker();
    this.#reply(lineFaultReply(fault));
    done();
  }

  #reply(answer: Reply): void {
    this.#extendDeadline();
    // Into a handshake nothing is said; a client that closed its own side still gets its replies.
    if (!this._upgrading && this._socket.writable) this._socket.write(formatReply(answer));
    if (answer.code === 421) this.close();
    else if (answer.code >= 500 && ++this.#faults > MAX_FAULTS && !this._closing) {
      this.#reply(reply(421, "7.0", "Too many errors, closing"));
    }
  }

  /** RFC 5321 §4.1.4: after a hello that was refused, the session is what it was before. */
  #hello(protocol: "smtp" | "esmtp", run: () => void): void {
    const before = this.hostNameAppearsAs;
    this.hostNameAppearsAs = false;
    run();
    if (this.hostNameAppearsAs === false) this.hostNameAppearsAs = before;
    else this.#protocol = protocol;
  }

  /** RFC 5321 §4.3.1: the client waits for the greeting. */
  #endGreetPause(): void {
    if (this._closing || this._closed) return;
    if ((this._parser as CommandStream).hasPartialLine) this.#refuseEarlyTalker();
    else this.connectionReady();
  }

  #refuseEarlyTalker(): void {
    this.#reply(reply(421, "7.0", "You talk before the greeting"));
  }

  readonly #refuseHttp = () => this.#reply(reply(421, "7.0", "This is SMTP, not HTTP"));

  /** Goes on with the next command, unless the server is going down. */
  #finish(next: Done): void {
    if (this.#isDraining && this.#transaction === null) this.#sayShutdown();
    else next();
  }

  #sayShutdown(): void {
    if (!this._closing) this.#reply(reply(421, "3.2", "Service is going down, try again later"));
  }

  #extendDeadline(): void {
    this.#deadlineMs = this.#services.now() + this.#services.policy.idleTimeoutMs;
  }

  #releaseReader(): void {
    if (this.#reader === null) return;
    this.#services.memory.release(this.#reader.reservedOctets);
    this.#reader = null;
  }
}

/** Whether anything but spaces stands behind a verb of four letters. */
function hasArgument(command: Buffer): boolean {
  return command.length > 4 && command.toString("latin1").trim().length > 4;
}
