/** Reports to other domains about mail in their names, composed and sent from the main thread (RFC 9990). */
import type { Sql } from "postgres";
import type { Config } from "../config/schema.ts";
import { messageSigner } from "../workers/message_signer.ts";
import { routeReport } from "../workers/report_mail.ts";
import { isSameOrganization } from "./auth/reports/organization.ts";
import type { SecretBox } from "./crypto/secret_box.ts";
import { nodeExchange } from "./dns/node_exchange.ts";
import { systemServers } from "./dns/node_resolv_conf.ts";
import { StubResolver } from "./dns/stub_resolver.ts";
import { readHeaderSection } from "./mail/header_section.ts";
import { parseMailbox } from "./mail/path.ts";
import { queueIdGenerator } from "./mail/queue_id.ts";
import { DmarcReporter } from "./runtime/dmarc_reporter.ts";
import type { Directory } from "./store/directory.ts";
import { postgresDmarcFeedback } from "./store/postgres_dmarc_feedback.ts";
import { nextGenerator } from "./store/postgres_generators.ts";
import { postgresSigningKeys } from "./store/postgres_signing_keys.ts";
import type { Spool } from "./store/spool.ts";
import { logOf } from "./telemetry/log.ts";
import { VERSION } from "./version.ts";

/** The reporter where reports are sent, else `null`. */
export async function openReporter(config: Config, parts: {
  readonly sql: Sql;
  readonly secrets: SecretBox;
  readonly directory: Directory;
  readonly spool: Spool;
}): Promise<DmarcReporter | null> {
  const { judging, serverDomain } = config;
  if (!judging.sendsDmarcReports) return null;
  const { sql, secrets, directory, spool } = parts;
  const log = logOf("dmarc");
  const from = judging.dmarcReportFrom ?? `dmarc-reports@${serverDomain}`;
  const mailbox = parseMailbox(from);
  const submitter = typeof mailbox === "string" ? serverDomain : mailbox.domain;
  const resolver = new StubResolver({
    servers: config.dnsServers ?? await systemServers(),
    exchange: nodeExchange,
  });
  const keys = postgresSigningKeys(sql, { now: () => performance.now() });
  const sign = messageSigner({ keys, secrets, log });
  const srsSecret = secrets.derive("srs");
  return new DmarcReporter({
    store: postgresDmarcFeedback(sql),
    resolver,
    isSameOrganization: (a, b) => isSameOrganization([a, b], resolver),
    sign: (octets) => sign(octets, readHeaderSection(octets), [submitter]),
    route: (forwardPath) => routeReport(directory, forwardPath, srsSecret),
    commit: (messages) => spool.commit(messages),
    newQueueId: queueIdGenerator({ generator: await nextGenerator(sql), now: Date.now }),
    newBoundary: () => `sluice-${crypto.randomUUID()}`,
    submitter,
    from,
    generator: `Sluice ${VERSION}`,
    now: Date.now,
    random: Math.random,
    onSent: (domain, to) =>
      log.info("DMARC report to {domain} sent", { event: "dmarc_report_sent", domain, to }),
    onError: (error) => log.error("DMARC reports: {error}", { error: String(error) }),
  });
}
