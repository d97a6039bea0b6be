-- +goose Up
-- Every change to an organization: see package audit. No row changes or goes.
CREATE TABLE audit_entries (
  id              TEXT PRIMARY KEY,          -- UUIDv7: in the order of time
  organization_id TEXT NOT NULL,             -- '': the installation
  actor_kind      TEXT NOT NULL,             -- 'person' | 'api_key' | 'operator' | 'system'
  actor_id        TEXT NOT NULL,
  actor_name      TEXT NOT NULL,
  request_id      TEXT NOT NULL,
  action          TEXT NOT NULL,
  subject         TEXT NOT NULL,
  changes         TEXT NOT NULL,             -- JSON: [{field, old, new}]
  created_at      BIGINT NOT NULL
);
CREATE INDEX audit_of_organization ON audit_entries (organization_id, id);

-- +goose Down
DROP TABLE audit_entries;
