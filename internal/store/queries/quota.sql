-- name: ClaimQuota :execrows
UPDATE quota_counters SET count = count + 1
WHERE organization_id = sqlc.arg(organization_id) AND month = sqlc.arg(month) AND test = sqlc.arg(test) AND count < CAST(sqlc.arg(quota) AS BIGINT);

-- name: QuotaUsed :one
SELECT count FROM quota_counters WHERE organization_id = sqlc.arg(organization_id) AND month = sqlc.arg(month) AND test = sqlc.arg(test);

-- name: MoveQuota :execrows
UPDATE quota_counters SET count = count + CAST(sqlc.arg(by) AS BIGINT)
WHERE organization_id = sqlc.arg(organization_id) AND month = sqlc.arg(month) AND test = sqlc.arg(test);

-- name: BeginQuota :execrows
INSERT INTO quota_counters (organization_id, month, test, count) VALUES (sqlc.arg(organization_id), sqlc.arg(month), sqlc.arg(test), 0)
ON CONFLICT (organization_id, month, test) DO NOTHING;

-- name: CountTransactions :one
-- For a month without a counter, one day after the other.
SELECT COUNT(*) FROM transactions
WHERE organization_id = sqlc.arg(organization_id) AND created_at >= sqlc.arg(since) AND created_at < sqlc.arg(until) AND test = sqlc.arg(test) AND state <> 'failed';

-- name: DropQuota :exec
DELETE FROM quota_counters WHERE organization_id = sqlc.arg(organization_id);

-- name: SweepQuotas :execrows
DELETE FROM quota_counters WHERE (organization_id, month, test) IN (
  SELECT q.organization_id, q.month, q.test FROM quota_counters q WHERE q.month < sqlc.arg(before) ORDER BY q.month LIMIT sqlc.arg(lim));
