/** Signs messages with the keys of our domains, as the store and the main secret give them. */
import { signMessage } from "../engine/auth/dkim_sign.ts";
import { openSslSigners } from "../engine/crypto/ffi_openssl.ts";
import { openNodeSigner } from "../engine/crypto/node_signer.ts";
import type { SecretBox } from "../engine/crypto/secret_box.ts";
import { SignerCache } from "../engine/crypto/signer_cache.ts";
import type { HeaderSection } from "../engine/mail/header_section.ts";
import {
  type SigningKey,
  signingKeyContext,
  type SigningKeySource,
} from "../engine/store/signing_keys.ts";
import type { logOf } from "../engine/telemetry/log.ts";

/** Of five hundred domains, two each. */
const MAX_OPEN_SIGNERS = 1_000;

/**
 * The DKIM-Signature fields of a message, with the keys of the first of these domains that has some; empty when
 * none has. @throws {StoreUnavailableError}
 */
export type MessageSigner = (
  octets: Uint8Array,
  header: HeaderSection,
  domains: readonly string[],
) => Promise<string>;

export function messageSigner({ keys, secrets, log }: {
  readonly keys: SigningKeySource;
  readonly secrets: SecretBox;
  readonly log: ReturnType<typeof logOf>;
}): MessageSigner {
  const fast = openSslSigners(openNodeSigner);
  const openSigner = fast ?? openNodeSigner;
  if (fast !== null) log.info("RSA signatures come from libcrypto");
  else log.info("RSA signatures come from Deno, several times as slow: there is no libcrypto here");
  const signers = new SignerCache(MAX_OPEN_SIGNERS);

  const signerOf = (key: SigningKey) => {
    const { domain, selector, algorithm, publicKey } = key;
    // A key made anew under an old name gets another signer.
    return signers.get(`${domain} ${selector} ${publicKey}`, () => {
      const der = secrets.open(key.sealedPrivateKey, signingKeyContext(key));
      if (der !== null) return openSigner(algorithm, der);
      log.error("the DKIM key {selector} of {domain} does not open", { domain, selector });
      return null;
    });
  };
  const openKeys = (active: readonly SigningKey[]) =>
    active.flatMap((key) => {
      const { domain, selector } = key;
      const signer = signerOf(key);
      return signer === null ? [] : [{ domain, selector, signer }];
    });

  return async (octets, header, domains) => {
    for (const domain of domains) {
      const active = await keys.activeKeys(domain);
      if (active.length === 0) continue;
      const options = { openKeys: () => openKeys(active), nowMs: Date.now() };
      return await signMessage(octets, header, options);
    }
    return "";
  };
}
