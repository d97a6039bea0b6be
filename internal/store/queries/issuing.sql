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

-- name: IssuedTogether :many
-- The versions of several transactions, whose ids of 36 characters are joined, with their works and tokens.
WITH RECURSIVE n AS (SELECT 0 AS i UNION ALL SELECT n.i + 1 AS i FROM n WHERE n.i + 1 < CAST(sqlc.arg(count) AS BIGINT))
SELECT sqlc.embed(v), sqlc.embed(w), s.token FROM versions v JOIN works w ON w.id = v.work_id LEFT JOIN timestamps s ON s.work_id = v.work_id AND s.version = v.version
WHERE v.transaction_id IN (SELECT substr(CAST(sqlc.arg(joined) AS TEXT), CAST(n.i * 36 + 1 AS INTEGER), 36) FROM n);

-- name: BlocksTogether :many
-- The blocks of several transactions, as IssuedTogether.
WITH RECURSIVE n AS (SELECT 0 AS i UNION ALL SELECT n.i + 1 AS i FROM n WHERE n.i + 1 < CAST(sqlc.arg(count) AS BIGINT))
SELECT v.transaction_id, w.network, v.block_number, v.registered_at FROM versions v JOIN works w ON w.id = v.work_id
WHERE v.transaction_id IN (SELECT substr(CAST(sqlc.arg(joined) AS TEXT), CAST(n.i * 36 + 1 AS INTEGER), 36) FROM n);

-- name: SetAllIssued :execrows
-- Like SetIssued, for the versions of several transactions.
WITH RECURSIVE n AS (SELECT 0 AS i UNION ALL SELECT n.i + 1 AS i FROM n WHERE n.i + 1 < CAST(sqlc.arg(count) AS BIGINT))
UPDATE versions SET issued_at = sqlc.arg(now)
WHERE versions.transaction_id IN (SELECT substr(CAST(sqlc.arg(joined) AS TEXT), CAST(n.i * 36 + 1 AS INTEGER), 36) FROM n) AND issued_at = 0;

-- name: SetCertificates :many
-- The keys of the certificates of several transactions; see files.Certificate. It returns those that it set.
WITH RECURSIVE n AS (SELECT 0 AS i UNION ALL SELECT n.i + 1 AS i FROM n WHERE n.i + 1 < CAST(sqlc.arg(count) AS BIGINT))
UPDATE versions SET certificate_key = CAST(sqlc.arg(folder) AS TEXT) || work_id || '-' || CAST(version AS TEXT)
WHERE versions.transaction_id IN (SELECT substr(CAST(sqlc.arg(joined) AS TEXT), CAST(n.i * 36 + 1 AS INTEGER), 36) FROM n) AND certificate_key = '' AND creators <> ''
RETURNING versions.transaction_id;

-- name: SetIssued :execrows
UPDATE versions SET issued_at = sqlc.arg(now) WHERE work_id = sqlc.arg(work_id) AND version = sqlc.arg(version) AND issued_at = 0;

-- name: NextUnstamped :one
-- The newest version of the next organization that has one due: new ones before those that were
-- tried. A join with o would leave the order to the database, which could skip an organization.
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
-- Only if the row is unchanged: two workers never take the same version.
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
