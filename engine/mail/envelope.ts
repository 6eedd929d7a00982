/** What a transaction says about a message besides its octets (RFC 5321 §2.3.1). */

export type BodyType = "7bit" | "8bitmime";

export interface Envelope {
  /** Mailbox without angle brackets; empty for the null reverse-path (RFC 5321 §4.5.5). */
  readonly reversePath: string;
  readonly bodyType: BodyType;
  /** RFC 6531 §3.4: the sender asked for an internationalised transaction. */
  readonly smtpUtf8: boolean;
}

/** How a recipient's copy leaves us. */
export type Transport = "local" | "smtp";

/** A recipient for whom routing has an answer. */
export interface RoutedRecipient {
  /** Mailbox without angle brackets, domain in lower case. */
  readonly forwardPath: string;
  readonly transport: Transport;
  /** What deliveries are grouped and sharded by: the recipient's domain (A-label, or literal). */
  readonly destination: string;
}

/** Kept from delivery until someone decides, or the time is over. */
export interface Hold {
  /** The rule that held it, `spam` or `dmarc`, say. */
  readonly reason: string;
  /** One line for people. */
  readonly explanation: string;
  readonly untilMs: number;
}
