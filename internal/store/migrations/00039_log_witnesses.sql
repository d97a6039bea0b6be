-- +goose Up
-- Witnesses of logs (c2sp.org/tlog-witness): see network/log/witnesses.go and ADR 102.
--
-- log_cosigning has a row for each log that has witnesses. Blocks that are older than patience
-- (microseconds) are served without a quorum, and so are all blocks before patience_at. The
-- holder asks the witnesses until its lease ends.
CREATE TABLE log_cosigning (
  network     TEXT NOT NULL PRIMARY KEY,
  patience    BIGINT NOT NULL,
  patience_at BIGINT NOT NULL,
  holder      TEXT NOT NULL DEFAULT '',
  lease_until BIGINT NOT NULL DEFAULT 0
);
-- What is known of each witness. witness is the name and the hash of its key, label its name
-- in the policy. alarm is not empty while the witness saw a history that is not this log's;
-- proof is then a checkpoint of that history with this log's signature, or empty.
CREATE TABLE log_witnesses (
  network       TEXT NOT NULL,
  witness       TEXT NOT NULL,
  label         TEXT NOT NULL,
  size          BIGINT NOT NULL DEFAULT 0,   -- of the newest cosigned checkpoint
  cosigned_at   BIGINT NOT NULL DEFAULT 0,   -- when it was cosigned, by the clock of the witness
  failures      BIGINT NOT NULL DEFAULT 0,   -- in a row
  failing_since BIGINT NOT NULL DEFAULT 0,
  due_at        BIGINT NOT NULL DEFAULT 0,   -- of the next attempt
  failure       TEXT NOT NULL DEFAULT '',
  alarm         TEXT NOT NULL DEFAULT '',
  proof         TEXT NOT NULL DEFAULT '',
  PRIMARY KEY (network, witness)
);
CREATE TABLE log_cosignatures (
  network     TEXT NOT NULL,
  block       BIGINT NOT NULL,
  witness     TEXT NOT NULL,
  line        TEXT NOT NULL,                 -- the signature line, without the newline
  cosigned_at BIGINT NOT NULL,
  PRIMARY KEY (network, block, witness)
);
-- The blocks whose checkpoints have the cosignatures of a quorum.
CREATE TABLE log_witnessed (
  network      TEXT NOT NULL,
  block        BIGINT NOT NULL,
  witnessed_at BIGINT NOT NULL,              -- by the clock of this server
  PRIMARY KEY (network, block)
);

-- +goose Down
DROP TABLE log_witnessed;
DROP TABLE log_cosignatures;
DROP TABLE log_witnesses;
DROP TABLE log_cosigning;
