/** Addresses as words of a command, and the form the directory keeps them in. */
import { isDomainName, normalizeDomain } from "../mail/domain.ts";
import { formatMailbox, parseMailbox } from "../mail/path.ts";
import { localPartKey, type UserName } from "../store/directory.ts";
import { type CommandResult, UsageError } from "./command.ts";

/** @throws {UsageError} */
export function userOf(text: string): UserName {
  const mailbox = parseMailbox(text);
  if (typeof mailbox === "string" || !isDomainName(mailbox.domain)) {
    throw new UsageError(`not a mail address: ${text}`);
  }
  return { domain: mailbox.domain, localPart: localPartKey(mailbox.localPart) };
}

/** An address or `@domain`, whose local part is empty. @throws {UsageError} */
export function addressOrDomain(text: string): UserName {
  if (!text.startsWith("@")) return userOf(text);
  const domain = normalizeDomain(text.slice(1));
  if (domain === null) throw new UsageError(`neither a mail address nor @domain: ${text}`);
  return { domain, localPart: "" };
}

/** The text of a name: `ann@example.org`, or `@example.org` where the local part is empty. */
export function addressText({ localPart, domain }: UserName): string {
  return localPart === "" ? `@${domain}` : formatMailbox(localPart, domain);
}

export function noSuchUser(user: UserName): CommandResult {
  return { kind: "failed", message: `no such user: ${addressText(user)}` };
}

/** For a name in a domain that is not ours. */
export function noSuchDomain(domain: string): CommandResult {
  return { kind: "failed", message: `no such domain: ${domain}; first: domain add ${domain}` };
}
