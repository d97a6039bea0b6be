-- +goose Up
-- Until when a version waits for a time-stamp authority's token; 0: it does not,
-- or no longer. It gets one before its certificate is made, or none ever: the
-- certificate holds it. Versions of before get none.
ALTER TABLE versions ADD COLUMN timestamp_until BIGINT NOT NULL DEFAULT 0;
CREATE INDEX versions_unstamped ON versions (transaction_id) WHERE timestamp_until > 0;

-- The tokens on versions' commitments. They are large, and lists do without them.
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
