-- +goose Up
-- The calls of each organization: see package requestlog and ADR 85. A row has no token, code,
-- title, name or body, and stays for a few days. request_id has a ULID, so it is in the order of
-- time.
CREATE TABLE requests (
  organization_id TEXT NOT NULL,
  request_id      TEXT NOT NULL,
  -- The calls of one registration share this value: the id of their session, or without a session
  -- that of their job; '': nothing.
  correlation_id  TEXT NOT NULL,
  job_id          TEXT NOT NULL,
  method          TEXT NOT NULL,
  route           TEXT NOT NULL,             -- the pattern, without the values in the path
  status          BIGINT NOT NULL,
  code            TEXT NOT NULL,             -- the catalogue code of a refusal; '': none
  reason          TEXT NOT NULL,             -- the cause in the catalogue's words
  caller_kind     TEXT NOT NULL,             -- 'session' | 'mint' | 'api_key' | 'console'
  caller          TEXT NOT NULL,             -- a site key, or the id of an API key
  origin          TEXT NOT NULL,
  address_class   TEXT NOT NULL,             -- 'loopback' | 'private' | 'ipv4' | 'ipv6'
  took            BIGINT NOT NULL,           -- microseconds
  created_at      BIGINT NOT NULL,           -- when the request began
  PRIMARY KEY (organization_id, request_id)
);
CREATE INDEX requests_correlated ON requests (organization_id, correlation_id, request_id) WHERE correlation_id <> '';
CREATE INDEX requests_refused ON requests (organization_id, code, request_id) WHERE code <> '';

-- The attempts of an organization, newest first. Ids are UUIDv7, so they are in the order of time.
CREATE INDEX jobs_of_organization ON jobs (organization_id, network, id);
CREATE INDEX jobs_unconfirmed ON jobs (organization_id, network, state, id) WHERE state IN ('open', 'prepared', 'expired');
CREATE INDEX jobs_of_end_user ON jobs (organization_id, external_user_ref, id) WHERE external_user_ref <> '';
CREATE INDEX transactions_ended ON transactions (organization_id, network, state, id) WHERE state IN ('final', 'failed');
CREATE INDEX transactions_of_number ON transactions (organization_id, ats_id, id) WHERE ats_id <> 0;

-- The only origin at which a session of the console's rehearsals is valid; '': the allowlist's.
ALTER TABLE sessions ADD COLUMN origin TEXT NOT NULL DEFAULT '';

-- +goose Down
ALTER TABLE sessions DROP COLUMN origin;
DROP INDEX transactions_of_number;
DROP INDEX transactions_ended;
DROP INDEX jobs_of_end_user;
DROP INDEX jobs_unconfirmed;
DROP INDEX jobs_of_organization;
DROP TABLE requests;
