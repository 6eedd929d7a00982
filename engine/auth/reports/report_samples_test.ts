/** Reports as they come from other systems, good and broken ones: each is read, or refused without a word. */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { XMLParser } from "fast-xml-parser";
import { parseAggregateReport } from "./aggregate_report.ts";
import { composeAggregateReport } from "./compose_aggregate.ts";
import type { AggregateReport, ParsedReport, Reading } from "./report.ts";
import { readReports } from "./report_mail.ts";
import { parseTlsReport } from "./tls_report.ts";
import { unpack } from "./unpack.ts";

// Beside the checkout, where whoever has the collection puts it.
const COLLECTION = new URL("../../../../shared/data/reports/", import.meta.url);
const pause = () => Promise.resolve();

function filesOf(folder: string): string[] {
  try {
    return [...Deno.readDirSync(new URL(folder, COLLECTION))].map(({ name }) => name).sort();
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    console.warn(`reports/${folder} is not there: the tests with it are left out`);
    return [];
  }
}

function bytes(folder: string, name: string): Uint8Array {
  return Deno.readFileSync(new URL(folder + encodeURIComponent(name), COLLECTION));
}

async function readAggregate(name: string): Promise<Reading<AggregateReport>> {
  const unpacked = await unpack(bytes("dmarc-agg/", name));
  assert.equal(unpacked.kind, "octets");
  return await parseAggregateReport(
    Buffer.from(unpacked.kind === "octets" ? unpacked.octets : []).toString(),
    { pause },
  );
}

const aggregates = filesOf("dmarc-agg/");
const failures = filesOf("arf/");
const tls = filesOf("tlsrpt/");
const xml = aggregates.filter((name) => /\.xml(\.gz|\.zip)?$/.test(name));

Deno.test({
  name: "parseAggregateReport: reads every report there is, and says what is wrong with two",
  ignore: aggregates.length === 0,
  async fn() {
    const faults: string[] = [];
    let records = 0;
    for (const name of xml) {
      const reading = await readAggregate(name);
      if (reading.kind === "fault") faults.push(`${name}: ${reading.fault}`);
      else {
        const { report } = reading;
        records += report.records.length;
        assert.equal(report.omittedRecords, 0, name);
        assert.notEqual(report.organization, "", name);
        // What is written in another system's words can be told in ours.
        const again = await parseAggregateReport(composeAggregateReport(report), { pause });
        const reasons = report.records.flatMap((each) => each.reasons);
        if (reasons.every(({ type }) => type !== "sampled_out" && type !== "forwarded")) {
          assert.deepEqual(again, { kind: "report", report }, name);
        }
      }
    }
    assert.deepEqual(faults, [
      "parsedmarc-aggregate__invalid_xml.xml: a record is broken",
      "parsedmarc-empty.xml__empty.xml: it is no report",
    ]);
    assert.equal(records, 840);
  },
});

Deno.test({
  name: "parseAggregateReport: finds the records a general parser finds",
  ignore: aggregates.length === 0,
  async fn() {
    const parser = new XMLParser({ parseTagValue: false, ignoreAttributes: true });
    const list = (value: unknown) => value === undefined ? [] : [value].flat();
    for (const name of xml.filter((name) => /^(opendmarc|stalwart|parsedmarc-agg)/.test(name))) {
      const reading = await readAggregate(name);
      if (reading.kind === "fault" || name.includes("ikea")) continue;
      const { feedback } = parser.parse(Buffer.from(bytes("dmarc-agg/", name)).toString());
      const told = list(feedback.record).map((record) => {
        // deno-lint-ignore no-explicit-any
        const { row, auth_results: results } = record as any;
        return [
          row.source_ip,
          Number(row.count),
          row.policy_evaluated.dkim === "pass",
          list(results.dkim).length,
          list(results.spf).length,
        ];
      });
      assert.deepEqual(
        reading.report.records.map((
          { sourceAddress, count, isDkimAligned, dkim, spf },
        ) => [sourceAddress, count, isDkimAligned, dkim.length, spf.length]),
        told,
        name,
      );
    }
  },
});

Deno.test({
  name: "readReports: finds the report in every message that has one",
  ignore: aggregates.length === 0,
  async fn() {
    const found = new Map<string, ParsedReport>();
    const without: string[] = [];
    for (
      const [folder, names] of [["dmarc-agg/", aggregates], ["arf/", failures], [
        "tlsrpt/",
        tls,
      ]] as const
    ) {
      for (const name of names.filter((name) => name.endsWith(".eml"))) {
        const { reports, faults } = await readReports(bytes(folder, name));
        assert.deepEqual(faults, [], name);
        if (reports.length === 1) found.set(name, reports[0]);
        else without.push(name);
      }
    }
    // The first is text for people alone, the second has its report in a part of no such type.
    assert.deepEqual(without, [
      "parsedmarc-failure__exim_plain_text_only_no_arf_part.eml",
      "sisimai__arf-23.eml",
    ]);
    const kinds = Map.groupBy(found.values(), ({ kind }) => kind);
    assert.deepEqual(
      [...kinds].map(([kind, reports]) => [kind, reports.length]),
      [["aggregate", 6], ["failure", 13], ["tls", 3]],
    );
    const google = found.get("parsedmarc-aggregate__twilight.eml");
    assert.ok(google?.kind === "aggregate");
    assert.equal(google.policy.domain, "twlnet.com");
    assert.deepEqual(google.records.map(({ sourceAddress }) => sourceAddress), ["87.106.127.28"]);
    assert.deepEqual(found.get("stalwart__003.eml"), {
      kind: "failure",
      feedbackType: "auth-failure",
      authFailure: "bodyhash",
      domain: "example.net",
      organization: "SomeDKIMFilter/1.0",
      sourceAddress: "192.0.2.1",
      arrivedAtMs: Date.UTC(2010, 3, 14, 19, 15, 31),
      incidents: 1,
      originalMailFrom: "randomuser@example.net",
      deliveryResult: null,
      identityAlignment: null,
      authenticationResults: "mail.example.com; dkim=fail header.d=example.net",
      messageId: null,
      headerFrom: "randomuser@example.net",
    });
  },
});

Deno.test({
  name: "parseTlsReport: reads every report there is",
  ignore: tls.length === 0,
  fn() {
    const counts = tls.filter((name) => name.endsWith(".json")).map((name) => {
      const text = Buffer.from(bytes("tlsrpt/", name)).toString();
      const reading = parseTlsReport(text.slice(text.indexOf("{")));
      assert.ok(reading.kind === "report", name);
      return reading.report.policies.map(({ type, successfulSessions, failedSessions, failures }) =>
        `${type} ${successfulSessions} ${failedSessions} ${failures.length}`
      );
    });
    assert.deepEqual(counts, [
      ["sts 5326 303 3"],
      ["sts 5326 303 3"],
      ["no-policy-found 1 0 0", "invalid-policy-type 1 0 0"],
    ]);
  },
});
