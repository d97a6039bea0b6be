-- +goose Up
-- A block is staged here, then its checkpoint is kept outside of this database, and
-- then the block is published. pending is the transaction hashes of the staged block,
-- 32 bytes each, in order; NULL: no block is staged.
ALTER TABLE logs ADD COLUMN pending BYTEA;
ALTER TABLE logs ADD COLUMN pending_checkpoint TEXT NOT NULL DEFAULT '';
ALTER TABLE logs ADD COLUMN pending_at BIGINT NOT NULL DEFAULT 0;
-- The place outside of this database that has the newest checkpoint; '': none yet.
ALTER TABLE logs ADD COLUMN kept_at TEXT NOT NULL DEFAULT '';
-- The reason why the log makes no blocks, as JSON, for other processes; '': it makes blocks.
ALTER TABLE logs ADD COLUMN stopped TEXT NOT NULL DEFAULT '';
-- A repair put the entry back, and this database has no registration of it.
ALTER TABLE log_entries ADD COLUMN lost BOOLEAN NOT NULL DEFAULT FALSE;
-- Every repair: the log had from_size entries in this database, and to_size after it.
CREATE TABLE log_repairs (
  network    TEXT NOT NULL,
  from_size  BIGINT NOT NULL,
  to_size    BIGINT NOT NULL,
  lost       BIGINT NOT NULL, -- entries without a registration here
  checkpoint TEXT NOT NULL,   -- the signed note that was reproduced
  created_at BIGINT NOT NULL,
  PRIMARY KEY (network, to_size)
);

-- +goose Down
DROP TABLE log_repairs;
ALTER TABLE log_entries DROP COLUMN lost;
ALTER TABLE logs DROP COLUMN stopped;
ALTER TABLE logs DROP COLUMN kept_at;
ALTER TABLE logs DROP COLUMN pending_at;
ALTER TABLE logs DROP COLUMN pending_checkpoint;
ALTER TABLE logs DROP COLUMN pending;
