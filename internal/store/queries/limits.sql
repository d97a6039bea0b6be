-- name: SpendBudget :one
-- One row, one statement: whoever spends at the same moment waits for the row
-- and then sees what was spent. No row comes back when not enough is left. A row
-- beyond what any call could have led to is of a clock that was ahead, and counts as whole.
INSERT INTO budgets (key, whole) VALUES (sqlc.arg(key), CAST(sqlc.arg(now) AS BIGINT) + CAST(sqlc.arg(cost) AS BIGINT))
ON CONFLICT (key) DO UPDATE
SET whole = CASE WHEN budgets.whole > CAST(sqlc.arg(now) AS BIGINT) AND budgets.whole <= CAST(sqlc.arg(beyond) AS BIGINT) THEN budgets.whole + CAST(sqlc.arg(cost) AS BIGINT) ELSE excluded.whole END
WHERE budgets.whole <= CAST(sqlc.arg(latest) AS BIGINT) OR budgets.whole > CAST(sqlc.arg(beyond) AS BIGINT)
RETURNING whole;

-- name: GetBudget :one
SELECT whole FROM budgets WHERE key = sqlc.arg(key);

-- name: SweepBudgets :exec
DELETE FROM budgets WHERE whole < sqlc.arg(now);
