/**
 * What is known of where a message comes from, in the words of RFC 8601 §2.7. Plain data, made by the verifiers
 * of this folder and read by whoever judges mail.
 */

export type AuthVerdict =
  | "pass"
  | "fail"
  | "softfail"
  | "neutral"
  | "none"
  | "policy"
  | "temperror"
  | "permerror";

/** RFC 7208 §2.6. */
export type SpfVerdict = Exclude<AuthVerdict, "policy">;

export interface SpfResult {
  readonly verdict: SpfVerdict;
  /** Which name was checked: the HELO name, or the reverse-path's domain. */
  readonly scope: "helo" | "mfrom";
  /** In A-labels and lower case; empty when there was none to check. */
  readonly domain: string;
  /** The mailbox checked: the reverse-path, or `postmaster@` the HELO name. */
  readonly sender: string;
  /** What the domain has refused clients told (RFC 7208 §6.2): printable ASCII, bounded. */
  readonly explanation: string | null;
  /** For people: one short line of printable ASCII. */
  readonly reason: string | null;
}

export interface DkimResult {
  readonly verdict: Exclude<AuthVerdict, "softfail">;
  /** `d=`, in A-labels and lower case; empty when the signature names none. */
  readonly domain: string;
  readonly selector: string;
  /** `i=`, or `@` and the domain. */
  readonly identity: string;
  /** `rsa-sha256`, say. */
  readonly algorithm: string;
  /** First characters of `b=`, to tell signatures apart (RFC 6008). */
  readonly signaturePrefix: string;
  readonly reason: string | null;
}

/** RFC 8617 §5.2. */
export interface ArcResult {
  readonly verdict: "none" | "pass" | "fail" | "temperror";
  /** Who sealed, the first one first; empty unless the chain passes. */
  readonly sealers: readonly string[];
  /** What the first sealer found, its own words of ARC-Authentication-Results; `null` without a chain that passes. */
  readonly firstResults: string | null;
  readonly reason: string | null;
}

export type DmarcPolicy = "none" | "quarantine" | "reject";

/** RFC 9989. */
export interface DmarcResult {
  readonly verdict: "pass" | "fail" | "none" | "temperror" | "permerror";
  /** The domain of From, in A-labels; empty when there is not exactly one. */
  readonly fromDomain: string;
  /** There are several From fields, or several domains in it: two readers may take it for two senders. */
  readonly isAmbiguous?: boolean;
  /** Where the record was found; empty when there is none. */
  readonly policyDomain: string;
  /** What the domain asks for, `sp` and `np` considered; `null` without a record. */
  readonly policy: DmarcPolicy | null;
  /** `t=y`: the domain asks for one step less (RFC 9989 §4.7). */
  readonly isTesting: boolean;
  readonly isSpfAligned: boolean;
  readonly isDkimAligned: boolean;
  /** Addresses of `rua`, as written. */
  readonly reportTo: readonly string[];
  /** The record as read, for reports; `null` without one. */
  readonly record: Readonly<Record<string, string>> | null;
  readonly reason: string | null;
}

export interface Authentication {
  readonly helo: SpfResult;
  readonly mfrom: SpfResult;
  /** In the order of the header section. */
  readonly dkim: readonly DkimResult[];
  readonly arc: ArcResult;
  readonly dmarc: DmarcResult;
}
