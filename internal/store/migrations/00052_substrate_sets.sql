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
-- A version that is not proven waits for its proof. Nodes discard what it is made of: later it has
-- missed it.
ALTER TABLE substrate_transactions ADD COLUMN proven BOOLEAN NOT NULL DEFAULT FALSE;
UPDATE substrate_transactions SET proven = TRUE WHERE EXISTS (
  SELECT 1 FROM substrate_proofs p WHERE p.network = substrate_transactions.network AND p.signed_hash = substrate_transactions.signed_hash);
CREATE INDEX substrate_transactions_unproven ON substrate_transactions (network, block) WHERE version > 0 AND NOT proven;

-- +goose Down
DROP INDEX substrate_transactions_unproven;
ALTER TABLE substrate_transactions DROP COLUMN proven;
DROP TABLE substrate_sets;
