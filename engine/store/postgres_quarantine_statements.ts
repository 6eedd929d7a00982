/**
 * The quarantine's SQL. A decision takes hold of the message's row first, and all else follows from it in
 * the same statement: of two decisions about one message the first one counts.
 */
import { HELD_SLOT, KEPT_SLOT } from "./postgres_bodies.ts";
import { MAX_HEAD_OCTETS } from "./quarantine.ts";

const HELD = `
  SELECT q.message_id AS id, q.reason, q.explanation, q.until, m.accepted_at, m.reverse_path,
    m.client_address, m.helo_name, m.size_octets,
    (SELECT json_agg(d.forward_path ORDER BY d.recipient) FROM deliveries d
      WHERE d.message_id = q.message_id) AS recipients,
    (SELECT substring(b.octets FROM 1 FOR ${MAX_HEAD_OCTETS}) FROM bodies b
      WHERE b.slot = ${HELD_SLOT} AND b.id = q.message_id) AS head
  FROM quarantine q JOIN messages m ON m.id = q.message_id
  WHERE q.decision IS NULL`;

/** Whether a mailbox is the one looked for, or in the domain looked for. */
const MATCHES = (mailbox: string, wanted: string) => `
  CASE WHEN starts_with(${wanted}, '@')
    THEN right(lower(${mailbox}), length(${wanted})) = lower(${wanted})
    ELSE lower(${mailbox}) = lower(${wanted})
  END`;

/** $1 recipient, $2 sender, $3 reason, $4 to begin below; each null for all. $5 limit. */
export const LIST = `${HELD}
    AND ($1::text IS NULL OR EXISTS (
      SELECT FROM deliveries d WHERE d.message_id = q.message_id AND ${
  MATCHES("d.forward_path", "$1::text")
}))
    AND ($2::text IS NULL OR ${MATCHES("m.reverse_path", "$2::text")})
    AND ($3::text IS NULL OR q.reason = $3::text)
    AND ($4::bigint IS NULL OR q.message_id < $4::bigint)
  ORDER BY q.message_id DESC
  LIMIT $5::integer`;

/** $1 id. */
export const SHOW = `${HELD} AND q.message_id = $1::bigint`;

/** $1 id. */
export const READ = `
  SELECT b.octets FROM quarantine q JOIN bodies b ON b.slot = ${HELD_SLOT} AND b.id = q.message_id
  WHERE q.decision IS NULL AND q.message_id = $1::bigint`;

/** $1 ids, $2 now (ms). Still due when they were accepted, so that the next sweep finds them. */
export const RELEASE = `
  WITH decided AS (
    UPDATE quarantine SET decision = 'released', decided_at = to_timestamp($2::float8 / 1000)
    WHERE decision IS NULL AND message_id = ANY($1::text::bigint[])
    RETURNING message_id AS id
  ), taken AS (
    DELETE FROM bodies b USING decided WHERE b.slot = ${HELD_SLOT} AND b.id = decided.id
    RETURNING b.id, b.octets
  ), kept AS (
    INSERT INTO bodies (slot, id, octets) SELECT ${KEPT_SLOT}, id, octets FROM taken
  )
  UPDATE deliveries d
  SET state = 'queued', finished_at = NULL, released_at = to_timestamp($2::float8 / 1000)
  FROM decided WHERE d.message_id = decided.id AND d.state = 'held'
  RETURNING d.message_id, d.recipient, d.destination,
    (extract(epoch FROM d.next_attempt_at) * 1000)::float8 AS next_attempt_at_ms`;

/** Behind a CTE `decided` with the messages' ids: they are over, and their bodies are nobody's. */
const GIVE_UP = `
  gone AS (
    DELETE FROM bodies b USING decided WHERE b.slot = ${HELD_SLOT} AND b.id = decided.id
  ), finished AS (
    UPDATE deliveries d SET state = 'discarded', finished_at = decided.at
    FROM decided WHERE d.message_id = decided.id AND d.state = 'held'
  )
  SELECT id FROM decided`;

/** $1 ids, $2 now (ms). */
export const DISCARD = `
  WITH decided AS (
    UPDATE quarantine SET decision = 'deleted', decided_at = to_timestamp($2::float8 / 1000)
    WHERE decision IS NULL AND message_id = ANY($1::text::bigint[])
    RETURNING message_id AS id, decided_at AS at
  ), ${GIVE_UP}`;

/** $1 now (ms), $2 limit. */
export const EXPIRE = `
  WITH due AS (
    SELECT message_id FROM quarantine
    WHERE decision IS NULL AND until <= to_timestamp($1::float8 / 1000)
    ORDER BY until LIMIT $2::integer
    FOR UPDATE SKIP LOCKED
  ), decided AS (
    UPDATE quarantine q SET decision = 'expired', decided_at = to_timestamp($1::float8 / 1000)
    FROM due WHERE q.message_id = due.message_id AND q.decision IS NULL
    RETURNING q.message_id AS id, q.decided_at AS at
  ), ${GIVE_UP}`;
