-- +goose Up
-- A job whose file stays with whoever registers: its hash and size are what the
-- client said, nothing of it is ever stored.
ALTER TABLE jobs ADD COLUMN hash_only BOOLEAN NOT NULL DEFAULT FALSE;

-- What the client said the upload will be; NULL: it did not say. The upload is
-- held to it.
ALTER TABLE jobs ADD COLUMN declared_hash BYTEA;

-- When the personal data of a work was erased; NULL: it was not. What is left of
-- such a work is what the network has of it.
ALTER TABLE works ADD COLUMN redacted_at BIGINT;

-- The files of works that were erased. They go at once, and once more when
-- nothing that was under way then can have brought them back. And files that no
-- row names, or not yet: they go at that second time, unless one does by then.
CREATE TABLE erasures (
  object_key TEXT PRIMARY KEY,
  since      BIGINT NOT NULL,
  erased     BOOLEAN NOT NULL DEFAULT FALSE
);

-- An erased version names nobody, and never gets a certificate.
DROP INDEX versions_uncertified;
CREATE INDEX versions_uncertified ON versions (transaction_id) WHERE certificate_key = '' AND creators <> '';

-- +goose Down
DROP INDEX versions_uncertified;
CREATE INDEX versions_uncertified ON versions (transaction_id) WHERE certificate_key = '';
DROP TABLE erasures;
ALTER TABLE works DROP COLUMN redacted_at;
ALTER TABLE jobs DROP COLUMN declared_hash;
ALTER TABLE jobs DROP COLUMN hash_only;
