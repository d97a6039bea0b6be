-- +goose Up
-- The time until which a version waits for a time stamp; 0: it does not wait (any
-- more). The certificate contains the time stamp, so a version receives it before its
-- certificate or never. Versions from before this migration never receive one.
ALTER TABLE versions ADD COLUMN timestamp_until BIGINT NOT NULL DEFAULT 0;
CREATE INDEX versions_unstamped ON versions (transaction_id) WHERE timestamp_until > 0;

-- The time stamps of versions' commitments. They are large, and lists do not need them.
CREATE TABLE timestamps (
  work_id TEXT NOT NULL,
  version BIGINT NOT NULL,
  token BYTEA NOT NULL,
  PRIMARY KEY (work_id, version),
  FOREIGN KEY (work_id, version) REFERENCES versions (work_id, version)
);

-- +goose Down
DROP TABLE timestamps;
DROP INDEX versions_unstamped;
ALTER TABLE versions DROP COLUMN timestamp_until;
