-- Local domains and their users.

CREATE TABLE domains (
  -- Lower case, A-labels.
  name text PRIMARY KEY,
  created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE users (
  domain text NOT NULL REFERENCES domains,
  -- Lower case, without quotes.
  local_part text NOT NULL,
  password_hash text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (domain, local_part)
);

-- Mail for a domain's postmaster goes to its first user.
CREATE INDEX users_by_age ON users (domain, created_at, local_part);

-- One row that changes with every change above, so that servers need to watch nothing else.
CREATE TABLE directory_version (
  the_one boolean PRIMARY KEY DEFAULT true CHECK (the_one),
  version bigint NOT NULL
);
INSERT INTO directory_version (version) VALUES (1);

CREATE FUNCTION directory_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE directory_version SET version = version + 1;
  RETURN NULL;
END $$;

CREATE TRIGGER domains_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON domains
  FOR EACH STATEMENT EXECUTE FUNCTION directory_changed();
CREATE TRIGGER users_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON users
  FOR EACH STATEMENT EXECUTE FUNCTION directory_changed();
