/** VRFY: whether a mailbox is confirmed (RFC 5321 §3.5). */
import { type Mailbox, parseMailbox } from "../mail/path.ts";
import { type Reply, reply } from "../mail/reply.ts";
import type { Expansion } from "../routing/expand.ts";
import type { SessionPolicy } from "./session.ts";

/** @param argument what stands behind the verb. @throws {StoreUnavailableError} */
export async function decideVrfy(
  argument: string,
  context: {
    readonly policy: SessionPolicy;
    readonly expand: (mailbox: Mailbox) => Promise<Expansion>;
  },
): Promise<Reply> {
  const text = argument.trim();
  if (text === "") return reply(501, "5.4", "VRFY takes an address");
  // RFC 5321 §3.5.3: neither confirmed nor denied, unless the operator wants it otherwise.
  if (!context.policy.answersVrfy) {
    return reply(252, "0.0", "Cannot VRFY, but will take the message and try");
  }
  const mailbox = parseMailbox(text.replace(/^<(.*)>$/, "$1"));
  if (typeof mailbox === "string") return reply(501, "1.3", "Bad address syntax");
  const expansion = await context.expand(mailbox);
  return expansion.kind === "refused" ? expansion.reply : reply(250, "1.5", `<${mailbox.mailbox}>`);
}
