-- +goose Up
-- Dates of others for blocks, and for tokens that grow old: see package stamping and ADR 105.
--
-- stamping has a row for each log whose blocks get tokens of an authority (kind token) or
-- OpenTimestamps proofs (kind ots). next is the first block without a row in block_stamps. A
-- certificate waits for timeout (microseconds) at most.
CREATE TABLE stamping (
  network TEXT NOT NULL,
  kind    TEXT NOT NULL,
  timeout BIGINT NOT NULL,
  next    BIGINT NOT NULL,
  PRIMARY KEY (network, kind)
);
-- content is empty until there is one. complete is 1 for an OpenTimestamps proof that leads to a
-- block of Bitcoin. No attempt follows if due_at is 0, and none after until.
CREATE TABLE block_stamps (
  network  TEXT NOT NULL,
  block    BIGINT NOT NULL,
  kind     TEXT NOT NULL,
  digest   BYTEA NOT NULL,              -- the block's hash
  content  BYTEA NOT NULL,
  complete BIGINT NOT NULL DEFAULT 0,
  due_at   BIGINT NOT NULL,
  until    BIGINT NOT NULL,
  tries    BIGINT NOT NULL DEFAULT 0,
  PRIMARY KEY (network, block, kind)
);
CREATE INDEX block_stamps_due ON block_stamps (kind, due_at) WHERE due_at > 0;
CREATE INDEX block_stamps_digest ON block_stamps (digest, kind);

-- Each token that the registry keeps, of a commitment, a block or another token, by its SHA-256.
-- renewal is a token of this hash, and empty until there is one.
CREATE TABLE renewals (
  token_hash BYTEA NOT NULL PRIMARY KEY,
  ends_at    BIGINT NOT NULL,           -- the end of the authority's certificates
  renewal    BYTEA NOT NULL,
  renewed    BIGINT NOT NULL DEFAULT 0, -- 1: renewal is not empty
  again_at   BIGINT NOT NULL DEFAULT 0, -- of the next attempt
  tries      BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX renewals_open ON renewals (ends_at) WHERE renewed = 0;

-- Tokens of commitments that have no row in renewals yet.
ALTER TABLE timestamps ADD COLUMN watched BIGINT NOT NULL DEFAULT 0;
CREATE INDEX timestamps_unwatched ON timestamps (work_id, version) WHERE watched = 0;

-- +goose Down
DROP INDEX timestamps_unwatched;
ALTER TABLE timestamps DROP COLUMN watched;
DROP TABLE renewals;
DROP TABLE block_stamps;
DROP TABLE stamping;
