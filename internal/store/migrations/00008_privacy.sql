-- +goose Up
-- A job whose file is never uploaded: its hash and size are as the client declared
-- them.
ALTER TABLE jobs ADD COLUMN hash_only BOOLEAN NOT NULL DEFAULT FALSE;

-- The hash of the upload, as the client declared it; NULL: not declared. Another
-- upload is refused.
ALTER TABLE jobs ADD COLUMN declared_hash BYTEA;

-- When the personal data of a work was erased; NULL: not erased. An erased work keeps
-- only the data that the network also has.
ALTER TABLE works ADD COLUMN redacted_at BIGINT;

-- Files to delete. The files of erased works are deleted at once, and again later, when
-- no operation that ran at the time can still write them. Files that no row names are
-- deleted only at that later time, unless a row names them by then.
CREATE TABLE erasures (
  object_key TEXT PRIMARY KEY,
  since      BIGINT NOT NULL,
  erased     BOOLEAN NOT NULL DEFAULT FALSE
);

-- An erased version has no creators, and never gets a certificate.
DROP INDEX versions_uncertified;
CREATE INDEX versions_uncertified ON versions (transaction_id) WHERE certificate_key = '' AND creators <> '';

-- +goose Down
DROP INDEX versions_uncertified;
CREATE INDEX versions_uncertified ON versions (transaction_id) WHERE certificate_key = '';
DROP TABLE erasures;
ALTER TABLE works DROP COLUMN redacted_at;
ALTER TABLE jobs DROP COLUMN declared_hash;
ALTER TABLE jobs DROP COLUMN hash_only;
