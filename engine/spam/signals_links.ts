/** Signals of where a message leads. */
import { parseIp } from "../mail/ip_address.ts";
import { displayDomain, normalizeDomain } from "../mail/domain.ts";
import type { Findings } from "./findings.ts";
import { mixesScripts, siteOf } from "./lookalike.ts";
import { isFromList } from "./mail_fields.ts";
import type { MailView } from "./mail_view.ts";
import type { Link } from "./message_content.ts";

/** More lead nowhere else. */
const MAX_LINKS = 60;
const MANY_SITES = 15;
const MANY_LABELS = 6;

export function findLinks(view: MailView, findings: Findings): void {
  const hosts = new Set<string>();
  const sites = new Set<string>();
  for (const link of view.facts.content.links.slice(0, MAX_LINKS)) {
    findLink(link, view, findings);
    if (link.host === "" || hosts.has(link.host)) continue;
    hosts.add(link.host);
    if (parseIp(link.host) !== null) findings.add("LINK_TO_ADDRESS", link.host);
    else sites.add(findHost(link.host, view, findings));
  }
  findAuthor(view, sites, findings);
  if (sites.size >= MANY_SITES) findings.add("LINK_MANY_DOMAINS", String(sites.size));
}

/** Whether links lead to where the author writes from; who borrows an address leads elsewhere. */
function findAuthor(view: MailView, sites: ReadonlySet<string>, findings: Findings): void {
  const { facts: { header, authentication }, fields, knowledge: { freeMail } } = view;
  const author = siteOf(fields.from?.domain ?? "");
  if (author === "" || sites.size === 0) return;
  if (freeMail.has(author)) {
    const isShared = header.has("in-reply-to") || isFromList(header, fields);
    if (!sites.has(author) && !isShared) findings.add("FREE_MAIL_LINKS_ELSEWHERE", author);
  } else if (sites.has(author) && authentication?.dmarc.verdict !== "fail") {
    findings.add("LINK_TO_AUTHOR", author);
  }
}

const WITHIN = /https?(?::|%3a)(?:\/|%2f){2}/i;
const AUTHORITY = /^(?:https?|ftp):\/{1,4}([^/?#\s]{0,512})/i;

const USUAL_PORTS: readonly string[] = ["80", "443", "8080", "8443"];
const START = "https://";
const MAX_URL_CHARACTERS = 1_024;

function findLink(link: Link, view: MailView, findings: Findings): void {
  const { url, host } = link;
  // Most links are written so, and have nothing to hide in front of the path.
  const isPlain = url.startsWith(START) && url.startsWith(`${host}/`, START.length);
  if (!isPlain) findAuthority(url, findings);
  const hasOther = url.includes("http", START.length) || url.includes("HTTP", START.length);
  if (hasOther && WITHIN.test(url.slice(START.length, MAX_URL_CHARACTERS))) {
    findings.add("LINK_WITHIN_LINK", host);
  }
  findShown(link, view, findings);
}

function findAuthority(url: string, findings: Findings): void {
  const authority = AUTHORITY.exec(url)?.[1];
  if (authority === undefined) return;
  if (authority.includes("@")) findings.add("LINK_WITH_USER", authority);
  if (authority.includes("%")) findings.add("LINK_ENCODED_HOST", authority);
  const port = /:([0-9]{1,5})$/.exec(authority)?.[1];
  if (port !== undefined && !USUAL_PORTS.includes(port)) {
    findings.add("LINK_ODD_PORT", authority);
  }
}

function findShown({ host, shown }: Link, view: MailView, findings: Findings): void {
  const other = shown === null ? null : domainShown(shown);
  if (other !== null && siteOf(other) !== siteOf(host)) {
    const { knowledge: { brands }, localDomains } = view;
    const isWatched = brands.watch.has(other) || localDomains.has(other);
    findings.add(
      isWatched ? "LINK_SHOWS_BRAND" : "LINK_SHOWS_OTHER_DOMAIN",
      `${other} for ${host}`,
    );
  }
}

/** The domain a text shows as the place it leads to; `null` when it is other text. */
function domainShown(shown: string): string | null {
  if (!shown.includes(".")) return null;
  const match =
    /^(?:(https?):\/\/)?(?:www\.)?((?:[\p{L}\p{N}-]{1,63}\.){1,8}[\p{L}]{2,24})(?=[/:?#]|$)/iu.exec(
      shown.slice(0, 300).trim(),
    );
  if (match === null) return null;
  // Names of files and words with a missing space look like domains, too.
  if (match[1] === undefined && !/^www\./i.test(shown.trim()) && !COMMON.test(match[2])) {
    return null;
  }
  return normalizeDomain(match[2]);
}

const COMMON = /\.(?:com|net|org|gov|edu|de|uk|fr|it|es|nl|eu|ch|at|us|ca|au|jp|br)$/i;

/** @returns the site the host belongs to. */
function findHost(host: string, view: MailView, findings: Findings): string {
  const { knowledge, localDomains } = view;
  const site = siteOf(host);
  if (knowledge.shorteners.has(host) || knowledge.shorteners.has(site)) {
    findings.add("LINK_SHORTENED", host);
  }
  if (isHosted(host, knowledge.freeHosting)) findings.add("LINK_FREE_HOSTING", host);
  const topLevel = host.slice(host.lastIndexOf(".") + 1);
  if (knowledge.poorTopLevels.has(topLevel)) findings.add("LINK_POOR_TOP_LEVEL", host);
  if (host.split(".", MANY_LABELS + 1).length > MANY_LABELS) findings.add("LINK_MANY_LABELS", host);
  if (
    host.includes("xn--") && host.split(".").some((label) => mixesScripts(displayDomain(label)))
  ) {
    findings.add("LINK_MIXED_SCRIPT", host);
  }
  const like = localDomains.lookalikeOf(site) ?? knowledge.brands.watch.lookalikeOf(site);
  if (like !== null) findings.add("LINK_LOOKALIKE", `${host} for ${like.domain}`, like.likeness);
  const brand = knowledge.brands.namedInHost(host);
  if (brand !== null) findings.add("LINK_NAMES_BRAND", host);
  return site;
}

function isHosted(host: string, places: ReadonlySet<string>): boolean {
  for (let dot = host.indexOf("."); dot >= 0; dot = host.indexOf(".", dot + 1)) {
    if (places.has(host.slice(dot + 1))) return true;
  }
  return places.has(host);
}
