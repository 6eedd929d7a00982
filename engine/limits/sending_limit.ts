/**
 * How much a user may send: recipients an hour and a day. Decides what to claim from the counters and
 * reads their answer; asks nobody itself.
 */
import { createHash } from "node:crypto";
import type { Account } from "../store/directory.ts";
import type { Claim, Taken } from "../store/counters.ts";

export interface SendingLimits {
  readonly messagesPerHour: number;
  readonly messagesPerDay: number;
}

export type SendingAnswer =
  | { readonly kind: "granted" }
  | {
    readonly kind: "refused";
    readonly limit: number;
    readonly per: "hour" | "day";
    readonly retryAfterMs: number;
  }
  /** More than the limit itself: waiting does not help. */
  | { readonly kind: "too_many"; readonly limit: number; readonly per: "hour" | "day" };

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const PERIODS = ["hour", "day"] as const;

/** What sending to so many recipients takes: the hour's part, then the day's. */
export function sendingClaims(
  account: Pick<Account, "user" | "messagesPerHour" | "messagesPerDay">,
  options: { readonly recipients: number; readonly limits: SendingLimits },
): readonly Claim[] {
  const { recipients: amount, limits } = options;
  const { localPart, domain } = account.user;
  // A name may be long and in any script, a key may not.
  const name = createHash("sha256").update(`${localPart}@${domain}`).digest("hex").slice(0, 32);
  return [
    {
      key: `sent:hour:${name}`,
      windowMs: HOUR_MS,
      limit: account.messagesPerHour ?? limits.messagesPerHour,
      amount,
    },
    {
      key: `sent:day:${name}`,
      windowMs: DAY_MS,
      limit: account.messagesPerDay ?? limits.messagesPerDay,
      amount,
    },
  ];
}

/** What the counters' answer to `sendingClaims` means. */
export function sendingAnswer(claims: readonly Claim[], taken: Taken): SendingAnswer {
  if (taken.kind === "granted") return taken;
  const never = claims.findIndex(({ amount, limit }) => amount > limit);
  if (never >= 0) return { kind: "too_many", limit: claims[never].limit, per: PERIODS[never] };
  const { claim, retryAfterMs } = taken;
  return { kind: "refused", limit: claims[claim].limit, per: PERIODS[claim], retryAfterMs };
}
