/**
 * The spool's SQL. Lists travel as JSON or array literals, one parameter each. `ONE_ROW` makes the
 * planner take such a list for a single row: so it walks the list and looks each row up, at any size of
 * the tables, where its own guess of a hundred rows once in a while has it walk the table instead.
 */
import { KEPT_SLOT } from "./postgres_bodies.ts";

const ONE_ROW = (id: string) => `${id} = ${id} + 0`;

const MESSAGES = `
  m AS (
    INSERT INTO messages (id, accepted_at, reverse_path, body_type, smtp_utf8, client_address,
      helo_name, protocol, size_octets)
    SELECT id, to_timestamp(at / 1000.0), rp, bt, u8, ca, hn, pr, sz
    FROM json_to_recordset($1::text::json) AS r(id bigint, at float8, rp text, bt text, u8 boolean,
      ca text, hn text, pr text, sz integer)
  )`;

const ENVELOPES = `${MESSAGES}
  INSERT INTO deliveries (message_id, recipient, forward_path, transport, destination,
    next_attempt_at)
  SELECT id, n, fp, tr, de, to_timestamp(at / 1000.0)
  FROM json_to_recordset($2::text::json) AS r(id bigint, n smallint, fp text, tr text, de text,
    at float8)`;

/** The same for messages of which some are held: see the migration for what marks their deliveries. */
const ENVELOPES_HELD = `${MESSAGES}, q AS (
    INSERT INTO quarantine (message_id, recipients, reason, explanation, until)
    SELECT id, hc, hr, he, to_timestamp(hu / 1000.0)
    FROM json_to_recordset($1::text::json) AS r(id bigint, hc smallint, hr text, he text, hu float8)
    WHERE hr IS NOT NULL
  )
  INSERT INTO deliveries (message_id, recipient, forward_path, transport, destination,
    next_attempt_at, state, finished_at)
  SELECT id, n, fp, tr, de, to_timestamp(at / 1000.0),
    CASE WHEN he THEN 'held' ELSE 'queued' END,
    CASE WHEN he THEN 'infinity'::timestamptz END
  FROM json_to_recordset($2::text::json) AS r(id bigint, n smallint, fp text, tr text, de text,
    at float8, he boolean)`;

/** What a batch is written by; `hasHeld` where any of its messages is held. */
export interface BatchKind {
  readonly hasHeld: boolean;
}

export function insertEnvelopes({ hasHeld }: BatchKind): string {
  return `WITH ${hasHeld ? ENVELOPES_HELD : ENVELOPES}`;
}

export const COPY_BODIES = "COPY bodies (slot, id, octets) FROM STDIN (FORMAT binary)";

/** Bodies, messages and deliveries of so many messages in one statement, hence one transaction. */
export function insertMessages(count: number, { hasHeld }: BatchKind): string {
  const rows = Array.from(
    { length: count },
    (_, i) => `($${3 + i * 3}::smallint, $${4 + i * 3}::bigint, $${5 + i * 3}::bytea)`,
  );
  return `WITH b AS (INSERT INTO bodies (slot, id, octets) VALUES ${rows.join(", ")}), ${
    hasHeld ? ENVELOPES_HELD : ENVELOPES
  }`;
}

/**
 * $1 message ids, $2 recipients, $3 owner, $4 now, $5 end of the lease (ms).
 *
 * `- 0` keeps the planner from coming to the deliveries by way of the message, which walks all its
 * recipients for each one.
 */
export const CLAIM = `
  WITH wanted AS (
    SELECT * FROM unnest($1::text::bigint[], $2::text::smallint[]) AS w(message_id, recipient)
    WHERE ${ONE_ROW("message_id")}
  )
  UPDATE deliveries d
  SET state = 'leased', lease_owner = $3, lease_until = to_timestamp($5::float8 / 1000),
    was_leased = d.was_leased OR d.state = 'leased'
  FROM wanted w JOIN messages m ON m.id = w.message_id - 0
  WHERE d.message_id = w.message_id AND d.recipient = w.recipient
    AND d.finished_at IS NULL
    AND d.next_attempt_at <= to_timestamp($4::float8 / 1000)
    AND (d.state <> 'leased' OR d.lease_until < to_timestamp($4::float8 / 1000))
  RETURNING d.message_id, d.recipient, d.forward_path, d.transport, d.destination, d.attempts,
    d.was_leased,
    (extract(epoch FROM coalesce(d.released_at, m.accepted_at)) * 1000)::float8 AS queued_at_ms,
    m.reverse_path, m.body_type, m.smtp_utf8, m.size_octets`;

/** $1 message ids. What is held is not looked for. */
export const READ_BODIES = `
  SELECT id, octets FROM bodies WHERE slot >= ${KEPT_SLOT} AND id = ANY($1::text::bigint[])`;

/** $1 settlements, $2 owner of the leases. */
export const SETTLE = `
  WITH s AS (
    SELECT * FROM json_to_recordset($1::text::json) AS r(id bigint, n smallint, oc text, na float8,
      sa float8, ea float8, mx text, ra text, tls boolean, es text, di text)
    WHERE ${ONE_ROW("id")}
  ), settled AS (
    UPDATE deliveries d
    SET state = CASE s.oc WHEN 'released' THEN 'queued' ELSE s.oc END,
      attempts = d.attempts + CASE s.oc WHEN 'released' THEN 0 ELSE 1 END,
      next_attempt_at = coalesce(to_timestamp(s.na / 1000), d.next_attempt_at),
      lease_owner = NULL,
      lease_until = NULL,
      finished_at = CASE WHEN s.oc IN ('delivered', 'failed') THEN to_timestamp(s.ea / 1000) END
    FROM s
    WHERE d.message_id = s.id AND d.recipient = s.n AND d.finished_at IS NULL
      AND (s.oc IN ('delivered', 'failed') OR d.lease_owner = $2)
    RETURNING d.attempts, s.*
  )
  INSERT INTO attempts (message_id, recipient, attempt, started_at, ended_at, outcome, mx_host,
    remote_address, tls, enhanced_status, diagnostic)
  SELECT id, n, attempts, to_timestamp(sa / 1000), to_timestamp(ea / 1000), oc, mx, ra, tls, es, di
  FROM settled WHERE oc <> 'released'`;

/** $1 message ids. */
export const EXISTING_MESSAGES = "SELECT id FROM messages WHERE id = ANY($1::text::bigint[])";

/** $1 what the owner's name begins with. */
export const ABANDON = `
  UPDATE deliveries
  SET state = 'queued', lease_owner = NULL, lease_until = NULL, was_leased = true
  WHERE finished_at IS NULL AND state = 'leased' AND starts_with(lease_owner, $1)
  RETURNING message_id, recipient, destination,
    (extract(epoch FROM next_attempt_at) * 1000)::float8 AS next_attempt_at_ms`;

/** $1 message id and $2 recipient to start behind, $3 due before (ms) or null for all, $4 limit. */
export const PENDING = `
  SELECT message_id, recipient, destination,
    (extract(epoch FROM next_attempt_at) * 1000)::float8 AS next_attempt_at_ms
  FROM deliveries
  WHERE finished_at IS NULL AND (message_id, recipient) > ($1::bigint, $2::smallint)
    AND ($3::float8 IS NULL OR (next_attempt_at <= to_timestamp($3::float8 / 1000)
      AND (state <> 'leased' OR lease_until <= to_timestamp($3::float8 / 1000))))
  ORDER BY message_id, recipient
  LIMIT $4::integer`;

export const DEPTH = `
  SELECT state, count(*)::integer AS count FROM deliveries WHERE finished_at IS NULL GROUP BY state
  UNION ALL
  SELECT 'held', coalesce(sum(recipients), 0)::integer FROM quarantine WHERE decision IS NULL`;

/** $1 the first message id to keep. Behind it comes whatever is unfinished or held, however old. */
export const FORGET = `
  WITH old AS (
    SELECT id FROM messages m
    WHERE id < $1::bigint AND NOT EXISTS (
      SELECT FROM deliveries d WHERE d.message_id = m.id AND d.finished_at IS NULL)
    AND NOT EXISTS (
      SELECT FROM quarantine q WHERE q.message_id = m.id AND q.decision IS NULL)
    ORDER BY id LIMIT 2000
  ), a AS (
    DELETE FROM attempts WHERE message_id IN (SELECT id FROM old)
  ), q AS (
    DELETE FROM quarantine WHERE message_id IN (SELECT id FROM old)
  ), d AS (
    DELETE FROM deliveries WHERE message_id IN (SELECT id FROM old)
  ), m AS (
    DELETE FROM messages WHERE id IN (SELECT id FROM old) RETURNING 1
  )
  SELECT count(*)::integer AS count FROM m`;
