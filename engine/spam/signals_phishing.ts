/** Signals of a message that would pass for another's: names shown, names that look alike, answers led elsewhere. */
import { displayDomain } from "../mail/domain.ts";
import type { Findings } from "./findings.ts";
import { mixesScripts, siteOf } from "./lookalike.ts";
import { isFromList, type Mailbox, mailboxOf } from "./mail_fields.ts";
import type { MailView } from "./mail_view.ts";

export function findPhishing(view: MailView, findings: Findings): void {
  const { from, replyTo } = view.fields;
  if (from === null || from.domain === "") return;
  findName(from, view, findings);
  findDomain(from, view, findings);
  if (replyTo !== null) findReplyTo(from, replyTo, view, findings);
  const { reversePath, header } = view.facts;
  const envelope = mailboxOf(reversePath)?.domain ?? "";
  const isList = header.has("list-id") || header.has("list-unsubscribe") || header.has("sender");
  if (envelope !== "" && siteOf(envelope) !== siteOf(from.domain) && !isList) {
    findings.add("SENDER_OTHER_DOMAIN", `${envelope} for ${from.domain}`);
  }
}

const ADDRESS = /[\w.+-]{1,64}@((?:[\w-]{1,63}\.){1,8}[a-z]{2,24})/i;
const INVISIBLE = /[\u00ad\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/;

function findName(from: Mailbox, view: MailView, findings: Findings): void {
  const { displayName, domain } = from;
  const shown = ADDRESS.exec(displayName.slice(0, 320))?.[1].toLowerCase();
  if (shown !== undefined && siteOf(shown) !== siteOf(domain)) {
    findings.add("NAME_SHOWS_OTHER_ADDRESS", `${shown} for ${domain}`);
  } else if (
    shown === undefined && namesOurs(displayName, view) && !view.localDomains.has(domain)
  ) {
    findings.add("NAME_SHOWS_OUR_DOMAIN", domain);
  }
  const brand = view.knowledge.brands.namedIn(displayName, domain);
  if (brand !== null) findings.add("NAME_SHOWS_BRAND", `${brand} for ${domain}`);
  if (INVISIBLE.test(displayName)) findings.add("NAME_INVISIBLE");
  if (displayName.split(/[^\p{L}]+/u, 12).some(mixesScripts)) findings.add("NAME_MIXED_SCRIPTS");
}

function namesOurs(displayName: string, { localDomains }: MailView): boolean {
  return displayName.toLowerCase().split(/[\s,;()/]+/, 12)
    .some((word) => word.includes(".") && localDomains.has(word));
}

function findDomain({ domain }: Mailbox, view: MailView, findings: Findings): void {
  const { knowledge, localDomains } = view;
  const site = siteOf(domain);
  const like = localDomains.lookalikeOf(site) ?? knowledge.brands.watch.lookalikeOf(site);
  if (like !== null) findings.add("FROM_LOOKALIKE", `${domain} for ${like.domain}`, like.likeness);
  const brand = knowledge.brands.namedInHost(domain);
  if (brand !== null) findings.add("FROM_NAMES_BRAND", domain);
  if (
    domain.includes("xn--") && domain.split(".").some((label) => mixesScripts(displayDomain(label)))
  ) {
    findings.add("FROM_MIXED_SCRIPT", domain);
  }
  if (knowledge.poorTopLevels.has(domain.slice(domain.lastIndexOf(".") + 1))) {
    findings.add("FROM_POOR_TOP_LEVEL", domain);
  }
}

function findReplyTo(from: Mailbox, replyTo: Mailbox, view: MailView, findings: Findings): void {
  const { knowledge: { freeMail }, facts: { header }, fields } = view;
  // Lists lead answers to themselves.
  if (isFromList(header, fields)) return;
  if (replyTo.domain === "" || siteOf(replyTo.domain) === siteOf(from.domain)) {
    const isTwin = freeMail.has(from.domain) && replyTo.address !== from.address;
    if (isTwin) findings.add("REPLY_TO_FREE_MAIL", replyTo.address);
    return;
  }
  if (freeMail.has(siteOf(replyTo.domain))) findings.add("REPLY_TO_FREE_MAIL", replyTo.address);
  else findings.add("REPLY_TO_OTHER_DOMAIN", `${replyTo.domain} for ${from.domain}`);
}
