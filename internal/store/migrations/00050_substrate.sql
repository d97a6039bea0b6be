-- +goose Up
-- Networks that are Substrate chains: see network/substrate and ADR 110.
--
-- substrate_chains has a row for each such network. genesis identifies the chain for ever.
-- number and hash are the newest final block whose content is in these tables; no later block
-- was read. seen_at is when a worker last asked the chain, and got an answer.
CREATE TABLE substrate_chains (
  network  TEXT NOT NULL PRIMARY KEY,
  genesis  BYTEA NOT NULL,
  number   BIGINT NOT NULL,
  hash     BYTEA NOT NULL,
  block_at BIGINT NOT NULL,
  seen_at  BIGINT NOT NULL,
  finals   BIGINT NOT NULL DEFAULT 0,     -- transactions that succeeded
  failures BIGINT NOT NULL DEFAULT 0,     -- transactions that the chain stores as failed
  stopped  TEXT NOT NULL DEFAULT ''       -- why nothing can be anchored until the operator acts
);
-- The accounts that sign, in the state of the block of substrate_chains. The amounts are
-- decimal numbers of the smallest unit.
CREATE TABLE substrate_accounts (
  network  TEXT NOT NULL,
  account  BYTEA NOT NULL,                -- the public key
  position BIGINT NOT NULL,               -- in the seed's list, from 0
  address  TEXT NOT NULL,
  nonce    BIGINT NOT NULL DEFAULT 0,     -- of the next transaction
  free     TEXT NOT NULL DEFAULT '0',
  reserved TEXT NOT NULL DEFAULT '0',
  works    BIGINT NOT NULL DEFAULT 0,     -- works that it owns
  capacity BIGINT NOT NULL DEFAULT 0,     -- works that it can own
  low      BOOLEAN NOT NULL DEFAULT FALSE, -- it cannot pay for the next transaction
  PRIMARY KEY (network, account)
);
-- One row for each call. hash is what the registry knows the transaction by: that of the first
-- signed bytes. signed and signed_hash are the bytes that count now. They are replaced only
-- after it is final that they are on no block and can never be on one.
CREATE TABLE substrate_transactions (
  network     TEXT NOT NULL,
  call        BYTEA NOT NULL,             -- the hash of the call's nonce
  hash        BYTEA NOT NULL,
  updates     BIGINT NOT NULL,            -- the work that gets a version, or 0
  commitment  BYTEA NOT NULL,
  protocol    BIGINT NOT NULL,
  account     BYTEA NOT NULL,
  nonce       BIGINT NOT NULL,            -- -1: the signed bytes are void, and nothing is signed until it is wanted
  ends        BIGINT NOT NULL,            -- the first block in which signed is invalid
  signed      BYTEA NOT NULL,
  signed_hash BYTEA NOT NULL,
  signatures  BIGINT NOT NULL DEFAULT 1,
  wanted      BOOLEAN NOT NULL DEFAULT FALSE, -- the registry has stored hash, and wants it sent
  sent_at     BIGINT NOT NULL DEFAULT 0,
  answer      TEXT NOT NULL DEFAULT '',   -- why the node did not take it last
  decided_at  BIGINT NOT NULL DEFAULT 0,  -- 0: it is open
  failure     TEXT NOT NULL DEFAULT '',   -- the chain's reason
  ats_id      BIGINT NOT NULL DEFAULT 0,
  version     BIGINT NOT NULL DEFAULT 0,
  block       BIGINT NOT NULL DEFAULT 0,
  position    BIGINT NOT NULL DEFAULT 0,  -- in the block, from 0
  PRIMARY KEY (network, call)
);
CREATE UNIQUE INDEX substrate_transactions_by_hash ON substrate_transactions (network, hash);
CREATE UNIQUE INDEX substrate_transactions_by_signed ON substrate_transactions (network, signed_hash);
CREATE INDEX substrate_transactions_waiting ON substrate_transactions (network, account, nonce) WHERE decided_at = 0;
-- Two open transactions never have the same nonce.
CREATE UNIQUE INDEX substrate_transactions_open ON substrate_transactions (network, account, nonce) WHERE decided_at = 0 AND nonce >= 0;
CREATE INDEX substrate_transactions_of_work ON substrate_transactions (network, ats_id, version) WHERE version > 0;
CREATE INDEX substrate_transactions_by_block ON substrate_transactions (network, block) WHERE version > 0;
-- The final blocks with transactions of the registry.
CREATE TABLE substrate_blocks (
  network    TEXT NOT NULL,
  number     BIGINT NOT NULL,
  hash       BYTEA NOT NULL,
  header     BYTEA NOT NULL,
  created_at BIGINT NOT NULL,
  PRIMARY KEY (network, number)
);

-- +goose Down
DROP TABLE substrate_blocks;
DROP TABLE substrate_transactions;
DROP TABLE substrate_accounts;
DROP TABLE substrate_chains;
