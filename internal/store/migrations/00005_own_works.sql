-- +goose Up
-- Where the certificate of a version is kept; '': none was made yet.
ALTER TABLE versions ADD COLUMN certificate_key TEXT NOT NULL DEFAULT '';

-- What a search among an end-user's own titles looks at: registry.TitleKey.
ALTER TABLE works ADD COLUMN title_key TEXT NOT NULL DEFAULT '';
UPDATE works SET title_key = COALESCE((SELECT j.title_key FROM jobs j JOIN versions v ON v.transaction_id = j.id
  WHERE v.work_id = works.id AND v.version = 1), '');

-- An end-user's works, latest change first.
CREATE INDEX works_own ON works (organization_id, network, external_user_ref, updated_at, id);

-- +goose Down
DROP INDEX works_own;
ALTER TABLE works DROP COLUMN title_key;
ALTER TABLE versions DROP COLUMN certificate_key;
