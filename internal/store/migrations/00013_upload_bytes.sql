-- +goose Up
-- The stored bytes of a job that is not confirmed: its upload, and the copy that prepare
-- made of an earlier upload. They count towards the organization's limit for uploads.
ALTER TABLE jobs ADD COLUMN upload_bytes BIGINT NOT NULL DEFAULT 0;
CREATE INDEX jobs_with_bytes ON jobs (organization_id, upload_bytes) WHERE upload_bytes > 0;

-- +goose Down
DROP INDEX jobs_with_bytes;
ALTER TABLE jobs DROP COLUMN upload_bytes;
