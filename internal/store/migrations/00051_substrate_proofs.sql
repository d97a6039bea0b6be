-- +goose Up
-- The proofs of transactions on Substrate chains that need no node: see network/substrate/collect.go
-- and ADR 112. proof is the JSON of these members of evidence. Nodes discard what it is made of.
CREATE TABLE substrate_proofs (
  network     TEXT NOT NULL,
  signed_hash BYTEA NOT NULL,
  proof       BYTEA NOT NULL,
  PRIMARY KEY (network, signed_hash)
);

-- +goose Down
DROP TABLE substrate_proofs;
