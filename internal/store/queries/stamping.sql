-- name: BeginStamping :execrows
-- Blocks that exist already get nothing: a date of today says little about them.
INSERT INTO stamping (network, kind, timeout, next)
SELECT l.network, CAST(sqlc.arg(kind) AS TEXT), CAST(sqlc.arg(timeout) AS BIGINT), l.blocks + 1 FROM logs l WHERE l.network = sqlc.arg(network)
ON CONFLICT (network, kind) DO UPDATE SET timeout = excluded.timeout;

-- name: EndStamping :exec
DELETE FROM stamping WHERE network = sqlc.arg(network) AND kind = sqlc.arg(kind);

-- name: StampingBehind :many
-- The logs with blocks that have no row yet.
SELECT s.network FROM stamping s WHERE s.kind = sqlc.arg(kind) AND EXISTS (SELECT 1 FROM log_blocks b WHERE b.network = s.network AND b.number >= s.next);

-- name: AddBlockStamps :execrows
INSERT INTO block_stamps (network, block, kind, digest, content, due_at, until)
SELECT b.network, b.number, s.kind, b.hash, substr(b.hash, 1, 0), CAST(sqlc.arg(now) AS BIGINT), CAST(sqlc.arg(until) AS BIGINT) FROM stamping s JOIN log_blocks b ON b.network = s.network AND b.number >= s.next AND b.number < s.next + CAST(sqlc.arg(lim) AS BIGINT)
WHERE s.network = sqlc.arg(network) AND s.kind = sqlc.arg(kind)
ON CONFLICT (network, block, kind) DO NOTHING;

-- name: AdvanceStamping :exec
UPDATE stamping SET next = (SELECT MAX(b.block) + 1 FROM block_stamps b WHERE b.network = stamping.network AND b.kind = stamping.kind)
WHERE stamping.network = sqlc.arg(network) AND stamping.kind = sqlc.arg(kind)
  AND stamping.next <= (SELECT MAX(b.block) FROM block_stamps b WHERE b.network = stamping.network AND b.kind = stamping.kind);

-- name: DueBlockStamps :many
-- The newest first: a certificate waits for it.
SELECT network, block, kind, digest, content, due_at, tries FROM block_stamps
WHERE kind = sqlc.arg(kind) AND due_at > 0 AND due_at <= sqlc.arg(now) AND until > sqlc.arg(now) ORDER BY due_at DESC, block DESC LIMIT sqlc.arg(lim);

-- name: TryBlockStamp :execrows
-- Only if the row is unchanged: two workers never take the same block.
UPDATE block_stamps SET due_at = sqlc.arg(again_at)
WHERE network = sqlc.arg(network) AND block = sqlc.arg(block) AND kind = sqlc.arg(kind) AND due_at = sqlc.arg(seen) AND due_at > 0;

-- name: RetryBlockStamp :exec
UPDATE block_stamps SET due_at = sqlc.arg(again_at), tries = sqlc.arg(tries)
WHERE network = sqlc.arg(network) AND block = sqlc.arg(block) AND kind = sqlc.arg(kind) AND due_at > 0;

-- name: KeepBlockStamp :execrows
-- The first content stays, but for a proof that is completed.
UPDATE block_stamps SET content = sqlc.arg(content), complete = sqlc.arg(complete), due_at = sqlc.arg(again_at), until = sqlc.arg(until), tries = 0
WHERE network = sqlc.arg(network) AND block = sqlc.arg(block) AND kind = sqlc.arg(kind) AND content = sqlc.arg(before) AND due_at > 0;

-- name: AbandonBlockStamps :execrows
UPDATE block_stamps SET due_at = 0 WHERE kind = sqlc.arg(kind) AND due_at > 0 AND until <= sqlc.arg(now);

-- name: BlockStamps :many
SELECT kind, content FROM block_stamps
WHERE network = sqlc.arg(network) AND block = sqlc.arg(block) AND length(content) > 0 ORDER BY kind DESC;

-- name: BlockStampOfDigest :one
SELECT content FROM block_stamps
WHERE network = sqlc.arg(network) AND digest = sqlc.arg(digest) AND kind = sqlc.arg(kind) AND length(content) > 0;

-- name: WithoutTokens :many
-- The versions, of several transactions as IssuedTogether, whose blocks wait for a token.
WITH RECURSIVE n AS (SELECT 0 AS i UNION ALL SELECT n.i + 1 AS i FROM n WHERE n.i + 1 < CAST(sqlc.arg(count) AS BIGINT))
SELECT v.transaction_id, CAST(v.registered_at + s.timeout AS BIGINT) AS until FROM versions v JOIN works w ON w.id = v.work_id JOIN stamping s ON s.network = w.network AND s.kind = 'token'
LEFT JOIN block_stamps b ON b.network = w.network AND b.block = v.block_number AND b.kind = 'token'
WHERE v.transaction_id IN (SELECT substr(CAST(sqlc.arg(joined) AS TEXT), CAST(n.i * 36 + 1 AS INTEGER), 36) FROM n)
  AND (b.block IS NULL AND v.block_number >= s.next OR b.due_at > 0);

-- name: CountBlockStamps :many
-- waiting have no content and pending have a proof that is not complete; both are still tried.
SELECT s.network, s.kind, s.next,
  CAST((SELECT COUNT(*) FROM block_stamps b WHERE b.kind = s.kind AND b.due_at > 0 AND b.network = s.network AND length(b.content) = 0) AS BIGINT) AS waiting,
  CAST((SELECT COUNT(*) FROM block_stamps b WHERE b.kind = s.kind AND b.due_at > 0 AND b.network = s.network AND length(b.content) > 0) AS BIGINT) AS pending
FROM stamping s ORDER BY s.network, s.kind;

-- name: UnwatchedTimestamps :many
SELECT work_id, version, token FROM timestamps WHERE watched = 0 ORDER BY work_id, version LIMIT sqlc.arg(lim);

-- name: WatchTimestamp :exec
UPDATE timestamps SET watched = 1 WHERE work_id = sqlc.arg(work_id) AND version = sqlc.arg(version);

-- name: WatchToken :exec
INSERT INTO renewals (token_hash, ends_at, renewal) VALUES (sqlc.arg(token_hash), sqlc.arg(ends_at), sqlc.arg(empty))
ON CONFLICT (token_hash) DO NOTHING;

-- name: DueRenewals :many
-- Those that end first. A renewal after the end proves nothing.
SELECT token_hash, ends_at, again_at, tries FROM renewals
WHERE renewed = 0 AND ends_at <= sqlc.arg(soon) AND ends_at > sqlc.arg(now) AND again_at <= sqlc.arg(now) ORDER BY ends_at LIMIT sqlc.arg(lim);

-- name: TryRenewal :execrows
UPDATE renewals SET again_at = sqlc.arg(again_at) WHERE token_hash = sqlc.arg(token_hash) AND length(renewal) = 0 AND again_at = sqlc.arg(seen);

-- name: RetryRenewal :exec
UPDATE renewals SET again_at = sqlc.arg(again_at), tries = sqlc.arg(tries) WHERE token_hash = sqlc.arg(token_hash) AND length(renewal) = 0;

-- name: KeepRenewal :execrows
-- The first renewal stays: a second one is harmless, and of no use.
UPDATE renewals SET renewal = sqlc.arg(renewal), renewed = 1 WHERE token_hash = sqlc.arg(token_hash) AND length(renewal) = 0;

-- name: Renewal :one
SELECT renewal FROM renewals WHERE token_hash = sqlc.arg(token_hash) AND renewed = 1;

-- name: CountRenewals :one
-- due end before soon, ended have ended without a renewal. next is the first end to come, or 0.
SELECT CAST((SELECT COUNT(*) FROM renewals a WHERE a.renewed = 0 AND a.ends_at > sqlc.arg(now) AND a.ends_at <= sqlc.arg(soon)) AS BIGINT) AS due,
  CAST((SELECT COUNT(*) FROM renewals b WHERE b.renewed = 0 AND b.ends_at <= sqlc.arg(now)) AS BIGINT) AS ended,
  CAST(COALESCE((SELECT MIN(c.ends_at) FROM renewals c WHERE c.renewed = 0 AND c.ends_at > sqlc.arg(now)), 0) AS BIGINT) AS next,
  CAST((SELECT COUNT(*) FROM timestamps t WHERE t.watched = 0) AS BIGINT) AS unwatched;
