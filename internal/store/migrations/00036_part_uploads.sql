-- +goose Up
-- Uploads in parts: see ADR 92. A row goes with the files of its job. completed_at is 0 until
-- the parts are one object.
CREATE TABLE part_uploads (
  job_id       TEXT PRIMARY KEY,
  store_id     TEXT NOT NULL,                -- the store's name of the upload
  size_bytes   BIGINT NOT NULL,              -- of the whole file
  part_bytes   BIGINT NOT NULL,              -- of every part but the last
  begun_at     BIGINT NOT NULL,
  completed_at BIGINT NOT NULL
);

-- +goose Down
DROP TABLE part_uploads;
