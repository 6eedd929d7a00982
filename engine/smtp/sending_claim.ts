/**
 * What the message under way counts against its sender's limits (RFC 4954 leaves such limits to us). It
 * is counted before the message is read, and given back unless the message goes out.
 */
import type { Reply } from "../mail/reply.ts";
import type { Account } from "../store/directory.ts";
import { limitReply } from "./refusal.ts";
import type { SessionServices, Transaction } from "./session.ts";

export class SendingClaim {
  readonly #services: Pick<SessionServices, "login" | "observer">;
  #taken: { readonly account: Account; readonly recipients: number } | null = null;

  constructor(services: Pick<SessionServices, "login" | "observer">) {
    this.#services = services;
  }

  /** Answers the refusal, or `null` where it was counted. @throws {StoreUnavailableError} */
  async take(account: Account, transaction: Transaction): Promise<Reply | null> {
    const { login, observer } = this.#services;
    const recipients = countedRecipients(transaction);
    const answer = await login.claim(account, recipients);
    if (answer.kind !== "granted") {
      observer.refused("rate");
      return limitReply(answer);
    }
    this.#taken = { account, recipients };
    return null;
  }

  /** The message goes out. */
  keep(): void {
    this.#taken = null;
  }

  /** It does not. Nobody waits for this: what stays counted is gone with its window. */
  giveBack(): void {
    if (this.#taken === null) return;
    const { login, observer } = this.#services;
    const { account, recipients } = this.#taken;
    this.#taken = null;
    login.giveBack(account, recipients).catch((error) => observer.failed("DATA", error));
  }
}

/** Whom the client named or, where groups lead outside, whom the message leaves for. */
export function countedRecipients({ named, recipients }: Transaction): number {
  const outside = recipients.values().filter(({ kind }) => kind === "remote").toArray();
  return Math.max(named.size, outside.length);
}
