/**
 * One SMTP session: smtp-server's protocol engine with our own stages in place of its MAIL, RCPT and
 * DATA, our own reading of lines and messages, and deadlines kept by one clock for all sessions.
 */
import type { Buffer } from "node:buffer";
import type { Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import { protocolName } from "../mail/received.ts";
import { intermediateReply, type Reply, reply } from "../mail/reply.ts";
import { SMTPConnection } from "smtp-server/lib/smtp-connection.js";
import type { SMTPServer } from "smtp-server";
import { CommandStream, type LineFault } from "./command_stream.ts";
import { decideData, TRACE_HEADROOM_OCTETS } from "./data.ts";
import { decideMail } from "./mail.ts";
import { MessageReader } from "./message_reader.ts";
import { decideRcpt, parseRcpt } from "./rcpt.ts";
import type { Client, RefusalReason, SessionServices, Transaction } from "./session.ts";

/** Replies of the 5yz kind a session may collect before it ends. */
const MAX_FAULTS = 20;
/** Octets a second a message must come in at, past the idle time-out; below it is no honest client. */
const MIN_OCTETS_PER_SECOND = 512;

type Done = () => void;

export class SessionConnection extends SMTPConnection {
  readonly #services: SessionServices;
  readonly #client: Client;
  #transaction: Transaction | null = null;
  #reader: MessageReader | null = null;
  #deadlineMs = Infinity;
  #faults = 0;
  #isDraining = false;

  constructor(
    server: SMTPServer,
    socket: Socket,
    options: { readonly client: Client; readonly services: SessionServices },
  ) {
    super(server, socket, {
      remoteAddress: options.client.address,
      remotePort: options.client.port,
      localAddress: "::",
    });
    this.#client = options.client;
    this.#services = options.services;
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
      else setTimeout(() => this._closed || this.connectionReady(), greetPauseMs);
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
  override _armTimeout(): void {
    this.#extendDeadline();
  }

  override _resetSession(): void {
    super._resetSession();
    this.#transaction = null;
  }

  override _getEnhancedStatusCode(code: number, context?: string | false): string {
    if (typeof context === "string" && /^\d\.\d+\.\d+$/.test(context)) return context;
    return super._getEnhancedStatusCode(code, context);
  }

  override send(code: number, data?: string | string[] | null, context?: string | false): void {
    this.#extendDeadline();
    super.send(code, data, context);
    if (code >= 500 && ++this.#faults > MAX_FAULTS && !this._closing) {
      this.#reply(reply(421, "7.0", "Too many errors, closing"));
    }
  }

  override handler_HELP(_command: Buffer, done: Done): void {
    this.#reply(reply(214, "0.0", "RFC 5321 tells what may be said here"));
    done();
  }

  override handler_VRFY(command: Buffer, done: Done): void {
    // RFC 5321 §3.5.3: neither confirmed nor denied.
    if (command.toString("latin1").trim().length <= 4) {
      this.#reply(reply(501, "5.4", "VRFY takes an address"));
    } else this.#reply(reply(252, "0.0", "Cannot VRFY, but will take the message and try"));
    done();
  }

  handler_EXPN(_command: Buffer, done: Done): void {
    this.#reply(reply(502, "5.1", "EXPN is not implemented"));
    done();
  }

  override handler_RSET(command: Buffer, done: Done): void {
    if (command.length > 4 && command.toString("latin1").trim().length > 4) {
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
    if (command.length > 4 && command.toString("latin1").trim().length > 4) {
      this.#reply(reply(501, "5.4", "DATA takes no argument"));
    } else if (transaction === null) this.#reply(reply(503, "5.1", "MAIL first"));
    else if (transaction.recipients.size === 0) {
      // RFC 5321 §3.3
      this.#reply(reply(554, "5.1", "No valid recipients"));
    } else this.#readMessage(transaction);
    done();
  }

  override _onClose(): void {
    this.#releaseReader();
    if (!this._closed) {
      const { listener } = this.#client;
      this.#services.observer.closed({
        listener,
        protocol: this.openingCommand === "EHLO" ? "esmtp" : this.openingCommand ? "smtp" : "none",
        tls: listener === "smtps" ? "implicit" : this.secure ? "starttls" : "none",
      });
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
          extended: this.openingCommand === "EHLO",
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
    switch (fault) {
      case "too_long":
        // RFC 5321 §4.5.3.1.9
        this.#reply(reply(500, "5.2", "Line too long"));
        break;
      case "bare_line_end":
        this.#reply(reply(500, "5.2", "Line has a bare CR or LF; lines end in CRLF"));
        break;
      case "nul":
        this.#reply(reply(500, "5.2", "Line has a NUL octet"));
        break;
    }
    done();
  }

  #reply(answer: Reply): void {
    this.send(answer.code, answer.text, answer.enhancedStatus ?? false);
  }

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

/** The metric's reason, by what the reply's enhanced status tells (RFC 3463). */
function refusalReason({ enhancedStatus }: Reply): RefusalReason {
  switch (enhancedStatus?.slice(2)) {
    case "1.1":
    case "5.3":
      return "recipients";
    case "1.7":
      return "sender";
    case "3.1":
      return "memory";
    case "3.4":
      return "size";
    case "4.6":
      return "hops";
    case "7.1":
      return "relay";
    case "7.0":
      return "policy";
    default:
      return "syntax";
  }
}
