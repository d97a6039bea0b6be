-- +goose Up
-- The object key of a version's certificate; '': not made yet.
ALTER TABLE versions ADD COLUMN certificate_key TEXT NOT NULL DEFAULT '';

-- The search among an end-user's own titles compares this key (see TitleKey).
ALTER TABLE works ADD COLUMN title_key TEXT NOT NULL DEFAULT '';
UPDATE works SET title_key = COALESCE((SELECT j.title_key FROM jobs j JOIN versions v ON v.transaction_id = j.id
  WHERE v.work_id = works.id AND v.version = 1), '');

-- An end-user's works, latest change first.
CREATE INDEX works_own ON works (organization_id, network, external_user_ref, updated_at, id);

-- +goose Down
DROP INDEX works_own;
ALTER TABLE works DROP COLUMN title_key;
ALTER TABLE versions DROP COLUMN certificate_key;
