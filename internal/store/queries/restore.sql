-- name: EndAllSessions :execrows
-- After a restore: tokens that were spent or revoked since the copy was made work no more.
UPDATE sessions SET revoked_at = CAST(sqlc.arg(now) AS BIGINT) WHERE revoked_at IS NULL;
