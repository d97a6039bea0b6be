-- +goose Up
-- The sets of GRANDPA authorities of Substrate chains: see network/substrate/sets.go and ADR 108.
-- header and justification are of the block in which the set before handed over to this one.
-- They are empty if no node has them: evidence then begins at this set. Only seen changes.
CREATE TABLE substrate_sets (
  network       TEXT NOT NULL,
  set_id        BIGINT NOT NULL,         -- which the chain counts from 0
  authorities   BYTEA NOT NULL,          -- in SCALE
  block         BIGINT NOT NULL,         -- of the hand-over; without one, a block whose state has the set
  header        BYTEA NOT NULL,
  justification BYTEA NOT NULL,
  votes         BIGINT NOT NULL,         -- in the justification
  seen          BIGINT NOT NULL,         -- a block whose state has the set: it votes for later blocks
  PRIMARY KEY (network, set_id)
);

-- +goose Down
DROP TABLE substrate_sets;
