-- The spool. Ids are time-ordered (engine/mail/queue_id.ts).

-- Names the id generators of workers; 4096 of them may live at once.
CREATE SEQUENCE queue_id_generators MINVALUE 0 MAXVALUE 4095 CYCLE;

CREATE TABLE messages (
  id bigint PRIMARY KEY,
  accepted_at timestamptz NOT NULL,
  reverse_path text NOT NULL,
  body_type text NOT NULL,
  smtp_utf8 boolean NOT NULL,
  client_address text NOT NULL,
  helo_name text NOT NULL,
  protocol text NOT NULL,
  size_octets integer NOT NULL
);

-- A row per recipient. Claims change no indexed column, so that Postgres updates in place (HOT);
-- the room for that is the fill factor.
CREATE TABLE deliveries (
  message_id bigint NOT NULL,
  recipient smallint NOT NULL,
  forward_path text NOT NULL,
  transport text NOT NULL,
  destination text NOT NULL,
  state text NOT NULL DEFAULT 'queued',
  attempts smallint NOT NULL DEFAULT 0,
  next_attempt_at timestamptz NOT NULL,
  lease_owner text,
  lease_until timestamptz,
  was_leased boolean NOT NULL DEFAULT false,
  finished_at timestamptz,
  PRIMARY KEY (message_id, recipient)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05);

-- What is still to do; the sweeper walks it.
CREATE INDEX deliveries_unfinished ON deliveries (message_id, recipient)
  WHERE finished_at IS NULL;

CREATE TABLE attempts (
  message_id bigint NOT NULL,
  recipient smallint NOT NULL,
  attempt smallint NOT NULL,
  started_at timestamptz NOT NULL,
  ended_at timestamptz NOT NULL,
  outcome text NOT NULL,
  mx_host text,
  remote_address text,
  tls boolean NOT NULL,
  enhanced_status text NOT NULL,
  diagnostic text NOT NULL,
  PRIMARY KEY (message_id, recipient, attempt)
);

-- Bodies live in a ring of tables by time of acceptance: a table whose mail is delivered is emptied by
-- TRUNCATE, which leaves nothing to vacuum; the few bodies still needed move to bodies_kept first.
-- STORAGE EXTERNAL: mail is mostly base64 and compressing it costs more than it saves.
CREATE TABLE bodies (
  slot smallint NOT NULL,
  id bigint NOT NULL,
  octets bytea NOT NULL
) PARTITION BY LIST (slot);

ALTER TABLE bodies ALTER COLUMN octets SET STORAGE EXTERNAL;

DO $$
BEGIN
  FOR slot IN 0..15 LOOP
    EXECUTE format(
      'CREATE TABLE bodies_%s PARTITION OF bodies (PRIMARY KEY (id)) FOR VALUES IN (%s)
         WITH (toast_tuple_target = 8160, autovacuum_enabled = false,
               toast.autovacuum_enabled = false)', slot, slot);
  END LOOP;
END $$;

CREATE TABLE bodies_kept PARTITION OF bodies (PRIMARY KEY (id)) FOR VALUES IN (-1);
