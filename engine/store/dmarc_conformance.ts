/**
 * What the stores of DMARC reports promise; run on each implementation, through two clients of one store that
 * takes 100 rows for a domain and day.
 */
import assert from "node:assert/strict";
import type { FeedbackBatch, FeedbackRow } from "../auth/reports/feedback.ts";
import type { AggregateRecord, AggregateReport, ParsedReport } from "../auth/reports/report.ts";
import type { DirectoryAdmin } from "./directory.ts";
import type { DmarcFeedback } from "./dmarc_feedback.ts";
import type { DmarcReports, ReportOrigin } from "./dmarc_reports.ts";

const DAY_MS = 86_400_000;
const NOON_MS = Date.UTC(2031, 4, 5, 12);

const row: FeedbackRow = {
  sourceAddress: "192.0.2.1",
  disposition: "none",
  isDkimAligned: true,
  isSpfAligned: false,
  reasons: [],
  headerFrom: "example.org",
  envelopeFrom: "example.org",
  envelopeTo: null,
  dkim: [{ domain: "example.org", selector: "s", result: "pass", explanation: "\0 half \ud83d" }],
  spf: [{ domain: "example.org", scope: "mfrom", result: "fail", explanation: null }],
};

function record(fields: Partial<AggregateRecord> = {}): AggregateRecord {
  return { ...row, dkim: [], count: 1, ...fields };
}

function aggregate(fields: Partial<AggregateReport> = {}): AggregateReport {
  return {
    kind: "aggregate",
    organization: "mx.test",
    email: "dmarc@mx.test",
    extraContact: null,
    reportId: "1",
    beginMs: NOON_MS - DAY_MS,
    endMs: NOON_MS - 1_000,
    errors: [],
    generator: null,
    policy: {
      domain: "mail.dmarc.example",
      p: "none",
      sp: null,
      np: null,
      adkim: null,
      aspf: null,
      fo: null,
      testing: null,
      discoveryMethod: null,
    },
    records: [record()],
    omittedRecords: 0,
    ...fields,
  };
}

export async function dmarcReportsConformance(
  t: Deno.TestContext,
  { reports, directory, clear }: {
    readonly reports: DmarcReports;
    readonly directory: DirectoryAdmin;
    readonly clear: () => Promise<void>;
  },
): Promise<void> {
  for (const domain of ["dmarc.example", "other.dmarc.example"]) await directory.addDomain(domain);
  const origin: ReportOrigin = {
    senderDomain: "mx.test",
    isVerified: true,
    receivedAtMs: NOON_MS,
  };
  const all = { sinceMs: 0, limit: 10, withUnverified: false };
  const step = (name: string, run: () => Promise<void>) =>
    t.step(name, async () => {
      await clear();
      await run();
    });

  await step("keep: each report once, and only about domains of ours", async () => {
    assert.equal(await reports.keep([aggregate(), aggregate()], origin), 1);
    assert.equal(await reports.keep([aggregate()], origin), 0);
    assert.equal(await reports.keep([aggregate({ reportId: "2" })], origin), 1);
    const of = (domain: string) => aggregate({ policy: { ...aggregate().policy, domain } });
    assert.equal(
      await reports.keep([of("example.net"), of("example"), of("xdmarc.example")], origin),
      0,
    );
    // Somebody who only says he is that system takes nothing away from it.
    const claimed = { ...origin, isVerified: false };
    assert.equal(await reports.keep([aggregate({ reportId: "3" })], claimed), 1);
    assert.equal(await reports.keep([aggregate({ reportId: "3" })], origin), 1);
    const { reports: count, unverified } = await reports.summary("dmarc.example", all);
    assert.deepEqual([count, unverified], [3, 1]);
  });

  await step("keep: what cannot be proved is bounded more tightly", async () => {
    const claimed = { ...origin, isVerified: false };
    const many = Array.from({ length: 101 }, (_, n) => aggregate({ reportId: `${n}` }));
    assert.equal(await reports.keep(many, origin), 101);
    assert.equal(await reports.keep(many, claimed), 100);
    const tomorrow = { ...claimed, receivedAtMs: NOON_MS + DAY_MS };
    assert.equal(await reports.keep([aggregate({ reportId: "x" })], tomorrow), 1);
    assert.equal(await reports.keep([aggregate({ reportId: "y" })], origin), 1);
  });

  await step("summary: by source, failures first, of the domain and those below it", async () => {
    const records = [
      record({ count: 10, isSpfAligned: true }),
      record({ sourceAddress: "192.0.2.2", isDkimAligned: false, count: 3, disposition: "reject" }),
      record({ sourceAddress: "2001:db8::1", isDkimAligned: false, disposition: "quarantine" }),
    ];
    await reports.keep([
      aggregate({ records }),
      aggregate({ records: [record({ count: 5 })], organization: "big.test", reportId: "2" }),
      aggregate({ reportId: "3", beginMs: 0, endMs: 1_000 }),
    ], origin);
    const told = await reports.summary("dmarc.example", { ...all, sinceMs: NOON_MS - DAY_MS });
    assert.deepEqual(told.sources, [
      {
        sourceAddress: "192.0.2.2",
        messages: 3,
        dkimAligned: 0,
        spfAligned: 0,
        failed: 3,
        quarantined: 0,
        rejected: 3,
        reporters: ["mx.test"],
      },
      {
        sourceAddress: "2001:db8::1",
        messages: 1,
        dkimAligned: 0,
        spfAligned: 0,
        failed: 1,
        quarantined: 1,
        rejected: 0,
        reporters: ["mx.test"],
      },
      {
        sourceAddress: "192.0.2.1",
        messages: 15,
        dkimAligned: 15,
        spfAligned: 10,
        failed: 0,
        quarantined: 0,
        rejected: 0,
        reporters: ["big.test", "mx.test"],
      },
    ]);
    const { sources: _, failures, tls, ...totals } = told;
    assert.deepEqual(totals, {
      reports: 2,
      organizations: 2,
      beginMs: NOON_MS - DAY_MS,
      endMs: NOON_MS - 1_000,
      messages: 19,
      failedMessages: 4,
      unverified: 0,
    });
    assert.deepEqual([failures, tls.reports], [[], 0]);
    assert.equal((await reports.summary("dmarc.example", { ...all, limit: 1 })).sources.length, 1);
    assert.equal((await reports.summary("other.dmarc.example", all)).reports, 0);
  });

  await step("summary: single messages that failed, and TLS", async () => {
    const failure: ParsedReport = {
      kind: "failure",
      feedbackType: "auth-failure",
      authFailure: "dmarc",
      domain: "dmarc.example",
      organization: "mx.test",
      sourceAddress: "192.0.2.3",
      arrivedAtMs: NOON_MS,
      incidents: 1,
      originalMailFrom: "x@spam.test",
      deliveryResult: null,
      identityAlignment: null,
      authenticationResults: null,
      messageId: null,
      headerFrom: null,
    };
    const policy = {
      type: "sts",
      domain: "dmarc.example",
      successfulSessions: 7,
      failedSessions: 2,
      failures: [{
        resultType: "certificate-expired",
        sendingAddress: null,
        receivingHost: "mx.dmarc.example",
        sessions: 2,
        reason: null,
      }],
    };
    const tls: ParsedReport = {
      kind: "tls",
      organization: "mx.test",
      contact: null,
      reportId: "t",
      beginMs: 0,
      endMs: NOON_MS,
      policies: [policy, { ...policy, type: "tlsa", failures: [] }, {
        ...policy,
        domain: "x.test",
      }],
    };
    assert.equal(await reports.keep([failure, failure, tls], origin), 2);
    const told = await reports.summary("dmarc.example", all);
    assert.deepEqual(told.tls, {
      reports: 1,
      sessions: 18,
      failedSessions: 4,
      reasons: [{ resultType: "certificate-expired", host: "mx.dmarc.example", sessions: 2 }],
    });
    assert.equal(told.failures.length, 1);
    assert.equal(told.failures[0].atMs, NOON_MS);
    assert.equal(told.failures[0].details.originalMailFrom, "x@spam.test");
  });

  await step("forget, and a domain that goes: their reports go too", async () => {
    await reports.keep([aggregate()], origin);
    await reports.keep([aggregate({ reportId: "2" })], { ...origin, receivedAtMs: NOON_MS + 5 });
    assert.equal(await reports.forget(NOON_MS), 0);
    assert.equal(await reports.forget(NOON_MS + 5), 1);
    assert.equal(await reports.forget(NOON_MS + 5), 0);
    assert.equal((await reports.summary("dmarc.example", all)).reports, 1);
    assert.equal(await directory.removeDomain("dmarc.example"), "removed");
    assert.equal((await reports.summary("dmarc.example", all)).reports, 0);
  });
}

export async function dmarcFeedbackConformance(
  t: Deno.TestContext,
  { here, elsewhere, clear }: {
    readonly here: DmarcFeedback;
    readonly elsewhere: DmarcFeedback;
    readonly clear: () => Promise<void>;
  },
): Promise<void> {
  const batch = (fields: Partial<FeedbackBatch> = {}): FeedbackBatch => ({
    day: "2031-05-05",
    domain: "example.org",
    record: { v: "DMARC1", rua: "mailto:a@example.org" },
    isTainted: false,
    rows: [{ row, messages: 1 }],
    ...fields,
  });
  const step = (name: string, run: () => Promise<void>) =>
    t.step(name, async () => {
      await clear();
      await run();
    });

  await step("add: counts of all nodes come together", async () => {
    const other = { ...row, sourceAddress: "192.0.2.9" };
    await Promise.all([
      here.add([batch(), batch({ domain: "example.net" })]),
      elsewhere.add([
        batch({ domain: "example.net" }),
        batch({ rows: [{ row, messages: 4 }, { row: other, messages: 9 }] }),
      ]),
    ]);
    const due = await here.due("2031-05-06", 10);
    assert.deepEqual(due.map(({ day, domain }) => [day, domain]), [
      ["2031-05-05", "example.net"],
      ["2031-05-05", "example.org"],
    ]);
    const [{ explanation }] = (await here.rows(due[1], 10))[1].row.dkim;
    assert.equal(explanation, "\ufffd half \ufffd");
    assert.deepEqual(
      (await elsewhere.rows(due[1], 10)).map(({ row, messages }) => [row.sourceAddress, messages]),
      [["192.0.2.9", 9], ["192.0.2.1", 5]],
    );
    assert.deepEqual((await here.rows(due[0], 10)).map(({ messages }) => messages), [2]);
    assert.equal((await here.rows(due[1], 1)).length, 1);
  });

  await step("due: days that are over, with the record seen last", async () => {
    await here.add([batch({ day: "2031-05-06" }), batch()]);
    await here.add([batch({ record: { v: "DMARC1", p: "none" }, isTainted: true })]);
    await here.add([batch({ record: { v: "DMARC1", p: "reject" } })]);
    assert.deepEqual(await here.due("2031-05-05", 10), []);
    assert.deepEqual(await here.due("2031-05-06", 10), [{
      day: "2031-05-05",
      domain: "example.org",
      record: { v: "DMARC1", p: "reject" },
      isTainted: true,
    }]);
    assert.equal((await here.due("2031-05-07", 10)).length, 2);
    assert.equal((await here.due("2031-05-07", 1)).length, 1);
  });

  await step("settle: once, and what comes late is not taken", async () => {
    await here.add([batch()]);
    const [due] = await here.due("2031-05-06", 10);
    const settled = await Promise.all([here.settle(due, "sent"), elsewhere.settle(due, "sent")]);
    assert.deepEqual(settled.toSorted(), [false, true]);
    await here.add([batch()]);
    assert.deepEqual(await here.due("2031-05-06", 10), []);
    assert.deepEqual(await here.rows(due, 10), []);
  });

  await step("forget: whole days", async () => {
    await here.add([batch(), batch({ day: "2031-05-04" })]);
    assert.equal(await here.forget("2031-05-05"), 1);
    assert.equal(await here.forget("2031-05-05"), 0);
    assert.equal((await here.due("2031-05-06", 10)).length, 1);
  });

  await step("add: a domain's rows are bounded, those that are there go on counting", async () => {
    const rowsFrom = (from: number) =>
      Array.from({ length: 60 }, (_, n) => ({
        row: { ...row, dkim: [], sourceAddress: `${from + n}` },
        messages: 1,
      }));
    for (const from of [0, 60]) {
      await here.add([batch({ rows: rowsFrom(from) })]);
    }
    await here.add([batch({ rows: [{ row, messages: 1 }, ...rowsFrom(0)] })]);
    const [due] = await here.due("2031-05-06", 1);
    const counted = await here.rows(due, 1_000);
    assert.deepEqual([counted.length, counted[0].messages], [120, 2]);
  });

  await step("exclusively: one at a time", async () => {
    const other = await here.exclusively(() => elsewhere.exclusively(() => Promise.resolve(1)));
    assert.equal(other, null);
    assert.equal(await elsewhere.exclusively(() => Promise.resolve(2)), 2);
  });
}
