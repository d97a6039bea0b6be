-- +goose Up
-- When a sequencer of the log last gave a sign of life: a process that makes no
-- blocks itself learns from it whether anybody does.
ALTER TABLE logs ADD COLUMN sequencer_at BIGINT NOT NULL DEFAULT 0;

-- +goose Down
ALTER TABLE logs DROP COLUMN sequencer_at;
