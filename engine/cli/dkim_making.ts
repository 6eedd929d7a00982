/** Making signing keys, sealed for the store, and saying what to publish for them. */
import {
  defaultSelector,
  dkimRecord,
  dkimRecordName,
  generateSigningKey,
  txtStrings,
} from "../auth/dkim_key.ts";
import type { SecretBox } from "../crypto/secret_box.ts";
import {
  type SigningAlgorithm,
  type SigningKey,
  signingKeyContext,
  type SigningKeyState,
} from "../store/signing_keys.ts";

/** A key as it is handed to the store. */
export type NewSigningKey = Omit<SigningKey, "createdAtMs" | "stateSinceMs">;

export const ALGORITHMS: readonly SigningAlgorithm[] = ["rsa-sha256", "ed25519-sha256"];

export interface KeyWish {
  readonly domain: string;
  readonly algorithm: SigningAlgorithm;
  /** `null`: one that tells the month, the algorithm and the key. */
  readonly selector: string | null;
  readonly state: SigningKeyState;
}

/** A new key, not stored yet. */
export async function makeSigningKey(
  wish: KeyWish,
  options: { readonly secrets: SecretBox; readonly nowMs: number },
): Promise<NewSigningKey> {
  const { domain, algorithm, state } = wish;
  const { secrets, nowMs } = options;
  const { privateKey, publicKey } = await generateSigningKey(algorithm);
  const selector = wish.selector ?? defaultSelector({ algorithm, publicKey }, nowMs);
  const sealedPrivateKey = secrets.seal(privateKey, signingKeyContext({ domain, selector }));
  privateKey.fill(0);
  return { domain, selector, algorithm, state, publicKey, sealedPrivateKey };
}

/** What signs for a new domain from its first message on, a key of each algorithm; not stored yet. */
export async function makeFirstKeys(
  domain: string,
  options: { readonly secrets: SecretBox; readonly nowMs: number },
): Promise<readonly NewSigningKey[]> {
  const keys: NewSigningKey[] = [];
  for (const algorithm of ALGORITHMS) {
    const wish = { domain, algorithm, selector: null, state: "active" } as const;
    keys.push(await makeSigningKey(wish, options));
  }
  return keys;
}

/** The TXT record of a key. */
export function recordOf(key: NewSigningKey): { readonly name: string; readonly value: string } {
  return { name: dkimRecordName(key.domain, key.selector), value: dkimRecord(key) };
}

/** What programs are told of a key: all but the private half. */
export function keyJson(key: NewSigningKey) {
  const { domain, selector, algorithm, state } = key;
  return { domain, selector, algorithm, state, record: recordOf(key) };
}

/** What to enter at the DNS provider, and the same for a zone file. */
export function recordText(key: NewSigningKey): string {
  const { name, value } = recordOf(key);
  const strings = txtStrings(value).map((text) => `"${text}"`).join(" ");
  return [
    `TXT record for ${key.selector} (${key.algorithm}, ${key.state})`,
    `  name:   ${name}`,
    `  value:  ${value}`,
    `  in a zone file:`,
    `  ${name}. IN TXT ( ${strings} )`,
  ].join("\n");
}
