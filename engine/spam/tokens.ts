/**
 * What a message is made of, as tokens to count: words and pairs of words, names in header fields, hosts of links,
 * marks of its form. Fields that differ from one recipient to the next, or that whoever received the mail has put
 * there, are left out: they would tell where a message was found, not what it is. Knows no counts. A change here
 * makes strangers of the tokens counted before.
 */
import type { HeaderSection } from "../mail/header_section.ts";
import { decodeWords } from "./encoded_words.ts";
import { siteOf } from "./lookalike.ts";
import { mailboxOf } from "./mail_fields.ts";
import type { MessageContent } from "./message_content.ts";
import { tokenKind, TokenSet } from "./token_set.ts";

const MAX_LINKS = 60;
const MAX_PARTS = 30;
const MAX_PATH_CHARACTERS = 100;

const WORD = tokenKind("word");
const PAIR = tokenKind("pair");
const SUBJECT = tokenKind("subject");
const SUBJECT_PAIR = tokenKind("subject pair");
const FROM = tokenKind("from");
const FROM_ADDRESS = tokenKind("from address");
const REPLY_TO = tokenKind("reply-to");
const MESSAGE_ID = tokenKind("message-id");
const MAILER = tokenKind("mailer");
const FIELD = tokenKind("field");
const VALUE = tokenKind("value");
const FORM = tokenKind("form");
const URL_PATH = tokenKind("url");
const HOST = tokenKind("host");

const list = (text: string): readonly string[] => text.split(" ");
/** Put there on the way, by the recipient's side or by mail programs that kept the message; or read by themselves. */
const PASSED_OVER = new Set(list(
  "received return-path delivered-to x-original-to envelope-to x-envelope-to delivery-date " +
    "authentication-results received-spf status x-status x-keywords x-uid x-uidl x-mozilla-status " +
    "x-mozilla-status2 x-gmail-labels x-folder x-evolution x-imap x-imapbase replied forwarded " +
    "content-length lines from to cc date subject message-id",
));
/** What filters on the way made of it. */
const PASSED_OVER_PREFIXES = list("x-spam x-virus x-rspamd arc- x-pyzor x-mimedefang");
const VALUED = list(
  "precedence x-priority importance x-msmail-priority mime-version list-id sender organization",
);

interface Mail {
  readonly header: HeaderSection;
  readonly content: MessageContent;
}

/** Each token once, in no order; at most `MAX_TOKENS`: header, form and links first, then words from the top. */
export function tokensOf(mail: Mail): Float64Array<ArrayBuffer> {
  const tokens = new TokenSet();
  addHeader(tokens, mail.header);
  addForm(tokens, mail.content);
  addLinks(tokens, mail.content);
  addRelations(tokens, mail);
  tokens.addWords(mail.content.text, WORD, PAIR);
  return tokens.ids;
}

function addHeader(tokens: TokenSet, header: HeaderSection): void {
  const subject = header.first("subject");
  if (subject !== null) tokens.addWords(decodeWords(subject), SUBJECT, SUBJECT_PAIR);
  const from = decodeWords(header.first("from") ?? "");
  tokens.addWords(from, FROM, null);
  const author = mailboxOf(from)?.address ?? "";
  tokens.add(FROM_ADDRESS, author);
  tokens.addHost(FROM_ADDRESS, author.slice(author.lastIndexOf("@") + 1));
  const replyTo = mailboxOf(header.first("reply-to"));
  if (replyTo !== null) {
    tokens.add(REPLY_TO, replyTo.address === author ? "same" : replyTo.address);
  }
  const id = header.first("message-id");
  if (id !== null) {
    tokens.addHost(MESSAGE_ID, hostOfId(id));
    tokens.add(MESSAGE_ID, shapeOf(id));
  }
  for (const name of ["x-mailer", "user-agent"]) {
    const value = header.first(name);
    if (value === null) continue;
    tokens.add(MAILER, value);
    tokens.addWords(value, MAILER, null);
  }
  for (const name of VALUED) {
    const value = header.first(name);
    if (value !== null) tokens.add(VALUE, `${name} ${value.toLowerCase()}`);
  }
  addFieldNames(tokens, header);
}

function addFieldNames(tokens: TokenSet, header: HeaderSection): void {
  for (const { name } of header.fields()) {
    const lower = name.toLowerCase();
    const isPassedOver = PASSED_OVER.has(lower) ||
      PASSED_OVER_PREFIXES.some((prefix) => lower.startsWith(prefix));
    if (!isPassedOver) tokens.add(FIELD, lower);
  }
  for (const name of ["to", "cc"]) {
    const addresses = (header.first(name) ?? "").split("@", 64).length - 1;
    tokens.add(FORM, `${name} ${magnitude(addresses)}`);
  }
  for (const name of ["to", "cc", "date", "message-id"]) {
    if (!header.has(name)) tokens.add(FIELD, `no ${name}`);
  }
}

function addForm(tokens: TokenSet, { parts, defects, html }: MessageContent): void {
  for (const part of parts.slice(0, MAX_PARTS)) {
    const { mediaType, charset, transferEncoding, fileName } = part;
    tokens.add(FORM, `${mediaType} ${part.depth}`);
    tokens.add(FORM, `charset ${charset} ${mediaType}`);
    tokens.add(FORM, `encoding ${transferEncoding} ${mediaType}`);
    if (fileName === null) continue;
    tokens.addWords(fileName, FORM, null);
    const dot = fileName.lastIndexOf(".");
    if (dot >= 0) tokens.add(FORM, `extension ${fileName.slice(dot + 1).toLowerCase()}`);
  }
  for (const defect of defects) tokens.add(FORM, `defect ${defect}`);
  if (html === null) return;
  tokens.add(FORM, `images ${magnitude(html.images)}`);
  tokens.add(FORM, `remote images ${magnitude(html.remoteImages)}`);
  tokens.add(FORM, `forms ${html.forms > 0}`);
  tokens.add(FORM, `scripts ${html.scripts > 0}`);
  tokens.add(FORM, `hidden ${magnitude(html.hiddenCharacters)}`);
  tokens.add(FORM, `shown ${magnitude(html.shownCharacters)}`);
}

function addLinks(tokens: TokenSet, { links }: MessageContent): void {
  for (const { url, host } of links.slice(0, MAX_LINKS)) {
    tokens.addHost(HOST, host);
    const schemeEnd = url.indexOf(":");
    const path = url.indexOf("/", url.startsWith("//", schemeEnd + 1) ? schemeEnd + 3 : 0);
    if (path >= 0) tokens.addWords(url.slice(path, path + MAX_PATH_CHARACTERS), URL_PATH, null);
  }
  tokens.add(FORM, `links ${magnitude(links.length)}`);
}

/** Which of the names in a message are of the same domain: what is borrowed seldom fits together. */
function addRelations(tokens: TokenSet, { header, content }: Mail): void {
  const author = siteOf(mailboxOf(header.first("from"))?.domain ?? "");
  const isOf = (host: string) => author !== "" && siteOf(host) === author;
  tokens.add(FORM, `id of author ${isOf(hostOfId(header.first("message-id") ?? ""))}`);
  if (content.links.length === 0) return;
  const isLinked = content.links.slice(0, MAX_LINKS).some(({ host }) => isOf(host));
  tokens.add(FORM, `author linked ${isLinked}`);
}

function hostOfId(id: string): string {
  return id.slice(id.lastIndexOf("@") + 1).replace(/[>\s]/g, "").toLowerCase();
}

/** 0, 1, 2 for 2 and 3, 3 for 4 to 7, and so on. */
function magnitude(count: number): number {
  return count === 0 ? 0 : 1 + Math.floor(Math.log2(count));
}

const MAX_SHAPE_CHARACTERS = 80;

/** Digits, capitals and small letters as classes, so that ids made by the same program look the same. */
function shapeOf(id: string): string {
  return id.slice(0, MAX_SHAPE_CHARACTERS).replace(/@.*/, "@").replace(/[0-9]+/g, "0")
    .replace(/[A-Z]+/g, "A").replace(/[a-z]+/g, "a");
}
