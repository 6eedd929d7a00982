-- DMARC reports: those others send about domains of ours, and what we observe about theirs to report it.

CREATE TABLE dmarc_reports (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  -- The domain of ours that it is about, or above what it is about.
  owner text NOT NULL REFERENCES domains ON DELETE CASCADE,
  domain text NOT NULL,
  kind text NOT NULL CHECK (kind IN ('aggregate', 'failure', 'tls')),
  -- Who sent it; whether that was proved (RFC 9989), or is only what it says.
  sender_domain text NOT NULL,
  is_verified boolean NOT NULL,
  organization text NOT NULL,
  report_id text NOT NULL,
  begin_at timestamptz NOT NULL,
  end_at timestamptz NOT NULL,
  received_at timestamptz NOT NULL,
  -- Messages, or TLS sessions, in all and those that failed.
  total bigint NOT NULL,
  failed bigint NOT NULL,
  -- What else it says.
  details jsonb NOT NULL,
  UNIQUE (domain, kind, sender_domain, is_verified, report_id)
);
CREATE INDEX dmarc_reports_by_end ON dmarc_reports (owner, end_at);
CREATE INDEX dmarc_reports_by_receipt ON dmarc_reports (owner, received_at);
CREATE INDEX dmarc_reports_by_age ON dmarc_reports (received_at);

-- Records of aggregate reports.
CREATE TABLE dmarc_report_rows (
  report bigint NOT NULL REFERENCES dmarc_reports ON DELETE CASCADE,
  n integer NOT NULL,
  source_address text NOT NULL,
  messages bigint NOT NULL,
  disposition text NOT NULL,
  is_dkim_aligned boolean NOT NULL,
  is_spf_aligned boolean NOT NULL,
  header_from text NOT NULL,
  details jsonb NOT NULL,
  PRIMARY KEY (report, n)
);

-- Domains whose policy was applied to mail on a day, in UTC.
CREATE TABLE dmarc_feedback (
  day date NOT NULL,
  domain text NOT NULL,
  -- Its DMARC record as it was seen last: the tags.
  record jsonb NOT NULL,
  -- Mail that was its own was spam: it gets no report.
  is_tainted boolean NOT NULL DEFAULT false,
  -- What became of its report; null while it is to be sent.
  outcome text,
  PRIMARY KEY (day, domain)
);
CREATE INDEX dmarc_feedback_due ON dmarc_feedback (day, domain) WHERE outcome IS NULL;

CREATE TABLE dmarc_feedback_rows (
  day date NOT NULL,
  domain text NOT NULL,
  -- Of all that is in the row but the count.
  fingerprint uuid NOT NULL,
  messages bigint NOT NULL,
  row jsonb NOT NULL,
  PRIMARY KEY (day, domain, fingerprint)
);
