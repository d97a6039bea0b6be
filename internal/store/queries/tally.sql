-- name: CountEnd :exec
INSERT INTO daily_counts (organization_id, day, network, test, kind, code, reason, count, credits)
VALUES (sqlc.arg(organization_id), sqlc.arg(day), sqlc.arg(network), sqlc.arg(test), sqlc.arg(kind), sqlc.arg(code), sqlc.arg(reason), 1, sqlc.arg(credits))
ON CONFLICT (organization_id, day, network, test, kind, code, reason) DO UPDATE SET count = daily_counts.count + 1, credits = daily_counts.credits + excluded.credits;

-- name: MarkCounted :execrows
-- For an end that a process of the release before recorded.
UPDATE transactions SET counted = TRUE WHERE id = sqlc.arg(id) AND NOT counted;

-- name: MarkEndCounted :exec
UPDATE ended SET counted = TRUE WHERE organization_id = sqlc.arg(organization_id) AND network = sqlc.arg(network) AND state = sqlc.arg(state) AND transaction_id = sqlc.arg(transaction_id);

-- name: UncountedEnds :many
SELECT t.* FROM ended e JOIN transactions t ON t.id = e.transaction_id WHERE NOT e.counted ORDER BY e.transaction_id LIMIT sqlc.arg(lim);

-- name: DailyCounts :many
SELECT * FROM daily_counts WHERE organization_id = sqlc.arg(organization_id) AND day >= sqlc.arg(since) AND day <= sqlc.arg(until) ORDER BY day, network, kind, code, reason;
