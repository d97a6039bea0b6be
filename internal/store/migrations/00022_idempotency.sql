-- +goose Up
-- Requests with an Idempotency-Key: see package idempotency and ADR 81. A row without an
-- answer is a request that runs. Rows are deleted 24 hours after their request began.
CREATE TABLE idempotent_requests (
  id           TEXT PRIMARY KEY,          -- hash of the caller and of its Idempotency-Key
  request      TEXT NOT NULL,             -- hash of the method, the path and the body
  claim        TEXT NOT NULL,             -- random: of the one execution that may store an answer
  leased_until BIGINT NOT NULL,           -- the time after which a claim without an answer counts for nothing
  status       BIGINT NOT NULL DEFAULT 0, -- the HTTP status of the answer; 0: none yet
  answer       BYTEA,                     -- encrypted with a key that only the caller's token gives
  created_at   BIGINT NOT NULL
);
CREATE INDEX idempotent_requests_by_age ON idempotent_requests (created_at);

-- +goose Down
DROP TABLE idempotent_requests;
