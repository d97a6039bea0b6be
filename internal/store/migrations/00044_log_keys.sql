-- +goose Up
-- The key page of each log, which only grows: see network/log/keys.go and ADR 103. '' until a
-- process with the first key starts.
ALTER TABLE logs ADD COLUMN keys TEXT NOT NULL DEFAULT '';
-- The next key page, while a change of the keys is staged: no block is staged meanwhile.
ALTER TABLE logs ADD COLUMN pending_keys TEXT NOT NULL DEFAULT '';

-- +goose Down
ALTER TABLE logs DROP COLUMN pending_keys;
ALTER TABLE logs DROP COLUMN keys;
