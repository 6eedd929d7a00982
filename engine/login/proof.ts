/** What of an account credentials are held against, and whether that is still there later. */
import { Buffer } from "node:buffer";
import type { Account } from "../store/directory.ts";
import type { Credentials } from "./sasl.ts";

/**
 * The one proof these credentials are held against: the hash of the app password they name by its tag,
 * or of the user's own, or the sealed secret in base64. `null` for CRAM-MD5 without a secret.
 */
export function proofFor(account: Account, credentials: Credentials): string | null {
  if (credentials.kind === "cram-md5") return secretProof(account);
  const { password } = credentials;
  const tag = password.slice(0, Math.max(0, password.indexOf("-")));
  const app = account.appPasswords.find((each) => each.tag === tag);
  return (app ?? account).passwordHash;
}

/** Whether what a login was granted by still lets in. */
export function stillProves(proof: string, account: Account): boolean {
  return !account.isDisabled &&
    (proof === account.passwordHash || proof === secretProof(account) ||
      account.appPasswords.some(({ passwordHash }) => proof === passwordHash));
}

function secretProof({ sealedCramSecret: sealed }: Account): string | null {
  return sealed === null ? null : Buffer.from(sealed).toString("base64");
}
