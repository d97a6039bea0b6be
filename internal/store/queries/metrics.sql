-- name: CountInFlight :many
-- The number of transactions in flight is small: a worker takes them further every second.
SELECT network, state, COUNT(*) AS count, CAST(MIN(created_at) AS BIGINT) AS oldest FROM in_flight GROUP BY network, state;

-- name: CountUnstamped :one
SELECT COUNT(*) FROM versions WHERE timestamp_until > 0;

-- name: CountErasures :one
-- A row leaves the table when its file is deleted and no upload can bring it back.
SELECT COUNT(*) AS waiting, CAST(COALESCE(SUM(CASE WHEN tries > 0 THEN 1 ELSE 0 END), 0) AS BIGINT) AS stuck
FROM erasures WHERE NOT erased OR tries > 0;

-- name: CountExpiredJobs :one
SELECT COUNT(*) FROM jobs WHERE state IN ('open', 'prepared') AND deadline < sqlc.arg(before);

-- name: CountLeftovers :one
SELECT COUNT(*) FROM jobs WHERE state IN ('confirmed', 'expired') AND upload_key <> '' AND updated_at < sqlc.arg(before);

-- name: SumBalances :many
-- One row for each organization and account.
SELECT account, CAST(SUM(balance) AS BIGINT) AS balance FROM ledger_accounts GROUP BY account;
