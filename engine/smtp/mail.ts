/** MAIL: decides whether a transaction begins (RFC 5321 §4.1.1.2, RFC 1870, RFC 6152, RFC 6531). */
import type { BodyType } from "../mail/envelope.ts";
import { parseMailCommand, type PathFault } from "../mail/path.ts";
import { type Reply, reply } from "../mail/reply.ts";
import { NO_MEMORY } from "./refusal.ts";
import type { Client, SessionPolicy, Transaction } from "./session.ts";
import type { OwnsSender } from "./submission.ts";

export type MailDecision =
  | { readonly kind: "begun"; readonly transaction: Transaction; readonly reply: Reply }
  | { readonly kind: "refused"; readonly reply: Reply };

const KNOWN = new Set(["SIZE", "BODY", "SMTPUTF8"]);
/** RFC 4954 §5: who logged in may say who gave him the message, and is not believed. */
const KNOWN_FROM_USERS = new Set([...KNOWN, "AUTH"]);

/** @param argument what stands behind `MAIL FROM:`. @throws {StoreUnavailableError} */
export async function decideMail(
  argument: Uint8Array,
  context: {
    readonly client: Client;
    readonly policy: SessionPolicy;
    readonly owns: OwnsSender;
    readonly isFull: boolean;
  },
): Promise<MailDecision> {
  const { client, policy, owns, isFull } = context;
  const path = parseMailCommand(argument);
  if (path.kind === "fault") return refused(mailFaultReply(path.fault));
  const known = client.listener === "smtp" ? KNOWN : KNOWN_FROM_USERS;
  const unknown = path.params.keys().find((keyword) => !known.has(keyword));
  if (unknown !== undefined) {
    return refused(reply(555, "5.4", `Parameter ${unknown} is not recognised`));
  }
  const size = path.params.get("SIZE") ?? "0";
  if (size === true || !/^\d{1,20}$/.test(size)) {
    return refused(reply(501, "5.4", "SIZE takes a number of octets"));
  }
  if (Number(size) > policy.maxMessageOctets) {
    return refused(
      reply(552, "3.4", `Message exceeds the fixed maximum of ${policy.maxMessageOctets} octets`),
    );
  }
  const body = bodyType(path.params.get("BODY"));
  if (body === null) return refused(reply(501, "5.4", "BODY is 7BIT or 8BITMIME"));
  if ((path.params.get("SMTPUTF8") ?? true) !== true) {
    return refused(reply(501, "5.4", "SMTPUTF8 takes no value"));
  }
  if (client.listener !== "smtp" && !client.mayRelay) {
    return refused(reply(530, "7.0", "Authentication required"));
  }
  if (client.account !== null && path.mailbox !== "" && !await owns(client.account, path)) {
    return refused(reply(553, "7.1", "Sender address is not yours"));
  }
  if (isFull) return refused(NO_MEMORY);
  return {
    kind: "begun",
    reply: reply(250, "1.0", "Sender ok"),
    transaction: {
      reversePath: path.mailbox,
      bodyType: body,
      smtpUtf8: path.params.has("SMTPUTF8"),
      announcedOctets: Number(size),
      named: new Set(),
      recipients: new Map(),
    },
  };
}

function refused(reply: Reply): MailDecision {
  return { kind: "refused", reply };
}

function bodyType(value: string | true | undefined): BodyType | null {
  if (value === undefined) return "7bit";
  if (value === true) return null;
  switch (value.toUpperCase()) {
    case "7BIT":
      return "7bit";
    case "8BITMIME":
      return "8bitmime";
    default:
      return null;
  }
}

function mailFaultReply(fault: PathFault): Reply {
  switch (fault) {
    case "needs_utf8":
      // RFC 6531 §3.5
      return reply(553, "6.7", "Address needs SMTPUTF8");
    case "too_long":
      return reply(501, "1.7", "Sender path too long");
    case "parameter_syntax":
    case "duplicate_parameter":
      return reply(501, "5.4", "Bad MAIL parameters");
    case "syntax":
    case "invalid_utf8":
      return reply(501, "1.7", "Bad sender path syntax");
  }
}
