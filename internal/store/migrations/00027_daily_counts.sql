-- +goose Up
-- How many transactions of an organization ended on each day: see package tally. The
-- transaction that records the end counts it.
CREATE TABLE daily_counts (
  organization_id TEXT NOT NULL,
  day             BIGINT NOT NULL,           -- days since 1970, UTC
  network         TEXT NOT NULL,
  test            BOOLEAN NOT NULL,          -- of test keys
  kind            TEXT NOT NULL,             -- register | add_version
  code            TEXT NOT NULL,             -- '': final; otherwise the code of the failure
  reason          TEXT NOT NULL,             -- the network's own name for the failure, or ''
  count           BIGINT NOT NULL,
  credits         BIGINT NOT NULL,           -- captured
  PRIMARY KEY (organization_id, day, network, test, kind, code, reason)
);

-- Whether the end of a transaction is counted. Processes of older releases leave it FALSE,
-- and the worker counts these ends.
ALTER TABLE transactions ADD COLUMN counted BOOLEAN NOT NULL DEFAULT FALSE;
CREATE INDEX transactions_uncounted ON transactions (id) WHERE NOT counted AND state IN ('final', 'failed');

-- The newest failures of an organization.
CREATE INDEX transactions_failed ON transactions (organization_id, id) WHERE state = 'failed';

-- +goose Down
DROP INDEX transactions_failed;
DROP INDEX transactions_uncounted;
ALTER TABLE transactions DROP COLUMN counted;
DROP TABLE daily_counts;
