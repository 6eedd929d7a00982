/** One message for one next hop: what a delivery session is given, and what it answers. */
import type { BodyType } from "../mail/envelope.ts";
import type { AttemptOutcome } from "./outcome.ts";

export interface Transmission {
  readonly reversePath: string;
  /** At least one, at most `MAX_RECIPIENTS`. */
  readonly forwardPaths: readonly string[];
  readonly bodyType: BodyType;
  /** An address or the header section needs it (RFC 6531 §3.1). */
  readonly needsSmtpUtf8: boolean;
  /** CRLF line ends, no dot stuffing. */
  readonly octets: Uint8Array;
  /** After this it goes back untried. */
  readonly beginBeforeMs: number;
  /** After this it is broken off, wherever it is: somebody else may try by then. */
  readonly endBeforeMs: number;
}

/** RFC 5321 §4.5.3.1.8: what every server must take in one transaction. */
export const MAX_RECIPIENTS = 100;

export type TransmissionResult =
  /** By the order of the forward-paths. */
  | { readonly kind: "answered"; readonly outcomes: readonly AttemptOutcome[] }
  /** The connection went before the peer took anything in: another one may try at once. */
  | { readonly kind: "untried"; readonly diagnostic: string };
