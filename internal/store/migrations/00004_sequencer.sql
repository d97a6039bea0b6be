-- +goose Up
-- The last heartbeat of the log's sequencer. A process that makes no blocks itself
-- reads from it whether another process does.
ALTER TABLE logs ADD COLUMN sequencer_at BIGINT NOT NULL DEFAULT 0;

-- +goose Down
ALTER TABLE logs DROP COLUMN sequencer_at;
