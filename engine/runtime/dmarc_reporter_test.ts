import assert from "node:assert/strict";
import type { FeedbackRow } from "../auth/reports/feedback.ts";
import { isSameOrganization } from "../auth/reports/organization.ts";
import { readReports } from "../auth/reports/report_mail.ts";
import { type ZoneData, ZoneResolver } from "../dns/zone_resolver.ts";
import { readHeaderSection } from "../mail/header_section.ts";
import { queueIdGenerator } from "../mail/queue_id.ts";
import type { DmarcFeedback, DueFeedback } from "../store/dmarc_feedback.ts";
import type { AcceptedMessage } from "../store/spool.ts";
import { DmarcReporter } from "./dmarc_reporter.ts";

const NOW_MS = Date.UTC(2031, 4, 6, 3);
const row: FeedbackRow = {
  sourceAddress: "192.0.2.1",
  disposition: "reject",
  isDkimAligned: false,
  isSpfAligned: false,
  reasons: [],
  headerFrom: "example.org",
  envelopeFrom: "bounce.test",
  envelopeTo: null,
  dkim: [],
  spf: [{ domain: "bounce.test", scope: "mfrom", result: "pass", explanation: null }],
};

function due(domain: string, rua: string, fields: Partial<DueFeedback> = {}): DueFeedback {
  const record = { v: "DMARC1", p: "reject", t: "y", rua };
  return { day: "2031-05-05", domain, record, isTainted: false, ...fields };
}

/** One run over these days; what went out, to whom, and what is said of each domain. */
async function run(
  days: readonly DueFeedback[],
  options: {
    readonly zone?: ZoneData;
    readonly rows?: number;
    readonly isBusy?: boolean;
    readonly isSettledElsewhere?: boolean;
  } = {},
) {
  const { zone = {}, rows = 1, isBusy = false, isSettledElsewhere = false } = options;
  const outcomes: Record<string, string> = {};
  const messages: AcceptedMessage[] = [];
  const askedBefore: string[] = [];
  const store: DmarcFeedback = {
    add: () => Promise.resolve(),
    due: (beforeDay) => {
      askedBefore.push(beforeDay);
      return Promise.resolve(days);
    },
    rows: () =>
      Promise.resolve(Array.from({ length: rows }, (_, n) => ({
        row: { ...row, sourceAddress: `192.0.2.${n}` },
        messages: 3,
      }))),
    settle: ({ domain }, outcome) => {
      if (isSettledElsewhere) return Promise.resolve(false);
      outcomes[domain] = outcome;
      return Promise.resolve(true);
    },
    forget: () => Promise.resolve(0),
    exclusively: (work) => isBusy ? Promise.resolve(null) : work(),
  };
  const resolver = new ZoneResolver(zone);
  await using reporter = new DmarcReporter({
    store,
    resolver,
    isSameOrganization: (a, b) => isSameOrganization([a, b], resolver),
    sign: () => Promise.resolve("DKIM-Signature: v=1\r\n"),
    route: (mailbox) =>
      Promise.resolve(
        mailbox.startsWith("gone@") ? [] : [{
          forwardPath: mailbox,
          transport: "smtp",
          destination: mailbox.slice(mailbox.indexOf("@") + 1),
        }],
      ),
    commit: (committed) => {
      messages.push(...committed);
      return Promise.resolve();
    },
    newQueueId: queueIdGenerator({ generator: 1, now: () => NOW_MS }),
    newBoundary: () => "b",
    submitter: "mx.test",
    from: "dmarc@mx.test",
    generator: "Sluice",
    now: () => NOW_MS,
    random: () => 0.5,
    onSent: () => {},
    onError: (error) => assert.fail(String(error)),
  });
  const sent = await reporter.run();
  const to = messages.flatMap(({ recipients }) => recipients.map((each) => each.forwardPath));
  return { sent, to, outcomes, messages, askedBefore };
}

Deno.test("DmarcReporter: tells of yesterday, in a signed message that reads as the report", async () => {
  const { sent, messages, outcomes, askedBefore } = await run([
    due("example.org", "mailto:dmarc@example.org"),
  ], { rows: 2 });
  assert.deepEqual([sent, outcomes], [1, { "example.org": "sent" }]);
  assert.deepEqual(new Set(askedBefore), new Set(["2031-05-06"]));
  const [{ octets, reversePath }] = messages;
  assert.equal(reversePath, "dmarc@mx.test");
  const header = readHeaderSection(octets);
  assert.equal([...header.fields()][0].name, "DKIM-Signature");
  assert.equal(
    header.first("Subject"),
    "Report Domain: example.org Submitter: mx.test Report-ID: <20310505.example.org@mx.test>",
  );
  const { reports: [report], faults } = await readReports(octets);
  assert.deepEqual(faults, []);
  assert.ok(report.kind === "aggregate");
  assert.deepEqual(
    report.records,
    [0, 1].map((n) => ({
      ...row,
      sourceAddress: `192.0.2.${n}`,
      count: 3,
    })),
  );
  assert.deepEqual(report.policy, {
    domain: "example.org",
    p: "reject",
    sp: "reject",
    np: "reject",
    adkim: "r",
    aspf: "r",
    fo: "0",
    testing: "y",
    discoveryMethod: "treewalk",
  });
  assert.deepEqual([report.beginMs, report.endMs], [
    Date.UTC(2031, 4, 5),
    Date.UTC(2031, 4, 5, 23, 59, 59),
  ]);
});

Deno.test("DmarcReporter: sends nobody what he has not agreed to get (RFC 9990 §4)", async () => {
  const zone: ZoneData = {
    "_dmarc.example.org": { txt: ["v=DMARC1; p=none"] },
    "agreed.test._report._dmarc.reader.test": { txt: ["spf", "v=DMARC1"] },
    "moved.test._report._dmarc.reader.test": { txt: ["v=DMARC1; rua=mailto:new@reader.test"] },
    "lured.test._report._dmarc.reader.test": { txt: ["v=DMARC1; rua=mailto:x@victim.test"] },
    "other.test._report._dmarc.reader.test": { txt: ["v=spf1 -all"] },
    "late.test._report._dmarc.reader.test": { fails: "servfail" },
  };
  const at = (domain: string) => due(domain, "mailto:a@reader.test");
  const { sent, to, outcomes } = await run([
    due("news.example.org", "mailto:dmarc@example.org"),
    ...["agreed.test", "moved.test", "lured.test", "other.test", "late.test", "none.test"].map(at),
  ], { zone });
  assert.equal(sent, 3);
  assert.deepEqual(to.toSorted(), ["a@reader.test", "dmarc@example.org", "new@reader.test"]);
  assert.deepEqual(outcomes, {
    "news.example.org": "sent",
    "agreed.test": "sent",
    "moved.test": "sent",
    "lured.test": "no address",
    "other.test": "no address",
    "none.test": "no address",
  });
});

Deno.test("DmarcReporter: several addresses, each once; those it does not fit are left out", async () => {
  const rua =
    "mailto:a@x.test,mailto:b@x.test!1k,https://x.test/,mailto:gone@x.test,mailto:e@x.test";
  const { to, messages } = await run([due("x.test", rua)], { rows: 200 });
  assert.deepEqual(to, ["a@x.test"]);
  assert.equal(messages.length, 1);
  const { outcomes } = await run([due("x.test", "mailto:a@x.test!10")]);
  assert.deepEqual(outcomes, { "x.test": "no room" });
});

Deno.test("DmarcReporter: no report for who sends spam, has no rows, or was settled elsewhere", async () => {
  const tainted = await run([due("x.test", "mailto:a@x.test", { isTainted: true })]);
  assert.deepEqual([tainted.to, tainted.outcomes], [[], { "x.test": "spam" }]);
  const empty = await run([due("x.test", "mailto:a@x.test")], { rows: 0 });
  assert.deepEqual([empty.to, empty.outcomes], [[], { "x.test": "no messages" }]);
  const elsewhere = await run([due("x.test", "mailto:a@x.test")], { isSettledElsewhere: true });
  assert.deepEqual([elsewhere.sent, elsewhere.to], [0, []]);
  const busy = await run([due("x.test", "mailto:a@x.test")], { isBusy: true });
  assert.deepEqual([busy.sent, busy.outcomes], [0, {}]);
});

Deno.test("DmarcReporter: a bounded number a run", async () => {
  const days = Array.from({ length: 600 }, (_, n) => due(`d${n}.test`, `mailto:a@d${n}.test`));
  assert.equal((await run(days)).sent, 500);
});
