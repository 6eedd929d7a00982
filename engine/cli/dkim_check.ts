/** Whether the DNS says of a signing key what its signatures need, as `doctor` has it. */
import type { Resolver } from "../dns/resolver.ts";
import { judgeDkim } from "../doctor/check_dkim.ts";
import { type NewSigningKey, recordOf } from "./dkim_making.ts";

/** `null` when the record is there and of use; else what is wrong, in words. */
export async function recordFault(key: NewSigningKey, resolver: Resolver): Promise<string | null> {
  const txt = await resolver.txt(recordOf(key).name);
  const { verdict, reason } = judgeDkim({ domain: key.domain, key, txt });
  return verdict === "right" || verdict === "warn" ? null : reason;
}
