import { client, embeddedPostgres } from "../../tests/fixtures/embedded_postgres.ts";
import { startPostgres } from "../../tests/fixtures/postgres.ts";
import { dmarcFeedbackConformance, dmarcReportsConformance } from "./dmarc_conformance.ts";
import type { PostgresTarget } from "./postgres_client.ts";
import { postgresDirectory } from "./postgres_directory.ts";
import { postgresDmarcFeedback } from "./postgres_dmarc_feedback.ts";
import { postgresDmarcReports } from "./postgres_dmarc_reports.ts";
import { migrate } from "./postgres_migrate.ts";

async function conforms(t: Deno.TestContext, target: PostgresTarget): Promise<void> {
  await using one = client(target, 2);
  await using two = client(target, 2);
  await migrate(one);
  await dmarcReportsConformance(t, {
    reports: postgresDmarcReports(one),
    directory: postgresDirectory(one, { now: () => performance.now() }),
    clear: async () => {
      await one`TRUNCATE dmarc_reports, dmarc_report_rows`;
    },
  });
  await dmarcFeedbackConformance(t, {
    here: postgresDmarcFeedback(one, { maxRowsOfDomain: 100 }),
    elsewhere: postgresDmarcFeedback(two, { maxRowsOfDomain: 100 }),
    clear: async () => {
      await one`TRUNCATE dmarc_feedback, dmarc_feedback_rows`;
    },
  });
}

Deno.test("postgresDmarcReports, postgresDmarcFeedback: keep their promises, embedded", async (t) => {
  await using embedded = await embeddedPostgres();
  await conforms(t, embedded.target);
});

Deno.test("postgresDmarcReports, postgresDmarcFeedback: keep their promises, on Postgres", async (t) => {
  await using server = await startPostgres();
  if (server !== null) await conforms(t, { kind: "url", url: server.url });
});
