-- What domains and users are allowed and given: aliases, app passwords, grants, quotas, signing keys,
-- certificates. Columns called sealed hold what the secret key of the server opens.

ALTER TABLE domains
  -- How its mailboxes are filled: 'maildir', 'lmtp:<socket path or host:port>' or 'webhook:<url>'.
  ADD COLUMN transport text NOT NULL DEFAULT 'maildir',
  ADD COLUMN plus_addressing boolean NOT NULL DEFAULT true,
  -- What a full mailbox answers: 452 or 552.
  ADD COLUMN when_full text NOT NULL DEFAULT 'defer' CHECK (when_full IN ('defer', 'refuse')),
  -- Signs what a webhook is sent.
  ADD COLUMN sealed_webhook_secret bytea;

ALTER TABLE users
  ADD COLUMN is_disabled boolean NOT NULL DEFAULT false,
  ADD COLUMN quota_octets bigint,
  -- Where null, the server's own limits hold; by recipients.
  ADD COLUMN messages_per_hour bigint,
  ADD COLUMN messages_per_day bigint,
  -- CRAM-MD5 needs the password itself; only there for users who asked for it.
  ADD COLUMN sealed_cram_secret bytea;

CREATE TABLE app_passwords (
  domain text NOT NULL,
  local_part text NOT NULL,
  -- The part of the password in front of the hyphen: tells which hash to compare with.
  tag text NOT NULL,
  label text NOT NULL,
  password_hash text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (domain, local_part, tag),
  FOREIGN KEY (domain, local_part) REFERENCES users ON DELETE CASCADE
);

-- Whom a user may send as besides himself: 'sales@example.org', '@example.org', or '*'.
CREATE TABLE sender_grants (
  domain text NOT NULL,
  local_part text NOT NULL,
  sender text NOT NULL,
  PRIMARY KEY (domain, local_part, sender),
  FOREIGN KEY (domain, local_part) REFERENCES users ON DELETE CASCADE
);

CREATE TABLE aliases (
  domain text NOT NULL REFERENCES domains ON DELETE CASCADE,
  -- Empty for the catch-all.
  local_part text NOT NULL,
  -- A mailbox, or '@domain' for the same local part there.
  target text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (domain, local_part, target)
);
CREATE INDEX aliases_by_target ON aliases (target, domain, local_part);

CREATE TABLE dkim_keys (
  domain text NOT NULL REFERENCES domains ON DELETE CASCADE,
  selector text NOT NULL,
  algorithm text NOT NULL CHECK (algorithm IN ('rsa-sha256', 'ed25519-sha256')),
  state text NOT NULL CHECK (state IN ('waiting', 'active', 'retired')),
  -- What stands behind p= in DNS.
  public_key text NOT NULL,
  sealed_private_key bytea NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  state_since timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (domain, selector)
);

CREATE TABLE certificates (
  -- What a client asks for (SNI): a host name, or '*.example.org'.
  name text PRIMARY KEY,
  source text NOT NULL CHECK (source IN ('file', 'acme')),
  -- PEM, leaf first; null while it is still being issued.
  chain text,
  sealed_private_key bytea,
  not_after timestamptz,
  -- The last failure to issue it, and when to try again.
  fault text,
  retry_at timestamptz,
  created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE acme_accounts (
  directory_url text PRIMARY KEY,
  account_url text NOT NULL,
  sealed_private_key bytea NOT NULL
);

-- What any node answers to whom http-01 sends (RFC 8555 §8.3).
CREATE TABLE acme_challenges (
  token text PRIMARY KEY,
  key_authorization text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now()
);

-- A known text, sealed: tells a server with another secret key that it cannot open the rest.
CREATE TABLE secret_proof (
  the_one boolean PRIMARY KEY DEFAULT true CHECK (the_one),
  sealed bytea NOT NULL
);

-- Work that only one node does at a time, by what it is called; over when its time is.
CREATE TABLE leases (
  name text PRIMARY KEY,
  owner text NOT NULL,
  until timestamptz NOT NULL
);

CREATE TRIGGER app_passwords_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON app_passwords
  FOR EACH STATEMENT EXECUTE FUNCTION directory_changed();
CREATE TRIGGER sender_grants_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON sender_grants
  FOR EACH STATEMENT EXECUTE FUNCTION directory_changed();
CREATE TRIGGER aliases_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON aliases
  FOR EACH STATEMENT EXECUTE FUNCTION directory_changed();
CREATE TRIGGER dkim_keys_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON dkim_keys
  FOR EACH STATEMENT EXECUTE FUNCTION directory_changed();
CREATE TRIGGER certificates_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON certificates
  FOR EACH STATEMENT EXECUTE FUNCTION directory_changed();
