/**
 * A greylist that outlives its store by trusting everybody while it is away: a worker that asked its own memory
 * would put off senders the cluster has trusted for weeks, and that would be our trouble, not theirs.
 */
import { Fallback, type FallbackOptions } from "./fallback.ts";
import type { Greylist } from "./greylist.ts";
import { checkQuery } from "./greylist_query.ts";

/** Never throws `StoreUnavailableError`. */
export function fallbackGreylist(options: Omit<FallbackOptions<Greylist>, "local">): Greylist {
  const fallback = new Fallback({ ...options, local: TRUSTS_ALL });
  return { ask: (query) => fallback.ask((greylist) => greylist.ask(query)) };
}

const TRUSTS_ALL: Greylist = {
  // deno-lint-ignore require-await
  async ask(query) {
    checkQuery(query);
    return { kind: "trusted" };
  },
};
