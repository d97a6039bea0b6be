-- +goose Up
-- A job that updates a work has the version that it started from.
ALTER TABLE jobs ADD COLUMN base_version BIGINT NOT NULL DEFAULT 0;

-- One transaction of a work is in flight at a time.
CREATE UNIQUE INDEX transactions_one_a_work ON transactions (work_id) WHERE state IN ('confirmed', 'staged', 'broadcast');

-- The quota counts the transactions of an organization in a month.
CREATE INDEX transactions_by_organization ON transactions (organization_id, created_at);

-- An access code's lifetime starts at its issue. A replaced code has a row here, so that
-- its holder receives "expired" and not "not found". replaced_by is the session that
-- replaced the code; a retry by this session receives the same answer.
ALTER TABLE works ADD COLUMN access_code_issued_at BIGINT NOT NULL DEFAULT 0;
UPDATE works SET access_code_issued_at = created_at;
CREATE TABLE replaced_access_codes (
  hash            BYTEA PRIMARY KEY,
  work_id         TEXT NOT NULL REFERENCES works (id),
  generation      BIGINT NOT NULL,
  replaced_by     TEXT NOT NULL,
  replaced_at     BIGINT NOT NULL,
  UNIQUE (work_id, generation)
);

-- +goose Down
DROP TABLE replaced_access_codes;
ALTER TABLE works DROP COLUMN access_code_issued_at;
DROP INDEX transactions_by_organization;
DROP INDEX transactions_one_a_work;
ALTER TABLE jobs DROP COLUMN base_version;
