-- +goose Up
-- The keys of organizations' backends: see package apikey and ADR 80. A revoked key stays.
CREATE TABLE api_keys (
  id              TEXT PRIMARY KEY,          -- UUIDv7: in the order of time
  organization_id TEXT NOT NULL,
  hash            BYTEA NOT NULL,            -- SHA-256 of the whole key
  prefix          TEXT NOT NULL,             -- 'afo_sk_live_' | 'afo_sk_test_'
  last_four       TEXT NOT NULL,             -- the last 4 characters of the key
  test            BOOLEAN NOT NULL,
  name            TEXT NOT NULL,
  scopes          TEXT NOT NULL,             -- separated by spaces
  max_file_size   BIGINT,                    -- bytes
  webhook_url     TEXT NOT NULL,             -- '': none
  created_by      TEXT NOT NULL,             -- the name of the actor
  created_at      BIGINT NOT NULL,
  expires_at      BIGINT,
  revoked_at      BIGINT,
  last_used_at    BIGINT,                    -- written once a minute
  last_used_from  TEXT NOT NULL DEFAULT ''   -- the network address of that call
);
CREATE UNIQUE INDEX api_keys_by_hash ON api_keys (hash);
CREATE INDEX api_keys_of_organization ON api_keys (organization_id, id);
-- The key that began the job or transaction; '': a session of the widget.
ALTER TABLE jobs ADD COLUMN api_key_id TEXT NOT NULL DEFAULT '';
ALTER TABLE transactions ADD COLUMN api_key_id TEXT NOT NULL DEFAULT '';
-- The list of all works of an organization, the last changed first.
CREATE INDEX works_of_organization ON works (organization_id, network, test, updated_at, id);
-- The erased works, which no list has and no count includes.
CREATE INDEX works_erased ON works (organization_id, network, test) WHERE redacted_at IS NOT NULL;

-- +goose Down
DROP INDEX works_erased;
DROP INDEX works_of_organization;
ALTER TABLE transactions DROP COLUMN api_key_id;
ALTER TABLE jobs DROP COLUMN api_key_id;
DROP TABLE api_keys;
