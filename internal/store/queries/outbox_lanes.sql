-- name: EnqueueInLane :exec
INSERT INTO deliveries (kind, subject, lane, work_id, organization_id, created_at, due_at)
VALUES (sqlc.arg(kind), sqlc.arg(subject), sqlc.arg(lane), sqlc.arg(work_id), sqlc.arg(organization_id), sqlc.arg(now), sqlc.arg(due_at)) ON CONFLICT (kind, subject) DO NOTHING;

-- name: DueLanes :many
-- The lanes after one lane, in their order, that have a delivery that is due.
WITH RECURSIVE l AS (
  SELECT MIN(f.lane) AS id FROM deliveries f WHERE f.kind = sqlc.arg(kind) AND f.lane <> '' AND f.lane > sqlc.arg(after)
  UNION ALL
  SELECT (SELECT MIN(n.lane) FROM deliveries n WHERE n.kind = sqlc.arg(kind) AND n.lane <> '' AND n.lane > l.id) FROM l WHERE l.id IS NOT NULL
)
SELECT CAST(l.id AS TEXT) AS lane FROM l
WHERE l.id IS NOT NULL AND EXISTS (SELECT 1 FROM deliveries d WHERE d.kind = sqlc.arg(kind) AND d.lane <> '' AND d.lane = l.id AND d.due_at <= sqlc.arg(now))
LIMIT sqlc.arg(lim);

-- name: LeaseLane :many
-- The deliveries of a lane that are due, the oldest first. The outer condition on due_at is
-- checked again when another worker was first. The condition on attempts is that of LeaseTurn.
UPDATE deliveries SET due_at = sqlc.arg(until)
WHERE deliveries.kind = sqlc.arg(kind) AND deliveries.due_at <= sqlc.arg(now) AND deliveries.attempts >= 0 AND deliveries.subject IN (
  SELECT d.subject FROM deliveries d WHERE d.kind = sqlc.arg(kind) AND d.lane <> '' AND d.lane = sqlc.arg(lane) AND d.due_at <= sqlc.arg(now)
  ORDER BY d.due_at, d.subject LIMIT sqlc.arg(lim))
RETURNING *;

-- name: HurryDelivery :execrows
-- The next round of a delivery begins now.
UPDATE deliveries SET due_at = sqlc.arg(now), attempts = 0, last_error = ''
WHERE kind = sqlc.arg(kind) AND subject = sqlc.arg(subject) AND attempts > 0;

-- name: DeliveryDue :one
SELECT due_at FROM deliveries WHERE kind = sqlc.arg(kind) AND subject = sqlc.arg(subject);

-- name: FinishDeliveries :exec
-- The deliveries of several subjects of the same length, joined.
WITH RECURSIVE n AS (SELECT 0 AS i UNION ALL SELECT n.i + 1 AS i FROM n WHERE n.i + 1 < CAST(sqlc.arg(count) AS BIGINT))
DELETE FROM deliveries WHERE deliveries.kind = sqlc.arg(kind)
  AND deliveries.subject IN (SELECT substr(CAST(sqlc.arg(joined) AS TEXT), CAST(n.i * CAST(sqlc.arg(length) AS BIGINT) + 1 AS INTEGER), CAST(sqlc.arg(length) AS INTEGER)) FROM n);
