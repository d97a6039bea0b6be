-- +goose Up
-- The states of transactions for the queries, apart from the wide rows of transactions. A change of
-- state then changes no index of that table, and Postgres keeps the new row in the same
-- page (a HOT update). Triggers write both tables in the same transaction, so that the release
-- before keeps them too: see internal/store/moving.go and ADR 98.
CREATE TABLE in_flight (
  transaction_id  TEXT PRIMARY KEY,
  organization_id TEXT NOT NULL,
  network         TEXT NOT NULL,
  work_id         TEXT NOT NULL UNIQUE,      -- a work has one transaction in flight
  state           TEXT NOT NULL,             -- confirmed | staged | broadcast
  ats_id          BIGINT NOT NULL,           -- of the work that gets another version; 0: a new work
  created_at      BIGINT NOT NULL,
  updated_at      BIGINT NOT NULL
);
CREATE INDEX in_flight_queue ON in_flight (network, state, organization_id, transaction_id);
CREATE INDEX in_flight_of_organization ON in_flight (organization_id, transaction_id);
CREATE INDEX in_flight_of_number ON in_flight (organization_id, ats_id, transaction_id) WHERE ats_id <> 0;
CREATE INDEX in_flight_by_change ON in_flight (updated_at);

CREATE TABLE ended (
  organization_id TEXT NOT NULL,
  network         TEXT NOT NULL,
  state           TEXT NOT NULL,             -- final | failed
  transaction_id  TEXT NOT NULL,
  ats_id          BIGINT NOT NULL,
  counted         BOOLEAN NOT NULL,          -- in daily_counts
  ended_at        BIGINT NOT NULL,
  PRIMARY KEY (organization_id, network, state, transaction_id)
);
CREATE INDEX ended_failed ON ended (organization_id, transaction_id) WHERE state = 'failed';
CREATE INDEX ended_of_number ON ended (organization_id, ats_id, transaction_id) WHERE ats_id <> 0;
CREATE INDEX ended_by_time ON ended (ended_at);
CREATE INDEX ended_uncounted ON ended (transaction_id) WHERE NOT counted;

-- +goose Down
DROP TABLE ended;
DROP TABLE in_flight;
