/**
 * A session's login: the exchange line by line, what failures cost the session, and whether what was
 * granted still holds. Knows neither the connection nor how credentials are judged; `auth.ts` has the
 * replies.
 */
import type { GrantedLogin, LoginResult } from "../login/authenticator.ts";
import { continueSasl, type Credentials, type SaslStep, startSasl } from "../login/sasl.ts";
import { intermediateReply, type Reply, reply } from "../mail/reply.ts";
import type { Account } from "../store/directory.ts";
import { type AuthContext, decideAuth, loginReply } from "./auth.ts";
import type { SessionServices } from "./session.ts";

/** Failed logins a session may collect before it ends. */
const MAX_FAILURES = 5;

/** What a line is answered; `next` takes the one behind it, unless the exchange is over. */
export interface AuthTurn {
  readonly reply: Reply;
  readonly next: ((line: string) => Promise<AuthTurn>) | null;
}

export type LoginDialogueServices = Pick<
  SessionServices,
  "login" | "observer" | "policy" | "newNonce" | "now"
>;

export class LoginDialogue {
  readonly #services: LoginDialogueServices;
  readonly #session: { readonly sessionId: string; readonly clientAddress: string };
  #granted: GrantedLogin | null = null;
  #failures = 0;

  constructor(
    services: LoginDialogueServices,
    session: { readonly sessionId: string; readonly clientAddress: string },
  ) {
    this.#services = services;
    this.#session = session;
  }

  /** Who is logged in, as of the last MAIL. */
  get account(): Account | null {
    return this.#granted?.account ?? null;
  }

  /** @param argument what stands behind `AUTH`. */
  async begin(argument: string, context: AuthContext): Promise<AuthTurn> {
    const decision = decideAuth(argument, context);
    if (decision.kind === "refused") return end(decision.reply);
    const { method, initialResponse } = decision;
    const { newNonce, now, policy } = this.#services;
    const challenge = `<${newNonce()}.${now()}@${policy.hostname}>`;
    return await this.#take(startSasl(method, initialResponse, { challenge }));
  }

  /**
   * Looks at the account again, since a session may be kept for days: what it may do is what its user may
   * do now. Answers what ends the session, or `null`. @throws {StoreUnavailableError}
   */
  async renew(): Promise<Reply | null> {
    if (this.#granted === null) return null;
    this.#granted = await this.#services.login.renew(this.#granted);
    return this.#granted === null
      ? reply(421, "7.0", "Your login is no longer valid, closing")
      : null;
  }

  /** From now on nobody is logged in. */
  forget(): void {
    this.#granted = null;
  }

  async #take(step: SaslStep): Promise<AuthTurn> {
    switch (step.kind) {
      case "prompt":
        return {
          reply: intermediateReply(334, step.text),
          next: (line) => this.#take(continueSasl(step.state, line)),
        };
      case "cancelled":
        // RFC 4954 §4
        return end(reply(501, "0.0", "Login cancelled"));
      case "malformed":
        return end(reply(501, "5.2", "Cannot read this response"));
      case "credentials":
        return end(await this.#logIn(step.credentials));
    }
  }

  async #logIn(credentials: Credentials): Promise<Reply> {
    const { login, observer } = this.#services;
    const { name, method } = credentials;
    const result = await this.#authenticate(credentials);
    observer.login(result, { ...this.#session, method, name });
    if (result.kind === "granted") this.#granted = result;
    if (!isFailure(result)) return loginReply(result);
    const delayMs = login.failureDelayMs(++this.#failures);
    if (delayMs > 0) await new Promise((resolve) => setTimeout(resolve, delayMs));
    return this.#failures >= MAX_FAILURES
      ? reply(421, "7.0", "Too many failed logins, closing")
      : loginReply(result);
  }

  async #authenticate(credentials: Credentials): Promise<LoginResult> {
    const { login, observer } = this.#services;
    try {
      return await login.authenticate(credentials, { address: this.#session.clientAddress });
    } catch (error) {
      observer.failed("AUTH", error);
      return { kind: "unavailable" };
    }
  }
}

/** A locked name is no place to go on guessing at; a locked address ends the session anyway. */
function isFailure(result: LoginResult): boolean {
  return result.kind === "refused" || (result.kind === "locked_out" && result.scope === "user");
}

function end(reply: Reply): AuthTurn {
  return { reply, next: null };
}
