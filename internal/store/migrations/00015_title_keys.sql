-- +goose Up
-- Whether the log had a commitment before is asked for each version that a page
-- shows: with the place in the index, the answer is one row.
DROP INDEX log_entries_by_commitment;
CREATE INDEX log_entries_by_commitment ON log_entries (commitment, network, idx);

-- +goose Down
DROP INDEX log_entries_by_commitment;
CREATE INDEX log_entries_by_commitment ON log_entries (commitment);
