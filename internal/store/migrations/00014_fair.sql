-- +goose Up
-- What was found in the upload of a job: registry.reading. It is not read again
-- until it changes; '': it was not read yet.
ALTER TABLE jobs ADD COLUMN reading TEXT NOT NULL DEFAULT '';

-- What waits takes turns by organization (registry/fair.go). In each index stand
-- the organization, the moment before which an item is not tried again, and then
-- the item, so that one lookup finds what an organization has next, however much it
-- has waiting. tries counts attempts that came to nothing.
-- '-': nobody's, or of a process of the release before that still runs. '' is no
-- organization: a turn begins behind it.
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
-- Whose patience is over.
CREATE INDEX versions_overdue ON versions (timestamp_until) WHERE timestamp_until > 0;

-- '-': from before, whosever it was.
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
