-- name: InsertLog :execrows
INSERT INTO logs (network, origin, size, refused, blocks, next_ats_id, sequencer_at)
VALUES (sqlc.arg(network), sqlc.arg(origin), 0, 0, 0, 1, sqlc.arg(now))
ON CONFLICT (network) DO NOTHING;

-- name: GetLog :one
SELECT l.origin, l.size, l.refused, l.blocks, l.next_ats_id, l.sequencer_at, l.pending, l.pending_checkpoint, l.pending_at, l.kept_at, l.stopped, l.keys, l.pending_keys,
  b.checkpoint, b.created_at AS block_at
FROM logs l JOIN log_blocks b ON b.network = l.network AND b.number = l.blocks
WHERE l.network = sqlc.arg(network);

-- name: PollLog :one
SELECT l.size, l.refused, l.sequencer_at, CAST(CASE WHEN EXISTS (
  SELECT 1 FROM log_entries e WHERE e.network = l.network AND e.idx IS NULL AND e.failure = ''
) THEN 1 ELSE 0 END AS BIGINT) AS waiting
FROM logs l WHERE l.network = sqlc.arg(network);

-- name: AdvanceLog :execrows
UPDATE logs SET size = sqlc.arg(size), refused = sqlc.arg(refused), blocks = sqlc.arg(blocks), next_ats_id = sqlc.arg(next_ats_id),
  sequencer_at = sqlc.arg(now), pending = NULL, pending_checkpoint = '', pending_at = 0
WHERE network = sqlc.arg(network) AND size = sqlc.arg(old_size) AND refused = sqlc.arg(old_refused) AND pending_checkpoint = sqlc.arg(staged);

-- name: StageLogBlock :execrows
-- The keys have not changed since the block was signed, and no change of them is staged.
UPDATE logs SET pending = sqlc.arg(pending), pending_checkpoint = sqlc.arg(checkpoint), pending_at = sqlc.arg(pending_at)
WHERE network = sqlc.arg(network) AND size = sqlc.arg(old_size) AND refused = sqlc.arg(old_refused) AND pending_checkpoint = ''
  AND keys = sqlc.arg(keys) AND pending_keys = '';

-- name: GetLogKeys :one
SELECT keys FROM logs WHERE network = sqlc.arg(network);

-- name: GrowLogKeys :execrows
-- It begins the key page, or restores changes that a database which went back has lost.
UPDATE logs SET keys = sqlc.arg(keys), pending_keys = '' WHERE network = sqlc.arg(network) AND keys = sqlc.arg(before) AND pending_checkpoint = '';

-- name: StageLogKeys :execrows
UPDATE logs SET pending_keys = sqlc.arg(pending_keys)
WHERE network = sqlc.arg(network) AND size = sqlc.arg(size) AND keys = sqlc.arg(before) AND pending_checkpoint = '' AND pending_keys = '';

-- name: PublishLogKeys :execrows
UPDATE logs SET keys = pending_keys, pending_keys = '' WHERE network = sqlc.arg(network) AND pending_keys = sqlc.arg(staged);

-- name: SetLogKept :exec
UPDATE logs SET kept_at = sqlc.arg(kept_at) WHERE network = sqlc.arg(network);

-- name: SetLogStopped :execrows
UPDATE logs SET stopped = sqlc.arg(stopped) WHERE network = sqlc.arg(network) AND stopped <> sqlc.arg(stopped);

-- name: LogStopped :one
SELECT stopped FROM logs WHERE network = sqlc.arg(network);

-- name: InsertLogRepair :exec
INSERT INTO log_repairs (network, from_size, to_size, lost, checkpoint, created_at)
VALUES (sqlc.arg(network), sqlc.arg(from_size), sqlc.arg(to_size), sqlc.arg(lost), sqlc.arg(checkpoint), sqlc.arg(now));

-- name: CountLogRepairs :one
SELECT COUNT(*) FROM log_repairs WHERE network = sqlc.arg(network);

-- name: RestoreLogEntry :execrows
INSERT INTO log_entries (network, tx_hash, body, commitment, received_at, position, lost)
VALUES (sqlc.arg(network), sqlc.arg(tx_hash), sqlc.arg(body), sqlc.arg(commitment), sqlc.arg(received_at), 0, TRUE)
ON CONFLICT (network, tx_hash) DO NOTHING;

-- name: NoteSequencer :exec
-- It can also go back: a clock that was ahead was corrected.
UPDATE logs SET sequencer_at = sqlc.arg(now) WHERE network = sqlc.arg(network);

-- name: InsertLogEntry :exec
-- A transaction that is broadcast again is in this table already.
INSERT INTO log_entries (network, tx_hash, body, commitment, received_at, position)
VALUES (sqlc.arg(network), sqlc.arg(tx_hash), sqlc.arg(body), sqlc.arg(commitment), sqlc.arg(received_at), sqlc.arg(position))
ON CONFLICT (network, tx_hash) DO UPDATE SET lost = FALSE WHERE log_entries.lost;

-- name: ListWaitingLogEntries :many
SELECT tx_hash, body FROM log_entries
WHERE network = sqlc.arg(network) AND idx IS NULL AND failure = ''
ORDER BY received_at, position, tx_hash LIMIT sqlc.arg(lim);

-- name: SequenceLogEntry :execrows
UPDATE log_entries SET idx = sqlc.arg(idx), leaf = sqlc.arg(leaf), ats_id = sqlc.arg(ats_id),
  version = sqlc.arg(version), block = sqlc.arg(block), decided_at = sqlc.arg(decided_at)
WHERE network = sqlc.arg(network) AND tx_hash = sqlc.arg(tx_hash) AND idx IS NULL AND failure = '';

-- name: RefuseLogEntry :execrows
UPDATE log_entries SET failure = sqlc.arg(failure), decided_at = sqlc.arg(decided_at)
WHERE network = sqlc.arg(network) AND tx_hash = sqlc.arg(tx_hash) AND idx IS NULL AND failure = '';

-- name: LastLogVersion :one
SELECT version FROM log_entries
WHERE network = sqlc.arg(network) AND ats_id = sqlc.arg(ats_id) AND idx IS NOT NULL
ORDER BY version DESC LIMIT 1;

-- name: GetLogEntry :one
SELECT e.tx_hash, e.body, e.received_at, e.idx, e.leaf, e.ats_id, e.version, e.block, e.decided_at, e.failure, e.lost, b.hash AS block_hash
FROM log_entries e LEFT JOIN log_blocks b ON b.network = e.network AND b.number = e.block AND e.idx IS NOT NULL
WHERE e.network = sqlc.arg(network) AND e.tx_hash = sqlc.arg(tx_hash);

-- name: ListLogEntries :many
SELECT e.tx_hash, e.body, e.received_at, e.idx, e.leaf, e.ats_id, e.version, e.block, e.decided_at, e.failure, e.lost, b.hash AS block_hash
FROM log_entries e LEFT JOIN log_blocks b ON b.network = e.network AND b.number = e.block
WHERE e.network = sqlc.arg(network) AND e.idx >= sqlc.arg(lo) AND e.idx < sqlc.arg(hi)
ORDER BY e.idx;

-- name: ListLogVersions :many
SELECT e.tx_hash, e.body, e.received_at, e.idx, e.leaf, e.ats_id, e.version, e.block, e.decided_at, e.failure, e.lost, b.hash AS block_hash
FROM log_entries e LEFT JOIN log_blocks b ON b.network = e.network AND b.number = e.block
WHERE e.network = sqlc.arg(network) AND e.ats_id = sqlc.arg(ats_id) AND e.idx IS NOT NULL AND e.version > sqlc.arg(after)
ORDER BY e.version LIMIT sqlc.arg(lim);

-- name: ListLogEntriesOfCommitment :many
SELECT e.tx_hash, e.body, e.received_at, e.idx, e.leaf, e.ats_id, e.version, e.block, e.decided_at, e.failure, e.lost, b.hash AS block_hash
FROM log_entries e LEFT JOIN log_blocks b ON b.network = e.network AND b.number = e.block AND e.idx IS NOT NULL
WHERE e.commitment = sqlc.arg(commitment) AND e.network = sqlc.arg(network)
ORDER BY e.received_at, e.position, e.tx_hash LIMIT sqlc.arg(lim);

-- name: FirstLogEntryOfCommitment :one
SELECT e.tx_hash, e.body, e.received_at, e.idx, e.leaf, e.ats_id, e.version, e.block, e.decided_at, e.failure, e.lost, b.hash AS block_hash
FROM log_entries e LEFT JOIN log_blocks b ON b.network = e.network AND b.number = e.block AND e.idx IS NOT NULL
WHERE e.commitment = sqlc.arg(commitment) AND e.network = sqlc.arg(network) AND e.idx < sqlc.arg(before)
ORDER BY e.idx LIMIT 1;

-- name: LogBlockByHash :one
SELECT number FROM log_blocks WHERE hash = sqlc.arg(hash) AND network = sqlc.arg(network);

-- name: ListLogLeaves :many
SELECT leaf FROM log_entries
WHERE network = sqlc.arg(network) AND idx >= sqlc.arg(lo) AND idx < sqlc.arg(hi)
ORDER BY idx;

-- name: GetLogTile :one
SELECT data FROM log_tiles WHERE network = sqlc.arg(network) AND level = sqlc.arg(level) AND n = sqlc.arg(n);

-- name: PutLogTile :exec
INSERT INTO log_tiles (network, level, n, data)
VALUES (sqlc.arg(network), sqlc.arg(level), sqlc.arg(n), sqlc.arg(data))
ON CONFLICT (network, level, n) DO UPDATE SET data = excluded.data;

-- name: InsertLogBlock :exec
INSERT INTO log_blocks (network, number, hash, first_idx, size, checkpoint, created_at)
VALUES (sqlc.arg(network), sqlc.arg(number), sqlc.arg(hash), sqlc.arg(first_idx), sqlc.arg(size), sqlc.arg(checkpoint), sqlc.arg(created_at));

-- name: GetLogBlock :one
SELECT number, hash, first_idx, size, checkpoint, created_at FROM log_blocks
WHERE network = sqlc.arg(network) AND number = sqlc.arg(number);

-- name: ListLogBlocks :many
SELECT number, hash, first_idx, size, checkpoint, created_at FROM log_blocks
WHERE network = sqlc.arg(network) AND number <= sqlc.arg(newest)
ORDER BY number DESC LIMIT sqlc.arg(lim);

-- name: FindLogEntries :many
-- joined is any number of concatenated 32-byte hashes, because the two engines have
-- different types for lists. COALESCE with a column tells Postgres the type.
WITH RECURSIVE n AS (SELECT 0 AS i UNION ALL SELECT n.i + 1 AS i FROM n WHERE n.i + 1 < CAST(sqlc.arg(count) AS BIGINT))
SELECT e.tx_hash, e.body, e.received_at, e.idx, e.leaf, e.ats_id, e.version, e.block, e.decided_at, e.failure, e.lost, b.hash AS block_hash
FROM log_blocks g CROSS JOIN n
JOIN log_entries e ON e.network = g.network AND e.tx_hash = substr(COALESCE(sqlc.arg(joined), g.hash), n.i * 32 + 1, 32)
LEFT JOIN log_blocks b ON b.network = e.network AND b.number = e.block AND e.idx IS NOT NULL
WHERE g.network = sqlc.arg(network) AND g.number = 0;

-- name: InsertLogReceipt :exec
INSERT INTO log_receipts (network, block, signature) VALUES (sqlc.arg(network), sqlc.arg(block), sqlc.arg(signature))
ON CONFLICT (network, block) DO NOTHING;

-- name: FirstLogReceipt :one
-- The first block from a number on whose tree has a signature and more than one entry.
SELECT b.size, r.signature FROM log_receipts r
JOIN log_blocks b ON b.network = r.network AND b.number = r.block
WHERE r.network = sqlc.arg(network) AND r.block >= sqlc.arg(block) AND b.size > 1
ORDER BY r.block LIMIT 1;
