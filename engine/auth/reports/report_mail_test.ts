import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { deflateRawSync, gzipSync } from "node:zlib";
import fc from "fast-check";
import { anyText } from "../../../tests/fixtures/any_text.ts";
import { parseAggregateReport } from "./aggregate_report.ts";
import { composeAggregateReport } from "./compose_aggregate.ts";
import type { AggregateRecord, AggregateReport } from "./report.ts";
import { readReports } from "./report_mail.ts";
import { MAX_UNPACKED_OCTETS, unpack } from "./unpack.ts";

const pause = () => Promise.resolve();

const record: AggregateRecord = {
  sourceAddress: "192.0.2.1",
  count: 3,
  disposition: "reject",
  isDkimAligned: false,
  isSpfAligned: false,
  reasons: [{ type: "local_policy", comment: "a <b> & c" }],
  headerFrom: "example.org",
  envelopeFrom: "",
  envelopeTo: null,
  dkim: [{ domain: "example.net", selector: "s1", result: "fail", explanation: "]]> \"'&amp;" }],
  spf: [{ domain: "example.net", scope: "mfrom", result: "softfail", explanation: null }],
};

const report: AggregateReport = {
  kind: "aggregate",
  organization: "mx.test",
  email: "dmarc@mx.test",
  extraContact: null,
  reportId: "20310505.example.org@mx.test",
  beginMs: Date.UTC(2031, 4, 5),
  endMs: Date.UTC(2031, 4, 5, 23, 59, 59),
  errors: ["rua: no such host"],
  generator: "Sluice",
  policy: {
    domain: "example.org",
    p: "reject",
    sp: "none",
    np: "reject",
    adkim: "r",
    aspf: "s",
    fo: "0",
    testing: "n",
    discoveryMethod: "treewalk",
  },
  records: [record],
  omittedRecords: 0,
};

function mail(type: string, content: Uint8Array | string, encoding = "base64"): Uint8Array {
  const octets = Buffer.from(content);
  const body = encoding === "base64" ? octets.toString("base64") : octets.toString("latin1");
  return Buffer.from(
    [
      "From: reports@mx.test",
      "Content-Type: multipart/mixed; charset=x;",
      ' boundary="b1"',
      "",
      "ignored",
      "--b1",
      "",
      "A report for you.",
      "--b1",
      `Content-Type: ${type}`,
      `Content-Transfer-Encoding: ${encoding}`,
      "",
      body,
      "--b1--",
      "",
    ].join("\r\n"),
    "latin1",
  );
}

/** A ZIP archive of one file, as little as there must be. */
function zip(content: Uint8Array): Buffer {
  const packed = deflateRawSync(content);
  const name = Buffer.from("r.xml");
  const local = Buffer.alloc(30);
  local.writeUInt32LE(0x04034b50);
  local.writeUInt16LE(8, 8);
  local.writeUInt16LE(name.length, 26);
  const central = Buffer.alloc(46);
  central.writeUInt32LE(0x02014b50);
  central.writeUInt16LE(8, 10);
  central.writeUInt32LE(packed.length, 20);
  central.writeUInt16LE(name.length, 28);
  const start = local.length + name.length + packed.length;
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50);
  end.writeUInt16LE(1, 10);
  end.writeUInt32LE(start, 16);
  return Buffer.concat([local, name, packed, central, name, end]);
}

const xml = composeAggregateReport(report);

Deno.test("composeAggregateReport, parseAggregateReport: what is told is read", async () => {
  assert.deepEqual(await parseAggregateReport(xml, { pause }), { kind: "report", report });
  assert.match(xml, /^<\?xml .*\r\n<feedback xmlns="urn:ietf:params:xml:ns:dmarc-2\.0">\r\n/);
  assert.match(xml, /<row>\s+<source_ip>192\.0\.2\.1<\/source_ip>\s+<count>3<\/count>/);
  assert.match(xml, /<envelope_from><\/envelope_from>/);
});

Deno.test("readReports: packed or not, in every encoding, alone or with other parts", async () => {
  const found = { reports: [report], faults: [] };
  for (
    const octets of [
      mail("text/xml", xml),
      mail("application/xml", xml.replaceAll("=", "=3D"), "quoted-printable"),
      mail("application/octet-stream", xml, "8bit"),
      mail("application/gzip", gzipSync(xml)),
      mail("application/octet-stream", zip(Buffer.from(xml))),
      mail(
        "application/gzip",
        gzipSync(Buffer.from(`\ufeff${xml.replace("UTF-8", "utf-16")}`, "utf16le")),
      ),
      Buffer.from(
        `Content-Type: application/gzip\r\nContent-Transfer-Encoding: BASE64\r\n\r\n${
          gzipSync(xml).toString("base64")
        }`,
      ),
    ]
  ) assert.deepEqual(await readReports(octets), found);
  const plain = await readReports(Buffer.from("Subject: hi\r\n\r\nhello\r\n"));
  assert.deepEqual(plain, { reports: [], faults: [] });
});

Deno.test("readReports: containers are looked into so deep, and so many", async () => {
  const inside = (octets: Uint8Array, depth: number): Uint8Array =>
    depth === 0 ? octets : inside(
      Buffer.concat([
        Buffer.from(`Content-Type: multipart/mixed; boundary=c${depth}\r\n\r\n--c${depth}\r\n`),
        octets,
        Buffer.from(`\r\n--c${depth}--\r\n`),
      ]),
      depth - 1,
    );
  const one = mail("text/xml", xml);
  for (const [depth, count] of [[0, 1], [3, 1], [4, 0]]) {
    assert.equal((await readReports(inside(one, depth))).reports.length, count, `${depth}`);
  }
  const begin = performance.now();
  for (
    const hostile of [
      inside(one, 5_000),
      // A boundary that begins everywhere.
      Buffer.from(
        `Content-Type: multipart/mixed; boundary="${"-".repeat(200)}"\r\n\r\n${"-".repeat(8e6)}`,
      ),
      Buffer.from(`Content-Type: multipart/mixed; boundary=b\r\n\r\n${"\n--b".repeat(2e6)}`),
    ]
  ) assert.deepEqual(await readReports(hostile), { reports: [], faults: [] });
  assert.ok(performance.now() - begin < 3_000);
});

Deno.test("parseAggregateReport: text that a terminal would turn round is made plain", async () => {
  const told = xml.replace("mx.test</org_name>", "a\u202eb\u2028c&#x1b;[2J</org_name>");
  const reading = await parseAggregateReport(told, { pause });
  assert.equal(reading.kind === "report" && reading.report.organization, "a b c [2J");
});

Deno.test("readReports: bombs of every kind are refused, soon and cheaply", async () => {
  const begin = performance.now();
  const zeros = Buffer.alloc(4 * MAX_UNPACKED_OCTETS);
  const laughs = '<!DOCTYPE f [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]><feedback>&b;</feedback>';
  const stuffed = (stuff: string) => xml.replace("<auth_results>", `<auth_results>${stuff}`);
  const deep = stuffed("<a>".repeat(500_000) + "</a>".repeat(500_000));
  const nested = stuffed("<a>".repeat(40) + "</a>".repeat(40));
  const wide = stuffed("<a/>".repeat(500_000));
  for (
    const [content, fault] of [
      [gzipSync(zeros), "it cannot be unpacked, or is too large"],
      [zip(zeros), "it cannot be unpacked, or is too large"],
      [gzipSync(gzipSync(xml)), "neither XML nor JSON was packed"],
      [Buffer.from([0x1f, 0x8b, 8, 0]), "it cannot be unpacked, or is too large"],
      [Buffer.from("PK\x03\x04"), "the ZIP archive cannot be read"],
      [gzipSync(`<?xml?>${laughs}`), "it has a document type"],
      [gzipSync(deep), "a record is broken"],
      [gzipSync(nested), "a record is broken"],
      [gzipSync(wide), "a record is broken"],
      [gzipSync(`{"a":${"[".repeat(900_000)}`), "it is no JSON"],
      [gzipSync(`{"a":"${"b".repeat(2_000_000)}"}`), "it is too large"],
    ] as const
  ) {
    const { reports, faults } = await readReports(mail("application/gzip", content));
    assert.deepEqual([reports, faults], [[], [fault]]);
  }
  const many = Buffer.from(
    `Content-Type: multipart/mixed; boundary=b\r\n\r\n${
      `--b\r\nContent-Type: text/xml\r\n\r\n${xml}\r\n`.repeat(1_000)
    }--b--`,
  );
  assert.equal((await readReports(many)).reports.length, 4);
  assert.ok(performance.now() - begin < 5_000);
});

Deno.test("parseAggregateReport: the pieces in between let others have their turn", async () => {
  let pauses = 0;
  const large = { ...report, records: Array.from({ length: 1_000 }, () => record) };
  const text = composeAggregateReport(large);
  const reading = await parseAggregateReport(text, {
    pause: () => {
      pauses++;
      return Promise.resolve();
    },
  });
  assert.ok(reading.kind === "report" && reading.report.records.length === 1_000);
  assert.ok(pauses >= Math.floor(text.length / 70_000), `${pauses}`);
});

Deno.test("parseAggregateReport: more records than are kept are counted", async () => {
  const small = { ...record, reasons: [], dkim: [], spf: [] };
  const large = { ...report, records: Array.from({ length: 10_003 }, () => small) };
  const reading = await parseAggregateReport(composeAggregateReport(large), { pause });
  assert.ok(reading.kind === "report");
  assert.deepEqual([reading.report.records.length, reading.report.omittedRecords], [10_000, 3]);
});

Deno.test("parseAggregateReport: cut off anywhere it is no report", async () => {
  const end = xml.lastIndexOf("</feedback>");
  for (let at = 0; at < end; at += 7) {
    const reading = await parseAggregateReport(xml.slice(0, at), { pause });
    assert.equal(reading.kind, "fault", `${at}`);
  }
});

Deno.test("readReports: no octets make it throw, and what it tells is one line each", async () => {
  const pieces = fc.constantFrom(
    ...["<feedback>", "<record>", "</record>", "<row>", "<source_ip>", "192.0.2.1", "<!--", "-->"],
    ...["<![CDATA[", "]]>", "<?xml", "?>", "&#x0;", "&lt;", "<a b='>'>", "</feedback>", "\0", "é"],
    ...["--b1", "\r\n", "Feedback-Type: abuse", "Content-Type: message/feedback-report", "\u202e"],
  );
  const noise = fc.array(fc.oneof(pieces, anyText()), { maxLength: 40 });
  await fc.assert(
    fc.asyncProperty(noise, fc.boolean(), async (parts, isXml) => {
      const content = `${isXml ? "<?xml version='1.0'?><feedback>" : ""}${parts.join("")}`;
      await readReports(mail("text/xml", content));
      await readReports(Buffer.from(content));
      await unpack(Buffer.from(`PK${content}`));
    }),
    { numRuns: 150 },
  );
  const line = anyText();
  await fc.assert(
    fc.asyncProperty(line, line, async (name, id) => {
      const told = composeAggregateReport({ ...report, organization: `x${name}`, reportId: id });
      const reading = await parseAggregateReport(told, { pause });
      assert.ok(reading.kind === "report");
      // deno-lint-ignore no-control-regex
      assert.doesNotMatch(reading.report.organization, /[\x00-\x1f\x7f\u202e]/);
      assert.deepEqual(reading.report.records, report.records);
    }),
    { numRuns: 100 },
  );
});
