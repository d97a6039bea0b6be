-- name: SpendBudget :one
-- One row, one statement: a second statement at the same time waits for the row, and then
-- sees what the first one spent. It returns no row if not enough is left. A time that no
-- call could have reached was written by a clock that was ahead, and counts as full.
INSERT INTO budgets (key, whole) VALUES (sqlc.arg(key), CAST(sqlc.arg(now) AS BIGINT) + CAST(sqlc.arg(cost) AS BIGINT))
ON CONFLICT (key) DO UPDATE
SET whole = CASE WHEN budgets.whole > CAST(sqlc.arg(now) AS BIGINT) AND budgets.whole <= CAST(sqlc.arg(beyond) AS BIGINT) THEN budgets.whole + CAST(sqlc.arg(cost) AS BIGINT) ELSE excluded.whole END
WHERE budgets.whole <= CAST(sqlc.arg(latest) AS BIGINT) OR budgets.whole > CAST(sqlc.arg(beyond) AS BIGINT)
RETURNING whole;

-- name: GetBudget :one
SELECT whole FROM budgets WHERE key = sqlc.arg(key);

-- name: NextBudgets :one
-- The last of the next keys after one, or ''. An index on the time would be written with each call.
SELECT CAST(COALESCE(MAX(few.key), '') AS TEXT) FROM (SELECT b.key FROM budgets b WHERE b.key > sqlc.arg(after) ORDER BY b.key LIMIT sqlc.arg(lim)) few;

-- name: SweepBudgets :exec
DELETE FROM budgets WHERE key > sqlc.arg(after) AND key <= sqlc.arg(last) AND whole < sqlc.arg(now);
