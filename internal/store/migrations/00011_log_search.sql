-- +goose Up
-- What a person can search the log for besides numbers and transaction hashes.
-- commitment is that in the body; NULL: the row is from before, and Migrate
-- fills it in.
ALTER TABLE log_entries ADD COLUMN commitment BYTEA;
CREATE INDEX log_entries_by_commitment ON log_entries (commitment);
CREATE INDEX log_blocks_by_hash ON log_blocks (hash);

-- +goose Down
DROP INDEX log_blocks_by_hash;
DROP INDEX log_entries_by_commitment;
ALTER TABLE log_entries DROP COLUMN commitment;
