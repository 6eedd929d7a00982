/** Messages for tests of signals, and what the session would know of them. */
import { Buffer } from "node:buffer";
import type { Authentication } from "../../auth/results.ts";
import { readHeaderSection } from "../../mail/header_section.ts";
import type { MailFacts } from "../facts.ts";
import { readContent } from "../read_content.ts";

export const NOW_MS = Date.UTC(2026, 0, 2, 3, 10);

const FIELDS: Readonly<Record<string, string | null>> = {
  Received: "from a.example by b.example with ESMTP; Fri, 02 Jan 2026 03:04:06 +0000",
  From: "Ann Smith <ann@example.net>",
  To: "Bob <bob@example.org>",
  Subject: "Lunch tomorrow",
  Date: "Fri, 02 Jan 2026 03:04:05 +0000",
  "Message-ID": "<4a7f.12@example.net>",
  "MIME-Version": "1.0",
  "Content-Type": "text/plain; charset=utf-8",
};

export interface Draft {
  /** In place of the usual fields, or beside them; `null` leaves one out. */
  readonly fields?: Readonly<Record<string, string | null>>;
  /** Lines as they are, above all fields. */
  readonly raw?: string;
  readonly body?: string;
  readonly facts?: Partial<MailFacts>;
}

/** A message nothing speaks against, but for what the draft says. */
export function mailFacts(draft: Draft = {}): MailFacts {
  const fields = Object.entries({ ...FIELDS, ...draft.fields })
    .filter(([, value]) => value !== null)
    .map(([name, value]) => `${name}: ${value}\r\n`);
  const body = draft.body ?? "Shall we meet at noon, in front of the library?\r\n";
  const octets = new Uint8Array(Buffer.from(`${draft.raw ?? ""}${fields.join("")}\r\n${body}`));
  const header = readHeaderSection(octets);
  return {
    nowMs: NOW_MS,
    client: {
      address: "192.0.2.7",
      reverse: { verdict: "pass", name: "mail.example.net" },
      heloName: "mail.example.net",
      heloFaults: [],
      lists: [],
    },
    reversePath: "ann@example.net",
    recipients: ["bob@example.org"],
    authentication: null,
    header,
    content: readContent(octets, header),
    sizeOctets: octets.length,
    linkLists: [],
    reputations: [],
    ...draft.facts,
  };
}

/** A message of HTML alone. */
export function html(body: string, draft: Draft = {}): Draft {
  return {
    ...draft,
    fields: { "Content-Type": "text/html; charset=utf-8", ...draft.fields },
    body,
  };
}

/** A message with a file. */
export function attached(name: string, head: string, type = "application/octet-stream"): Draft {
  return {
    fields: { "Content-Type": 'multipart/mixed; boundary="b"' },
    body: "--b\r\nContent-Type: text/plain\r\n\r\nSee the file, please.\r\n" +
      `--b\r\nContent-Type: ${type}\r\nContent-Disposition: attachment; filename="${name}"\r\n` +
      "Content-Transfer-Encoding: base64\r\n\r\n" +
      `${Buffer.from(head, "latin1").toString("base64")}\r\n--b--\r\n`,
  };
}

/** Everything passes, but for what is given. */
export function authentication(given: {
  readonly spf?: Authentication["mfrom"]["verdict"];
  readonly helo?: Authentication["helo"]["verdict"];
  readonly dkim?: Authentication["dkim"][number]["verdict"] | null;
  readonly arc?: Authentication["arc"]["verdict"];
  readonly dmarc?: Partial<Authentication["dmarc"]>;
}): Authentication {
  const spf = {
    verdict: given.spf ?? "pass",
    scope: "mfrom" as const,
    domain: "example.net",
    sender: "ann@example.net",
    explanation: null,
    reason: null,
  };
  return {
    helo: { ...spf, verdict: given.helo ?? "pass", scope: "helo" },
    mfrom: spf,
    dkim: given.dkim === null ? [] : [{
      verdict: given.dkim ?? "pass",
      domain: "example.net",
      selector: "s",
      identity: "@example.net",
      algorithm: "rsa-sha256",
      signaturePrefix: "abc",
      reason: null,
    }],
    arc: { verdict: given.arc ?? "none", sealers: [], firstResults: null, reason: null },
    dmarc: {
      verdict: "pass",
      fromDomain: "example.net",
      policyDomain: "example.net",
      policy: "reject",
      isTesting: false,
      isSpfAligned: true,
      isDkimAligned: true,
      reportTo: [],
      record: null,
      reason: null,
      ...given.dmarc,
    },
  };
}

/** In two pieces, so that this file itself may be mailed. */
export const GTUBE_LINE = "XJS*C4JDBQADN1.NSBN3*2IDNEN*" +
  "GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X";
