-- name: TransactionInFlight :one
SELECT transaction_id FROM in_flight WHERE work_id = sqlc.arg(work_id);

-- name: GetTransaction :one
SELECT * FROM transactions WHERE id = sqlc.arg(id);

-- name: OrganizationsInFlight :many
WITH RECURSIVE o AS (
  SELECT MIN(f.organization_id) AS id FROM in_flight f WHERE f.network = sqlc.arg(network) AND f.state = sqlc.arg(state)
  UNION ALL
  SELECT (SELECT MIN(n.organization_id) FROM in_flight n
    WHERE n.network = sqlc.arg(network) AND n.state = sqlc.arg(state) AND n.organization_id > o.id)
  FROM o WHERE o.id IS NOT NULL
)
SELECT CAST(o.id AS TEXT) AS id FROM o WHERE o.id IS NOT NULL;

-- name: FewInFlight :many
SELECT t.* FROM in_flight f JOIN transactions t ON t.id = f.transaction_id
WHERE f.network = sqlc.arg(network) AND f.state = sqlc.arg(state)
ORDER BY f.organization_id, f.transaction_id LIMIT sqlc.arg(lim);

-- name: InFlight :many
SELECT t.* FROM in_flight f JOIN transactions t ON t.id = f.transaction_id
WHERE f.network = sqlc.arg(network) AND f.state = sqlc.arg(state)
  AND f.organization_id = sqlc.arg(organization_id) AND f.transaction_id > sqlc.arg(after)
ORDER BY f.transaction_id LIMIT sqlc.arg(lim);

-- name: StageTransaction :execrows
UPDATE transactions SET state = 'staged', staged = sqlc.arg(staged), tx_hash = sqlc.arg(tx_hash), steps = sqlc.arg(steps), updated_at = sqlc.arg(now)
WHERE id = sqlc.arg(id) AND state = 'confirmed';

-- name: BroadcastTransaction :execrows
UPDATE transactions SET state = 'broadcast', steps = sqlc.arg(steps), updated_at = sqlc.arg(now)
WHERE id = sqlc.arg(id) AND state = 'staged';

-- name: FinishTransaction :execrows
-- The caller counts the end: see package tally.
UPDATE transactions SET state = 'final', counted = TRUE, ats_id = sqlc.arg(ats_id), version = sqlc.arg(version), block_number = sqlc.arg(block_number),
  block_hash = sqlc.arg(block_hash), tx_hash = sqlc.arg(tx_hash), steps = sqlc.arg(steps), updated_at = sqlc.arg(now)
WHERE id = sqlc.arg(id) AND state = 'broadcast';

-- name: FailTransaction :execrows
-- The caller counts the end, as for FinishTransaction.
UPDATE transactions SET state = 'failed', counted = TRUE, failure = sqlc.arg(failure), steps = sqlc.arg(steps), updated_at = sqlc.arg(now)
WHERE id = sqlc.arg(id) AND state = sqlc.arg(seen);

-- name: InsertWork :exec
INSERT INTO works (id, organization_id, network, ats_id, owner, title, title_key, external_user_ref, access_code_hash, access_code_issued_at, latest_version, test, created_at, updated_at)
VALUES (sqlc.arg(id), sqlc.arg(organization_id), sqlc.arg(network), sqlc.arg(ats_id), sqlc.arg(owner), sqlc.arg(title), sqlc.arg(title_key), sqlc.arg(external_user_ref),
  sqlc.arg(access_code_hash), sqlc.arg(now), 1, sqlc.arg(test), sqlc.arg(now), sqlc.arg(now));

-- name: SetWorkVersion :execrows
UPDATE works SET latest_version = sqlc.arg(version), updated_at = sqlc.arg(now) WHERE id = sqlc.arg(id) AND latest_version < sqlc.arg(version);

-- name: InsertVersion :exec
INSERT INTO versions (work_id, version, transaction_id, commitment, media_hash, media, merkle_root, creators, filename, asset_key, quote,
  tx_hash, block_number, block_hash, registered_at, language, timestamp_until, organization_id, words)
SELECT j.work_id, sqlc.arg(version), j.id, j.commitment, j.media_hash, j.media, j.merkle_root, j.creators, j.filename,
  CASE WHEN j.asset_key <> '' OR j.hash_only THEN j.asset_key ELSE (SELECT b.asset_key FROM versions b WHERE b.work_id = j.work_id AND b.version = j.base_version) END, j.quote,
  sqlc.arg(tx_hash), sqlc.arg(block_number), sqlc.arg(block_hash), sqlc.arg(now), j.language,
  CAST(sqlc.arg(timestamp_until) AS BIGINT), j.organization_id, CAST(sqlc.arg(words) AS BIGINT)
FROM jobs j WHERE j.id = sqlc.arg(transaction_id);
