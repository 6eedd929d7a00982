/** The SQL of the reports others send. Lists travel as JSON, one parameter each. */

/**
 * $1 the domain reported about and those above it, the longest first; $2 the report; $3 its records;
 * $4 since when (ms) and $5 up to how many reports are counted. Answers 1 when it was kept.
 */
export const KEEP = `
  WITH owner AS (
    SELECT d.name FROM json_array_elements_text($1::text::json) WITH ORDINALITY AS w(name, n)
    JOIN domains d ON d.name = w.name
    ORDER BY w.n LIMIT 1
  ), report AS (
    INSERT INTO dmarc_reports (owner, domain, kind, sender_domain, is_verified, organization,
      report_id, begin_at, end_at, received_at, total, failed, details)
    SELECT owner.name, r.domain, kind, sender, verified, org, rid, to_timestamp(b / 1000),
      to_timestamp(e / 1000), to_timestamp(at / 1000), total, failed, details
    FROM owner, json_to_record($2::text::json) AS r(domain text, kind text, sender text,
      verified boolean, org text, rid text, b float8, e float8, at float8, total bigint,
      failed bigint, details jsonb)
    WHERE (
      SELECT count(*) FROM dmarc_reports k
      WHERE k.owner = owner.name AND k.received_at > to_timestamp($4::float8 / 1000)
        AND k.is_verified = r.verified
    ) < $5::integer
    ON CONFLICT DO NOTHING
    RETURNING id
  ), records AS (
    INSERT INTO dmarc_report_rows (report, n, source_address, messages, disposition,
      is_dkim_aligned, is_spf_aligned, header_from, details)
    SELECT report.id, n, ip, c, di, dk, sp, hf, dt
    FROM report, json_to_recordset($3::text::json) AS r(n integer, ip text, c bigint, di text,
      dk boolean, sp boolean, hf text, dt jsonb)
  )
  SELECT count(*)::integer AS count FROM report`;

/** $1 owner, $2 since (ms), $3 whether those too that are not verified. */
const ASKED = `
  r.owner = $1 AND r.end_at >= to_timestamp($2::float8 / 1000)
    AND ($3::boolean OR r.is_verified)`;

/** $1 owner, $2 since (ms). */
export const TOTALS = `
  SELECT kind, is_verified, count(*)::integer AS reports,
    count(DISTINCT organization)::integer AS organizations,
    (extract(epoch FROM min(begin_at)) * 1000)::float8 AS begin_ms,
    (extract(epoch FROM max(end_at)) * 1000)::float8 AS end_ms,
    sum(total)::float8 AS total, sum(failed)::float8 AS failed
  FROM dmarc_reports
  WHERE owner = $1 AND end_at >= to_timestamp($2::float8 / 1000)
  GROUP BY kind, is_verified`;

/** $1 owner, $2 since (ms), $3 whether those too that are not verified, $4 limit. */
export const SOURCES = `
  SELECT source_address AS "sourceAddress", sum(messages)::float8 AS messages,
    coalesce(sum(messages) FILTER (WHERE is_dkim_aligned), 0)::float8 AS "dkimAligned",
    coalesce(sum(messages) FILTER (WHERE is_spf_aligned), 0)::float8 AS "spfAligned",
    coalesce(sum(messages) FILTER (WHERE NOT is_dkim_aligned AND NOT is_spf_aligned), 0)::float8
      AS failed,
    coalesce(sum(messages) FILTER (WHERE disposition = 'quarantine'), 0)::float8 AS quarantined,
    coalesce(sum(messages) FILTER (WHERE disposition = 'reject'), 0)::float8 AS rejected,
    to_json((array_agg(DISTINCT organization))[1:5]) AS reporters
  FROM dmarc_reports r JOIN dmarc_report_rows w ON w.report = r.id
  WHERE r.kind = 'aggregate' AND ${ASKED}
  GROUP BY source_address
  ORDER BY failed DESC, messages DESC, source_address
  LIMIT $4::integer`;

/** As above. */
export const FAILURES = `
  SELECT (extract(epoch FROM r.end_at) * 1000)::float8 AS "atMs", r.organization, r.details
  FROM dmarc_reports r
  WHERE r.kind = 'failure' AND ${ASKED}
  ORDER BY r.end_at DESC, r.id DESC
  LIMIT $4::integer`;

/** As above. */
export const TLS_REASONS = `
  SELECT f ->> 'resultType' AS "resultType", f ->> 'receivingHost' AS host,
    sum((f ->> 'sessions')::bigint)::float8 AS sessions
  FROM dmarc_reports r, jsonb_array_elements(r.details -> 'policies') p,
    jsonb_array_elements(p -> 'failures') f
  WHERE r.kind = 'tls' AND ${ASKED}
  GROUP BY 1, 2
  ORDER BY sessions DESC, 1, 2
  LIMIT $4::integer`;

/** $1 before (ms), $2 limit. */
export const FORGET = `
  DELETE FROM dmarc_reports WHERE id IN (
    SELECT id FROM dmarc_reports WHERE received_at < to_timestamp($1::float8 / 1000)
    ORDER BY received_at LIMIT $2::integer)
  RETURNING 1`;
