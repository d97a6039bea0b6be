-- +goose Up
-- The blocks of logs that are registered on a chain, once for everything before them: see package
-- stamping and ADR 115. The chain has rows of its own, under the name of its network.
CREATE TABLE log_anchors (
  network     TEXT NOT NULL,                -- the log
  block       BIGINT NOT NULL,
  digest      BYTEA NOT NULL,               -- the block's hash, which the chain registers
  updates     BIGINT NOT NULL,              -- the work on the chain that gets another version, or 0: a new one
  begun_at    BIGINT NOT NULL,
  hash        BYTEA NOT NULL,               -- of the transaction; empty until it is staged
  staged      BYTEA NOT NULL,
  decided_at  BIGINT NOT NULL DEFAULT 0,    -- 0: it is open
  failure     TEXT NOT NULL DEFAULT '',     -- why the chain refused it
  ats_id      BIGINT NOT NULL DEFAULT 0,
  version     BIGINT NOT NULL DEFAULT 0,    -- 0: it is not on the chain
  PRIMARY KEY (network, block)
);
-- A log has at most one open anchor.
CREATE UNIQUE INDEX log_anchors_open ON log_anchors (network) WHERE decided_at = 0;
CREATE INDEX log_anchors_final ON log_anchors (network, block) WHERE version > 0;

-- +goose Down
DROP TABLE log_anchors;
