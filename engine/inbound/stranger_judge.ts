/**
 * Judges one session of a stranger up to DATA: how much it may do, what the DNS says of its address and name,
 * what the operator's policy says. The message itself is judged in `judge_message.ts`.
 */
import type { SpfResults } from "../auth/spf.ts";
import { policyClient } from "../filters/policy_facts.ts";
import type { HookName } from "../filters/policy_hooks.ts";
import { isAlwaysReachable, judgeConnection, refusingList } from "../limits/connection_policy.ts";
import { tarpitDelayMs } from "../limits/tarpit.ts";
import type {
  InboundRefusal,
  InboundRefusalReason,
  JudgedMessage,
  JudgedRecipient,
  MessageJudgement,
  SessionJudge,
} from "../smtp/inbound.ts";
import type { ClientFacts } from "../spam/facts.ts";
import { ClientInquiry } from "./client_inquiry.ts";
import { NO_STANDING, type PolicyStanding, withOpinion } from "./hooks.ts";
import { judgeMessage } from "./judge_message.ts";
import { actionOf, type JudgedSession, type RuleHit } from "./observer.ts";
import type { JudgeServices, RuleRefusal } from "./services.ts";

/** A refusal and the reason metrics know it by. */
type Found = RuleRefusal & { readonly reason: InboundRefusalReason };

/** Made once: each abort without a reason makes an error with a trace of its own. */
const OVER = new Error("the transaction is over");

export class StrangerJudge implements SessionJudge {
  readonly #services: JudgeServices;
  readonly #session: JudgedSession;
  readonly #clientPort: number;
  readonly #inquiry: ClientInquiry;
  /** What the operator's policy says of the client, and of the transaction. */
  #clientStanding: PolicyStanding = NO_STANDING;
  #standing: PolicyStanding = NO_STANDING;
  #reversePath = "";
  /** Of this transaction, once somebody asked. */
  #spf: Promise<SpfResults> | null = null;
  #transaction = new AbortController();
  /** Recipients of it whom the policy accepts mail for, whatever it is. */
  readonly #accepted = new Set<string>();
  #isClosed = false;
  #hasBegun = false;
  #refusals = 0;
  #tarpitPlace: Disposable | null = null;

  constructor(services: JudgeServices, client: JudgedSession & { readonly clientPort: number }) {
    const { clientPort, ...session } = client;
    this.#services = services;
    this.#session = session;
    this.#clientPort = clientPort;
    this.#inquiry = new ClientInquiry(services.questions, session.clientAddress);
  }

  async greet(): Promise<InboundRefusal | null> {
    const { rates, hooks } = this.#services;
    const tooMany = await rates.connection(this.#session.clientAddress);
    if (tooMany !== null) return this.#refuse({ ...tooMany, reason: "rate" });
    this.#inquiry.begin();
    if (!hooks.has("onConnect")) return null;
    const refusal = await this.#ask("onConnect", await this.#inquiry.facts());
    this.#clientStanding = this.#standing;
    return refusal;
  }

  spokeEarly(): void {
    const reason = "You talk before the greeting";
    this.#hit({ rule: "early_talker", action: "deferred", reason });
  }

  hello(heloName: string): void {
    this.#inquiry.hello(heloName);
  }

  async mail(reversePath: string): Promise<InboundRefusal | null> {
    const { hooks } = this.#services;
    const { heloName } = this.#inquiry;
    this.#hasBegun = true;
    this.#reversePath = reversePath;
    this.#standing = this.#clientStanding;
    // Asked about with the first recipient, which is metered: a client may begin as often as it likes.
    this.#transaction.abort(OVER);
    this.#transaction = new AbortController();
    this.#spf = null;
    this.#accepted.clear();
    if (!hooks.has("onMail")) return null;
    return await this.#ask("onMail", await this.#inquiry.facts(), { heloName, reversePath });
  }

  async rcpt({ path, mailbox, named, isRefused }: JudgedRecipient): Promise<InboundRefusal | null> {
    if (isRefused) {
      this.#refusals++;
      return null;
    }
    const { rates, hooks } = this.#services;
    const reversePath = this.#reversePath;
    const forwardPath = path.mailbox;
    const tooMany = await rates.recipient({
      address: this.#session.clientAddress,
      reversePath,
      mailbox,
      isFirst: named.size === 0,
    }, { isProven: async () => (await this.#askSpf()).mfrom.verdict === "pass" });
    if (tooMany !== null) return this.#refuse({ ...tooMany, reason: "rate" }, forwardPath);
    this.#askSpf();
    const client = await this.#inquiry.facts();
    if (hooks.has("onRcpt")) {
      const before = this.#standing;
      const recipients = [...named];
      const { heloName } = client;
      const refusal = await this.#ask("onRcpt", client, {
        ...{ heloName, reversePath, forwardPath, recipients },
      });
      if (refusal !== null) return refusal;
      // What is accepted for one recipient is not for the others.
      if (this.#standing.isAccepted) this.#accepted.add(forwardPath);
      this.#standing = { ...this.#standing, isAccepted: before.isAccepted };
    }
    if (this.#standing.isAccepted || this.#accepted.has(forwardPath)) return null;
    const found = await this.#judgeClient(client, isAlwaysReachable(path.localPart));
    return found === null ? null : this.#refuse(found, forwardPath);
  }

  async message(message: JudgedMessage): Promise<MessageJudgement> {
    const [client, spf] = await Promise.all([this.#inquiry.facts(), this.#askSpf()]);
    const isAccepted = this.#standing.isAccepted ||
      [...message.named].every((path) => this.#accepted.has(path));
    const standing = { ...this.#standing, isAccepted };
    const [session, clientPort] = [this.#session, this.#clientPort];
    const context = { session, clientPort, client, spf, standing };
    return await judgeMessage(message, context, this.#services);
  }

  replyDelayMs(): number {
    const { policy: { tarpit }, tarpitPlaces } = this.#services;
    const { listWeight } = this.#inquiry;
    const delayMs = tarpitDelayMs({ listWeight, refusals: this.#refusals }, tarpit);
    if (delayMs === 0 || this.#isClosed) return 0;
    this.#tarpitPlace ??= tarpitPlaces.enter();
    return this.#tarpitPlace === null ? 0 : delayMs;
  }

  close(): void {
    this.#isClosed = true;
    this.#transaction.abort(OVER);
    this.#tarpitPlace?.[Symbol.dispose]();
    this.#tarpitPlace = null;
  }

  #askSpf(): Promise<SpfResults> {
    const { clientAddress } = this.#session;
    const { heloName } = this.#inquiry;
    const reversePath = this.#reversePath;
    const { signal } = this.#transaction;
    return this.#spf ??= this.#services.spf({ clientAddress, heloName, reversePath, signal });
  }

  async #ask(
    hook: Exclude<HookName, "onRoute" | "onMessage">,
    client: ClientFacts,
    facts: { readonly forwardPath?: string; readonly [name: string]: unknown } = {},
  ): Promise<InboundRefusal | null> {
    const { hooks, now } = this.#services;
    const { sessionId } = this.#session;
    const opinion = await hooks.ask(hook, {
      ...{ nowMs: now(), sessionId, client: policyClient(client) },
      ...facts,
    });
    this.#standing = withOpinion(this.#standing, opinion);
    if (opinion.kind !== "refused") return null;
    const { reply } = opinion;
    return this.#refuse({ rule: "policy", reply, reason: "policy" }, facts.forwardPath);
  }

  async #judgeClient(client: ClientFacts, isExempt: boolean): Promise<Found | null> {
    const { policy: { connection }, questions } = this.#services;
    const list = isExempt ? null : refusingList(client, connection);
    const listExplanation = list === null ? null : await questions.explainListing(list);
    const decision = judgeConnection(client, connection, { isExempt, listExplanation });
    if (decision.kind === "ok") return null;
    return { ...decision, reason: decision.rule === "dns_list" ? "lists" : "policy" };
  }

  #refuse({ rule, reply, reason }: Found, forwardPath?: string): InboundRefusal {
    if (reply.severity === "permanent") this.#refusals++;
    this.#hit({ rule, action: actionOf(reply), forwardPath, reason: reply.text });
    return { reason, reply };
  }

  #hit(hit: Pick<RuleHit, "rule" | "action" | "reason" | "forwardPath">): void {
    const sender = this.#hasBegun ? { reversePath: this.#reversePath } : {};
    this.#services.observer.hit({ ...this.#session, ...sender, ...hit });
  }
}
