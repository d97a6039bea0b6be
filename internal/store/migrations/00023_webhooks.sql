-- +goose Up
-- Endpoints of webhooks, their deliveries and attempts: see package webhook and ADR 82.
CREATE TABLE webhook_endpoints (
  id              TEXT PRIMARY KEY,            -- UUIDv7
  organization_id TEXT NOT NULL,
  api_key_id      TEXT NOT NULL DEFAULT '',    -- '': for all transactions of the organization
  url             TEXT NOT NULL,
  description     TEXT NOT NULL DEFAULT '',
  events          TEXT NOT NULL,               -- names, separated by spaces
  network         TEXT NOT NULL DEFAULT '',    -- '': all networks
  secret          BYTEA NOT NULL,              -- encrypted
  previous_secret BYTEA NOT NULL,              -- encrypted; empty: none
  previous_until  BIGINT NOT NULL DEFAULT 0,   -- until then the previous secret signs, too
  disabled_at     BIGINT NOT NULL DEFAULT 0,   -- 0: enabled
  disabled_reason TEXT NOT NULL DEFAULT '',    -- 'manual' | 'gone' | 'failing'
  failing_since   BIGINT NOT NULL DEFAULT 0,   -- the first failed attempt after the last success; 0: none
  warned_at       BIGINT NOT NULL DEFAULT 0,   -- of this series of failures
  revision        BIGINT NOT NULL DEFAULT 1,   -- grows with each change by a caller
  deleted_at      BIGINT NOT NULL DEFAULT 0,
  created_at      BIGINT NOT NULL,
  updated_at      BIGINT NOT NULL
);
CREATE INDEX webhook_endpoints_of_organization ON webhook_endpoints (organization_id, id);
CREATE INDEX webhook_endpoints_deleted ON webhook_endpoints (deleted_at) WHERE deleted_at > 0;

-- One row for each event and endpoint. The id is the webhook-id, and a UUIDv7: rows are in
-- the order of time.
CREATE TABLE webhook_deliveries (
  id              TEXT PRIMARY KEY,
  organization_id TEXT NOT NULL,
  endpoint_id     TEXT NOT NULL,
  event           TEXT NOT NULL,
  transaction_id  TEXT NOT NULL DEFAULT '',
  work_id         TEXT NOT NULL DEFAULT '',    -- the work that the event is about; '': none
  payload         TEXT NOT NULL,               -- JSON, without the access code
  access_code     BOOLEAN NOT NULL DEFAULT FALSE, -- the work has one: an attempt derives it
  state           TEXT NOT NULL,               -- 'waiting' | 'delivered' | 'failed' | 'skipped'
  attempts        BIGINT NOT NULL DEFAULT 0,   -- of all rounds
  last_status     BIGINT NOT NULL DEFAULT 0,   -- of the last attempt; 0: no answer
  created_at      BIGINT NOT NULL,
  ended_at        BIGINT NOT NULL DEFAULT 0    -- 0: waiting
);
CREATE INDEX webhook_deliveries_of_endpoint ON webhook_deliveries (endpoint_id, id);
CREATE INDEX webhook_deliveries_by_state ON webhook_deliveries (endpoint_id, state, id);
CREATE INDEX webhook_deliveries_by_event ON webhook_deliveries (endpoint_id, event, state, id);
CREATE INDEX webhook_deliveries_of_work ON webhook_deliveries (work_id, transaction_id);

CREATE TABLE webhook_attempts (
  work_id     TEXT NOT NULL,                   -- as in the delivery
  delivery_id TEXT NOT NULL,
  number      BIGINT NOT NULL,                 -- from 1
  url         TEXT NOT NULL,
  started_at  BIGINT NOT NULL,
  duration    BIGINT NOT NULL,                 -- microseconds
  status      BIGINT NOT NULL,                 -- 0: no answer
  headers     TEXT NOT NULL,                   -- of the answer, JSON
  body        TEXT NOT NULL,                   -- the beginning of the answer
  error       TEXT NOT NULL,                   -- why the attempt failed; '': it did not
  PRIMARY KEY (work_id, delivery_id, number)
);

-- +goose Down
DROP TABLE webhook_attempts;
DROP TABLE webhook_deliveries;
DROP TABLE webhook_endpoints;
