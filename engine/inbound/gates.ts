/** Limits and greylisting as the judge asks for them: what is decided in `limits`, over the stores all nodes share. */
import { type GreylistPolicy, greylistQuery, greylistRefusal } from "../limits/greylist.ts";
import {
  connectionClaims,
  type RateClaim,
  type RateLimits,
  rateRefusal,
  recipientClaims,
} from "../limits/rate_limits.ts";
import type { Greylist } from "../store/greylist.ts";
import type { Meters } from "../store/meters.ts";
import type { JudgeServices, RateGate, RuleRefusal } from "./services.ts";

export function rateGate(meters: Meters, limits: RateLimits): RateGate {
  const pass = async (claims: readonly RateClaim[]): Promise<RuleRefusal | null> =>
    claims.length === 0 ? null : rateRefusal(claims, await meters.pass(claims));
  const goesBySender = limits.messages_per_sender_domain !== null ||
    limits.recipients_per_sender_domain !== null;
  return {
    connection: (address) => pass(connectionClaims(address, limits)),
    recipient: async (recipient, { isProven }) => {
      const isSenderProven = goesBySender && await isProven();
      return await pass(recipientClaims({ ...recipient, isSenderProven }, limits));
    },
  };
}

export function greylistGate(
  greylist: Greylist,
  policy: GreylistPolicy,
): JudgeServices["greylist"] {
  return async (message) => {
    const query = greylistQuery(message, policy);
    return query === null ? null : greylistRefusal(await greylist.ask(query));
  };
}
