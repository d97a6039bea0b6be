-- +goose Up
-- How many bytes lie in the store for a job that nobody has paid for: its upload
-- and, when another was uploaded since it was prepared, the copy that was made
-- then. They are counted for the organization before it may upload more.
ALTER TABLE jobs ADD COLUMN upload_bytes BIGINT NOT NULL DEFAULT 0;
CREATE INDEX jobs_with_bytes ON jobs (organization_id, upload_bytes) WHERE upload_bytes > 0;

-- +goose Down
DROP INDEX jobs_with_bytes;
ALTER TABLE jobs DROP COLUMN upload_bytes;
