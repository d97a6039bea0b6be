-- +goose Up
-- The explorer finds transactions on Substrate chains by commitment and by block, and blocks by
-- hash. See network/substrate/read.go.
CREATE INDEX substrate_transactions_of_commitment ON substrate_transactions (network, commitment, block, position);
CREATE INDEX substrate_transactions_in_block ON substrate_transactions (network, block, position) WHERE block > 0;
CREATE UNIQUE INDEX substrate_blocks_by_hash ON substrate_blocks (network, hash);

-- +goose Down
DROP INDEX substrate_blocks_by_hash;
DROP INDEX substrate_transactions_in_block;
DROP INDEX substrate_transactions_of_commitment;
