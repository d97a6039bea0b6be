-- name: EndSessions :execrows
-- After a restore: tokens that were used or revoked after the backup must not work again.
-- It ends a limited number of sessions, because one statement over all sessions of a
-- large site would reach the statement timeout of Postgres.
UPDATE sessions SET revoked_at = CAST(sqlc.arg(now) AS BIGINT)
WHERE jti IN (SELECT s.jti FROM sessions s WHERE s.revoked_at IS NULL LIMIT sqlc.arg(lim));

-- name: VersionFiles :many
-- The files that versions name, in pages: those after this version. Postgres does not conclude the condition on the works.
SELECT v.work_id, v.version, w.network, w.ats_id, v.asset_key, v.media, v.certificate_key FROM versions v JOIN works w ON w.id = v.work_id
WHERE v.work_id >= sqlc.arg(work_id) AND w.id >= sqlc.arg(work_id) AND (v.work_id > sqlc.arg(work_id) OR v.version > sqlc.arg(version))
ORDER BY v.work_id, v.version LIMIT sqlc.arg(lim);
