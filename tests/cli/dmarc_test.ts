import assert from "node:assert/strict";
import type { AggregateRecord } from "../../engine/auth/reports/report.ts";
import { openConsole } from "./console.ts";

const NOW_MS = Date.now();
const DAY_MS = 86_400_000;

function record(sourceAddress: string, isDkimAligned: boolean): AggregateRecord {
  return {
    sourceAddress,
    count: 4,
    disposition: isDkimAligned ? "none" : "reject",
    isDkimAligned,
    isSpfAligned: false,
    reasons: [],
    headerFrom: "example.org",
    envelopeFrom: null,
    envelopeTo: null,
    dkim: [],
    spf: [],
  };
}

Deno.test("cli: dmarc reports", async (test) => {
  await using console = await openConsole();
  const { run, json, stores } = console;
  await run("domain add example.org --no-dkim");

  await test.step("says so when there are none, and for which domain there cannot be any", async () => {
    const { out } = await run("dmarc reports example.org");
    assert.equal(out, "no reports about example.org in the last 30 days");
    assert.equal((await run("dmarc reports example.net")).code, 1);
    assert.equal((await run("dmarc reports example.org --days 0")).code, 2);
  });

  const report = {
    kind: "aggregate",
    organization: "mx.test",
    email: "dmarc@mx.test",
    extraContact: null,
    reportId: "1",
    beginMs: NOW_MS - 2 * DAY_MS,
    endMs: NOW_MS - DAY_MS,
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
    records: [record("192.0.2.1", true), record("192.0.2.2", false)],
    omittedRecords: 0,
  } as const;
  const origin = { senderDomain: "mx.test", isVerified: true, receivedAtMs: NOW_MS };
  await stores.dmarcReports.keep([report], origin);
  await stores.dmarcReports.keep([{ ...report, reportId: "2" }], { ...origin, isVerified: false });

  await test.step("a line for each source, the worst first, and what was left out", async () => {
    const { out } = await run("dmarc reports example.org --days 7");
    assert.match(
      out,
      /^example\.org, the last 7 days\n\nDMARC: 8 messages, 50\.0 % passed; 1 report /,
    );
    assert.match(out, /\nsource .*\n192\.0\.2\.2 +4 +0 +0 +4 +0 +4 +mx\.test\n192\.0\.2\.1 +4 +4 /);
    assert.match(out, /left out: 1 report of senders nobody can prove/);
    const told = await json("dmarc reports example.org --unverified --limit 1");
    assert.deepEqual([told.domain, told.messages, told.unverified], ["example.org", 16, 0]);
    assert.equal(told.sources.length, 1);
  });
});
