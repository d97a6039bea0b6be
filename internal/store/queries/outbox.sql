-- name: EnqueueDelivery :exec
INSERT INTO deliveries (kind, subject, work_id, organization_id, created_at)
VALUES (sqlc.arg(kind), sqlc.arg(subject), sqlc.arg(work_id), sqlc.arg(organization_id), sqlc.arg(now)) ON CONFLICT (kind, subject) DO NOTHING;

-- name: DueOrganizations :many
-- The next organizations after one, in their order, that have a delivery that is due.
WITH RECURSIVE o AS (
  SELECT MIN(f.organization_id) AS id FROM deliveries f WHERE f.kind = sqlc.arg(kind) AND f.lane = '' AND f.organization_id > sqlc.arg(after)
  UNION ALL
  SELECT (SELECT MIN(n.organization_id) FROM deliveries n WHERE n.kind = sqlc.arg(kind) AND n.lane = '' AND n.organization_id > o.id) FROM o WHERE o.id IS NOT NULL
)
SELECT CAST(o.id AS TEXT) AS organization_id FROM o
WHERE o.id IS NOT NULL AND EXISTS (SELECT 1 FROM deliveries d WHERE d.kind = sqlc.arg(kind) AND d.lane = '' AND d.organization_id = o.id AND d.due_at <= sqlc.arg(now))
LIMIT sqlc.arg(lim);

-- name: LeaseTurn :many
-- Some deliveries of an organization that are due: the newest, with those that were tried after
-- those that were not, and the oldest that were never tried. The outer condition on due_at is
-- checked again when another worker was first: two workers never take the same delivery. The
-- condition on attempts keeps SQLite from reading the whole kind in an index without it.
UPDATE deliveries SET due_at = sqlc.arg(until)
WHERE deliveries.kind = sqlc.arg(kind) AND deliveries.due_at <= sqlc.arg(now) AND deliveries.attempts >= 0 AND deliveries.subject IN (
  SELECT a.subject FROM (SELECT d.subject FROM deliveries d WHERE d.kind = sqlc.arg(kind) AND d.lane = '' AND d.organization_id = sqlc.arg(organization_id) AND d.due_at <= sqlc.arg(now)
    ORDER BY d.due_at, d.subject DESC LIMIT sqlc.arg(newest)) a
  UNION ALL SELECT b.subject FROM (SELECT e.subject FROM deliveries e WHERE e.kind = sqlc.arg(kind) AND e.lane = '' AND e.organization_id = sqlc.arg(organization_id) AND e.due_at = 0
    ORDER BY e.due_at DESC, e.subject LIMIT sqlc.arg(oldest)) b)
RETURNING *;

-- name: ReturnDelivery :exec
-- Only while the caller has the lease.
UPDATE deliveries SET due_at = sqlc.arg(due_at) WHERE kind = sqlc.arg(kind) AND subject = sqlc.arg(subject) AND due_at = sqlc.arg(lease);

-- name: RetryDelivery :exec
-- Like ReturnDelivery.
UPDATE deliveries SET due_at = sqlc.arg(due_at), attempts = attempts + 1, last_error = sqlc.arg(last_error)
WHERE kind = sqlc.arg(kind) AND subject = sqlc.arg(subject) AND due_at = sqlc.arg(lease);

-- name: FinishDelivery :exec
DELETE FROM deliveries WHERE kind = sqlc.arg(kind) AND subject = sqlc.arg(subject);

-- name: CountDeliveries :one
-- A delivery with a lane, and one without, are in different indexes. A kind has only one of both.
SELECT CAST((SELECT COUNT(*) FROM deliveries a WHERE a.kind = sqlc.arg(kind) AND a.lane = '') + (SELECT COUNT(*) FROM deliveries e WHERE e.kind = sqlc.arg(kind) AND e.lane <> '') AS BIGINT) AS waiting,
  CAST((SELECT COUNT(*) FROM deliveries b WHERE b.kind = sqlc.arg(kind) AND b.lane = '' AND b.due_at <= sqlc.arg(now)) + (SELECT COUNT(*) FROM deliveries f WHERE f.kind = sqlc.arg(kind) AND f.lane <> '' AND f.due_at <= sqlc.arg(now)) AS BIGINT) AS due,
  (SELECT COUNT(*) FROM deliveries c WHERE c.kind = sqlc.arg(kind) AND c.attempts > 0) AS failing,
  CAST(COALESCE((SELECT MIN(d.created_at) FROM deliveries d WHERE d.kind = sqlc.arg(kind) AND d.lane = ''), (SELECT MIN(g.created_at) FROM deliveries g WHERE g.kind = sqlc.arg(kind) AND g.lane <> ''), 0) AS BIGINT) AS oldest;
