import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { readHeaderSection } from "../../mail/header_section.ts";
import { ZoneResolver } from "../../dns/zone_resolver.ts";
import { isSameOrganization } from "./organization.ts";
import type { AggregateReport } from "./report.ts";
import { readReports } from "./report_mail.ts";
import { encodedOctets, packReport, reportAddress, reportMessage } from "./report_message.ts";

const report: AggregateReport = {
  kind: "aggregate",
  organization: "mx.test",
  email: "dmarc@mx.test",
  extraContact: null,
  reportId: "20310505.example.org@mx.test",
  beginMs: Date.UTC(2031, 4, 5),
  endMs: Date.UTC(2031, 4, 5, 23, 59, 59),
  errors: [],
  generator: null,
  policy: {
    domain: "example.org",
    p: "none",
    sp: null,
    np: null,
    adkim: null,
    aspf: null,
    fo: null,
    testing: null,
    discoveryMethod: null,
  },
  records: [],
  omittedRecords: 0,
};

Deno.test("reportMessage: subject, file name and attachment as RFC 9990 §3.5.2 has them", async () => {
  const packed = await packReport(report);
  const octets = reportMessage(report, packed, {
    submitter: "mx.test",
    from: "dmarc@mx.test",
    to: "reports@example.org",
    nowMs: Date.UTC(2031, 4, 6),
    boundary: "b-1",
  });
  const text = Buffer.from(octets).toString("latin1");
  const header = readHeaderSection(octets);
  assert.equal(
    header.first("Subject"),
    "Report Domain: example.org\tSubmitter: mx.test\tReport-ID: <20310505.example.org@mx.test>"
      .replaceAll("\t", " "),
  );
  assert.equal(header.first("From"), "DMARC reports <dmarc@mx.test>");
  assert.match(text, /filename="mx\.test!example\.org!1935705600!1935791999\.xml\.gz"/);
  assert.doesNotMatch(text, /[^\r]\n|\r[^\n]|[^\r\n]{99}/);
  assert.ok(text.length < encodedOctets(packed) + 1_000);
  assert.deepEqual(await readReports(octets), { reports: [report], faults: [] });
});

Deno.test("reportAddress: mailboxes with their limits, and nothing else (RFC 9989 §4.7)", () => {
  const read = (uri: string) => {
    const address = reportAddress(uri);
    return address === null ? null : `${address.mailbox} ${address.maxOctets}`;
  };
  assert.equal(read("mailto:a@Example.org"), "a@example.org null");
  assert.equal(read(" mailto:a@x.test!10m "), "a@x.test 10485760");
  assert.equal(read("MAILTO:a%21b@x.test!5K"), "a!b@x.test 5120");
  assert.equal(read("mailto:a@x.test?subject=x"), "a@x.test null");
  for (
    const wrong of [
      ...[
        "",
        "https://x.test/",
        "mailto:",
        "mailto:a",
        "mailto:a@x.test b@y.test",
        "mailto:ü@x.test",
      ],
      ...["mailto:a@[192.0.2.1]", "mailto:a%0d%0a@x.test", "mailto:@x.test"],
    ]
  ) assert.equal(read(wrong), null, wrong);
});

Deno.test("isSameOrganization: by the tree walk (RFC 9989 §4.10.2)", async () => {
  const resolver = new ZoneResolver({
    "_dmarc.example.org": { txt: ["v=DMARC1; p=none"] },
    "_dmarc.uk.test": { txt: ["v=DMARC1; psd=y; p=none"] },
    "_dmarc.own.example.org": { txt: ["v=DMARC1; psd=n; p=none"] },
    "_dmarc.broken.test": { fails: "servfail" },
  });
  const same = (a: string, b: string) => isSameOrganization([a, b], resolver);
  assert.equal(await same("example.org", "example.org"), true);
  assert.equal(await same("a.example.org", "b.c.example.org"), true);
  assert.equal(await same("a.example.org", "own.example.org"), false);
  assert.equal(await same("a.uk.test", "b.uk.test"), false);
  assert.equal(await same("x.a.uk.test", "y.a.uk.test"), true);
  assert.equal(await same("a.broken.test", "broken.test"), false);
  assert.equal(await same("example.org", "example.net"), false);
});
