/** AUTH: which mechanism may be tried, and what a login's end is answered (RFC 4954 §4, §6). */
import type { LoginResult } from "../login/authenticator.ts";
import type { SaslMethod } from "../login/sasl.ts";
import { type Reply, reply } from "../mail/reply.ts";

export interface AuthContext {
  /** Empty where nobody logs in. */
  readonly methods: readonly SaslMethod[];
  readonly isSecure: boolean;
  readonly allowsPlainText: boolean;
  readonly hasGreeted: boolean;
  readonly isLoggedIn: boolean;
  readonly isInTransaction: boolean;
}

export type AuthDecision =
  | {
    readonly kind: "begin";
    readonly method: SaslMethod;
    /** Still encoded; `null` when the client wants to be asked. */
    readonly initialResponse: string | null;
  }
  | { readonly kind: "refused"; readonly reply: Reply };

/** Whether EHLO names AUTH now. */
export function offersAuth(context: AuthContext): boolean {
  const { methods, isSecure, allowsPlainText, isLoggedIn } = context;
  return methods.length > 0 && (isSecure || allowsPlainText) && !isLoggedIn;
}

/** @param argument what stands behind `AUTH`. */
export function decideAuth(argument: string, context: AuthContext): AuthDecision {
  if (context.methods.length === 0) return refused(reply(502, "5.1", "AUTH is not offered here"));
  if (!context.hasGreeted) return refused(reply(503, "5.1", "EHLO first"));
  // RFC 4954 §4: once a session, and not within a transaction.
  if (context.isLoggedIn) return refused(reply(503, "5.1", "Logged in already"));
  if (context.isInTransaction) return refused(reply(503, "5.1", "Not within a transaction"));
  if (!offersAuth(context)) {
    return refused(reply(538, "7.11", "Encryption required: STARTTLS first"));
  }
  const [name, initialResponse, ...more] = argument.trim().split(/ +/);
  if (name === "" || more.length > 0) {
    return refused(reply(501, "5.4", "Syntax: AUTH mechanism [initial-response]"));
  }
  const method = context.methods.find((offered) => offered === name.toUpperCase());
  if (method === undefined) return refused(reply(504, "5.4", "Mechanism not offered"));
  return { kind: "begin", method, initialResponse: initialResponse ?? null };
}

/** The same for every login refused, so that a guesser learns nothing from it. */
export function loginReply(result: LoginResult): Reply {
  switch (result.kind) {
    case "granted":
      return reply(235, "7.0", "Authentication successful");
    case "refused":
      return reply(535, "7.8", "Authentication credentials invalid");
    case "locked_out":
      return result.scope === "address"
        ? reply(421, "7.0", "Too many failed logins, try again later")
        : reply(454, "7.0", "Too many failed logins, try again later");
    case "unavailable":
      return reply(454, "7.0", "Cannot check logins now, try again later");
  }
}

function refused(reply: Reply): AuthDecision {
  return { kind: "refused", reply };
}
