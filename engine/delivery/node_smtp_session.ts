/**
 * A delivery session past its EHLO: sends messages over one kept connection, pipelined where the server
 * offers it (RFC 2920). The next envelope travels with the message before it, so that a busy session
 * costs one write and one read a message.
 */
import { Buffer } from "node:buffer";
import type { Socket } from "node:net";
import { stuffDots } from "./dot_stuffing.ts";
import { type AttemptOutcome, deferred, failed, outcomeOfReply } from "./outcome.ts";
import { isWellFormed, ReplyReader } from "./reply_reader.ts";
import type { Transmission, TransmissionResult } from "./transmission.ts";

/** What the server offered in its EHLO reply. */
export interface Extensions {
  readonly pipelining: boolean;
  readonly eightBitMime: boolean;
  readonly smtpUtf8: boolean;
  /** From SIZE; Infinity without one. */
  readonly maxOctets: number;
  readonly size: boolean;
}

export interface SmtpSessionOptions {
  readonly socket: Socket;
  /** LMTP answers a message once for each of its recipients (RFC 2033 §4.2). */
  readonly protocol: "smtp" | "lmtp";
  readonly extensions: Extensions;
  readonly commandTimeoutMs: number;
  readonly now: () => number;
  /** The session takes another transmission now; may be called while one is under way. */
  readonly onReady: () => void;
  /** Once; the session is of no use any more. */
  readonly onClosed: () => void;
}

/** A transmission under way. */
interface Exchange {
  readonly transmission: Transmission;
  readonly outcomes: (AttemptOutcome | null)[];
  readonly resolve: (result: TransmissionResult) => void;
  /** The peer took MAIL. */
  hasBegun: boolean;
  /** The message itself was written: from here on the peer may have taken it. */
  isSent: boolean;
}

const QUIT_LINGER_MS = 5_000;
/** A message may take the time it needs at this rate, on top of the server's time to answer. */
const SLOWEST_OCTETS_PER_MS = 16;
const GATHERED_OCTETS = 32 * 1024;

export class SmtpSession {
  readonly #options: SmtpSessionOptions;
  readonly #replies = new ReplyReader();
  /** What to do with each reply to come, in order. */
  readonly #awaited: ((reply: string) => void)[] = [];
  readonly #exchanges: Exchange[] = [];
  /** What leaves together with the message being sent; `null` while none is. */
  #gathered: Uint8Array[] | null = null;
  #isClosed = false;
  #isLast = false;
  /** A transaction was left open: the next one begins with RSET. */
  #mustReset = false;
  #deadlineMs = Infinity;
  #idleSinceMs: number;
  /** Messages finished over this connection. */
  transmitted = 0;

  constructor(options: SmtpSessionOptions) {
    this.#options = options;
    this.#idleSinceMs = options.now();
    const { socket } = options;
    socket.on("data", (chunk: Buffer) => this.#onData(chunk));
    socket.on("error", (error) => this.#lose(error.message));
    socket.on("end", () => this.#lose("the server closed the connection"));
    socket.on("close", () => this.#lose("the connection closed"));
  }

  /** Whether `transmit` may be called. */
  get isReady(): boolean {
    if (this.#isClosed || this.#isLast) return false;
    const last = this.#exchanges.at(-1);
    return last === undefined ||
      (last.isSent && this.#exchanges.length === 1 && this.#options.extensions.pipelining);
  }

  get isIdle(): boolean {
    return this.#exchanges.length === 0;
  }

  /** When the last message was finished, or the session began. */
  get idleSinceMs(): number {
    return this.#idleSinceMs;
  }

  transmit(transmission: Transmission): Promise<TransmissionResult> {
    const { extensions } = this.#options;
    const refusal = unfit(transmission, extensions);
    if (refusal !== null) {
      const outcomes = transmission.forwardPaths.map(() => refusal);
      return Promise.resolve({ kind: "answered", outcomes });
    }
    return new Promise((resolve) => {
      const exchange: Exchange = {
        transmission,
        outcomes: transmission.forwardPaths.map(() => null),
        resolve,
        hasBegun: false,
        isSent: false,
      };
      this.#exchanges.push(exchange);
      this.#extendDeadline();
      if (extensions.pipelining) this.#writePipelined(exchange);
      else this.#writeStepwise(exchange);
    });
  }

  /** Gives the connection up when the server, or a transmission, let its time run out. */
  checkDeadline(nowMs: number): void {
    if (this.isIdle) return;
    if (nowMs >= this.#deadlineMs) return this.#lose("the server does not answer");
    if (this.#exchanges.some(({ transmission }) => nowMs >= transmission.endBeforeMs)) {
      this.#lose("the server takes too long");
    }
  }

  /** Ends an idle session politely, any other at once. */
  close(): void {
    if (this.#isClosed) return;
    if (!this.isIdle) return this.#lose("the connection was given up");
    const { socket } = this.#options;
    this.#isClosed = true;
    socket.end("QUIT\r\n");
    const timer = setTimeout(() => socket.destroy(), QUIT_LINGER_MS);
    socket.once("close", () => clearTimeout(timer));
    this.#options.onClosed();
  }

  #writePipelined(exchange: Exchange): void {
    const { forwardPaths } = exchange.transmission;
    let commands = this.#mailCommand(exchange.transmission);
    for (const path of forwardPaths) commands += `RCPT TO:<${path}>\r\n`;
    if (this.#mustReset) commands = `RSET\r\n${commands}`;
    this.#awaitReset();
    this.#awaited.push((reply) => this.#onMailReply(exchange, reply));
    for (let i = 0; i < forwardPaths.length; i++) {
      this.#awaited.push((reply) => this.#onRcptReply(exchange, i, reply));
    }
    this.#awaited.push((reply) => this.#onDataReply(exchange, reply));
    this.#write(commands + "DATA\r\n");
  }

  #writeStepwise(exchange: Exchange): void {
    const { socket } = this.#options;
    const { forwardPaths } = exchange.transmission;
    const sendRcpt = (i: number) => {
      if (!exchange.outcomes.includes(null)) {
        this.#mustReset = exchange.hasBegun;
        return this.#finish(exchange);
      }
      if (i === forwardPaths.length) {
        this.#awaited.push((reply) => this.#onDataReply(exchange, reply));
        return void socket.write("DATA\r\n");
      }
      this.#awaited.push((reply) => {
        this.#onRcptReply(exchange, i, reply);
        sendRcpt(i + 1);
      });
      socket.write(`RCPT TO:<${forwardPaths[i]}>\r\n`);
    };
    const sendMail = () => {
      this.#awaited.push((reply) => {
        this.#onMailReply(exchange, reply);
        sendRcpt(0);
      });
      socket.write(this.#mailCommand(exchange.transmission));
    };
    if (!this.#mustReset) return sendMail();
    this.#awaitReset(sendMail);
    socket.write("RSET\r\n");
  }

  #awaitReset(proceed?: () => void): void {
    if (!this.#mustReset) return;
    this.#mustReset = false;
    this.#awaited.push((reply) => {
      if (reply.startsWith("2")) proceed?.();
      else this.#lose(reply);
    });
  }

  #mailCommand(transmission: Transmission): string {
    const { extensions } = this.#options;
    let command = `MAIL FROM:<${transmission.reversePath}>`;
    if (extensions.size) command += ` SIZE=${transmission.octets.length}`;
    // Departs from RFC 6152 §3: eight-bit mail goes as it is to a server that does not announce
    // 8BITMIME; the servers that mangle it are gone, and converting would break its signatures.
    if (extensions.eightBitMime && transmission.bodyType === "8bitmime") {
      command += " BODY=8BITMIME";
    }
    if (transmission.needsSmtpUtf8) command += " SMTPUTF8";
    return command + "\r\n";
  }

  #onMailReply(exchange: Exchange, reply: string): void {
    const outcome = outcomeOfReply(reply, "mail");
    if (outcome.kind === "delivered") exchange.hasBegun = true;
    else exchange.outcomes.fill(outcome);
  }

  #onRcptReply(exchange: Exchange, index: number, reply: string): void {
    const outcome = outcomeOfReply(reply, "rcpt");
    if (outcome.kind !== "delivered") exchange.outcomes[index] ??= outcome;
  }

  #onDataReply(exchange: Exchange, reply: string): void {
    const { socket } = this.#options;
    const hasRecipient = exchange.outcomes.includes(null);
    if (!reply.startsWith("354")) {
      // Neither yes nor no: the server answers out of step, or takes commands for the message.
      if (!/^[45]/.test(reply)) return this.#lose(`unexpected reply to DATA: ${reply}`, "5.0");
      if (hasRecipient) this.#fill(exchange, outcomeOfReply(reply, "data"));
      this.#mustReset = exchange.hasBegun;
      return this.#finish(exchange);
    }
    if (!hasRecipient) {
      // The server takes a message for nobody: end it with nothing in it, and trust it no further.
      this.#isLast = true;
      this.#awaited.push(() => this.#finish(exchange));
      return void socket.write(".\r\n");
    }
    this.#awaitAnswers(exchange);
    exchange.isSent = true;
    this.#extendDeadline(exchange.transmission.octets.length / SLOWEST_OCTETS_PER_MS);
    this.#gathered = [...stuffDots(exchange.transmission.octets)];
    // Whoever is called may hand over the next transmission, which leaves in the same segment.
    if (this.isReady) this.#options.onReady();
    const pieces = this.#gathered;
    this.#gathered = null;
    // A small message costs less copied together than written in pieces.
    if (exchange.transmission.octets.length <= GATHERED_OCTETS) socket.write(Buffer.concat(pieces));
    else for (const piece of pieces) socket.write(piece);
  }

  #awaitAnswers(exchange: Exchange): void {
    if (this.#options.protocol === "smtp") {
      this.#awaited.push((final) => {
        this.#fill(exchange, outcomeOfReply(final, "data"));
        this.#finish(exchange);
      });
      return;
    }
    // RFC 2033 §4.2: in the order of the recipients that were accepted.
    const { outcomes } = exchange;
    for (const [index, outcome] of outcomes.entries()) {
      if (outcome !== null) continue;
      this.#awaited.push((final) => {
        outcomes[index] = outcomeOfReply(final, "data");
        if (!outcomes.includes(null)) this.#finish(exchange);
      });
    }
  }

  #write(commands: string): void {
    if (this.#gathered === null) this.#options.socket.write(commands);
    else this.#gathered.push(Buffer.from(commands));
  }

  #fill(exchange: Exchange, outcome: AttemptOutcome): void {
    exchange.outcomes.forEach((known, i) => exchange.outcomes[i] = known ?? outcome);
  }

  #finish(exchange: Exchange): void {
    this.#exchanges.splice(this.#exchanges.indexOf(exchange), 1);
    this.#idleSinceMs = this.#options.now();
    this.transmitted++;
    exchange.resolve({ kind: "answered", outcomes: exchange.outcomes as AttemptOutcome[] });
    if (this.#isLast && this.isIdle) return this.close();
    if (this.isReady) this.#options.onReady();
  }

  #onData(chunk: Buffer): void {
    if (this.#isClosed) return;
    const replies = this.#replies.feed(chunk.toString("latin1"));
    if (replies === null) return this.#lose("the server's reply has no end", "5.0");
    for (const reply of replies) {
      if (this.#isClosed) return;
      if (!isWellFormed(reply)) return this.#lose(`unintelligible reply: ${reply}`, "5.0");
      // RFC 5321 §4.2.1: 421 ends the connection, whatever it answers.
      if (reply.startsWith("421")) return this.#lose(reply);
      const take = this.#awaited.shift();
      if (take === undefined) return this.#lose(`unexpected reply: ${reply}`, "5.0");
      this.#extendDeadline();
      take(reply);
    }
  }

  /** Only whole replies win time: a server that trickles octets is as slow as a silent one. */
  #extendDeadline(extraMs = 0): void {
    this.#deadlineMs = this.#options.now() + this.#options.commandTimeoutMs + extraMs;
  }

  /** The connection is gone: whatever is under way ends here. */
  #lose(diagnostic: string, subjectDetail = "4.2"): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#options.socket.destroy();
    // The first message finds out whether the server is of any use; the others may blame the connection.
    let isFirst = this.transmitted === 0;
    for (const exchange of this.#exchanges.splice(0)) {
      const hasAnswer = exchange.outcomes.some((outcome) => outcome !== null);
      if (!exchange.isSent && !hasAnswer && !isFirst) {
        exchange.resolve({ kind: "untried", diagnostic });
        continue;
      }
      isFirst = false;
      const outcome = diagnostic.startsWith("421 ") || diagnostic.startsWith("421-")
        ? outcomeOfReply(diagnostic, "data")
        : deferred(subjectDetail, diagnostic);
      this.#fill(exchange, outcome);
      exchange.resolve({ kind: "answered", outcomes: exchange.outcomes as AttemptOutcome[] });
    }
    this.#options.onClosed();
  }
}

/** Why the server cannot be given the message at all, if so. */
function unfit(transmission: Transmission, extensions: Extensions): AttemptOutcome | null {
  if (transmission.octets.length > extensions.maxOctets) {
    return failed("3.4", `the server takes ${extensions.maxOctets} octets at the most`);
  }
  // RFC 6531 §3.2
  if (transmission.needsSmtpUtf8 && !extensions.smtpUtf8) {
    return failed("6.7", "the server does not take internationalised mail (SMTPUTF8)");
  }
  return null;
}
