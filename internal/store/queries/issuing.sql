-- name: CountUncertified :one
SELECT CAST((SELECT COUNT(*) FROM versions a WHERE a.certificate_key = '' AND a.creators <> '' AND a.timestamp_until = 0)
  + (SELECT COUNT(*) FROM versions b WHERE b.timestamp_until > 0 AND b.creators <> '') AS BIGINT);

-- name: HasUnqueued :one
-- A version that waits for its certificate and has no delivery: the release before made it final.
SELECT EXISTS (SELECT 1 FROM versions v WHERE v.certificate_key = '' AND v.creators <> '' AND v.timestamp_until = 0
  AND NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.kind = 'certificate' AND d.subject = v.transaction_id));

-- name: EnqueueUnqueued :execrows
INSERT INTO deliveries (kind, subject, work_id, organization_id, created_at)
SELECT 'certificate', v.transaction_id, v.work_id, v.organization_id, CAST(sqlc.arg(now) AS BIGINT) FROM versions v
WHERE v.certificate_key = '' AND v.creators <> '' AND v.timestamp_until = 0
  AND NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.kind = 'certificate' AND d.subject = v.transaction_id)
ON CONFLICT (kind, subject) DO NOTHING;

-- name: EnqueueCertificate :execrows
-- For a version whose time stamp is decided; a version of an erased work gets none.
INSERT INTO deliveries (kind, subject, work_id, organization_id, created_at)
SELECT 'certificate', v.transaction_id, v.work_id, v.organization_id, CAST(sqlc.arg(now) AS BIGINT) FROM versions v
WHERE v.work_id = sqlc.arg(work_id) AND v.version = sqlc.arg(version) AND v.certificate_key = '' AND v.creators <> '' AND v.timestamp_until = 0
ON CONFLICT (kind, subject) DO NOTHING;

-- name: HasUnneeded :one
-- A delivery whose certificate exists, or whose work is erased: the release before did that.
SELECT EXISTS (SELECT 1 FROM deliveries d WHERE d.kind = 'certificate'
  AND NOT EXISTS (SELECT 1 FROM versions v WHERE v.transaction_id = d.subject AND v.certificate_key = '' AND v.creators <> ''));

-- name: DropUnneeded :execrows
DELETE FROM deliveries WHERE kind = 'certificate'
  AND NOT EXISTS (SELECT 1 FROM versions v WHERE v.transaction_id = deliveries.subject AND v.certificate_key = '' AND v.creators <> '');

-- name: VersionOfTransaction :one
SELECT * FROM versions WHERE transaction_id = sqlc.arg(transaction_id);

-- name: SetCertificate :execrows
UPDATE versions SET certificate_key = sqlc.arg(certificate_key) WHERE work_id = sqlc.arg(work_id) AND version = sqlc.arg(version) AND certificate_key = '' AND creators <> '';

-- name: SetIssued :execrows
UPDATE versions SET issued_at = sqlc.arg(now) WHERE work_id = sqlc.arg(work_id) AND version = sqlc.arg(version) AND issued_at = 0;

-- name: NextUnstamped :one
-- Like NextDelivery.
WITH RECURSIVE o AS (
  SELECT MIN(f.organization_id) AS id FROM versions f WHERE f.timestamp_until > 0 AND f.organization_id > sqlc.arg(after)
  UNION ALL
  SELECT (SELECT MIN(n.organization_id) FROM versions n WHERE n.timestamp_until > 0 AND n.organization_id > o.id) FROM o WHERE o.id IS NOT NULL
)
SELECT v.work_id, v.version, v.commitment, v.organization_id, v.timestamp_at, v.timestamp_tries FROM versions v WHERE v.transaction_id = (
  SELECT t.id FROM (SELECT (
    SELECT d.transaction_id FROM versions d WHERE d.timestamp_until > 0 AND d.organization_id = o.id AND d.timestamp_at <= sqlc.arg(now)
    ORDER BY d.timestamp_at, d.transaction_id DESC LIMIT 1) AS id FROM o WHERE o.id IS NOT NULL) t
  WHERE t.id IS NOT NULL LIMIT 1);

-- name: TryTimestamp :execrows
-- Like LeaseDelivery.
UPDATE versions SET timestamp_at = sqlc.arg(again_at)
WHERE work_id = sqlc.arg(work_id) AND version = sqlc.arg(version) AND timestamp_until > 0 AND timestamp_at = sqlc.arg(seen);

-- name: RetryTimestamp :exec
UPDATE versions SET timestamp_at = sqlc.arg(again_at), timestamp_tries = sqlc.arg(tries)
WHERE work_id = sqlc.arg(work_id) AND version = sqlc.arg(version) AND timestamp_until > 0;

-- name: OverdueTimestamps :many
-- The longest waiting first: each costs almost nothing.
SELECT work_id, version FROM versions WHERE timestamp_until > 0 AND timestamp_until <= sqlc.arg(until) ORDER BY timestamp_until LIMIT sqlc.arg(lim);

-- name: DismissTimestamps :execrows
UPDATE versions SET timestamp_until = 0 WHERE timestamp_until > 0;

-- name: DecideTimestamp :execrows
UPDATE versions SET timestamp_until = 0 WHERE work_id = sqlc.arg(work_id) AND version = sqlc.arg(version) AND timestamp_until > 0;

-- name: InsertTimestamp :exec
INSERT INTO timestamps (work_id, version, token) VALUES (sqlc.arg(work_id), sqlc.arg(version), sqlc.arg(token));

-- name: Timestamp :one
SELECT token FROM timestamps WHERE work_id = sqlc.arg(work_id) AND version = sqlc.arg(version);
