/**
 * The domain of From (RFC 9989 §5.3.1): the one a reader takes a message to come from, in A-labels. A field that
 * breaks the grammar still has one where every address in it, however read, is of the same domain.
 */
import { Buffer } from "node:buffer";
import { parseAddressList } from "../mail/address_list.ts";
import { isDomainName, normalizeDomain } from "../mail/domain.ts";
import type { SignedMessage } from "./signed_message.ts";

export type AuthorDomain =
  | { readonly kind: "domain"; readonly domain: string }
  | { readonly kind: "fault"; readonly reason: string; readonly isAmbiguous: boolean };

/** Longer ones are no From fields that people read. */
const MAX_OCTETS = 8_192;

export function authorDomain(message: SignedMessage): AuthorDomain {
  const [field, second] = message.named("from");
  if (field === undefined) return fault("there is no From field");
  if (second !== undefined) return fault("there are several From fields", true);
  if (field.value.length > MAX_OCTETS) return fault("From is too long", true);
  const value = Buffer.from(field.value, "latin1");
  const list = parseAddressList(value);
  const domains = new Set(
    list.kind === "addresses" ? list.addresses.map(({ domain }) => domain) : looseDomains(value),
  );
  const [domain] = domains;
  if (domains.size === 1 && domain !== null && isDomainName(domain) && domain.includes(".")) {
    return { kind: "domain", domain };
  }
  return domains.size > 1
    ? fault("From names several domains", true)
    : fault("From names no domain");
}

// deno-lint-ignore no-control-regex
const BEHIND_AT = /@([^\x00-\x20\x7f-\x9f()<>[\]:;@\\,"']*)/g;

/** Whatever stands behind an `@`; `null` for what is no domain. */
function looseDomains(value: Uint8Array): (string | null)[] {
  const text = new TextDecoder().decode(value);
  return [...text.matchAll(BEHIND_AT)].map(([, domain]) => normalizeDomain(domain));
}

function fault(reason: string, isAmbiguous = false): AuthorDomain {
  return { kind: "fault", reason, isAmbiguous };
}
