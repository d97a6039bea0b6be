-- +goose Up
-- What is left of a rate limit, as one moment: when the budget will be whole
-- again. A row whose moment has passed says nothing and is swept. Instances on
-- one Postgres share these rows, where they are not logged (see Migrate); on
-- SQLite one process serves, counts in memory, and leaves the table empty.
CREATE TABLE budgets (
  key   TEXT PRIMARY KEY,
  whole BIGINT NOT NULL
);

-- The code that a test session rehearses; '' for every other one.
ALTER TABLE jobs ADD COLUMN rehearse TEXT NOT NULL DEFAULT '';
ALTER TABLE transactions ADD COLUMN rehearse TEXT NOT NULL DEFAULT '';

-- +goose Down
ALTER TABLE transactions DROP COLUMN rehearse;
ALTER TABLE jobs DROP COLUMN rehearse;
DROP TABLE budgets;
