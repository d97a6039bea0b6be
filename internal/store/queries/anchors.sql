-- name: NewestLogAnchor :one
SELECT block, digest, updates, begun_at, hash, staged, decided_at, failure, ats_id, version FROM log_anchors
WHERE network = sqlc.arg(network) ORDER BY block DESC LIMIT 1;

-- name: FinalLogAnchor :one
-- The first one that covers a block.
SELECT block, hash, ats_id, version FROM log_anchors
WHERE network = sqlc.arg(network) AND block >= sqlc.arg(block) AND version > 0 ORDER BY block LIMIT 1;

-- name: BeginLogAnchor :execrows
-- Of the newest block, if there is one after the last anchor and none is open.
INSERT INTO log_anchors (network, block, digest, updates, begun_at, hash, staged)
SELECT b.network, b.number, b.hash, CAST(sqlc.arg(updates) AS BIGINT), CAST(sqlc.arg(now) AS BIGINT), substr(b.hash, 1, 0), substr(b.hash, 1, 0)
FROM logs l JOIN log_blocks b ON b.network = l.network AND b.number = l.blocks
WHERE l.network = sqlc.arg(network) AND b.number > CAST(sqlc.arg(after) AS BIGINT)
ON CONFLICT DO NOTHING;

-- name: RenewLogAnchor :execrows
-- As a new work, before anything is staged.
UPDATE log_anchors SET updates = 0 WHERE network = sqlc.arg(network) AND block = sqlc.arg(block) AND decided_at = 0 AND length(hash) = 0;

-- name: StageLogAnchor :execrows
UPDATE log_anchors SET hash = sqlc.arg(hash), staged = sqlc.arg(staged)
WHERE network = sqlc.arg(network) AND block = sqlc.arg(block) AND decided_at = 0 AND length(hash) = 0;

-- name: DecideLogAnchor :execrows
UPDATE log_anchors SET decided_at = sqlc.arg(now), failure = sqlc.arg(failure), ats_id = sqlc.arg(ats_id), version = sqlc.arg(version)
WHERE network = sqlc.arg(network) AND block = sqlc.arg(block) AND decided_at = 0;

-- name: CountLogAnchors :many
-- last is the newest block on the chain, or 0, and open the block that is on its way, or 0.
SELECT l.network, l.blocks,
  CAST(COALESCE((SELECT MAX(f.block) FROM log_anchors f WHERE f.network = l.network AND f.version > 0), 0) AS BIGINT) AS last,
  CAST(COALESCE((SELECT o.block FROM log_anchors o WHERE o.network = l.network AND o.decided_at = 0), 0) AS BIGINT) AS open
FROM logs l ORDER BY l.network;
