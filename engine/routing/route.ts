/**
 * Where a forward-path leads: to a mailbox here, to another system, or nowhere (RFC 5321 §3.3, §3.6).
 * Decides from what the directory answered and whether the client may relay; does not ask either.
 */
import { type Mailbox } from "../mail/path.ts";
import { parseAddressLiteral } from "../mail/domain.ts";
import { type Reply, reply } from "../mail/reply.ts";

/** What the directory of local domains and users knows of a mailbox. */
export type DirectoryAnswer =
  | { readonly kind: "not_local" }
  | { readonly kind: "no_such_user" }
  | { readonly kind: "mailbox"; readonly user: string };

export interface RouteQuestion {
  readonly recipient: Pick<Mailbox, "domain">;
  readonly directory: DirectoryAnswer;
  /** The client authenticated, or its address is in a network that may relay. */
  readonly mayRelay: boolean;
}

export type Route =
  | { readonly kind: "local"; readonly user: string }
  /** `destination`: domain or address literal to look up. */
  | { readonly kind: "remote"; readonly destination: string }
  | { readonly kind: "refused"; readonly reply: Reply };

const UNKNOWN_USER = reply(550, "1.1", "No such mailbox here");
const RELAY_DENIED = reply(550, "7.1", "Relaying denied");
const UNUSABLE_LITERAL = reply(550, "1.2", "Address literal of no known kind");

/** Routes one forward-path. */
export function route(question: RouteQuestion): Route {
  const { directory, mayRelay, recipient } = question;
  switch (directory.kind) {
    case "mailbox":
      return { kind: "local", user: directory.user };
    case "no_such_user":
      return { kind: "refused", reply: UNKNOWN_USER };
    case "not_local":
      // Only `<postmaster>` has no domain, and it is local or nothing (RFC 5321 §4.5.1).
      if (recipient.domain === "") return { kind: "refused", reply: UNKNOWN_USER };
      // Before the literal: a stranger learns nothing from us but that he may not relay.
      if (!mayRelay) return { kind: "refused", reply: RELAY_DENIED };
      return parseAddressLiteral(recipient.domain)?.kind === "general"
        ? { kind: "refused", reply: UNUSABLE_LITERAL }
        : { kind: "remote", destination: recipient.domain };
  }
}
