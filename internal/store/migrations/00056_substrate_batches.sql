-- +goose Up
-- Several calls in one transaction: see network/substrate/batch.go and ADR 116. item is the place
-- of the call in its transaction, from 0; -1: the transaction has this call alone. The rows of a
-- batch have the same signed bytes. They get them together, and are decided together.
ALTER TABLE substrate_transactions ADD COLUMN item BIGINT NOT NULL DEFAULT -1;
DROP INDEX substrate_transactions_by_signed;
CREATE UNIQUE INDEX substrate_transactions_by_signed ON substrate_transactions (network, signed_hash, item);
DROP INDEX substrate_transactions_open;
CREATE UNIQUE INDEX substrate_transactions_open ON substrate_transactions (network, account, nonce, item) WHERE decided_at = 0 AND nonce >= 0;
DROP INDEX substrate_transactions_waiting;
CREATE INDEX substrate_transactions_waiting ON substrate_transactions (network, account, nonce, item) WHERE decided_at = 0;
DROP INDEX substrate_transactions_in_block;
CREATE INDEX substrate_transactions_in_block ON substrate_transactions (network, block, position, item) WHERE block > 0;
-- Each call has its own proof, under the hash by which the registry knows it.
UPDATE substrate_proofs SET signed_hash = COALESCE((
  SELECT t.hash FROM substrate_transactions t WHERE t.network = substrate_proofs.network AND t.signed_hash = substrate_proofs.signed_hash), signed_hash);
ALTER TABLE substrate_proofs RENAME COLUMN signed_hash TO hash;

-- +goose Down
ALTER TABLE substrate_proofs RENAME COLUMN hash TO signed_hash;
UPDATE substrate_proofs SET signed_hash = COALESCE((
  SELECT t.signed_hash FROM substrate_transactions t WHERE t.network = substrate_proofs.network AND t.hash = substrate_proofs.signed_hash), signed_hash);
DROP INDEX substrate_transactions_in_block;
CREATE INDEX substrate_transactions_in_block ON substrate_transactions (network, block, position) WHERE block > 0;
DROP INDEX substrate_transactions_waiting;
CREATE INDEX substrate_transactions_waiting ON substrate_transactions (network, account, nonce) WHERE decided_at = 0;
DROP INDEX substrate_transactions_open;
CREATE UNIQUE INDEX substrate_transactions_open ON substrate_transactions (network, account, nonce) WHERE decided_at = 0 AND nonce >= 0;
DROP INDEX substrate_transactions_by_signed;
CREATE UNIQUE INDEX substrate_transactions_by_signed ON substrate_transactions (network, signed_hash);
ALTER TABLE substrate_transactions DROP COLUMN item;
