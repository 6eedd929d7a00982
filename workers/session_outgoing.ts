/** What is done to mail that leaves in our name: DKIM signatures, ARC seals, reverse-paths of forwards. */
import { Buffer } from "node:buffer";
import { createPrivateKey } from "node:crypto";
import { sealForward } from "../engine/auth/arc_seal.ts";
import { type SigningKey as OpenKey, signMessage } from "../engine/auth/dkim_sign.ts";
import { openSslSigners } from "../engine/crypto/ffi_openssl.ts";
import { openNodeSigner } from "../engine/crypto/node_signer.ts";
import type { SecretBox } from "../engine/crypto/secret_box.ts";
import type { Signer } from "../engine/crypto/signer.ts";
import type { Resolver } from "../engine/dns/resolver.ts";
import { parseAddressList } from "../engine/mail/address_list.ts";
import type { HeaderSection } from "../engine/mail/header_section.ts";
import { parseMailbox } from "../engine/mail/path.ts";
import { forwardingPath } from "../engine/routing/srs.ts";
import type { OutgoingServices } from "../engine/smtp/session.ts";
import type { Directory } from "../engine/store/directory.ts";
import {
  type SigningKey,
  signingKeyContext,
  type SigningKeySource,
} from "../engine/store/signing_keys.ts";
import type { logOf } from "../engine/telemetry/log.ts";

/** Keys of as many domains are kept open. */
const MAX_OPEN_KEYS = 1_000;
const SEAL_TIMEOUT_MS = 10_000;

export interface OutgoingParts {
  readonly hostname: string;
  readonly keys: SigningKeySource;
  readonly secrets: SecretBox;
  readonly directory: Directory;
  readonly resolver: Resolver;
  readonly srsSecret: Uint8Array;
  readonly log: ReturnType<typeof logOf>;
}

export function outgoingServices(parts: OutgoingParts): OutgoingServices {
  const { hostname, keys, secrets, directory, resolver, srsSecret, log } = parts;
  const signers = new OpenSigners(parts);
  return {
    sign: async (octets, header) => {
      const domain = authorDomain(octets, header);
      if (domain === null) return "";
      const active = await keys.activeKeys(domain);
      if (active.length === 0) return "";
      return signMessage(octets, header, { keys: signers.open(active), nowMs: Date.now() });
    },
    seal: async (octets, { domain, clientAddress, heloName, reversePath }) => {
      const key = (await keys.activeKeys(domain)).find(({ algorithm }) =>
        algorithm === "rsa-sha256"
      );
      const der = key && secrets.open(key.sealedPrivateKey, signingKeyContext(key));
      if (!der) return "";
      const sealed = await sealForward(octets, {
        clientAddress,
        heloName,
        reversePath,
        hostname,
        domain,
        selector: key.selector,
        privateKey: pemOf(der),
        resolver,
        timeoutMs: SEAL_TIMEOUT_MS,
      });
      if (sealed === "") log.warning("forwarded for {domain} without an ARC seal", { domain });
      return sealed;
    },
    forwardingPath: async (reversePath, domain) => {
      const mailbox = parseMailbox(reversePath);
      if (typeof mailbox === "string") return reversePath;
      const answer = await directory.lookup(mailbox.domain, mailbox.localPart);
      // Our own domains name us in SPF already.
      if (answer.kind !== "not_local") return reversePath;
      const options = { secret: srsSecret, nowMs: Date.now(), domain };
      // Too long to be carried inside: bounces then reach whoever minds the forwarding domain.
      return forwardingPath(reversePath, options) ?? `postmaster@${domain}`;
    },
  };
}

/** Signers by key; a key that changes state or is made anew gets another. */
class OpenSigners {
  readonly #open = openSslSigners(openNodeSigner) ?? openNodeSigner;
  readonly #parts: OutgoingParts;
  readonly #signers = new Map<string, Signer>();

  constructor(parts: OutgoingParts) {
    this.#parts = parts;
  }

  open(keys: readonly SigningKey[]): readonly OpenKey[] {
    return keys.flatMap((key) => {
      const signer = this.#signerOf(key);
      const { domain, selector } = key;
      return signer === null ? [] : [{ domain, selector, signer }];
    });
  }

  #signerOf(key: SigningKey): Signer | null {
    const name = `${key.domain} ${key.selector} ${key.publicKey}`;
    const known = this.#signers.get(name);
    if (known !== undefined) return known;
    const { secrets, log } = this.#parts;
    const der = secrets.open(key.sealedPrivateKey, signingKeyContext(key));
    if (der === null) {
      const { domain, selector } = key;
      log.error("the DKIM key {selector} of {domain} does not open", { domain, selector });
      return null;
    }
    if (this.#signers.size >= MAX_OPEN_KEYS) {
      const [oldest] = this.#signers.keys();
      this.#signers.get(oldest)?.[Symbol.dispose]();
      this.#signers.delete(oldest);
    }
    const signer = this.#open(key.algorithm, der);
    this.#signers.set(name, signer);
    return signer;
  }
}

/** The domain of From, when all its addresses agree in it. */
function authorDomain(octets: Uint8Array, header: HeaderSection): string | null {
  const from = [...header.fields()].filter(({ name }) => name.toLowerCase() === "from");
  if (from.length !== 1) return null;
  const list = parseAddressList(octets.subarray(from[0].valueStartOctet, from[0].valueEndOctet));
  if (list.kind === "fault") return null;
  const domains = new Set(list.addresses.map(({ domain }) => domain));
  const [domain, another] = domains;
  return another === undefined ? domain ?? null : null;
}

function pemOf(der: Uint8Array): string {
  const key = createPrivateKey({ key: Buffer.from(der), format: "der", type: "pkcs8" });
  return key.export({ format: "pem", type: "pkcs8" }).toString();
}
