-- +goose Up
-- A job whose file stays with whoever registers: its hash and size are what the
-- client said, nothing of it is ever stored.
ALTER TABLE jobs ADD COLUMN hash_only BOOLEAN NOT NULL DEFAULT FALSE;

-- What the client said the upload will be; NULL: it did not say. The upload is
-- held to it.
ALTER TABLE jobs ADD COLUMN declared_hash BYTEA;

-- +goose Down
ALTER TABLE jobs DROP COLUMN declared_hash;
ALTER TABLE jobs DROP COLUMN hash_only;
