-- name: InsertSession :exec
INSERT INTO sessions (jti, organization_id, site_key, expires_at)
VALUES (sqlc.arg(jti), sqlc.arg(organization_id), sqlc.arg(site_key), sqlc.arg(expires_at));

-- name: GetSession :one
SELECT * FROM sessions WHERE jti = sqlc.arg(jti);

-- name: SpendSession :execrows
UPDATE sessions SET job_id = sqlc.arg(job_id)
WHERE jti = sqlc.arg(jti) AND job_id IS NULL AND revoked_at IS NULL AND expires_at > sqlc.arg(now);

-- name: RevokeSession :execrows
UPDATE sessions SET revoked_at = sqlc.arg(revoked_at) WHERE jti = sqlc.arg(jti) AND revoked_at IS NULL;

-- name: SweepSessions :execrows
DELETE FROM sessions WHERE expires_at < sqlc.arg(before);
