import assert from "node:assert/strict";
import { scoreMail } from "./score.ts";
import { type Aspect, type SignalName, SIGNALS } from "./signal_names.ts";
import {
  attached,
  authentication,
  type Draft,
  GTUBE_LINE,
  html,
  mailFacts,
} from "./testdata/mail.ts";
import { localDomains, RULES } from "./testdata/rules.ts";

type Samples<A extends Aspect> = Readonly<Record<(typeof SIGNALS)[A][number], Draft>>;
type Given = Parameters<typeof authentication>[0];

const auth = (given: Given, draft: Draft = {}): Draft => ({
  ...draft,
  facts: { authentication: authentication(given) },
});
const dmarcFails = (policy: "none" | "quarantine" | "reject", isTesting = false): Draft =>
  auth({
    dmarc: { verdict: "fail", policy, isTesting, isSpfAligned: false, isDkimAligned: false },
  });
const client = (given: Record<string, unknown>): Draft => ({
  facts: { client: { ...mailFacts().client, ...given } },
});
const fields = (given: Readonly<Record<string, string | null>>): Draft => ({ fields: given });
const link = (url: string, shown = "Read more"): Draft =>
  html(
    `<p>Please read this page, which has all there is to know.</p><a href="${url}">${shown}</a>`,
  );
const text = (body: string): Draft => ({ body });
const long = "This is a sentence of the ordinary kind, with nothing to be said about it. ".repeat(
  3,
);
const multipart = (body: string, boundary = "; boundary=b"): Draft => ({
  fields: { "Content-Type": `multipart/mixed${boundary}` },
  body,
});
const hit = { zone: "list.example", value: "127.0.0.2", weight: 3, subject: "192.0.2.7" };

const AUTHENTICATION: Samples<"authentication"> = {
  SPF_PASS: auth({}),
  SPF_FAIL: auth({ spf: "fail" }),
  SPF_SOFTFAIL: auth({ spf: "softfail" }),
  SPF_NONE: auth({ spf: "neutral" }),
  SPF_PERMERROR: auth({ spf: "permerror" }),
  HELO_SPF_FAIL: auth({ helo: "fail" }),
  DKIM_PASS: auth({}),
  DKIM_FAIL: auth({ dkim: "fail" }),
  DMARC_PASS: auth({}),
  DMARC_FAIL_REJECT: dmarcFails("reject"),
  DMARC_FAIL_QUARANTINE: dmarcFails("reject", true),
  DMARC_FAIL_NONE: dmarcFails("none", true),
  DMARC_PERMERROR: auth({ dmarc: { verdict: "permerror" } }),
  NOT_AUTHENTICATED: auth({ spf: "none", dkim: null, dmarc: { verdict: "none" } }),
  OUR_DOMAIN_FORGED: auth(
    { dmarc: { verdict: "none", isSpfAligned: false, isDkimAligned: false } },
    fields({ From: "Ann <ann@mail.example.org>" }),
  ),
  ARC_PASS: auth({ arc: "pass", dmarc: { verdict: "fail" } }),
};

const CLIENT: Samples<"client" | "lists"> = {
  HELO_NOT_A_NAME: client({ heloFaults: ["not_a_name"] }),
  HELO_NO_DOT: client({ heloFaults: ["no_dot"] }),
  HELO_BARE_ADDRESS: client({ heloFaults: ["bare_address"] }),
  HELO_WRONG_LITERAL: client({ heloFaults: ["wrong_literal"] }),
  HELO_OUR_NAME: client({ heloFaults: ["our_name"] }),
  HELO_NO_ADDRESS: client({ heloFaults: ["no_address"] }),
  RDNS_NONE: client({ reverse: { verdict: "none", name: null } }),
  RDNS_FAIL: client({ reverse: { verdict: "fail", name: null } }),
  RDNS_DYNAMIC: client({ reverse: { verdict: "pass", name: "h7-2-0-192.dyn.example.net" } }),
  CLIENT_LISTED: client({ lists: [hit] }),
  CLIENT_WELCOME: client({ lists: [{ ...hit, weight: -2 }] }),
  LINK_LISTED: { facts: { linkLists: [hit] } },
};

const HEADER: Samples<"header"> = {
  DATE_MISSING: fields({ Date: null }),
  DATE_INVALID: fields({ Date: "tomorrow" }),
  DATE_FUTURE: fields({ Date: "Sat, 03 Jan 2026 03:04:05 +0000" }),
  DATE_PAST: fields({ Date: "Sat, 27 Dec 2025 03:04:05 +0000" }),
  DATE_ODD_ZONE: fields({ Date: "Fri, 02 Jan 2026 03:04:05 -1700" }),
  MESSAGE_ID_MISSING: fields({ "Message-ID": null }),
  MESSAGE_ID_INVALID: fields({ "Message-ID": "4a7f.12" }),
  MESSAGE_ID_LOCAL_HOST: fields({ "Message-ID": "<1@laptop>" }),
  FREE_MAIL_ID_ELSEWHERE: fields({ From: "Ann <ann@gmail.com>" }),
  MESSAGE_ID_OF_AUTHOR: {},
  FROM_MISSING: fields({ From: null }),
  FROM_INVALID: fields({ From: "Ann <ann>" }),
  FROM_MANY: fields({ From: "Ann <ann@example.net>, Eve <eve@example.net>" }),
  FROM_DIGITS: fields({ From: "Ann <ann928374@example.net>" }),
  FROM_NO_NAME: fields({ From: "ann@example.net" }),
  TO_MISSING: fields({ To: null }),
  TO_UNDISCLOSED: fields({ To: "undisclosed-recipients:;" }),
  TO_MANY: fields({ To: Array.from({ length: 30 }, (_, at) => `u${at}@example.org`).join(", ") }),
  TO_IS_FROM: fields({ To: "ann@example.net" }),
  RECIPIENT_NOT_NAMED: { facts: { recipients: ["eve@example.org"] } },
  SUBJECT_MISSING: fields({ Subject: "" }),
  SUBJECT_CAPITALS: fields({ Subject: "VERY IMPORTANT NEWS" }),
  SUBJECT_PUNCTUATION: fields({ Subject: "Hurry!!" }),
  SUBJECT_CODE_BEHIND_SPACES: fields({ Subject: "Lunch          xk3f" }),
  SUBJECT_NAMES_RECIPIENT: fields({ To: "robert@example.org", Subject: "Robert, look at this" }),
  SUBJECT_FAKE_REPLY: fields({ Subject: "Re: Lunch" }),
  SUBJECT_RAW_OCTETS: fields({ Subject: "Grüße" }),
  SUBJECT_NEEDLESSLY_ENCODED: fields({ Subject: "=?utf-8?B?THVuY2g=?=" }),
  RECEIVED_NONE: fields({ Received: null }),
  FIELD_TWICE: { raw: "From: Eve <eve@example.com>\r\n" },
  HEADER_RAW_OCTETS: fields({ Subject: "Grüße" }),
  HEADER_BROKEN: { raw: "This is no field\r\n" },
  MAILER_FORGED: fields({ "X-Mailer": "Microsoft Outlook Express 6.00.2800.1106" }),
  MAILER_MARK_ALONE: fields({ "X-MSMail-Priority": "High" }),
  MAILER_HTML_ALONE: html("<p>Hello</p>", {
    fields: { "X-Mailer": "Microsoft Outlook 16.0", "Thread-Index": "Ac" },
  }),
  PRIORITY_HIGH: fields({ "X-Priority": "1" }),
  CONVERSATION: fields({ Subject: "Re: Lunch", "In-Reply-To": "<1@example.org>" }),
};

const FORM: Samples<"form"> = {
  MIME_BOUNDARY_MISSING: multipart("--b\r\n\r\nHello\r\n", ""),
  MIME_BOUNDARY_UNCLOSED: multipart("--b\r\n\r\nHello\r\n"),
  MIME_BAD_BASE64: {
    fields: { "Content-Transfer-Encoding": "base64" },
    body: "SGVsbG8h*!§§§ what is this\r\n",
  },
  MIME_BAD_QUOTED_PRINTABLE: {
    fields: { "Content-Transfer-Encoding": "quoted-printable" },
    body: "A =ZZ and =XY and =QQ\r\n",
  },
  MIME_UNKNOWN_ENCODING: fields({ "Content-Transfer-Encoding": "base65" }),
  MIME_UNKNOWN_CHARSET: fields({ "Content-Type": "text/plain; charset=x-none" }),
  MIME_BAD_CHARSET_OCTETS: {
    fields: { "Content-Type": "text/plain; charset=us-ascii" },
    body: "Grüße\r\n",
  },
  MIME_BAD_CONTENT_TYPE: fields({ "Content-Type": "what; is=this" }),
  MIME_FIELD_TWICE: { raw: "Content-Type: text/html\r\n" },
  MIME_TOO_MANY_PARTS: multipart("--b\r\n\r\nx\r\n".repeat(500) + "--b--\r\n"),
  MIME_TOO_DEEP: multipart(
    Array.from(
      { length: 40 },
      (_, at) => `--b${at || ""}\r\nContent-Type: multipart/mixed; boundary=b${at + 1}\r\n\r\n`,
    ).join(""),
  ),
  MIME_VERSION_MISSING: fields({ "MIME-Version": null }),
  MIME_NEEDLESS_BASE64: {
    fields: { "Content-Type": "text/plain", "Content-Transfer-Encoding": "base64" },
    body: "SGVsbG8gdGhlcmU=\r\n",
  },
};

const HTML: Samples<"html"> = {
  HTML_ONLY: html("<p>Hello there</p>"),
  HTML_LITTLE_TEXT: html("<p></p>".repeat(1_000) + "<p>Hello there</p>"),
  HTML_IMAGE_ONLY: html('<img src="https://example.net/a.png">'),
  HTML_HIDDEN_TEXT: html(`<p>Hello</p><div style="display:none">${long}</div>`),
  HTML_FORM: html('<form action="https://example.net/"><input name="password"></form>'),
  HTML_SCRIPT: html("<script>alert(1)</script>"),
  HTML_META_REFRESH: html('<meta http-equiv="refresh" content="0;url=https://example.net/">'),
  HTML_BASE_TAG: html('<base href="https://example.net/">'),
  HTML_UNCLOSED_TAGS: html("<b><i><u>".repeat(20) + "Hello"),
};

const TEXT: Samples<"text"> = {
  TEXT_CAPITALS: text(long.toUpperCase()),
  TEXT_PUNCTUATION: text(`${long} Now!!! Today!!!`),
  TEXT_SPACED_OUT: text("Get your v i a g r a p i l l s here"),
  TEXT_MIXED_SCRIPTS: text("Your раyраl аccоunt"),
  TEXT_EMPTY: text("\r\n"),
  TEXT_ONLY_LINK: text("https://www.example.com/a\r\n"),
  TEXT_COIN_ADDRESS: text("Pay to 1BoatSLRHtKNngkdXEeobR76b53LETtpyT today"),
  TEXT_TOLL_FREE_NUMBER: text("Call us at 1-800-555-0199 today"),
  TEXT_LARGE_SUM: text("You will get US$ 4,500,000 soon"),
};

const LINKS: Samples<"links"> = {
  LINK_TO_ADDRESS: link("http://192.0.2.80/a"),
  LINK_WITH_USER: link("https://example.net:x@evil.example/a"),
  LINK_ODD_PORT: link("https://a.example:8181/a"),
  LINK_SHOWS_OTHER_DOMAIN: link("https://evil.example/", "https://good.example/"),
  LINK_SHOWS_BRAND: link("https://evil.example/", "www.paypal.com"),
  LINK_SHORTENED: link("https://bit.ly/abc"),
  LINK_MIXED_SCRIPT: link("https://xn--pypal-4ve.example/"),
  LINK_LOOKALIKE: link("https://www.paypa1.com/"),
  LINK_NAMES_BRAND: link("https://paypal.com.evil.example/"),
  LINK_MANY_LABELS: link("https://a.b.c.d.e.f.evil.example/"),
  LINK_ENCODED_HOST: link("https://ev%69l.example/"),
  LINK_WITHIN_LINK: link("https://a.example/?u=https%3A%2F%2Fb.example"),
  LINK_POOR_TOP_LEVEL: link("https://offer.icu/"),
  LINK_MANY_DOMAINS: html(
    Array.from({ length: 20 }, (_, at) => `<a href="https://site${at}.example/">x</a>`).join(" "),
  ),
  LINK_FREE_HOSTING: link("https://offer.web.app/"),
  LINK_TO_AUTHOR: link("https://www.example.net/"),
  FREE_MAIL_LINKS_ELSEWHERE: {
    ...link("https://www.example.com/"),
    fields: { "Content-Type": "text/html", From: "Ann <ann@gmail.com>" },
  },
};

const ZIP = "PK\x03\x04\x14\0\0\0\x08\0" + "\0".repeat(16) + "\x0b\0\0\0" + "invoice.exe";
const ENCRYPTED_ZIP = ZIP.replace("\x14\0\0\0", "\x14\0\x01\0");

const ATTACHMENTS: Samples<"attachments"> = {
  ATTACHMENT_PROGRAM: attached("setup.exe", "MZ\x90"),
  ATTACHMENT_TWO_EXTENSIONS: attached("invoice.pdf.exe", "MZ\x90"),
  ATTACHMENT_ARCHIVED_PROGRAM: attached("invoice.zip", ZIP),
  ATTACHMENT_MACROS: attached("invoice.docm", "PK\x03\x04"),
  ATTACHMENT_OTHER_TYPE: attached("invoice.pdf", "<html><body>", "application/pdf"),
  ATTACHMENT_PAGE: attached("invoice.html", "<html><body>", "text/html"),
  ATTACHMENT_DISK_IMAGE: attached("invoice.iso", "\0\0\0"),
  ATTACHMENT_ENCRYPTED_ARCHIVE: attached("invoice.zip", ENCRYPTED_ZIP),
  ATTACHMENT_DISGUISED_NAME: attached("invoice\u202efdp.exe", "MZ"),
};

const PHISHING: Samples<"phishing"> = {
  NAME_SHOWS_OTHER_ADDRESS: fields({ From: '"ann@bank.example" <x@evil.example>' }),
  NAME_SHOWS_BRAND: fields({ From: "PayPal Service <x@evil.example>" }),
  NAME_SHOWS_OUR_DOMAIN: fields({ From: '"example.org helpdesk" <x@evil.example>' }),
  NAME_INVISIBLE: fields({ From: "=?utf-8?Q?Pay=E2=80=8Bments?= <x@evil.example>" }),
  NAME_MIXED_SCRIPTS: fields({ From: "=?utf-8?B?UNCweXBhbA==?= <x@evil.example>" }),
  FROM_LOOKALIKE: fields({ From: "Ann <ann@our-c0mpany.example>" }),
  FROM_NAMES_BRAND: fields({ From: "Ann <ann@paypal-service.example>" }),
  FROM_MIXED_SCRIPT: fields({ From: "Ann <ann@xn--pypal-4ve.example>" }),
  FROM_POOR_TOP_LEVEL: fields({ From: "Ann <ann@offer.icu>" }),
  REPLY_TO_FREE_MAIL: fields({ "Reply-To": "ann.smith@gmail.com" }),
  REPLY_TO_OTHER_DOMAIN: fields({ "Reply-To": "ann@example.com" }),
  SENDER_OTHER_DOMAIN: { facts: { reversePath: "bounce@sender.example" } },
};

const SAMPLES: Readonly<Partial<Record<SignalName, Draft>>> = {
  ...{ ...AUTHENTICATION, ...CLIENT, ...HEADER, ...FORM, ...HTML },
  ...{ ...TEXT, ...LINKS, ...ATTACHMENTS, ...PHISHING },
  REPUTATION: { facts: { reputations: [{ subject: "domain:example.net", ham: 0, spam: 9 }] } },
  GTUBE: text(GTUBE_LINE),
};

function namesOf(draft: Draft): readonly string[] {
  const facts = mailFacts(draft);
  return scoreMail(facts, { rules: RULES, bayes: null, localDomains }).signals
    .map(({ name }) => name);
}

for (const [name, draft] of Object.entries(SAMPLES)) {
  Deno.test(`scoreMail: ${name} is found where it belongs, and not in an ordinary message`, () => {
    assert.ok(namesOf(draft).includes(name), `found ${namesOf(draft).join(", ")}`);
    if (name !== "MESSAGE_ID_OF_AUTHOR") assert.ok(!namesOf({}).includes(name));
  });
}

Deno.test("scoreMail: every signal has its sample", () => {
  const sampled = new Set([...Object.keys(SAMPLES), "BAYES_SPAM", "BAYES_HAM"]);
  assert.deepEqual(Object.values(SIGNALS).flat().filter((name) => !sampled.has(name)), []);
});

Deno.test("scoreMail: what lists and honest programs do is no signal", () => {
  const silent: readonly (readonly [SignalName, Draft])[] = [
    [
      "REPLY_TO_OTHER_DOMAIN",
      fields({ "Reply-To": "l@lists.example", "List-Id": "<l.lists.example>" }),
    ],
    ["REPLY_TO_FREE_MAIL", fields({ "Reply-To": "club@gmail.com", To: "Club <club@gmail.com>" })],
    ["SUBJECT_NAMES_RECIPIENT", fields({ To: "ilug@example.org", Subject: "[ilug] Lunch" })],
    ["SUBJECT_FAKE_REPLY", fields({ Subject: "Re: Lunch", References: "<1@example.org>" })],
    ["MAILER_FORGED", fields({ "X-Mailer": "Microsoft Outlook Express Macintosh Edition - 4.5" })],
    ["LINK_SHOWS_OTHER_DOMAIN", link("https://www.good.example/a", "https://good.example/")],
    ["LINK_LOOKALIKE", link("https://www.paypal.com/")],
    ["LINK_NAMES_BRAND", link("https://www.amazon.co.jp/")],
    ["NAME_SHOWS_BRAND", fields({ From: "PayPal <service@paypal.com>" })],
    ["OUR_DOMAIN_FORGED", auth({}, fields({ From: "Ann <ann@example.org>" }))],
    ["NOT_AUTHENTICATED", auth({ spf: "temperror", dkim: null, dmarc: { verdict: "none" } })],
    ["ATTACHMENT_OTHER_TYPE", attached("a.pdf", "%PDF-1.7 and more", "application/pdf")],
    ["RDNS_DYNAMIC", client({ reverse: { verdict: "pass", name: "mail7.example.net" } })],
  ];
  for (const [name, draft] of silent) assert.ok(!namesOf(draft).includes(name), name);
});
