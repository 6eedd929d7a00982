/** What is done to mail that leaves in our name: DKIM signatures, ARC seals, reverse-paths of forwards. */
import { Buffer } from "node:buffer";
import { createPrivateKey } from "node:crypto";
import { sealForward } from "../engine/auth/arc_seal.ts";
import type { SecretBox } from "../engine/crypto/secret_box.ts";
import type { Resolver } from "../engine/dns/resolver.ts";
import { parseAddressList } from "../engine/mail/address_list.ts";
import type { HeaderSection } from "../engine/mail/header_section.ts";
import { parseMailbox } from "../engine/mail/path.ts";
import { forwardingPath } from "../engine/routing/srs.ts";
import type { OutgoingServices } from "../engine/smtp/session.ts";
import type { Directory } from "../engine/store/directory.ts";
import { signingKeyContext, type SigningKeySource } from "../engine/store/signing_keys.ts";
import type { logOf } from "../engine/telemetry/log.ts";
import { messageSigner } from "./message_signer.ts";

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
  const sign = messageSigner(parts);
  return {
    sign: async (octets, header) => {
      const domain = authorDomain(octets, header);
      return domain === null ? "" : await sign(octets, header, [domain]);
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
