-- name: NextUncertified :one
-- The newest version of the next organization that has one due: new ones before those
-- that were tried. A join with o would leave the order to the database, which could skip
-- an organization.
WITH RECURSIVE o AS (
  SELECT MIN(f.organization_id) AS id FROM versions f
  WHERE f.certificate_key = '' AND f.creators <> '' AND f.timestamp_until = 0 AND f.organization_id > sqlc.arg(after)
  UNION ALL
  SELECT (SELECT MIN(n.organization_id) FROM versions n WHERE n.certificate_key = '' AND n.creators <> '' AND n.timestamp_until = 0 AND n.organization_id > o.id)
  FROM o WHERE o.id IS NOT NULL
)
SELECT v.work_id, v.version, v.transaction_id, v.organization_id, v.certificate_at, v.certificate_tries FROM versions v WHERE v.transaction_id = (
  SELECT t.id FROM (SELECT (
    SELECT d.transaction_id FROM versions d
    WHERE d.certificate_key = '' AND d.creators <> '' AND d.timestamp_until = 0 AND d.organization_id = o.id AND d.certificate_at <= sqlc.arg(now)
    ORDER BY d.certificate_at, d.transaction_id DESC LIMIT 1) AS id FROM o WHERE o.id IS NOT NULL) t
  WHERE t.id IS NOT NULL LIMIT 1);

-- name: CountUncertified :one
SELECT CAST((SELECT COUNT(*) FROM versions a WHERE a.certificate_key = '' AND a.creators <> '' AND a.timestamp_until = 0)
  + (SELECT COUNT(*) FROM versions b WHERE b.timestamp_until > 0 AND b.creators <> '') AS BIGINT);

-- name: OldestUncertified :one
SELECT work_id, version, transaction_id, organization_id, certificate_at, certificate_tries FROM versions
WHERE certificate_key = '' AND creators <> '' AND timestamp_until = 0 AND organization_id = sqlc.arg(organization_id) AND certificate_at = 0
ORDER BY certificate_at DESC, transaction_id LIMIT 1;

-- name: TryCertificate :execrows
-- Only if the row is unchanged: two workers never make the same certificate.
UPDATE versions SET certificate_at = sqlc.arg(again_at)
WHERE work_id = sqlc.arg(work_id) AND version = sqlc.arg(version) AND certificate_key = '' AND creators <> '' AND certificate_at = sqlc.arg(seen);

-- name: RetryCertificate :exec
UPDATE versions SET certificate_at = sqlc.arg(again_at), certificate_tries = sqlc.arg(tries)
WHERE work_id = sqlc.arg(work_id) AND version = sqlc.arg(version) AND certificate_key = '';

-- name: SetCertificate :execrows
UPDATE versions SET certificate_key = sqlc.arg(certificate_key) WHERE work_id = sqlc.arg(work_id) AND version = sqlc.arg(version) AND certificate_key = '' AND creators <> '';

-- name: SetIssued :execrows
UPDATE versions SET issued_at = sqlc.arg(now) WHERE work_id = sqlc.arg(work_id) AND version = sqlc.arg(version) AND issued_at = 0;

-- name: NextUnstamped :one
-- Like NextUncertified.
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
-- Like TryCertificate.
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
