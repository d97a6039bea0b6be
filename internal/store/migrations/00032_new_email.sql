-- +goose Up
-- The e-mail address that a person has asked for, until its link is opened; '': none.
ALTER TABLE people ADD COLUMN new_email TEXT NOT NULL DEFAULT '';

-- +goose Down
ALTER TABLE people DROP COLUMN new_email;
