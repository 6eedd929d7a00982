/** DMARC reports in a session worker: what arrives is kept, what came in other domains' names is counted for them. */
import type { Sql } from "postgres";
import type { Config } from "../config/schema.ts";
import { FeedbackCollector } from "../engine/auth/reports/feedback.ts";
import { ReportIntake } from "../engine/auth/reports/report_intake.ts";
import { feedbackOf } from "../engine/inbound/dmarc_feedback.ts";
import type { JudgedMail } from "../engine/inbound/observer.ts";
import type { JudgeServices } from "../engine/inbound/services.ts";
import type { ReportOrigin } from "../engine/store/dmarc_reports.ts";
import { postgresDmarcFeedback } from "../engine/store/postgres_dmarc_feedback.ts";
import { postgresDmarcReports } from "../engine/store/postgres_dmarc_reports.ts";
import { logOf } from "../engine/telemetry/log.ts";

const FLUSH_MS = 60_000;
/** The mailbox for reports at any domain of ours, unless another one is named. */
const REPORTS_LOCAL_PART = "dmarc-reports";

export interface SessionReports {
  readonly takeReports: JudgeServices["takeReports"];
  observe(mail: JudgedMail): void;
  /** Stores what was counted. Never rejects. */
  flush(): Promise<void>;
}

export function sessionReports({ judging }: Config, sql: Sql): SessionReports {
  const log = logOf("dmarc");
  const onError = (error: unknown) => log.error("reports: {error}", { error: String(error) });
  const kept = postgresDmarcReports(sql);
  const feedback = postgresDmarcFeedback(sql);
  const collector = new FeedbackCollector();
  const intake = new ReportIntake<ReportOrigin>({
    keep: (reports, origin) => kept.keep(reports, origin),
    onRead: ({ kept, faults }, { senderDomain }) =>
      log.info("{kept} reports from {sender_domain} kept", {
        kept,
        faults,
        sender_domain: senderDomain,
      }),
    onDropped: ({ senderDomain }) =>
      log.warning("a report from {sender_domain} was left unread: too many at once", {
        sender_domain: senderDomain,
      }),
    onError,
  });
  const isForReports = (forwardPath: string) =>
    judging.dmarcReportsTo === null
      ? forwardPath.toLowerCase().startsWith(`${REPORTS_LOCAL_PART}@`)
      : forwardPath.toLowerCase() === judging.dmarcReportsTo.toLowerCase();
  const flush = async () => {
    const { batches, omitted } = collector.take();
    if (omitted > 0) log.warning("{omitted} messages will be in no report", { omitted });
    if (batches.length > 0) await feedback.add(batches).catch(onError);
  };
  if (judging.sendsDmarcReports) setInterval(flush, FLUSH_MS);
  return {
    takeReports: (octets, { recipients, authentication: { dmarc }, nowMs }) => {
      if (!recipients.some(isForReports)) return;
      const isVerified = dmarc.verdict === "pass";
      intake.offer(octets, { senderDomain: dmarc.fromDomain, isVerified, receivedAtMs: nowMs });
    },
    observe: (mail) => {
      if (!judging.sendsDmarcReports) return;
      const observed = feedbackOf(mail, { atMs: Date.now() });
      if (observed !== null) collector.observe(observed);
    },
    flush: async () => {
      await intake.settled();
      await flush();
    },
  };
}
