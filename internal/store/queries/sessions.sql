-- name: KeyBySiteKey :one
SELECT sqlc.embed(k), sqlc.embed(o),
  CAST(COALESCE((SELECT string_agg(pattern, ' ') FROM origins WHERE organization_id = o.id), '') AS TEXT) AS origins,
  s.jti, s.revoked_at, CAST(COALESCE(s.action, '') AS TEXT) AS action, CAST(COALESCE(s.network, '') AS TEXT) AS network, CAST(COALESCE(s.end_user, '') AS TEXT) AS end_user, CAST(COALESCE(s.origin, '') AS TEXT) AS origin
FROM site_keys k JOIN organizations o ON o.id = k.organization_id
  LEFT JOIN sessions s ON s.jti = sqlc.arg(jti) AND s.site_key = k.site_key AND s.organization_id = o.id
WHERE k.site_key = sqlc.arg(site_key);

-- name: InsertSession :exec
-- A session that is there was inserted by a run of the mint whose commit was not seen.
INSERT INTO sessions (jti, organization_id, site_key, action, network, end_user, origin, expires_at)
VALUES (sqlc.arg(jti), sqlc.arg(organization_id), sqlc.arg(site_key), sqlc.arg(action), sqlc.arg(network), sqlc.arg(end_user), sqlc.arg(origin), sqlc.arg(expires_at))
ON CONFLICT (jti) DO NOTHING;

-- name: GetSession :one
SELECT * FROM sessions WHERE jti = sqlc.arg(jti);

-- name: SpendSession :execrows
UPDATE sessions SET job_id = sqlc.arg(job_id)
WHERE jti = sqlc.arg(jti) AND job_id IS NULL AND revoked_at IS NULL AND expires_at > sqlc.arg(now);

-- name: RevokeSession :execrows
-- One session. An argument that is '' matches everything.
UPDATE sessions SET revoked_at = CAST(sqlc.arg(now) AS BIGINT)
WHERE jti = sqlc.arg(jti) AND revoked_at IS NULL
  AND (CAST(sqlc.arg(organization_id) AS TEXT) = '' OR organization_id = CAST(sqlc.arg(organization_id) AS TEXT))
  AND (CAST(sqlc.arg(site_key) AS TEXT) = '' OR site_key = CAST(sqlc.arg(site_key) AS TEXT))
  AND (CAST(sqlc.arg(end_user) AS TEXT) = '' OR end_user = CAST(sqlc.arg(end_user) AS TEXT));

-- name: RevokeEndUser :execrows
-- Like RevokeSession, for one end-user of a site: found by an index.
UPDATE sessions SET revoked_at = CAST(sqlc.arg(now) AS BIGINT)
WHERE site_key = sqlc.arg(site_key) AND end_user = sqlc.arg(end_user) AND revoked_at IS NULL
  AND (CAST(sqlc.arg(organization_id) AS TEXT) = '' OR organization_id = CAST(sqlc.arg(organization_id) AS TEXT));

-- name: RevokeSessions :execrows
-- Like RevokeSession, for all sessions of a site: found by an index.
UPDATE sessions SET revoked_at = CAST(sqlc.arg(now) AS BIGINT)
WHERE site_key = sqlc.arg(site_key) AND revoked_at IS NULL
  AND (CAST(sqlc.arg(organization_id) AS TEXT) = '' OR organization_id = CAST(sqlc.arg(organization_id) AS TEXT));

-- name: ListSessions :many
SELECT * FROM sessions
WHERE organization_id = sqlc.arg(organization_id) AND (CAST(sqlc.arg(site_key) AS TEXT) = '' OR site_key = CAST(sqlc.arg(site_key) AS TEXT))
  AND (CAST(sqlc.arg(end_user) AS TEXT) = '' OR end_user = CAST(sqlc.arg(end_user) AS TEXT))
ORDER BY jti DESC LIMIT sqlc.arg(lim);

-- name: SweepSessions :execrows
DELETE FROM sessions WHERE jti IN (SELECT s.jti FROM sessions s WHERE s.expires_at < sqlc.arg(before) ORDER BY s.expires_at LIMIT sqlc.arg(lim));
