-- +goose Up
-- A rate limit as one time: when the budget will be full again. The sweeper deletes
-- rows whose time has passed. Processes on one Postgres share these rows, in an
-- unlogged table (see Migrate). On SQLite the one process counts in memory, and the
-- table is empty.
CREATE TABLE budgets (
  key   TEXT PRIMARY KEY,
  whole BIGINT NOT NULL
);

-- The code that a test session rehearses; '' for all other sessions.
ALTER TABLE jobs ADD COLUMN rehearse TEXT NOT NULL DEFAULT '';
ALTER TABLE transactions ADD COLUMN rehearse TEXT NOT NULL DEFAULT '';

-- +goose Down
ALTER TABLE transactions DROP COLUMN rehearse;
ALTER TABLE jobs DROP COLUMN rehearse;
DROP TABLE budgets;
