-- +goose Up
ALTER TABLE organizations ADD COLUMN revision BIGINT NOT NULL DEFAULT 1;   -- counts the changes of the settings
ALTER TABLE organizations ADD COLUMN issuer_name TEXT NOT NULL DEFAULT ''; -- the name on certificates; '': name
ALTER TABLE organizations ADD COLUMN logo_hash BYTEA;                      -- SHA-256 of the logo; NULL: none
ALTER TABLE organizations ADD COLUMN low_credits BIGINT;                   -- below this balance is a warning; NULL: none

-- The logos that certificates show. They are apart from organizations, which every call reads.
CREATE TABLE organization_logos (
  organization_id TEXT PRIMARY KEY REFERENCES organizations (id),
  image           BYTEA NOT NULL, -- PNG, encoded by Timbre
  hash            BYTEA NOT NULL, -- SHA-256 of image
  width           BIGINT NOT NULL,
  height          BIGINT NOT NULL,
  created_at      BIGINT NOT NULL
);

-- After a rotation, the previous secret key is valid until previous_until.
ALTER TABLE site_keys ADD COLUMN label TEXT NOT NULL DEFAULT '';
ALTER TABLE site_keys ADD COLUMN previous_hash BYTEA;
ALTER TABLE site_keys ADD COLUMN previous_until BIGINT NOT NULL DEFAULT 0;
CREATE INDEX site_keys_by_previous ON site_keys (previous_hash) WHERE previous_hash IS NOT NULL;

-- The entries of one organization are a chain: each hash covers the entry and the hash
-- before it. Migrate adds the triggers that refuse every change of an entry.
ALTER TABLE audit_entries ADD COLUMN position BIGINT NOT NULL DEFAULT 0; -- in the chain, from 1
ALTER TABLE audit_entries ADD COLUMN hash BYTEA;
CREATE TABLE audit_heads (
  organization_id TEXT PRIMARY KEY, -- '': the installation
  entries         BIGINT NOT NULL,
  hash            BYTEA NOT NULL    -- of the last entry
);
CREATE UNIQUE INDEX audit_chain ON audit_entries (organization_id, position) WHERE position > 0;
CREATE INDEX audit_by_action ON audit_entries (organization_id, action, id);
CREATE INDEX audit_by_actor ON audit_entries (organization_id, actor_id, id);
CREATE INDEX audit_by_subject ON audit_entries (organization_id, subject, id);

-- The balance of the entry's account after the entry; NULL: written by an older release.
ALTER TABLE ledger_entries ADD COLUMN balance BIGINT;
UPDATE ledger_entries SET balance = s.sum FROM (
  SELECT e.transfer_id, e.account, SUM(e.amount) OVER (PARTITION BY t.organization_id, e.account ORDER BY t.id) AS sum
  FROM ledger_entries e JOIN ledger_transfers t ON t.id = e.transfer_id) AS s
WHERE s.transfer_id = ledger_entries.transfer_id AND s.account = ledger_entries.account;
CREATE INDEX ledger_transfers_by_kind ON ledger_transfers (organization_id, kind, id);
-- The transactions that hold credits.
CREATE INDEX transactions_holding ON transactions (organization_id, id) WHERE state IN ('confirmed', 'staged', 'broadcast');

-- A hold took the balance of an organization below its level.
CREATE TABLE credit_warnings (
  id              TEXT PRIMARY KEY, -- UUIDv7
  organization_id TEXT NOT NULL,
  level           BIGINT NOT NULL,
  balance         BIGINT NOT NULL,
  created_at      BIGINT NOT NULL
);
CREATE INDEX credit_warnings_of_organization ON credit_warnings (organization_id, id);

-- +goose Down
DROP TABLE credit_warnings;
DROP INDEX transactions_holding;
DROP INDEX ledger_transfers_by_kind;
ALTER TABLE ledger_entries DROP COLUMN balance;
DROP TABLE audit_heads;
-- A new table, because the triggers go with the old one.
CREATE TABLE audit_kept AS SELECT id, organization_id, actor_kind, actor_id, actor_name, request_id, action, subject, changes, created_at FROM audit_entries;
DROP TABLE audit_entries;
CREATE TABLE audit_entries (
  id              TEXT PRIMARY KEY,
  organization_id TEXT NOT NULL,
  actor_kind      TEXT NOT NULL,
  actor_id        TEXT NOT NULL,
  actor_name      TEXT NOT NULL,
  request_id      TEXT NOT NULL,
  action          TEXT NOT NULL,
  subject         TEXT NOT NULL,
  changes         TEXT NOT NULL,
  created_at      BIGINT NOT NULL
);
CREATE INDEX audit_of_organization ON audit_entries (organization_id, id);
INSERT INTO audit_entries SELECT * FROM audit_kept;
DROP TABLE audit_kept;
DROP INDEX site_keys_by_previous;
ALTER TABLE site_keys DROP COLUMN previous_until;
ALTER TABLE site_keys DROP COLUMN previous_hash;
ALTER TABLE site_keys DROP COLUMN label;
DROP TABLE organization_logos;
ALTER TABLE organizations DROP COLUMN low_credits;
ALTER TABLE organizations DROP COLUMN logo_hash;
ALTER TABLE organizations DROP COLUMN issuer_name;
ALTER TABLE organizations DROP COLUMN revision;
