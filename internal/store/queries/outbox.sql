-- name: EnqueueDelivery :exec
INSERT INTO deliveries (kind, subject, work_id, organization_id, created_at)
VALUES (sqlc.arg(kind), sqlc.arg(subject), sqlc.arg(work_id), sqlc.arg(organization_id), sqlc.arg(now)) ON CONFLICT (kind, subject) DO NOTHING;

-- name: NextDelivery :one
-- The newest delivery of the next organization that has one due: new ones before those
-- that were tried. A join with o would leave the order to the database, which could skip
-- an organization.
WITH RECURSIVE o AS (
  SELECT MIN(f.organization_id) AS id FROM deliveries f WHERE f.kind = sqlc.arg(kind) AND f.lane = '' AND f.organization_id > sqlc.arg(after)
  UNION ALL
  SELECT (SELECT MIN(n.organization_id) FROM deliveries n WHERE n.kind = sqlc.arg(kind) AND n.lane = '' AND n.organization_id > o.id) FROM o WHERE o.id IS NOT NULL
)
SELECT v.* FROM deliveries v WHERE v.kind = sqlc.arg(kind) AND v.subject = (
  SELECT t.id FROM (SELECT (
    SELECT d.subject FROM deliveries d WHERE d.kind = sqlc.arg(kind) AND d.lane = '' AND d.organization_id = o.id AND d.due_at <= sqlc.arg(now)
    ORDER BY d.due_at, d.subject DESC LIMIT 1) AS id FROM o WHERE o.id IS NOT NULL) t
  WHERE t.id IS NOT NULL LIMIT 1);

-- name: OldestDelivery :one
-- The oldest delivery of an organization that was never tried.
SELECT * FROM deliveries WHERE kind = sqlc.arg(kind) AND lane = '' AND organization_id = sqlc.arg(organization_id) AND due_at = 0
ORDER BY due_at DESC, subject LIMIT 1;

-- name: LeaseDelivery :execrows
-- Only if the row is unchanged: two workers never take the same delivery.
UPDATE deliveries SET due_at = sqlc.arg(until) WHERE kind = sqlc.arg(kind) AND subject = sqlc.arg(subject) AND due_at = sqlc.arg(seen);

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
