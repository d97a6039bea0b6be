-- +goose Up
-- One text for both databases: TEXT ids, BIGINT microseconds since 1970 UTC,
-- BYTEA for hashes and bytes, TEXT for JSON. Later releases only add to it.

CREATE TABLE organizations (
  id               TEXT PRIMARY KEY,
  name             TEXT NOT NULL,
  suspended_at     BIGINT,
  widget_enabled   BOOLEAN NOT NULL DEFAULT TRUE,
  max_file_size    BIGINT,                         -- bytes; NULL: the system's cap
  access_code_ttl  BIGINT,                         -- microseconds; NULL: for ever
  duplicate_titles BOOLEAN NOT NULL DEFAULT FALSE, -- allow two works of one title
  asset_storage    TEXT NOT NULL DEFAULT 'keep',
  quota            BIGINT,                         -- registrations a month; NULL: none
  created_at       BIGINT NOT NULL
);

-- A key pair is an integration. Deleting one keeps the row: a call with it is
-- answered "no integration", which is not the same as an unknown key.
CREATE TABLE site_keys (
  site_key        TEXT PRIMARY KEY,
  organization_id TEXT NOT NULL REFERENCES organizations (id),
  secret_hash     BYTEA NOT NULL UNIQUE,
  test            BOOLEAN NOT NULL DEFAULT FALSE,
  max_file_size   BIGINT,
  disabled_at     BIGINT,
  deleted_at      BIGINT,
  created_at      BIGINT NOT NULL
);
CREATE INDEX site_keys_by_organization ON site_keys (organization_id);

CREATE TABLE origins (
  organization_id TEXT NOT NULL REFERENCES organizations (id),
  pattern         TEXT NOT NULL,
  created_at      BIGINT NOT NULL,
  PRIMARY KEY (organization_id, pattern)
);

-- One row per minted token. job_id is set by the init that spends it.
CREATE TABLE sessions (
  jti             TEXT PRIMARY KEY,
  organization_id TEXT NOT NULL,
  site_key        TEXT NOT NULL,
  job_id          TEXT,
  revoked_at      BIGINT,
  expires_at      BIGINT NOT NULL
);
CREATE INDEX sessions_by_expiry ON sessions (expires_at);

-- A job is one attempt to register a work or a version, up to its confirm.
CREATE TABLE jobs (
  id                TEXT PRIMARY KEY,
  organization_id   TEXT NOT NULL,
  session_jti       TEXT NOT NULL,
  kind              TEXT NOT NULL, -- register | add_version
  network           TEXT NOT NULL,
  external_user_ref TEXT NOT NULL DEFAULT '',
  state             TEXT NOT NULL, -- open | prepared | confirmed | expired
  work_id           TEXT NOT NULL,
  ats_id            BIGINT NOT NULL DEFAULT 0,
  title             TEXT NOT NULL,
  title_key         TEXT NOT NULL,
  creators          TEXT NOT NULL,
  filename          TEXT NOT NULL,
  max_bytes         BIGINT NOT NULL,
  upload_key        TEXT NOT NULL DEFAULT '',
  asset_key         TEXT NOT NULL DEFAULT '',
  deadline          BIGINT NOT NULL,
  quote_until       BIGINT NOT NULL DEFAULT 0,
  media_hash        BYTEA,
  media             TEXT NOT NULL DEFAULT '{}', -- size, format, duration, sample rate
  merkle_root       BYTEA,
  commitment        BYTEA,
  quote             TEXT NOT NULL DEFAULT '{}',
  total_credits     BIGINT NOT NULL DEFAULT 0,
  created_at        BIGINT NOT NULL,
  updated_at        BIGINT NOT NULL
);
CREATE INDEX jobs_by_deadline ON jobs (deadline) WHERE state IN ('open', 'prepared');
CREATE INDEX jobs_with_leftovers ON jobs (updated_at) WHERE state IN ('confirmed', 'expired') AND upload_key <> '';

-- A transaction is a confirmed job on its way to the network. The row is also
-- the queue: a worker takes what is not yet final from it.
CREATE TABLE transactions (
  id                TEXT PRIMARY KEY, -- equal to its job's id
  organization_id   TEXT NOT NULL,
  network           TEXT NOT NULL,
  kind              TEXT NOT NULL,
  state             TEXT NOT NULL, -- confirmed | staged | broadcast | final | failed
  work_id           TEXT NOT NULL,
  ats_id            BIGINT NOT NULL DEFAULT 0,
  version           BIGINT NOT NULL DEFAULT 0,
  commitment        BYTEA NOT NULL,
  total_credits     BIGINT NOT NULL,
  staged            BYTEA,
  tx_hash           BYTEA,
  block_number      BIGINT NOT NULL DEFAULT 0,
  block_hash        BYTEA,
  steps             TEXT NOT NULL,
  failure           TEXT NOT NULL DEFAULT '',
  request_id        TEXT NOT NULL,
  created_at        BIGINT NOT NULL,
  updated_at        BIGINT NOT NULL
);
CREATE INDEX transactions_in_flight ON transactions (network, id) WHERE state IN ('confirmed', 'staged', 'broadcast');
CREATE INDEX transactions_by_change ON transactions (updated_at);

CREATE TABLE works (
  id                     TEXT PRIMARY KEY,
  organization_id        TEXT NOT NULL,
  network                TEXT NOT NULL,
  ats_id                 BIGINT NOT NULL,
  owner                  TEXT NOT NULL,
  title                  TEXT NOT NULL,
  external_user_ref      TEXT NOT NULL DEFAULT '',
  access_code_hash       BYTEA UNIQUE,
  access_code_generation BIGINT NOT NULL DEFAULT 0,
  latest_version         BIGINT NOT NULL,
  created_at             BIGINT NOT NULL,
  updated_at             BIGINT NOT NULL,
  UNIQUE (network, ats_id)
);

CREATE TABLE versions (
  work_id        TEXT NOT NULL REFERENCES works (id),
  version        BIGINT NOT NULL,
  transaction_id TEXT NOT NULL UNIQUE,
  commitment     BYTEA NOT NULL,
  media_hash     BYTEA NOT NULL,
  media          TEXT NOT NULL,
  merkle_root    BYTEA NOT NULL,
  creators       TEXT NOT NULL,
  filename       TEXT NOT NULL,
  asset_key      TEXT NOT NULL,
  quote          TEXT NOT NULL,
  tx_hash        BYTEA NOT NULL,
  block_number   BIGINT NOT NULL,
  block_hash     BYTEA NOT NULL,
  registered_at  BIGINT NOT NULL,
  PRIMARY KEY (work_id, version)
);

-- A confirm reserves a title within its scope, and the audio bytes within an
-- organization. A failure releases both.
CREATE TABLE title_claims (
  organization_id   TEXT NOT NULL,
  network           TEXT NOT NULL,
  external_user_ref TEXT NOT NULL,
  title_key         TEXT NOT NULL,
  work_id           TEXT NOT NULL,
  PRIMARY KEY (organization_id, network, external_user_ref, title_key)
);
CREATE TABLE media_claims (
  organization_id TEXT NOT NULL,
  network         TEXT NOT NULL,
  media_hash      BYTEA NOT NULL,
  work_id         TEXT NOT NULL,
  PRIMARY KEY (organization_id, network, media_hash)
);

-- The ledger: every transfer moves an amount between two accounts of an
-- organization; balances are the running sums of entries.
CREATE TABLE ledger_accounts (
  organization_id TEXT NOT NULL,
  account         TEXT NOT NULL, -- issued | available | held | spent
  balance         BIGINT NOT NULL,
  PRIMARY KEY (organization_id, account),
  CHECK (account = 'issued' OR balance >= 0)
);
CREATE TABLE ledger_transfers (
  id              TEXT PRIMARY KEY,
  organization_id TEXT NOT NULL,
  kind            TEXT NOT NULL, -- grant | hold | capture | release
  transaction_id  TEXT NOT NULL DEFAULT '',
  note            TEXT NOT NULL DEFAULT '',
  created_at      BIGINT NOT NULL
);
CREATE UNIQUE INDEX ledger_transfers_once ON ledger_transfers (transaction_id, kind) WHERE transaction_id <> '';
CREATE INDEX ledger_transfers_by_organization ON ledger_transfers (organization_id, id);
CREATE TABLE ledger_entries (
  transfer_id TEXT NOT NULL REFERENCES ledger_transfers (id),
  account     TEXT NOT NULL,
  amount      BIGINT NOT NULL CHECK (amount <> 0),
  PRIMARY KEY (transfer_id, account)
);

-- The built-in log network. An entry waits for the next block until it has an
-- idx, or a failure: the log refused it and never holds it. Only the sequencer
-- that still finds the size and refused that it started from may commit.
CREATE TABLE logs (
  network     TEXT PRIMARY KEY,
  origin      TEXT NOT NULL,   -- never changes: it names the log in every checkpoint
  size        BIGINT NOT NULL, -- entries sequenced
  refused     BIGINT NOT NULL, -- entries refused
  blocks      BIGINT NOT NULL,
  next_ats_id BIGINT NOT NULL
);
CREATE TABLE log_entries (
  network     TEXT NOT NULL,
  tx_hash     BYTEA NOT NULL,
  body        BYTEA NOT NULL,  -- what was broadcast
  received_at BIGINT NOT NULL,
  position    BIGINT NOT NULL, -- within its broadcast
  idx         BIGINT,
  leaf        BYTEA,           -- the logged text: the body and the members that sequencing added
  ats_id      BIGINT NOT NULL DEFAULT 0,
  version     BIGINT NOT NULL DEFAULT 0,
  block       BIGINT NOT NULL DEFAULT 0,
  decided_at  BIGINT NOT NULL DEFAULT 0, -- the block's time, or when it was refused
  failure     TEXT NOT NULL DEFAULT '',
  PRIMARY KEY (network, tx_hash)
);
CREATE UNIQUE INDEX log_entries_by_index ON log_entries (network, idx);
CREATE INDEX log_entries_waiting ON log_entries (network, received_at, position, tx_hash) WHERE idx IS NULL AND failure = '';
CREATE UNIQUE INDEX log_entries_by_work ON log_entries (network, ats_id, version) WHERE idx IS NOT NULL;
CREATE TABLE log_tiles (
  network TEXT NOT NULL,
  level   BIGINT NOT NULL,
  n       BIGINT NOT NULL,
  data    BYTEA NOT NULL, -- up to 256 hashes of 32 bytes
  PRIMARY KEY (network, level, n)
);
-- Block 0 is the signed checkpoint of the empty log.
CREATE TABLE log_blocks (
  network    TEXT NOT NULL,
  number     BIGINT NOT NULL,
  hash       BYTEA NOT NULL,
  first_idx  BIGINT NOT NULL, -- size of the tree before this block
  size       BIGINT NOT NULL, -- of the tree after this block
  checkpoint TEXT NOT NULL,   -- the signed note
  created_at BIGINT NOT NULL,
  PRIMARY KEY (network, number)
);

-- +goose Down
DROP TABLE log_blocks;
DROP TABLE log_tiles;
DROP TABLE log_entries;
DROP TABLE logs;
DROP TABLE ledger_entries;
DROP TABLE ledger_transfers;
DROP TABLE ledger_accounts;
DROP TABLE media_claims;
DROP TABLE title_claims;
DROP TABLE versions;
DROP TABLE works;
DROP TABLE transactions;
DROP TABLE jobs;
DROP TABLE sessions;
DROP TABLE origins;
DROP TABLE site_keys;
DROP TABLE organizations;
