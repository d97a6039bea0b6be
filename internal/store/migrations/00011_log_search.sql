-- +goose Up
-- The explorer's search finds entries by commitment, and blocks by hash. commitment is
-- copied from the body; NULL: a row from before this migration, which Migrate fills.
ALTER TABLE log_entries ADD COLUMN commitment BYTEA;
CREATE INDEX log_entries_by_commitment ON log_entries (commitment);
CREATE INDEX log_blocks_by_hash ON log_blocks (hash);

-- +goose Down
DROP INDEX log_blocks_by_hash;
DROP INDEX log_entries_by_commitment;
ALTER TABLE log_entries DROP COLUMN commitment;
