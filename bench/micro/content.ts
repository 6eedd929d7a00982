/**
 * What reading a message as its reader sees it costs: `deno run bench/micro/content.ts`. One thread;
 * processor time for a message, its header section found beforehand.
 */

import { Buffer } from "node:buffer";
import process from "node:process";
import { readHeaderSection } from "../../engine/mail/header_section.ts";
import { readContent } from "../../engine/spam/read_content.ts";

const SECONDS = 1;
const TURNS = 3;
const LINE = "A line of text as people write it, neither short nor long, and no tabs.\r\n";
const HEADER = "Received: from mx.example.org (mx.example.org [192.0.2.1])\r\n" +
  "\tby mail.example.net with ESMTPS id 1; Fri, 02 Jan 2026 03:04:06 +0000\r\n" +
  "From: Ann <ann@example.org>\r\nTo: Bob <bob@example.net>\r\nSubject: The monthly report\r\n" +
  "Date: Fri, 02 Jan 2026 03:04:05 +0000\r\nMessage-ID: <1@example.org>\r\nMIME-Version: 1.0\r\n";

const CELL = '<tr><td style="font-family:Arial,sans-serif;font-size:14px;color:#333333" ' +
  'bgcolor="#ffffff">Your order of <b>three</b> things is on its way&nbsp;&ndash; ' +
  '<a href="https://shop.example.org/orders/1?utm_source=mail&amp;n=2">see where</a></td></tr>\r\n';
const HTML = "<!doctype html><html><head><title>Order</title><style>td{padding:0}</style></head>" +
  '<body bgcolor="#ffffff"><table width="100%" cellpadding="0">\r\n' + CELL.repeat(10) +
  '</table><img src="https://shop.example.org/open.gif" width="1" height="1"></body></html>\r\n';

function part(fields: string, body: string): string {
  return `--=_boundary\r\n${fields}\r\n\r\n${body}\r\n`;
}

function multipart(type: string, ...parts: readonly string[]): string {
  return `${HEADER}Content-Type: multipart/${type}; boundary="=_boundary"\r\n\r\n` +
    `${parts.join("")}--=_boundary--\r\n`;
}

/** Equals signs in their escapes, lines of at most 76. */
function quotedPrintable(text: string): string {
  return text.replaceAll("=", "=3D").replace(/[^\r\n]{72}(?=[^\r\n])/g, "$&=\r\n");
}

const wrapped = Buffer.alloc(75_000, "a file of no meaning").toString("base64")
  .replace(/.{76}/g, "$&\r\n");
const plain = part("Content-Type: text/plain; charset=utf-8", LINE.repeat(20));
const html = part(
  "Content-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable",
  quotedPrintable(HTML),
);
const attachment = part(
  'Content-Type: application/pdf; name="report.pdf"\r\n' +
    'Content-Disposition: attachment; filename="report.pdf"\r\nContent-Transfer-Encoding: base64',
  wrapped,
);
const bigHtml = HTML.replace("</table>", `${CELL.repeat(340)}</table>`);
const messages = {
  "plain text": `${HEADER}\r\n${LINE.repeat(65)}`,
  "alternative of text and HTML": multipart("alternative", plain, html),
  "text and an attachment": multipart("mixed", plain, attachment),
  "HTML alone": multipart("related", part("Content-Type: text/html; charset=utf-8", bigHtml)),
};

/** Of processor time, which neighbours do not add to. */
function microseconds(octets: Uint8Array): number {
  const header = readHeaderSection(octets);
  const run = (ms: number) => {
    let count = 0;
    const before = process.cpuUsage();
    const startedMs = performance.now();
    while (performance.now() - startedMs < ms) {
      for (let n = 0; n < 20; n++, count++) readContent(octets, header);
    }
    const { user, system } = process.cpuUsage(before);
    return (user + system) / count;
  };
  run(300);
  return run(SECONDS * 1_000);
}

const rows = Object.entries(messages).map(([name, text]) => ({
  name,
  octets: new Uint8Array(Buffer.from(text, "latin1")),
  taken: [] as number[],
}));
// In turns, so that a noisy neighbour meets all of them.
for (let turn = 0; turn < TURNS; turn++) {
  for (const { octets, taken } of rows) taken.push(microseconds(octets));
}
console.log(`readContent, one thread, medians of ${TURNS} turns\n`);
for (const { name, octets, taken } of rows) {
  const median = taken.sort((a, b) => a - b)[TURNS >> 1];
  const size = `${(octets.length / 1_024).toFixed(1)} KiB`;
  console.log(`${name.padEnd(32)}${size.padStart(10)}${median.toFixed(1).padStart(9)} µs`);
}
