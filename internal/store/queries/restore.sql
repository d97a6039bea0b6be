-- name: EndSessions :execrows
-- After a restore: tokens that were spent or revoked since the copy was made work no more.
-- So many at a time: a statement over all sessions of a large site takes longer than
-- Postgres is waited for.
UPDATE sessions SET revoked_at = CAST(sqlc.arg(now) AS BIGINT)
WHERE jti IN (SELECT s.jti FROM sessions s WHERE s.revoked_at IS NULL LIMIT sqlc.arg(lim));
