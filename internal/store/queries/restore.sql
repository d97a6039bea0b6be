-- name: EndSessions :execrows
-- After a restore: tokens that were used or revoked after the backup must not work again.
-- It ends a limited number of sessions, because one statement over all sessions of a
-- large site would reach the statement timeout of Postgres.
UPDATE sessions SET revoked_at = CAST(sqlc.arg(now) AS BIGINT)
WHERE jti IN (SELECT s.jti FROM sessions s WHERE s.revoked_at IS NULL LIMIT sqlc.arg(lim));
