-- Mail for a domain's postmaster goes to its first user who is not disabled.

DROP INDEX users_by_age;
CREATE INDEX users_by_age ON users (domain, created_at, local_part) WHERE NOT is_disabled;
