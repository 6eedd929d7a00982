-- What spam scoring remembers: how often tokens were in good and in bad mail, which messages that is
-- counted from, and how senders did before.

-- A domain of ours or, with an empty name, everyone. Whoever changes what belongs to a scope locks its
-- row first, scopes in the order of their ids: so nobody waits in a circle.
CREATE TABLE spam_scopes (
  id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  name text NOT NULL UNIQUE,
  -- Messages.
  ham integer NOT NULL DEFAULT 0,
  spam integer NOT NULL DEFAULT 0,
  -- Changes with every change of the scope's counts.
  version bigint NOT NULL DEFAULT 0,
  learned_at timestamptz
);
INSERT INTO spam_scopes (name) VALUES ('');

-- Columns in the order that leaves no gaps; the day of the last change, in days since 1970, is in no index,
-- so that counts are updated in place (HOT).
CREATE TABLE spam_tokens (
  token bigint NOT NULL,
  scope integer NOT NULL,
  ham integer NOT NULL,
  spam integer NOT NULL,
  day smallint NOT NULL,
  PRIMARY KEY (scope, token)
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05);

CREATE TABLE spam_learned (
  -- 16 octets of a hash.
  fingerprint uuid NOT NULL,
  scope integer NOT NULL,
  day smallint NOT NULL,
  is_spam boolean NOT NULL,
  PRIMARY KEY (scope, fingerprint)
);

-- Counts are as of updated_at, and fade from then on.
CREATE TABLE sender_reputations (
  -- 'domain:example.org', 'net:192.0.2.0/24'.
  subject text PRIMARY KEY,
  ham float8 NOT NULL,
  spam float8 NOT NULL,
  updated_at timestamptz NOT NULL
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05);
