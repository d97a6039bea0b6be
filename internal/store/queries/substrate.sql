-- name: InsertSubstrateChain :execrows
INSERT INTO substrate_chains (network, genesis, number, hash, block_at, seen_at)
VALUES (sqlc.arg(network), sqlc.arg(genesis), sqlc.arg(number), sqlc.arg(hash), sqlc.arg(block_at), sqlc.arg(now))
ON CONFLICT (network) DO NOTHING;

-- name: GetSubstrateChain :one
SELECT * FROM substrate_chains WHERE network = sqlc.arg(network);

-- name: AdvanceSubstrateChain :execrows
UPDATE substrate_chains SET number = sqlc.arg(number), hash = sqlc.arg(hash), block_at = sqlc.arg(block_at), seen_at = sqlc.arg(now),
  finals = finals + sqlc.arg(finals), failures = failures + sqlc.arg(failures)
WHERE network = sqlc.arg(network) AND number = sqlc.arg(before);

-- name: SetSubstrateFees :exec
-- The caller has changed the row in this transaction, so no other transaction changes the sum.
UPDATE substrate_chains SET fees = sqlc.arg(fees), last_fee = sqlc.arg(last_fee) WHERE network = sqlc.arg(network);

-- name: SetSubstratePrice :exec
UPDATE substrate_chains SET work_fee = sqlc.arg(work_fee), version_fee = sqlc.arg(version_fee), decimals = sqlc.arg(decimals), symbol = sqlc.arg(symbol) WHERE network = sqlc.arg(network);

-- name: SeeSubstrateChain :exec
UPDATE substrate_chains SET seen_at = sqlc.arg(now), stopped = sqlc.arg(stopped) WHERE network = sqlc.arg(network);

-- name: InsertSubstrateAccount :exec
INSERT INTO substrate_accounts (network, account, position, address)
VALUES (sqlc.arg(network), sqlc.arg(account), sqlc.arg(position), sqlc.arg(address))
ON CONFLICT (network, account) DO UPDATE SET position = excluded.position, address = excluded.address;

-- name: SetSubstrateAccount :exec
UPDATE substrate_accounts SET nonce = sqlc.arg(nonce), free = sqlc.arg(free), reserved = sqlc.arg(reserved), works = sqlc.arg(works), capacity = sqlc.arg(capacity)
WHERE network = sqlc.arg(network) AND account = sqlc.arg(account);

-- name: SetSubstrateAccountLow :execrows
UPDATE substrate_accounts SET low = sqlc.arg(low) WHERE network = sqlc.arg(network) AND account = sqlc.arg(account) AND low <> sqlc.arg(low);

-- name: ListSubstrateAccounts :many
-- open counts the open transactions, of which creating make new works.
SELECT a.account, a.position, a.address, a.nonce, a.free, a.reserved, a.works, a.capacity, a.low,
  CAST((SELECT COUNT(*) FROM substrate_transactions t WHERE t.network = a.network AND t.account = a.account AND t.decided_at = 0) AS BIGINT) AS open,
  CAST((SELECT COUNT(*) FROM substrate_transactions t WHERE t.network = a.network AND t.account = a.account AND t.decided_at = 0 AND t.updates = 0) AS BIGINT) AS creating
FROM substrate_accounts a WHERE a.network = sqlc.arg(network) ORDER BY a.account;

-- name: GetSubstrateAccount :one
SELECT * FROM substrate_accounts WHERE network = sqlc.arg(network) AND account = sqlc.arg(account);

-- name: LockSubstrateAccount :execrows
-- It keeps other transactions from taking a nonce of the account.
UPDATE substrate_accounts SET nonce = nonce WHERE network = sqlc.arg(network) AND account = sqlc.arg(account);

-- name: ListSubstrateNonces :many
SELECT nonce FROM substrate_transactions WHERE network = sqlc.arg(network) AND account = sqlc.arg(account) AND decided_at = 0 AND nonce >= 0 ORDER BY nonce;

-- name: InsertSubstrateTransaction :exec
INSERT INTO substrate_transactions (network, call, hash, updates, commitment, protocol, account, nonce, ends, signed, signed_hash)
VALUES (sqlc.arg(network), sqlc.arg(call), sqlc.arg(hash), sqlc.arg(updates), sqlc.arg(commitment), sqlc.arg(protocol), sqlc.arg(account), sqlc.arg(nonce),
  sqlc.arg(ends), sqlc.arg(signed), sqlc.arg(hash));

-- name: GetSubstrateTransaction :one
SELECT * FROM substrate_transactions WHERE network = sqlc.arg(network) AND call = sqlc.arg(call);

-- name: GetSubstrateTransactionByHash :one
SELECT * FROM substrate_transactions WHERE network = sqlc.arg(network) AND hash = sqlc.arg(hash);

-- name: GetSubstrateTransactionBySignedHash :one
-- Of a batch, it is the first call.
SELECT * FROM substrate_transactions WHERE network = sqlc.arg(network) AND signed_hash = sqlc.arg(hash) ORDER BY item LIMIT 1;

-- name: GetSubstrateTransactionOfVersion :one
SELECT * FROM substrate_transactions WHERE network = sqlc.arg(network) AND signed_hash = sqlc.arg(hash) AND ats_id = sqlc.arg(ats_id) AND version = sqlc.arg(version);

-- name: ListSubstrateItems :many
-- The places in a transaction whose calls are in rows.
SELECT item FROM substrate_transactions WHERE network = sqlc.arg(network) AND signed_hash = sqlc.arg(signed_hash) ORDER BY item;

-- name: WantSubstrateTransaction :execrows
UPDATE substrate_transactions SET wanted = TRUE WHERE network = sqlc.arg(network) AND hash = sqlc.arg(hash);

-- name: ListOpenSubstrateTransactions :many
SELECT * FROM substrate_transactions WHERE network = sqlc.arg(network) AND decided_at = 0 ORDER BY account, nonce, item;

-- name: SentSubstrateTransaction :exec
UPDATE substrate_transactions SET sent_at = sqlc.arg(now), answer = sqlc.arg(answer)
WHERE network = sqlc.arg(network) AND signed_hash = sqlc.arg(signed_hash) AND decided_at = 0;

-- name: ParkSubstrateTransaction :execrows
-- Its nonce is free for others.
UPDATE substrate_transactions SET nonce = -1 WHERE network = sqlc.arg(network) AND hash = sqlc.arg(hash) AND signed_hash = sqlc.arg(before) AND decided_at = 0;

-- name: SignSubstrateTransactionAgain :execrows
UPDATE substrate_transactions SET account = sqlc.arg(account), nonce = sqlc.arg(nonce), ends = sqlc.arg(ends), signed = sqlc.arg(signed), signed_hash = sqlc.arg(signed_hash),
  item = sqlc.arg(item), signatures = signatures + sqlc.arg(signatures), sent_at = 0, answer = ''
WHERE network = sqlc.arg(network) AND hash = sqlc.arg(hash) AND signed_hash = sqlc.arg(before) AND decided_at = 0;

-- name: DecideSubstrateTransaction :execrows
UPDATE substrate_transactions SET decided_at = sqlc.arg(now), failure = sqlc.arg(failure), ats_id = sqlc.arg(ats_id), version = sqlc.arg(version),
  block = sqlc.arg(block), position = sqlc.arg(position), fee = sqlc.arg(fee), tip = sqlc.arg(tip), answer = ''
WHERE network = sqlc.arg(network) AND hash = sqlc.arg(hash) AND signed_hash = sqlc.arg(signed_hash) AND decided_at = 0;

-- name: InsertSubstrateBlock :exec
INSERT INTO substrate_blocks (network, number, hash, header, created_at)
VALUES (sqlc.arg(network), sqlc.arg(number), sqlc.arg(hash), sqlc.arg(header), sqlc.arg(created_at))
ON CONFLICT (network, number) DO NOTHING;

-- name: GetSubstrateBlock :one
SELECT * FROM substrate_blocks WHERE network = sqlc.arg(network) AND number = sqlc.arg(number);

-- name: FindSubstrateTransactions :many
-- joined is concatenated hashes, as for FindLogEntries. A success without a proof is found when it
-- was decided before a time.
WITH RECURSIVE n AS (SELECT 0 AS i UNION ALL SELECT n.i + 1 AS i FROM n WHERE n.i + 1 < CAST(sqlc.arg(count) AS BIGINT))
SELECT t.hash, t.signed_hash, t.account, t.decided_at, t.failure, t.ats_id, t.version, t.block, b.hash AS block_hash, b.created_at AS block_at, a.address, t.item
FROM substrate_chains c CROSS JOIN n
JOIN substrate_transactions t ON t.network = c.network AND t.hash = substr(COALESCE(sqlc.arg(joined), c.hash), n.i * 32 + 1, 32)
JOIN substrate_blocks b ON b.network = t.network AND b.number = t.block
JOIN substrate_accounts a ON a.network = t.network AND a.account = t.account
WHERE c.network = sqlc.arg(network) AND t.decided_at <> 0 AND (t.version = 0 OR t.decided_at < sqlc.arg(before)
  OR EXISTS (SELECT 1 FROM substrate_proofs p WHERE p.network = t.network AND p.hash = t.hash));

-- name: SubstrateWork :one
-- The newest version of a work, and the account that made it.
SELECT account, version FROM substrate_transactions
WHERE network = sqlc.arg(network) AND ats_id = sqlc.arg(ats_id) AND version > 0 ORDER BY version DESC LIMIT 1;

-- name: InsertSubstrateProof :exec
INSERT INTO substrate_proofs (network, hash, proof) VALUES (sqlc.arg(network), sqlc.arg(hash), sqlc.arg(proof))
ON CONFLICT (network, hash) DO NOTHING;

-- name: GetSubstrateProof :one
SELECT proof FROM substrate_proofs WHERE network = sqlc.arg(network) AND hash = sqlc.arg(hash);

-- name: ListUnprovedSubstrateTransactions :many
SELECT t.hash, t.ats_id, t.version, t.block, t.position FROM substrate_transactions t
WHERE t.network = sqlc.arg(network) AND t.version > 0 AND NOT t.proven AND t.block >= sqlc.arg(since)
ORDER BY t.block DESC LIMIT sqlc.arg(lim);

-- name: ProvenSubstrateTransaction :exec
UPDATE substrate_transactions SET proven = TRUE WHERE network = sqlc.arg(network) AND hash = sqlc.arg(hash);

-- name: CountUnprovedSubstrateTransactions :one
-- Versions in blocks from since on wait for their proofs. Those before have missed them.
SELECT CAST(COALESCE(SUM(CASE WHEN t.block >= sqlc.arg(since) THEN 1 ELSE 0 END), 0) AS BIGINT) AS waiting,
  CAST(COALESCE(SUM(CASE WHEN t.block < sqlc.arg(since) THEN 1 ELSE 0 END), 0) AS BIGINT) AS missed,
  CAST(COALESCE(MIN(CASE WHEN t.block >= sqlc.arg(since) THEN b.created_at END), 0) AS BIGINT) AS oldest
FROM substrate_transactions t JOIN substrate_blocks b ON b.network = t.network AND b.number = t.block
WHERE t.network = sqlc.arg(network) AND t.version > 0 AND NOT t.proven;

-- name: AdoptSubstrateTransaction :execrows
-- The chain has the call under other bytes, which a restored database does not know.
UPDATE substrate_transactions SET account = sqlc.arg(account), signed = sqlc.arg(signed), signed_hash = sqlc.arg(signed_hash), decided_at = sqlc.arg(now),
  ats_id = sqlc.arg(ats_id), version = sqlc.arg(version), block = sqlc.arg(block), position = sqlc.arg(position), fee = sqlc.arg(fee), tip = sqlc.arg(tip), item = sqlc.arg(item), answer = ''
WHERE network = sqlc.arg(network) AND hash = sqlc.arg(hash) AND signed_hash = sqlc.arg(before) AND decided_at = 0;

-- name: CountSubstrateFinal :exec
UPDATE substrate_chains SET finals = finals + 1 WHERE network = sqlc.arg(network);

-- name: InsertSubstrateSet :exec
INSERT INTO substrate_sets (network, set_id, authorities, block, header, justification, votes, seen)
VALUES (sqlc.arg(network), sqlc.arg(set_id), sqlc.arg(authorities), sqlc.arg(block), sqlc.arg(header), sqlc.arg(justification), sqlc.arg(votes), sqlc.arg(block))
ON CONFLICT (network, set_id) DO NOTHING;

-- name: SeeSubstrateSet :exec
UPDATE substrate_sets SET seen = sqlc.arg(block) WHERE network = sqlc.arg(network) AND set_id = sqlc.arg(set_id) AND seen < sqlc.arg(block);

-- name: ListSubstrateSets :many
-- The newest sets up to one.
SELECT * FROM substrate_sets WHERE network = sqlc.arg(network) AND set_id <= sqlc.arg(newest) ORDER BY set_id DESC LIMIT sqlc.arg(lim);

-- name: GetSubstrateEntry :one
-- A transaction that the registry has sent, or wants to send. hash is the registry's or the chain's. Of a batch it is
-- any call.
SELECT t.hash, t.signed_hash, t.signed, t.updates, t.commitment, t.protocol, t.decided_at, t.failure, t.ats_id, t.version, t.block, t.position, t.item, b.hash AS block_hash, b.created_at AS block_at, a.address
FROM substrate_transactions t
JOIN substrate_accounts a ON a.network = t.network AND a.account = t.account
LEFT JOIN substrate_blocks b ON b.network = t.network AND b.number = t.block
WHERE t.network = sqlc.arg(network) AND (t.signed_hash = sqlc.arg(hash) OR t.hash = sqlc.arg(hash)) AND (t.wanted OR t.decided_at <> 0)
LIMIT 1;

-- name: ListSubstrateEntriesOfTransaction :many
-- All calls of a transaction, by the hash that the chain knows.
SELECT t.hash, t.signed_hash, t.signed, t.updates, t.commitment, t.protocol, t.decided_at, t.failure, t.ats_id, t.version, t.block, t.position, t.item, b.hash AS block_hash, b.created_at AS block_at, a.address
FROM substrate_transactions t
JOIN substrate_accounts a ON a.network = t.network AND a.account = t.account
LEFT JOIN substrate_blocks b ON b.network = t.network AND b.number = t.block
WHERE t.network = sqlc.arg(network) AND t.signed_hash = sqlc.arg(hash) AND (t.wanted OR t.decided_at <> 0)
ORDER BY t.item LIMIT sqlc.arg(lim);

-- name: ListSubstrateEntriesOfCommitment :many
-- In the order of the chain; open ones are first.
SELECT t.hash, t.signed_hash, t.signed, t.updates, t.commitment, t.protocol, t.decided_at, t.failure, t.ats_id, t.version, t.block, t.position, t.item, b.hash AS block_hash, b.created_at AS block_at, a.address
FROM substrate_transactions t
JOIN substrate_accounts a ON a.network = t.network AND a.account = t.account
LEFT JOIN substrate_blocks b ON b.network = t.network AND b.number = t.block
WHERE t.network = sqlc.arg(network) AND t.commitment = sqlc.arg(commitment) AND (t.wanted OR t.decided_at <> 0)
ORDER BY t.block, t.position LIMIT sqlc.arg(lim);

-- name: FirstSubstrateEntryOfCommitment :one
-- The first version with a commitment, if it is before a place of the chain.
SELECT t.hash, t.signed_hash, t.signed, t.updates, t.commitment, t.protocol, t.decided_at, t.failure, t.ats_id, t.version, t.block, t.position, t.item, b.hash AS block_hash, b.created_at AS block_at, a.address
FROM substrate_transactions t
JOIN substrate_accounts a ON a.network = t.network AND a.account = t.account
LEFT JOIN substrate_blocks b ON b.network = t.network AND b.number = t.block
WHERE t.network = sqlc.arg(network) AND t.commitment = sqlc.arg(commitment) AND t.version >= 1 -- not the condition of another index
  AND (t.block < sqlc.arg(block) OR t.block = sqlc.arg(block) AND t.position < sqlc.arg(position))
ORDER BY t.block, t.position LIMIT 1;

-- name: ListSubstrateVersions :many
SELECT t.hash, t.signed_hash, t.signed, t.updates, t.commitment, t.protocol, t.decided_at, t.failure, t.ats_id, t.version, t.block, t.position, t.item, b.hash AS block_hash, b.created_at AS block_at, a.address
FROM substrate_transactions t
JOIN substrate_accounts a ON a.network = t.network AND a.account = t.account
LEFT JOIN substrate_blocks b ON b.network = t.network AND b.number = t.block
WHERE t.network = sqlc.arg(network) AND t.ats_id = sqlc.arg(ats_id) AND t.version > sqlc.arg(after) AND t.version > 0
ORDER BY t.version LIMIT sqlc.arg(lim);

-- name: ListSubstrateEntriesInBlock :many
SELECT t.hash, t.signed_hash, t.signed, t.updates, t.commitment, t.protocol, t.decided_at, t.failure, t.ats_id, t.version, t.block, t.position, t.item, b.hash AS block_hash, b.created_at AS block_at, a.address
FROM substrate_transactions t
JOIN substrate_accounts a ON a.network = t.network AND a.account = t.account
LEFT JOIN substrate_blocks b ON b.network = t.network AND b.number = t.block
WHERE t.network = sqlc.arg(network) AND t.block = sqlc.arg(block) AND t.block > 0
ORDER BY t.position, t.item LIMIT sqlc.arg(lim) OFFSET sqlc.arg(skip);

-- name: ListSubstrateBlocks :many
SELECT b.number, b.hash, b.created_at,
  CAST((SELECT COUNT(*) FROM substrate_transactions t WHERE t.network = b.network AND t.block = b.number AND t.block > 0) AS BIGINT) AS entries
FROM substrate_blocks b WHERE b.network = sqlc.arg(network) AND b.number <= sqlc.arg(newest) ORDER BY b.number DESC LIMIT sqlc.arg(lim);

-- name: SubstrateBlockByHash :one
SELECT number FROM substrate_blocks WHERE network = sqlc.arg(network) AND hash = sqlc.arg(hash);
