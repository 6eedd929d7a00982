/** What a session asks its judge, if it has one, and what comes of it as replies. Judges nothing itself. */
import type { Reply } from "../mail/reply.ts";
import type { InboundRefusal, JudgedRecipient, SessionJudge } from "./inbound.ts";
import type { Client, SessionServices } from "./session.ts";

export class Judging {
  /** `null` for clients that nobody judges. */
  readonly judge: SessionJudge | null;
  readonly #observer: SessionServices["observer"];

  constructor(
    { inbound, observer }: Pick<SessionServices, "inbound" | "observer">,
    client: Client & { readonly sessionId: string },
  ) {
    const isStranger = client.listener === "smtp" && !client.mayRelay;
    this.judge = isStranger ? inbound.open(client) : null;
    this.#observer = observer;
  }

  /** What is said in place of the greeting; without a promise where there is nothing to ask. */
  greet(): Promise<Reply | null> | null {
    return this.judge === null ? null : this.#refusalOf(this.judge.greet());
  }

  async mail(reversePath: string): Promise<Reply | null> {
    return await this.#refusalOf(this.judge?.mail(reversePath));
  }

  async rcpt(recipient: JudgedRecipient): Promise<Reply | null> {
    return await this.#refusalOf(this.judge?.rcpt(recipient));
  }

  /** Resolves when the next answer may be given. */
  async holdBack(): Promise<void> {
    const delayMs = this.judge?.replyDelayMs() ?? 0;
    if (delayMs > 0) await new Promise((resolve) => setTimeout(resolve, delayMs));
  }

  async #refusalOf(judging: Promise<InboundRefusal | null> | undefined): Promise<Reply | null> {
    const refusal = await judging ?? null;
    if (refusal === null) return null;
    this.#observer.refused(refusal.reason);
    return refusal.reply;
  }
}
