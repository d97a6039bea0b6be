-- +goose Up
-- A webhook's way writes fewer rows and fewer indexes: see ADR 88.

-- The worker that serves a lane of the outbox. The row exists while the lane is served.
CREATE TABLE delivery_lanes (
  kind         TEXT NOT NULL,
  lane         TEXT NOT NULL,
  owner        TEXT NOT NULL,   -- a worker: random, and new after each start
  leased_until BIGINT NOT NULL, -- from then on another worker may take the lane
  PRIMARY KEY (kind, lane)
);
CREATE INDEX delivery_lanes_of_owner ON delivery_lanes (kind, owner);

-- A delivery with a lane is in one index beside its key.
DROP INDEX deliveries_due;
CREATE INDEX deliveries_due ON deliveries (kind, organization_id, due_at, subject DESC) WHERE lane = '';
DROP INDEX deliveries_oldest;
CREATE INDEX deliveries_oldest ON deliveries (kind, created_at) WHERE lane = '';
DROP INDEX deliveries_of_work;
CREATE INDEX deliveries_of_work ON deliveries (work_id) WHERE work_id <> '';
DROP INDEX deliveries_lane;
CREATE INDEX deliveries_lane ON deliveries (kind, lane, due_at, subject, created_at) WHERE lane <> '';

-- A delivery that waits is not in the index of events.
DROP INDEX webhook_deliveries_by_event;
CREATE INDEX webhook_deliveries_by_event ON webhook_deliveries (endpoint_id, event, state, id) WHERE state <> 'waiting';

-- Attempts are in the order of their deliveries, and so in the order of time.
ALTER TABLE webhook_attempts RENAME TO old_webhook_attempts;
CREATE TABLE webhook_attempts (
  delivery_id TEXT NOT NULL,
  number      BIGINT NOT NULL,                 -- from 1
  url         TEXT NOT NULL,
  started_at  BIGINT NOT NULL,
  duration    BIGINT NOT NULL,                 -- microseconds
  status      BIGINT NOT NULL,                 -- 0: no answer
  headers     TEXT NOT NULL,                   -- of the answer, JSON
  body        TEXT NOT NULL,                   -- the beginning of the answer
  error       TEXT NOT NULL,                   -- why the attempt failed; '': it did not
  work_id     TEXT NOT NULL DEFAULT '',        -- as in the delivery
  PRIMARY KEY (delivery_id, number)
);
INSERT INTO webhook_attempts (delivery_id, number, url, started_at, duration, status, headers, body, error, work_id)
SELECT delivery_id, number, url, started_at, duration, status, headers, body, error, work_id FROM old_webhook_attempts;
DROP TABLE old_webhook_attempts;

-- +goose Down
ALTER TABLE webhook_attempts RENAME TO new_webhook_attempts;
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
INSERT INTO webhook_attempts (work_id, delivery_id, number, url, started_at, duration, status, headers, body, error)
SELECT work_id, delivery_id, number, url, started_at, duration, status, headers, body, error FROM new_webhook_attempts;
DROP TABLE new_webhook_attempts;
DROP INDEX webhook_deliveries_by_event;
CREATE INDEX webhook_deliveries_by_event ON webhook_deliveries (endpoint_id, event, state, id);
DROP INDEX deliveries_lane;
CREATE INDEX deliveries_lane ON deliveries (kind, lane, due_at, subject) WHERE lane <> '';
DROP INDEX deliveries_of_work;
CREATE INDEX deliveries_of_work ON deliveries (work_id);
DROP INDEX deliveries_oldest;
CREATE INDEX deliveries_oldest ON deliveries (kind, created_at);
DROP INDEX deliveries_due;
CREATE INDEX deliveries_due ON deliveries (kind, organization_id, due_at, subject DESC);
DROP INDEX delivery_lanes_of_owner;
DROP TABLE delivery_lanes;
