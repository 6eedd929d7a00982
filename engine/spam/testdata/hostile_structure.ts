/** Messages whose parts are too many, too deep, or bounded by lines that mislead; and files that burst. */
import { Buffer } from "node:buffer";
import { deflateRawSync, gzipSync } from "node:zlib";
import { type Entry, fill, FROM, mail, MIB, multipart } from "./hostile_mail.ts";

export function* nesting(): Generator<Entry> {
  const shapes: Record<string, (level: number) => string> = {
    "own boundaries": (n) => `Content-Type: multipart/mixed; boundary=b${n}x\r\n\r\n--b${n}x\r\n`,
    "one boundary": () => "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n",
    "prefixes": (n) => {
      const boundary = "p".repeat(n % 300 + 1);
      return `Content-Type: multipart/mixed; boundary=${boundary}\r\n\r\n--${boundary}\r\n`;
    },
    "messages": () => "Content-Type: message/rfc822\r\n\r\n",
    "messages in parts": (n) =>
      n % 2 === 0
        ? "Content-Type: message/rfc822\r\n\r\n"
        : `Content-Type: multipart/mixed; boundary=b${n}x\r\n\r\n--b${n}x\r\n`,
    "digests": (n) => `Content-Type: multipart/digest; boundary=d${n}x\r\n\r\n--d${n}x\r\n\r\n`,
  };
  for (const [shape, level] of Object.entries(shapes)) {
    for (const depth of [2, 19, 20, 21, 100, 1_000, 10_000]) {
      const levels = () => Array.from({ length: depth }, (_, n) => level(n)).join("");
      yield [`nesting: ${depth} ${shape}`, () => FROM + levels() + "\r\nthe end"];
      yield [`nesting: ${depth} ${shape}, closed`, () =>
        FROM + levels() + "\r\nthe end\r\n" +
        Array.from({ length: depth }, (_, n) => `--b${depth - 1 - n}x--\r\n`).join("")];
    }
  }
  const wrap = (inner: string) =>
    `${FROM}Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\n` +
    Buffer.from(inner, "latin1").toString("base64");
  for (const depth of [1, 5, 20, 25]) {
    yield [`nesting: ${depth} messages in base64`, () => {
      let message = mail("", "the end");
      for (let n = 0; n < depth; n++) message = wrap(message);
      return message;
    }];
  }
}

export function* parts(): Generator<Entry> {
  const kinds: Record<string, string> = {
    "empty": "",
    "bare": "\r\n",
    "text": "Content-Type: text/plain\r\n\r\nHello http://a.example/\r\n",
    "HTML": 'Content-Type: text/html\r\n\r\n<p>Hello <a href="http://a.example/">you</a>\r\n',
    "headers": "Content-Type: text/plain\r\nX-Other: value\r\n",
    "files":
      'Content-Type: application/zip; name="a.zip"\r\nContent-Transfer-Encoding: base64\r\n' +
      "Content-Disposition: attachment; filename*=utf-8''a%2Ezip\r\n\r\nUEsDBBQAAAA=\r\n",
    "unclosed multiparts": "Content-Type: multipart/mixed; boundary=c\r\n\r\n--c\r\n\r\nx\r\n",
    "colonless": "no colon here at all\r\nnor here\r\n\r\nbody\r\n",
  };
  for (const [kind, text] of Object.entries(kinds)) {
    for (const count of [0, 1, 199, 201, 2_000, 10_000]) {
      yield [
        `parts: ${count} ${kind}`,
        () => multipart("b", `--b\r\n${text}`.repeat(count) + "--b--"),
      ];
    }
    yield [
      `parts: 10000 ${kind}, bare LF`,
      () => multipart("b", `--b\r\n${text}`.repeat(10_000)).replaceAll("\r\n", "\n"),
    ];
  }
}

export function* boundaries(): Generator<Entry> {
  const names = [
    "",
    " ",
    "-",
    "--",
    "b",
    "b--",
    "=",
    '\\"',
    "(",
    "b b ",
    "\xff",
    "b;",
    "'()+_,-./:=?",
  ];
  for (
    const name of [...names, "b".repeat(70), "b".repeat(71), "b".repeat(998), "b".repeat(100_000)]
  ) {
    const label = `${name.length} characters ${JSON.stringify(name.slice(0, 12))}`;
    yield [`boundary: ${label}`, () => multipart(name, `--${name}\r\n\r\nx\r\n--${name}--\r\n`)];
    yield [`boundary: ${label}, never used`, () => multipart(name, "x\r\n")];
    yield [
      `boundary: ${label}, repeated without line ends`,
      () => multipart(name, fill(`--${name}`, Math.max(100_000, name.length + 2))),
    ];
    yield [
      `boundary: ${label}, with spaces behind`,
      () => multipart(name, `--${name}${" ".repeat(100_000)}\r\n\r\nx`),
    ];
  }
  yield [
    "boundary: lines that miss by one",
    () => multipart("bbb", fill("--bb\r\n--bbbb\r\n", MIB)),
  ];
  yield ["boundary: 5 MiB of hyphens", () => multipart("-".repeat(60), "-".repeat(5 * MIB))];
  yield ["boundary: lines of two hyphens", () => multipart("b", fill("--\n", MIB))];
  yield ["boundary: closed first", () => multipart("b", "--b--\r\n--b\r\n\r\nx")];
  yield ["boundary: bare CR", () => multipart("b", fill("--b\r\rx\r", 100_000))];
  yield [
    "boundary: two fields",
    () => mail("Content-Type: multipart/mixed; boundary=a\r\n".repeat(2), "--a\r\n\r\nx"),
  ];
}

export function* bombs(): Generator<Entry> {
  const zip = (inner: Uint8Array, name: string) => {
    const packed = deflateRawSync(inner, { level: 9 });
    const head = Buffer.alloc(30);
    head.write("PK\x03\x04\x14\0\0\0\x08\0", "latin1");
    head.writeUInt32LE(packed.length, 18);
    head.writeUInt32LE(0xffffffff, 22);
    head.writeUInt16LE(name.length, 26);
    return Buffer.concat([head, Buffer.from(name), packed]);
  };
  const attach = (type: string, file: Uint8Array) =>
    mail(
      `Content-Type: ${type}\r\nContent-Transfer-Encoding: base64\r\nContent-Encoding: gzip\r\n`,
      file.toString() === ""
        ? ""
        : Buffer.from(file).toString("base64").replace(/.{76}/g, "$&\r\n"),
    );
  for (const megabytes of [1, 4]) {
    const zeros = () => Buffer.alloc(megabytes * MIB);
    yield [`bomb: zip of ${megabytes} MiB`, () => attach("application/zip", zip(zeros(), "a"))];
    yield [
      `bomb: zip in zip of ${megabytes} MiB`,
      () => attach("application/zip", zip(zip(zeros(), "a"), "b.zip")),
    ];
    yield [`bomb: gzip of ${megabytes} MiB`, () => attach("application/gzip", gzipSync(zeros()))];
    yield [
      `bomb: gzip of ${megabytes} MiB called HTML`,
      () => attach("text/html", gzipSync(zeros())),
    ];
  }
}
