-- +goose Up
-- The result of reading a job's upload. An unchanged upload is not read again; '': not
-- read yet.
ALTER TABLE jobs ADD COLUMN reading TEXT NOT NULL DEFAULT '';

-- Queues serve organizations in turn (ADR 59). Each index has the organization, then the
-- time before which an item is not tried again, then the item. One lookup therefore
-- finds the next item of an organization, however many it has. tries counts failed
-- attempts. The organization '-' means: unknown, or written by a process of an older
-- release. The organization '' is never used: a turn starts after it.
ALTER TABLE versions ADD COLUMN organization_id TEXT NOT NULL DEFAULT '-';
UPDATE versions SET organization_id = COALESCE((SELECT w.organization_id FROM works w WHERE w.id = versions.work_id), '-');
ALTER TABLE versions ADD COLUMN certificate_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE versions ADD COLUMN certificate_tries BIGINT NOT NULL DEFAULT 0;
ALTER TABLE versions ADD COLUMN timestamp_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE versions ADD COLUMN timestamp_tries BIGINT NOT NULL DEFAULT 0;
DROP INDEX versions_uncertified;
CREATE INDEX versions_uncertified ON versions (organization_id, certificate_at, transaction_id DESC)
  WHERE certificate_key = '' AND creators <> '' AND timestamp_until = 0;
DROP INDEX versions_unstamped;
CREATE INDEX versions_unstamped ON versions (organization_id, timestamp_at, transaction_id DESC) WHERE timestamp_until > 0;
-- The versions that waited for too long.
CREATE INDEX versions_overdue ON versions (timestamp_until) WHERE timestamp_until > 0;

-- '-': a row from before this migration.
ALTER TABLE erasures ADD COLUMN organization_id TEXT NOT NULL DEFAULT '-';
ALTER TABLE erasures ADD COLUMN due_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE erasures ADD COLUMN tries BIGINT NOT NULL DEFAULT 0;
CREATE INDEX erasures_due ON erasures (organization_id, due_at, object_key);

DROP INDEX transactions_in_flight;
CREATE INDEX transactions_in_flight ON transactions (network, state, organization_id, id) WHERE state IN ('confirmed', 'staged', 'broadcast');

-- +goose Down
DROP INDEX transactions_in_flight;
CREATE INDEX transactions_in_flight ON transactions (network, id) WHERE state IN ('confirmed', 'staged', 'broadcast');
DROP INDEX erasures_due;
ALTER TABLE erasures DROP COLUMN tries;
ALTER TABLE erasures DROP COLUMN due_at;
ALTER TABLE erasures DROP COLUMN organization_id;
DROP INDEX versions_overdue;
DROP INDEX versions_unstamped;
CREATE INDEX versions_unstamped ON versions (transaction_id) WHERE timestamp_until > 0;
DROP INDEX versions_uncertified;
CREATE INDEX versions_uncertified ON versions (transaction_id) WHERE certificate_key = '' AND creators <> '';
ALTER TABLE versions DROP COLUMN timestamp_tries;
ALTER TABLE versions DROP COLUMN timestamp_at;
ALTER TABLE versions DROP COLUMN certificate_tries;
ALTER TABLE versions DROP COLUMN certificate_at;
ALTER TABLE versions DROP COLUMN organization_id;
ALTER TABLE jobs DROP COLUMN reading;
