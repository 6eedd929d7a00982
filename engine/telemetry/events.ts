/**
 * The events that trace a message, one line each, under keys that stay: `queue_id` follows it from
 * acceptance to each recipient's end. Filters such as fail2ban's rely on the words `AUTH … failed`,
 * `delivery … failed` and `spam … rejected`; the client's address comes before whatever the client
 * chose, so that no name or path can pass for another address.
 */
import type { QueueId } from "../mail/queue_id.ts";
import { logOf } from "./log.ts";

const messages = logOf("message");
const deliveries = logOf("delivery");
const auth = logOf("auth");
const inbound = logOf("inbound");
const spam = logOf("spam");

/** Who spoke: what every event of a session tells. */
export interface SessionEvent {
  readonly sessionId: string;
  readonly clientIp: string;
}

export interface AcceptedEvent extends SessionEvent {
  readonly queueId: QueueId;
  readonly reversePath: string;
  readonly recipients: number;
  readonly sizeOctets: number;
  /** RFC 3848: `SMTP`, `ESMTP`, `ESMTPS`, `ESMTPSA` … */
  readonly protocol: string;
  /** Who authenticated; left out when nobody did. */
  readonly user?: string;
  /** From the end of DATA to the commit. */
  readonly durationMs?: number;
}

/** The end of one attempt for one recipient. */
export interface AttemptEvent {
  readonly queueId: QueueId;
  readonly forwardPath: string;
  /** Left out when no host was reached, or for a local mailbox. */
  readonly mxHost?: string;
  /** Enhanced status code (RFC 3463). */
  readonly status: string;
  /** The other side's reply, or our reason in words. */
  readonly reply?: string;
  readonly attempts: number;
  /** Since the message was queued. */
  readonly delayMs: number;
  readonly tls?: string;
}

export interface DeferredEvent extends AttemptEvent {
  readonly nextAttemptAtMs: number;
}

export interface AuthEvent extends SessionEvent {
  readonly method: string;
  /** A user's name, or the tag of another. */
  readonly user: string;
}

export interface AuthFailedEvent extends AuthEvent {
  readonly reason: string;
}

export interface AuthLockedOutEvent extends AuthEvent {
  /** What is locked out: the client's address, or the user wherever he is not known from. */
  readonly scope: "address" | "user";
  readonly retryAfterMs: number;
}

/** A rule spoke against mail from a stranger. */
export interface RuleEvent extends SessionEvent {
  readonly rule: string;
  readonly action: "refused" | "deferred" | "held" | "tagged";
  /** Left out before MAIL. */
  readonly reversePath?: string;
  /** Left out where it is about all of them, or none yet. */
  readonly forwardPath?: string;
  /** What the client was told, or why the message is held or tagged. */
  readonly reason: string;
}

/** What the spam score was, and the signals that counted most. */
export interface SpamEvent extends SessionEvent {
  readonly reversePath: string;
  readonly score: number;
  readonly rules?: readonly string[];
}

/** A message and its deliveries. */
export const logMessage = {
  accepted(event: AcceptedEvent): void {
    if (!messages.isEnabledFor("info")) return;
    messages.info("message {queue_id} from {sender} accepted", {
      event: "accepted",
      queue_id: event.queueId,
      session_id: event.sessionId,
      client_ip: event.clientIp,
      sender: event.reversePath === "" ? "<>" : event.reversePath,
      recipients: event.recipients,
      size: event.sizeOctets,
      protocol: event.protocol,
      user: event.user,
      duration_ms: event.durationMs,
    });
  },

  delivered(event: AttemptEvent): void {
    if (!deliveries.isEnabledFor("info")) return;
    deliveries.info("delivery {queue_id} to {rcpt} delivered", attempt("delivered", event));
  },

  deferred(event: DeferredEvent): void {
    if (!deliveries.isEnabledFor("info")) return;
    deliveries.info("delivery {queue_id} to {rcpt} deferred", {
      ...attempt("deferred", event),
      next_attempt_at: new Date(event.nextAttemptAtMs),
    });
  },

  failed(event: AttemptEvent): void {
    if (!deliveries.isEnabledFor("warning")) return;
    deliveries.warning("delivery {queue_id} to {rcpt} failed", attempt("failed", event));
  },
};

/** Logins. */
export const logAuth = {
  succeeded(event: AuthEvent): void {
    if (!auth.isEnabledFor("info")) return;
    auth.info("AUTH {method} from {client_ip} as {user} succeeded", login("auth_succeeded", event));
  },

  failed(event: AuthFailedEvent): void {
    if (!auth.isEnabledFor("warning")) return;
    auth.warning("AUTH {method} from {client_ip} as {user} failed", {
      ...login("auth_failed", event),
      reason: event.reason,
    });
  },

  /** A try that was not weighed, since too many before it had failed. */
  lockedOut(event: AuthLockedOutEvent): void {
    if (!auth.isEnabledFor("warning")) return;
    const { scope, retryAfterMs: retry_after_ms } = event;
    if (scope === "address") {
      auth.warning("AUTH {method} from {client_ip} as {user} failed: locked out", {
        ...login("auth_locked_out", event),
        scope,
        retry_after_ms,
      });
    } else {
      // No failure of this client: it may be the user himself, whom others locked out.
      auth.warning("AUTH {method} not tried from {client_ip}: {user} is locked out", {
        ...login("auth_user_locked_out", event),
        scope,
        retry_after_ms,
      });
    }
  },
};

/** What was found against mail from strangers. */
export const logInbound = {
  rule(event: RuleEvent): void {
    if (!inbound.isEnabledFor("info")) return;
    inbound.info("mail from {client_ip} {action} by {rule}", {
      event: `inbound_${event.action}`,
      session_id: event.sessionId,
      client_ip: event.clientIp,
      action: event.action,
      rule: event.rule,
      sender: event.reversePath === "" ? "<>" : event.reversePath,
      rcpt: event.forwardPath,
      reason: event.reason,
    });
  },
};

/** Verdicts of the spam score. */
export const logSpam = {
  rejected(event: SpamEvent): void {
    if (!spam.isEnabledFor("warning")) return;
    spam.warning("spam from {client_ip} rejected", spamFacts("spam_rejected", event));
  },

  taken(event: SpamEvent): void {
    if (!spam.isEnabledFor("info")) return;
    spam.info("spam from {client_ip} taken", spamFacts("spam_taken", event));
  },
};

function spamFacts(name: string, event: SpamEvent) {
  return {
    event: name,
    session_id: event.sessionId,
    client_ip: event.clientIp,
    sender: event.reversePath === "" ? "<>" : event.reversePath,
    score: event.score,
    rules: event.rules,
  };
}

function attempt(name: string, event: AttemptEvent) {
  return {
    event: name,
    queue_id: event.queueId,
    rcpt: event.forwardPath,
    mx: event.mxHost,
    status: event.status,
    reply: event.reply,
    attempts: event.attempts,
    delay_ms: event.delayMs,
    tls: event.tls,
  };
}

function login(name: string, event: AuthEvent) {
  return {
    event: name,
    session_id: event.sessionId,
    client_ip: event.clientIp,
    method: event.method,
    user: event.user,
  };
}
