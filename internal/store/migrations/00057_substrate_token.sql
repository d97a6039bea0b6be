-- +goose Up
-- The symbol of the chain's token, for people: ASCII letters and digits; '' is not known.
ALTER TABLE substrate_chains ADD COLUMN symbol TEXT NOT NULL DEFAULT '';

-- +goose Down
ALTER TABLE substrate_chains DROP COLUMN symbol;
