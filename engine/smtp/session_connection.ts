/**
 * One SMTP session: smtp-server's protocol engine with our own stages in place of its AUTH, MAIL, RCPT
 * and DATA.
 */
import type { Buffer } from "node:buffer";
import type { Socket } from "node:net";
import type { SMTPServer } from "smtp-server";
import { formatMailbox, type Mailbox, type Path } from "../mail/path.ts";
import { protocolName } from "../mail/received.ts";
import { intermediateReply, type Reply, reply } from "../mail/reply.ts";
import { type AuthContext, offersAuth } from "./auth.ts";
import type { CommandStream } from "./command_stream.ts";
import { HEADROOM_OCTETS } from "./data.ts";
import { Judging } from "./judging.ts";
import { type AuthTurn, LoginDialogue } from "./login_dialogue.ts";
import { decideMail } from "./mail.ts";
import { MemoryShare } from "./memory_budget.ts";
import { MessageReader } from "./message_reader.ts";
import { decideRcpt, parseRcpt } from "./rcpt.ts";
import { refusalReason } from "./refusal.ts";
import { SendingClaim } from "./sending_claim.ts";
import type { Client, SessionServices, Transaction } from "./session.ts";
import { type Done, SessionTransport } from "./session_transport.ts";
import { takeMessage } from "./take_message.ts";
import { decideVrfy } from "./vrfy.ts";

export class SessionConnection extends SessionTransport {
  readonly #services: SessionServices;
  /** The client as it came. */
  readonly #stranger: Client;
  readonly #login: LoginDialogue;
  readonly #judging: Judging;
  #transaction: Transaction | null = null;
  #reader: MessageReader | null = null;
  readonly #claim: SendingClaim;
  /** What the transaction holds: its recipients, then its message. */
  readonly #memory: MemoryShare;
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
    this.#stranger = options.client;
    this.#services = options.services;
    this.#login = new LoginDialogue(options.services, {
      sessionId: this.id,
      clientAddress: address,
    });
    this.#judging = new Judging(options.services, {
      ...options.client,
      sessionId: this.id,
    });
    this.#claim = new SendingClaim(options.services);
    this.#memory = new MemoryShare(options.services.memory);
  }

  protected override get octetsRead(): number {
    return this.#reader?.readOctets ?? 0;
  }

  protected override get isInTransaction(): boolean {
    return this.#transaction !== null;
  }

  protected override onGone(): void {
    // A message on its way to the store keeps what it holds until it is there.
    if (this.#reader === null || !this._handlerPending) {
      this.#releaseMessage();
      this.#memory.close();
    }
    this.#judging.judge?.close();
    const { listener } = this.#client;
    this.#services.observer.closed({
      listener,
      protocol: this.#protocol,
      tls: listener === "smtps" ? "implicit" : this.secure ? "starttls" : "none",
    });
  }

  protected override refuseToGreet(): Promise<Reply | null> | null {
    return this.#judging.greet()?.catch((error) => this.#ownTrouble("greeting", error)) ?? null;
  }

  protected override onEarlyTalk(): void {
    this.#judging.judge?.spokeEarly();
  }

  override _resetSession(): void {
    super._resetSession();
    this.#transaction = null;
    this.#memory.releaseAll();
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
    const { policy, recipients } = this.#services;
    const expand = (mailbox: Mailbox) => recipients.expand(mailbox, { mayRelay: false });
    this.#say(decideVrfy(command.toString("utf8", 4), { policy, expand }), "VRFY", done);
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

  override upgrade(callback: Done, secureCallback?: Done): void {
    // RFC 3207 §4.2
    this.#login.forget();
    super.upgrade(callback, secureCallback);
  }

  override handler_AUTH(command: Buffer, done: Done): void {
    this.#answerAuth(this.#login.begin(command.toString("latin1", 4), this.#authContext), done);
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
    this.#say(this.#begin(command.subarray(10)), "MAIL", done);
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
    this.#say(this.#addRecipient(parsed.path, transaction), "RCPT", done);
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
    const { policy, now } = this.#services;
    const reader = new MessageReader({
      headroomOctets: HEADROOM_OCTETS,
      maxOctets: policy.maxMessageOctets,
      announcedOctets: transaction.announcedOctets,
      memory: this.#memory,
    });
    this.#reader = reader;
    const startedMs = now();
    (this._parser as CommandStream).readMessage(reader, () => {
      this._handlerPending = true;
      takeMessage(reader.finish(), this.#takeContext(transaction, startedMs), this.#services)
        .catch((error) => this.#ownTrouble("DATA", error))
        .then((answer) => {
          if (answer.code === 250) {
            this.forgive();
            this.#claim.keep();
          }
          this.#releaseMessage();
          this._handlerPending = false;
          this._resetSession();
          this.answer(answer);
          this.goOn(() => this._parser && this._parser.continue());
        });
    });
    this.answer(intermediateReply(354, "End data with <CR><LF>.<CR><LF>"));
  }

  #readWithinLimits(transaction: Transaction, done: Done): void {
    this.#claim.take(this.#client.account!, transaction).then((refusal) => {
      if (this._closed) this.#releaseMessage();
      else if (refusal === null) this.#readMessage(transaction);
      else {
        this._resetSession();
        this.answer(refusal);
      }
    }).catch((error) => this.answer(this.#ownTrouble("DATA", error))).then(done);
  }

  async #begin(argument: Uint8Array): Promise<Reply> {
    const { login, memory, policy, observer } = this.#services;
    const ended = await this.#login.renew();
    if (ended !== null) {
      observer.refused(refusalReason(ended));
      return ended;
    }
    const decision = await decideMail(argument, {
      client: this.#client,
      policy,
      owns: (account, sender) => login.owns(account, sender),
      isFull: memory.isFull,
    });
    if (decision.kind === "refused") {
      observer.refused(refusalReason(decision.reply));
      return decision.reply;
    }
    const { transaction } = decision;
    const refusal = await this.#judging.mail(transaction.reversePath);
    if (refusal !== null) return refusal;
    this.#transaction = transaction;
    // Keeps smtp-server's own notion of a transaction in step.
    this.session.envelope.mailFrom = { address: transaction.reversePath, args: false };
    return decision.reply;
  }

  async #addRecipient(path: Path, transaction: Transaction): Promise<Reply> {
    const { policy, recipients, observer } = this.#services;
    const expansion = await recipients.expand(path, { mayRelay: this.#client.mayRelay });
    // A group is taken whole; what one of its mailboxes has no room for, that one answers for.
    const [only, another] = expansion.kind === "recipients" ? expansion.recipients : [];
    const full = only === undefined || another !== undefined
      ? null
      : await recipients.fullMailbox(only, transaction.announcedOctets);
    const reserve = (octets: number) => this.#memory.reserveForRecipients(octets);
    const decision = decideRcpt(path, { expansion, full, transaction, policy, reserve });
    const isRefused = decision.kind === "refused";
    const mailbox = only?.kind === "local" && another === undefined
      ? formatMailbox(only.user, only.domain)
      : path.mailbox;
    const { named } = transaction;
    const refusal = await this.#judging.rcpt({ path, mailbox, named, isRefused });
    if (isRefused) {
      observer.refused(refusalReason(decision.reply));
      return decision.reply;
    }
    if (refusal !== null) return refusal;
    named.add(path.mailbox);
    for (const recipient of decision.recipients) {
      transaction.recipients.set(recipient.forwardPath, recipient);
    }
    return decision.reply;
  }

  get #client(): Client {
    const { account } = this.#login;
    return account === null ? this.#stranger : { ...this.#stranger, account, mayRelay: true };
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

  #answerAuth(turn: Promise<AuthTurn>, done: Done): void {
    turn.then(({ reply, next }) => {
      if (next !== null) {
        this._nextHandler = (line: Buffer, done: Done) =>
          this.#answerAuth(next(line.toString("latin1")), done);
      }
      // For smtp-server, which then offers AUTH no more.
      this.session.user = this.#login.account?.user.localPart ?? false;
      this.answer(reply);
      done();
    });
  }

  #takeContext(transaction: Transaction, startedMs: number) {
    return {
      transaction,
      startedMs,
      memory: this.#memory,
      judge: this.#judging.judge,
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

  #say(deciding: Promise<Reply>, context: string, done: Done): void {
    deciding.catch((error) => this.#ownTrouble(context, error)).then(async (answer) => {
      await this.#judging.holdBack();
      this.answer(answer);
      done();
    });
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
    else {
      this.#protocol = protocol;
      this.#judging.judge?.hello(this.hostNameAppearsAs || "");
    }
  }

  #releaseMessage(): void {
    this.#claim.giveBack();
    this.#reader = null;
  }
}

/** Whether anything but spaces stands behind a verb of four letters. */
function hasArgument(command: Buffer): boolean {
  return command.length > 4 && command.toString("latin1").trim().length > 4;
}
