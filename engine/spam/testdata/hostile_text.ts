/** Messages with fields and text that are too long, wrongly encoded, or bait for a careless search. */
import { type Entry, fill, FROM, mail, MIB, multipart } from "./hostile_mail.ts";
import { HOSTILE_MARKUP } from "./hostile_markup.ts";

const FIELDS = [
  ...["Subject", "From", "To", "Received", "DKIM-Signature", "ARC-Seal", "ARC-Message-Signature"],
  ...["ARC-Authentication-Results", "Authentication-Results", "Received-SPF", "References"],
  ...["Content-Type", "Content-Disposition", "List-Unsubscribe", "X-Long", "Date", "Message-ID"],
];
const VALUES: Readonly<Record<string, string>> = {
  "Received":
    "from a.example (a.example [192.0.2.1]) by b.example; Fri, 02 Jan 2026 03:04:05 +0000",
  "DKIM-Signature": "v=1; a=rsa-sha256; d=example.org; s=s; h=From:From:To; bh=AAAA; b=AAAA",
  "ARC-Seal": "i=1; a=rsa-sha256; cv=none; d=example.org; s=s; b=AAAA",
  "ARC-Message-Signature": "i=1; a=rsa-sha256; d=example.org; s=s; h=From; bh=AAAA; b=AAAA",
  "ARC-Authentication-Results": "i=1; example.org; spf=pass smtp.mailfrom=a@example.org",
  "Authentication-Results": "example.net; dkim=pass header.d=example.org; spf=pass",
  "Content-Type": "text/html; charset=utf-8",
};

export function* headers(): Generator<Entry> {
  for (const field of FIELDS) {
    const value = VALUES[field] ?? "value";
    yield [
      `header: ${field} of 200 KiB`,
      () => mail(`${field}: ${fill(`${value}, `, 204_800)}\r\n`, "x"),
    ];
    yield [`header: ${field} of 1 MiB without end`, () => `${FROM}${field}: ${fill(value, MIB)}`];
    yield [
      `header: ${field} folded a million characters long`,
      () => mail(`${field}: ${fill(`${value}\r\n\t`, 1_000_000)}\r\n`, "x"),
    ];
    yield [
      `header: ${field} folded at each character`,
      () => mail(`${field}: ${fill("a\r\n ", 200_000)}\r\n`, "x"),
    ];
    yield [
      `header: ${field} 10000 times`,
      () => mail(`${field}: ${value}\r\n`.repeat(10_000), "x"),
    ];
    yield [
      `header: ${field} 100 times, numbered`,
      () =>
        mail(Array.from({ length: 100 }, (_, n) => `${field}: i=${n}; ${value}\r\n`).join(""), "x"),
    ];
    yield [
      `header: ${field} empty, folded over nothing`,
      () => mail(`${field}:\r\n \r\n\t\r\n`, "x"),
    ];
  }
  yield ["header: none", () => ""];
  yield ["header: an empty line only", () => "\r\n"];
  yield ["header: 100000 names without colon", () => fill("name\r\n", 600_000)];
  yield ["header: 100000 colons", () => fill(":\r\n", 300_000)];
  yield ["header: folded from the start", () => ` ${FROM}`];
  yield ["header: a name of 1 MiB", () => `${fill("n", MIB)}: value\r\n\r\n`];
  yield [
    "header: 10000 fields of other names",
    () => mail(Array.from({ length: 10_000 }, (_, n) => `X-${n}: ${n}\r\n`).join(""), "x"),
  ];
}

/** What careless expressions and scanners go over again and again. */
const BAITS = [
  ...[" ", "\t", "<", ">", "=?", "&", "(", ")", '"', "\\", ",", ";", ":", "@", "[", "=", "-", "--"],
  ...[
    "\r",
    "\n",
    "\r\n ",
    "\0",
    "\x80",
    ".",
    "<!--",
    "</",
    "<a ",
    "&#",
    "=?utf-8?q?",
    "=?utf-8?b?",
  ],
  ...["?=", "http://", "www.", "'", "%", "*", "a=", "a;", '\\"', "((", "{", "/*", "\xe3\x80\x80"],
];
const PLACES: Readonly<Record<string, (bait: string) => string>> = {
  "Subject": (bait) => mail(`Subject: ${bait}x\r\n`, "x"),
  "From": (bait) => `From: ${bait} <ann@example.org>\r\nTo: ${bait}\r\n\r\nx`,
  "Content-Type": (bait) => mail(`Content-Type: ${bait}\r\n`, "x"),
  "a charset": (bait) => mail(`Content-Type: text/plain; charset=${bait}\r\n`, "x"),
  "a file name": (bait) => mail(`Content-Disposition: attachment; filename="${bait}.exe"\r\n`, "x"),
  "a boundary": (bait) => multipart(bait.slice(0, 60), `--${bait.slice(0, 60)}\r\n\r\n${bait}`),
  "DKIM-Signature": (bait) => mail(`DKIM-Signature: v=1; ${bait}; d=example.org\r\n`, "x"),
  "Authentication-Results": (bait) => mail(`Authentication-Results: ${bait}; spf=pass\r\n`, "x"),
  "Received": (bait) => mail(`Received: ${bait}from a by b; ${bait}\r\n`, "x"),
  "text": (bait) => mail("Content-Type: text/plain; charset=utf-8\r\n", `${bait}x`),
  "quoted-printable": (bait) => mail("Content-Transfer-Encoding: quoted-printable\r\n", `${bait}x`),
  "base64": (bait) => mail("Content-Transfer-Encoding: base64\r\n", `QUJD${bait}QUJD`),
  "HTML": (bait) => mail("Content-Type: text/html\r\n", `<p>${bait}x</p>`),
  "an attribute": (bait) =>
    mail("Content-Type: text/html\r\n", `<a href="http://a.example/${bait}">x</a>`),
  "a style": (bait) =>
    mail("Content-Type: text/html\r\n", `<p style="color:${bait};display:none">x</p>`),
  "a link": (bait) => mail("", `see http://${bait}.example/${bait}`),
  "a preamble": (bait) => multipart("b", `${bait}\r\n--b\r\n\r\nx\r\n--b--\r\n${bait}`),
};

export function* baits(): Generator<Entry> {
  const sizes = [2_000, 50_000, 200_000, 900_000];
  let turn = 0;
  for (const [place, put] of Object.entries(PLACES)) {
    for (const bait of BAITS) {
      const size = sizes[turn++ % sizes.length];
      yield [
        `bait: ${size} octets of ${JSON.stringify(bait)} in ${place}`,
        () => put(fill(bait, size)),
      ];
    }
  }
}

export function* markup(): Generator<Entry> {
  for (const [name, text] of Object.entries(HOSTILE_MARKUP)) {
    for (const size of [3_000, 250_000, MIB]) {
      yield [
        `HTML: ${size} octets of ${name}`,
        () => mail("Content-Type: text/html; charset=utf-8\r\n", fill(text, size)),
      ];
    }
  }
}

export function* encodings(): Generator<Entry> {
  const bodies: Record<string, string> = {
    "junk": "!§$%&/()#+~",
    "a character a line": "Q\r\n",
    "padding": "=",
    "padded groups": "QQ==",
    "three characters": "QUJ",
    "equals signs": "=\r\n",
    "half escapes": "=4",
    "escapes": "=3D=20",
    "spaces before line ends": `${" ".repeat(500)}\r\n`,
    "eight bits": "\x80\xff",
    "soft breaks": "= \t\r\n",
    "honest": "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVo=\r\n",
  };
  for (
    const encoding of [
      "base64",
      "quoted-printable",
      "x-uuencode",
      "binary",
      "7bit",
      "BASE64 (x)",
      ";",
    ]
  ) {
    for (const [name, body] of Object.entries(bodies)) {
      const fields = `Content-Transfer-Encoding: ${encoding}\r\n`;
      yield [`encoding: ${name} in ${encoding}`, () => mail(fields, fill(body, 300_000))];
    }
  }
  yield [
    "encoding: 5 MiB of base64",
    () => mail("Content-Transfer-Encoding: base64\r\n", fill("QUJD".repeat(19) + "\r\n", 5 * MIB)),
  ];
  yield ["encoding: a line of 5 MiB", () => mail("", "a".repeat(5 * MIB))];
  const charsets = [
    "utf-8",
    "utf-7",
    "utf-16",
    "utf-32",
    "iso-2022-jp",
    "gb18030",
    "big5",
    "hz-gb-2312",
  ];
  for (
    const charset of [
      ...charsets,
      "shift_jis",
      "euc-kr",
      "us-ascii",
      "x-unknown",
      "replacement",
      "\0",
    ]
  ) {
    for (
      const octets of ["\xff\xfe", "\x1b$B", "\xed\xa0\x80", "\xf0\x9f", "+ADw-", "\0a", "\x81"]
    ) {
      yield [
        `charset: ${JSON.stringify(octets)} in ${JSON.stringify(charset)}`,
        () => mail(`Content-Type: text/plain; charset="${charset}"\r\n`, fill(octets, 20_000)),
      ];
    }
  }
}

export function* names(): Generator<Entry> {
  const sections = (count: number, section: (n: number) => string) => () =>
    mail(
      `Content-Type: application/pdf;${
        Array.from({ length: count }, (_, n) => `\r\n ${section(n)}`).join(";")
      }\r\n`,
      "x",
    );
  for (const count of [3, 100, 1_000, 20_000]) {
    yield [`name: ${count} sections`, sections(count, (n) => `name*${n}=part${n}`)];
    yield [
      `name: ${count} sections, encoded`,
      sections(count, (n) => `name*${n}*=utf-8''%e2%82%ac`),
    ];
    yield [`name: ${count} sections backwards`, sections(count, (n) => `name*${count - n}*=x`)];
    yield [`name: ${count} parameters of one name`, sections(count, () => 'name="a\\"b.exe"')];
    yield [`name: ${count} open quotes`, sections(count, () => 'name="')];
    yield [`name: ${count} sections of no number`, sections(count, (n) => `name*${n}e9*=x`)];
    const words = (word: string) => () => mail(`Subject: ${`${word} `.repeat(count)}\r\n`, "x");
    yield [`name: ${count} encoded words`, words("=?utf-8?q?=e2=82?=")];
    yield [`name: ${count} encoded words without end`, words("=?utf-8?b?4oKs")];
    yield [
      `name: ${count} encoded words of other charsets`,
      words("=?x-no?b?4oKs?= =?utf-7?q?+?="),
    ];
  }
}
