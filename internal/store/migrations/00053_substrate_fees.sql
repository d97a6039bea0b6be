-- +goose Up
-- The fee that the chain took for each final transaction, beside its deposit: the event
-- TransactionFeePaid of its extrinsic. The amounts are decimal numbers of the smallest unit. '' is not known: the transaction
-- is older than this column, or no node had the events of its block any more. The tip is a part of the fee.
ALTER TABLE substrate_transactions ADD COLUMN fee TEXT NOT NULL DEFAULT '';
ALTER TABLE substrate_transactions ADD COLUMN tip TEXT NOT NULL DEFAULT '';
-- fees is the sum of all of them, also of refused transactions whose call was signed again by another
-- account. last_fee is the newest of them.
ALTER TABLE substrate_chains ADD COLUMN fees TEXT NOT NULL DEFAULT '0';
ALTER TABLE substrate_chains ADD COLUMN last_fee TEXT NOT NULL DEFAULT '';
-- The fees for quotes: of a new work and of another version, as the runtime says in the newest final
-- block; '' is not known yet. A whole token of the chain has 10 to the power of decimals of the
-- smallest unit; -1 is not known.
ALTER TABLE substrate_chains ADD COLUMN work_fee TEXT NOT NULL DEFAULT '';
ALTER TABLE substrate_chains ADD COLUMN version_fee TEXT NOT NULL DEFAULT '';
ALTER TABLE substrate_chains ADD COLUMN decimals BIGINT NOT NULL DEFAULT -1;

-- +goose Down
ALTER TABLE substrate_chains DROP COLUMN decimals;
ALTER TABLE substrate_chains DROP COLUMN version_fee;
ALTER TABLE substrate_chains DROP COLUMN work_fee;
ALTER TABLE substrate_chains DROP COLUMN last_fee;
ALTER TABLE substrate_chains DROP COLUMN fees;
ALTER TABLE substrate_transactions DROP COLUMN tip;
ALTER TABLE substrate_transactions DROP COLUMN fee;
