/** How one query reaches one server and its reply comes back: the resolver's only way outside. */
import type { DnsServer } from "./servers.ts";

export type ExchangeResult =
  | { readonly kind: "reply"; readonly octets: Uint8Array }
  /** Over UDP only: what came cannot be relied on (too large, or guesses at the id): ask over TCP. */
  | { readonly kind: "dubious" }
  | { readonly kind: "failed"; readonly reason: "timeout" | "unreachable" | "malformed" };

export interface ExchangeOptions {
  readonly over: "udp" | "tcp";
  readonly timeoutMs: number;
  /** Whether a message is the reply; over UDP all else is passed over. */
  readonly accepts: (octets: Uint8Array) => boolean;
  /** Ends the exchange as `timeout`. */
  readonly signal: AbortSignal;
}

/** Never rejects. */
export type Exchange = (
  server: DnsServer,
  query: Uint8Array,
  options: ExchangeOptions,
) => Promise<ExchangeResult>;
