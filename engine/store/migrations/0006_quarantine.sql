-- Mail that is accepted and kept from delivery until someone decides, or its time is over.

-- A held message's deliveries are in the state 'held' and finished_at is infinity: there is nothing to
-- do about them, so they are in no index of unfinished work, and claims and sweeps never meet them. The
-- row stays when it is decided, and says so, as long as the message is remembered.
CREATE TABLE quarantine (
  message_id bigint PRIMARY KEY,
  recipients smallint NOT NULL,
  -- The rule that held it.
  reason text NOT NULL,
  explanation text NOT NULL,
  until timestamptz NOT NULL,
  decision text CHECK (decision IN ('released', 'deleted', 'expired')),
  decided_at timestamptz
);

CREATE INDEX quarantine_held ON quarantine (message_id) INCLUDE (recipients) WHERE decision IS NULL;
CREATE INDEX quarantine_until ON quarantine (until) WHERE decision IS NULL;

-- From when on a released delivery is given its time; others count from the message's acceptance.
ALTER TABLE deliveries ADD COLUMN released_at timestamptz;

-- Bodies of held messages: in none of the ring's tables, which are emptied within the hour, and apart
-- from the kept ones, which are looked through for what is done.
CREATE TABLE bodies_held PARTITION OF bodies (PRIMARY KEY (id)) FOR VALUES IN (-2);
