/**
 * What the directory is asked while mail flows: one statement each. Subqueries give a scalar, so that the
 * planner looks rows up by index instead of hashing all there are.
 */
import { DIRECTORY_PAGE, MAX_TARGETS } from "./directory.ts";

const has = (name: string) =>
  `(
  EXISTS (SELECT FROM users WHERE domain = $1 AND local_part = ${name})
  OR EXISTS (SELECT FROM aliases WHERE domain = $1 AND local_part = ${name}))`;

/**
 * $1 domain, $2 local part, $3 what stands before its `+`, or null. No row: the domain is not ours. `name`
 * is the one to look under: null where postmaster's mail goes to the first user, empty for the catch-all.
 * `targets`: one more than an alias may have tells that there are too many.
 *
 * MATERIALIZED, since the name would be searched for anew wherever it is used.
 */
export const LOOKUP = `
  WITH question AS MATERIALIZED (
    SELECT CASE
      WHEN ${has("$2")} THEN $2
      WHEN plus_addressing AND $3::text IS NOT NULL AND ${has("$3")} THEN $3
      WHEN $2 = 'postmaster' THEN NULL
      ELSE ''
    END AS name
    FROM domains WHERE name = $1
  )
  SELECT name,
    (SELECT true FROM users WHERE domain = $1 AND local_part = question.name) AS has_user,
    (SELECT json_agg(target) FROM (
      SELECT target FROM aliases WHERE domain = $1 AND local_part = question.name
      ORDER BY target LIMIT ${MAX_TARGETS + 1}) AS t) AS targets,
    CASE WHEN name IS NULL THEN (
      SELECT local_part FROM users WHERE domain = $1 AND NOT is_disabled
      ORDER BY created_at, local_part LIMIT 1
    ) END AS first_user
  FROM question`;

/** $1 domain, $2 local part. No row: the domain is not ours. */
export const MAILBOX = `
  SELECT transport, sealed_webhook_secret, when_full,
    (SELECT quota_octets::float8 FROM users WHERE domain = $1 AND local_part = $2) AS quota_octets
  FROM domains WHERE name = $1`;

/** $1 domain, $2 local part. */
export const ACCOUNT = `
  SELECT is_disabled, password_hash, sealed_cram_secret,
    messages_per_hour::float8 AS messages_per_hour, messages_per_day::float8 AS messages_per_day,
    (SELECT json_agg(json_build_object('tag', tag, 'passwordHash', password_hash)) FROM (
      SELECT tag, password_hash FROM app_passwords WHERE domain = $1 AND local_part = $2
      ORDER BY tag LIMIT ${DIRECTORY_PAGE}) AS p) AS app_passwords,
    (SELECT json_agg(sender) FROM (
      SELECT sender FROM sender_grants WHERE domain = $1 AND local_part = $2
      ORDER BY sender LIMIT ${DIRECTORY_PAGE}) AS g) AS senders
  FROM users WHERE domain = $1 AND local_part = $2`;
