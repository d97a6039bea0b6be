-- +goose Up
-- Everything that is delivered later: see package outbox and ADR 78. The transaction that
-- causes a delivery inserts its row, and the transaction that records its end removes it.
CREATE TABLE deliveries (
  kind            TEXT NOT NULL,             -- 'certificate'
  subject         TEXT NOT NULL,             -- of a certificate: versions.transaction_id
  work_id         TEXT NOT NULL DEFAULT '',  -- the work that the delivery is about; '': none
  organization_id TEXT NOT NULL,
  created_at      BIGINT NOT NULL,
  -- The time before which no worker takes the delivery; 0: it was never tried. A worker
  -- that takes it moves due_at by its lease.
  due_at          BIGINT NOT NULL DEFAULT 0,
  attempts        BIGINT NOT NULL DEFAULT 0, -- failed ones
  last_error      TEXT NOT NULL DEFAULT '',
  PRIMARY KEY (kind, subject)
);
-- The next turn (ADR 59).
CREATE INDEX deliveries_due ON deliveries (kind, organization_id, due_at, subject DESC);
-- The counts of failing deliveries, and the age of the oldest one.
CREATE INDEX deliveries_failing ON deliveries (kind) WHERE attempts > 0;
CREATE INDEX deliveries_oldest ON deliveries (kind, created_at);
CREATE INDEX deliveries_of_work ON deliveries (work_id);
-- The versions that wait for a certificate. Retries that wait keep their time.
INSERT INTO deliveries (kind, subject, work_id, organization_id, created_at, due_at, attempts)
SELECT 'certificate', transaction_id, work_id, organization_id, registered_at, certificate_at, certificate_tries FROM versions
WHERE certificate_key = '' AND creators <> '' AND timestamp_until = 0;

-- +goose Down
DROP TABLE deliveries;
