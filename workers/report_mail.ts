/** Mail this server writes itself: how it is signed, and where it goes. */
import type { Config } from "../config/schema.ts";
import type { RoutedRecipient } from "../engine/mail/envelope.ts";
import { readHeaderSection } from "../engine/mail/header_section.ts";
import { parseMailbox } from "../engine/mail/path.ts";
import { expandRecipient, routedRecipient } from "../engine/routing/expand.ts";
import { takeBack } from "../engine/routing/srs.ts";
import type { Directory } from "../engine/store/directory.ts";
import { messageSigner } from "./message_signer.ts";

/** Signs as this host, from which reports come, or as the domain it belongs to (RFC 9989 §3.2.10.1). */
export function reportSigner(
  { serverHostname, serverDomain }: Config,
  parts: Parameters<typeof messageSigner>[0],
): (octets: Uint8Array) => Promise<string> {
  const sign = messageSigner(parts);
  const domains = serverHostname.endsWith(`.${serverDomain}`)
    ? [serverHostname, serverDomain]
    : [serverHostname];
  return (octets) => sign(octets, readHeaderSection(octets), domains);
}

/** Where it leads, behind aliases of ours; nowhere when empty. @throws {StoreUnavailableError} */
export async function routeReport(
  directory: Directory,
  forwardPath: string,
  srsSecret: Uint8Array,
): Promise<readonly RoutedRecipient[]> {
  const mailbox = parseMailbox(forwardPath);
  if (typeof mailbox === "string") return [];
  const expansion = await expandRecipient(mailbox, {
    lookup: (domain, localPart) => directory.lookup(domain, localPart),
    mayRelay: true,
    takeBack: (localPart) => takeBack(localPart, { secret: srsSecret, nowMs: Date.now() }),
  });
  return expansion.kind === "refused" ? [] : expansion.recipients.map(routedRecipient);
}
