/**
 * One SMTP session: smtp-server's protocol engine with our own stages in place of its AUTH, MAIL, RCPT
 * and DATA.
 */
import type { Buffer } from "node:buffer";
import type { Socket } from "node:net";
import type { SMTPServer } from "smtp-server";
import type { LoginResult } from "../login/authenticator.ts";
import { continueSasl, type Credentials, type SaslStep, startSasl } from "../login/sasl.ts";
import { parseMailbox, type Path } from "../mail/path.ts";
import { protocolName } from "../mail/received.ts";
import { intermediateReply, type Reply, reply } from "../mail/reply.ts";
import { type AuthContext, decideAuth, loginReply, offersAuth } from "./auth.ts";
import type { CommandStream } from "./command_stream.ts";
import { headroomOctets } from "./data.ts";
import { decideMail } from "./mail.ts";
import { MessageReader } from "./message_reader.ts";
import { decideRcpt, parseRcpt } from "./rcpt.ts";
import { limitReply, refusalReason } from "./refusal.ts";
import type { Client, SessionServices, Transaction } from "./session.ts";
import { type Done, SessionTransport } from "./session_transport.ts";
import { takeMessage } from "./take_message.ts";

/** Failed logins a session may collect before it ends. */
const MAX_LOGIN_FAILURES = 5;

export class SessionConnection extends SessionTransport {
  readonly #services: SessionServices;
  #client: Client;
  #transaction: Transaction | null = null;
  #reader: MessageReader | null = null;
  #loginFailures = 0;
  /** While EHLO lists its extensions. */
  #isListing = false;
  /** By the last HELO or EHLO that was accepted. */
  #protocol: "none" | "smtp" | "esmtp" = "none";

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
    const { client: { address, port }, services: { policy, now }, onClosed } = options;
    const { idleTimeoutMs, greetPauseMs } = policy;
    super(server, socket, { address, port, idleTimeoutMs, greetPauseMs, now, onClosed });
    this.#client = options.client;
    this.#services = options.services;
  }

  protected override get octetsRead(): number {
    return this.#reader?.readOctets ?? 0;
  }

  protected override get isInTransaction(): boolean {
    return this.#transaction !== null;
  }

  protected override onGone(): void {
    // A message on its way to the store keeps its memory until it is there.
    if (!this._handlerPending) this.#releaseReader();
    const { listener } = this.#client;
    this.#services.observer.closed({
      listener,
      protocol: this.#protocol,
      tls: listener === "smtps" ? "implicit" : this.secure ? "starttls" : "none",
    });
  }

  override _resetSession(): void {
    super._resetSession();
    this.#transaction = null;
  }

  override _isSupported(command: string): boolean {
    if (command !== "AUTH") return super._isSupported(command);
    // EHLO names what may be used now; the command itself is answered wherever users log in at all.
    return this.#isListing ? offersAuth(this.#authContext) : this.#authContext.methods.length > 0;
  }

  override handler_EHLO(command: Buffer, done: Done): void {
    this.#isListing = true;
    this.#hello("esmtp", () => super.handler_EHLO(command, () => {}));
    this.#isListing = false;
    done();
  }

  override handler_HELO(command: Buffer, done: Done): void {
    this.#hello("smtp", () => super.handler_HELO(command, () => {}));
    done();
  }

  override handler_QUIT(command: Buffer, done: Done): void {
    // RFC 5321 §4.1.1
    if (hasArgument(command)) {
      this.answer(reply(501, "5.4", "QUIT takes no argument"));
      done();
    } else super.handler_QUIT(command, done);
  }

  override handler_HELP(_command: Buffer, done: Done): void {
    this.answer(reply(214, "0.0", "RFC 5321 tells what may be said here"));
    done();
  }

  override handler_VRFY(command: Buffer, done: Done): void {
    this.#verify(command.subarray(4))
      .catch((error) => this.#ownTrouble("VRFY", error))
      .then((answer) => {
        this.answer(answer);
        done();
      });
  }

  handler_EXPN(_command: Buffer, done: Done): void {
    this.answer(reply(502, "5.1", "EXPN is not implemented"));
    done();
  }

  override handler_RSET(command: Buffer, done: Done): void {
    if (hasArgument(command)) {
      this.answer(reply(501, "5.4", "RSET takes no argument"));
    } else super.handler_RSET(command, () => {});
    this.goOn(done);
  }

  override handler_AUTH(command: Buffer, done: Done): void {
    const decision = decideAuth(command.toString("latin1", 4), this.#authContext);
    if (decision.kind === "refused") {
      this.answer(decision.reply);
      return done();
    }
    const { method, initialResponse } = decision;
    const { newNonce, now, policy } = this.#services;
    const challenge = `<${newNonce()}.${now()}@${policy.hostname}>`;
    this.#continueAuth(startSasl(method, initialResponse, { challenge }), done);
  }

  override handler_MAIL(command: Buffer, done: Done): void {
    if (!/^MAIL FROM:/i.test(command.toString("latin1", 0, 10))) {
      this.answer(reply(501, "5.4", "Syntax: MAIL FROM:<address>"));
      return done();
    }
    if (this.#transaction !== null) {
      this.answer(reply(503, "5.1", "A transaction is under way already"));
      return done();
    }
    if (this.isDraining) return this.sayShutdown();
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
    this.answer(decision.reply);
    done();
  }

  override handler_RCPT(command: Buffer, done: Done): void {
    const transaction = this.#transaction;
    if (transaction === null) {
      this.answer(reply(503, "5.1", "MAIL first"));
      return done();
    }
    if (!/^RCPT TO:/i.test(command.toString("latin1", 0, 8))) {
      this.answer(reply(501, "5.4", "Syntax: RCPT TO:<address>"));
      return done();
    }
    const { policy } = this.#services;
    const parsed = parseRcpt(command.subarray(8), { transaction, policy });
    if (parsed.kind === "refused") {
      this.answer(parsed.reply);
      return done();
    }
    this.#addRecipient(parsed.path, transaction)
      .catch((error) => this.#ownTrouble("RCPT", error))
      .then((answer) => {
        this.answer(answer);
        done();
      });
  }

  override handler_DATA(command: Buffer, done: Done): void {
    const transaction = this.#transaction;
    if (hasArgument(command)) {
      this.answer(reply(501, "5.4", "DATA takes no argument"));
    } else if (transaction === null) this.answer(reply(503, "5.1", "MAIL first"));
    else if (transaction.recipients.size === 0) {
      // RFC 5321 §3.3
      this.answer(reply(554, "5.1", "No valid recipients"));
    } else if (this.#client.account !== null) return this.#readWithinLimits(transaction, done);
    else this.#readMessage(transaction);
    done();
  }

  #readMessage(transaction: Transaction): void {
    const { memory, policy, now } = this.#services;
    const reader = new MessageReader({
      headroomOctets: headroomOctets(this.#client),
      maxOctets: policy.maxMessageOctets,
      announcedOctets: transaction.announcedOctets,
      reserve: (octets) => memory.reserve(octets),
    });
    this.#reader = reader;
    const startedMs = now();
    (this._parser as CommandStream).readMessage(reader, () => {
      this._handlerPending = true;
      takeMessage(reader.finish(), this.#takeContext(transaction, startedMs), this.#services)
        .catch((error) => this.#ownTrouble("DATA", error))
        .then((answer) => {
          if (answer.code === 250) this.forgive();
          this.#releaseReader();
          this._handlerPending = false;
          this._resetSession();
          this.answer(answer);
          this.goOn(() => this._parser && this._parser.continue());
        });
    });
    this.answer(intermediateReply(354, "End data with <CR><LF>.<CR><LF>"));
  }

  /** Counts the recipients against what the user may send (RFC 4954 leaves such limits to us). */
  #readWithinLimits(transaction: Transaction, done: Done): void {
    const { login, observer } = this.#services;
    login.claim(this.#client.account!, transaction.named.size).then((claim) => {
      if (claim.kind === "granted") this.#readMessage(transaction);
      else {
        observer.refused("rate");
        this._resetSession();
        this.answer(limitReply(claim));
      }
    }).catch((error) => this.answer(this.#ownTrouble("DATA", error))).then(done);
  }

  async #addRecipient(path: Path, transaction: Transaction): Promise<Reply> {
    const { policy, recipients, observer } = this.#services;
    const expansion = await recipients.expand(path, { mayRelay: this.#client.mayRelay });
    // A group is taken whole; what one of its mailboxes has no room for, that one answers for.
    const [only, another] = expansion.kind === "recipients" ? expansion.recipients : [];
    const full = only === undefined || another !== undefined
      ? null
      : await recipients.fullMailbox(only, transaction.announcedOctets);
    const decision = decideRcpt(path, { expansion, full, transaction, policy });
    if (decision.kind === "refused") observer.refused(refusalReason(decision.reply));
    else {
      transaction.named.add(path.mailbox);
      for (const recipient of decision.recipients) {
        transaction.recipients.set(recipient.forwardPath, recipient);
      }
    }
    return decision.reply;
  }

  /** RFC 5321 §3.5.3: neither confirmed nor denied, unless the operator wants it otherwise. */
  async #verify(argument: Buffer): Promise<Reply> {
    const text = argument.toString("utf8").trim();
    if (text === "") return reply(501, "5.4", "VRFY takes an address");
    if (!this.#services.policy.answersVrfy) {
      return reply(252, "0.0", "Cannot VRFY, but will take the message and try");
    }
    const mailbox = parseMailbox(text.replace(/^<(.*)>$/, "$1"));
    if (typeof mailbox === "string") return reply(501, "1.3", "Bad address syntax");
    const expansion = await this.#services.recipients.expand(mailbox, { mayRelay: false });
    return expansion.kind === "refused"
      ? expansion.reply
      : reply(250, "1.5", `<${mailbox.mailbox}>`);
  }

  get #authContext(): AuthContext {
    const { authMethods, allowsAuthWithoutTls } = this.#services.policy;
    return {
      // Logins belong to submission (RFC 8314 §3.3).
      methods: this.#client.listener === "smtp" ? [] : authMethods,
      isSecure: this.secure,
      allowsPlainText: allowsAuthWithoutTls,
      hasGreeted: this.#protocol === "esmtp",
      isLoggedIn: this.#client.account !== null,
      isInTransaction: this.isInTransaction,
    };
  }

  #continueAuth(step: SaslStep, done: Done): void {
    switch (step.kind) {
      case "prompt":
        this._nextHandler = (line: Buffer, next: Done) =>
          this.#continueAuth(continueSasl(step.state, line.toString("latin1")), next);
        this.answer(intermediateReply(334, step.text));
        return done();
      case "cancelled":
        // RFC 4954 §4
        this.answer(reply(501, "0.0", "Login cancelled"));
        return done();
      case "malformed":
        this.answer(reply(501, "5.2", "Cannot read this response"));
        return done();
      case "credentials":
        this.#logIn(step.credentials).then(done);
    }
  }

  async #logIn(credentials: Credentials): Promise<void> {
    const { login, observer } = this.#services;
    const { address: clientAddress } = this.#client;
    let result: LoginResult;
    try {
      result = await login.authenticate(credentials, { address: clientAddress });
    } catch (error) {
      observer.failed("AUTH", error);
      result = { kind: "unavailable" };
    }
    const { name, method } = credentials;
    observer.login(result, { sessionId: this.id, clientAddress, method, name });
    if (result.kind === "granted") {
      const { account } = result;
      this.#client = { ...this.#client, account, mayRelay: true };
      // For smtp-server, which then offers AUTH no more.
      this.session.user = account.user.localPart;
    } else if (result.kind === "refused") {
      const delayMs = login.failureDelayMs(++this.#loginFailures);
      if (delayMs > 0) await new Promise((resolve) => setTimeout(resolve, delayMs));
    }
    this.answer(
      this.#loginFailures >= MAX_LOGIN_FAILURES
        ? reply(421, "7.0", "Too many failed logins, closing")
        : loginReply(result),
    );
  }

  #takeContext(transaction: Transaction, startedMs: number) {
    return {
      transaction,
      startedMs,
      sessionId: this.id,
      arrival: {
        client: this.#client,
        heloName: this.hostNameAppearsAs || "",
        protocol: protocolName({
          extended: this.#protocol === "esmtp",
          tls: this.secure,
          authenticated: this.#client.account !== null,
          smtpUtf8: transaction.smtpUtf8,
        }),
        tls: this.tlsOptions
          ? { version: this.tlsOptions.version, cipher: this.tlsOptions.name }
          : null,
      },
    };
  }

  /** Our own trouble is a 4yz, and says no more than that. */
  #ownTrouble(context: string, error: unknown): Reply {
    const { observer } = this.#services;
    observer.failed(context, error);
    observer.refused("store");
    return reply(451, "3.0", "Local trouble, try again later");
  }

  /** RFC 5321 §4.1.4: after a hello that was refused, the session is what it was before. */
  #hello(protocol: "smtp" | "esmtp", run: () => void): void {
    const before = this.hostNameAppearsAs;
    this.hostNameAppearsAs = false;
    run();
    if (this.hostNameAppearsAs === false) this.hostNameAppearsAs = before;
    else this.#protocol = protocol;
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
