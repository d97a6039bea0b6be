-- name: InsertAPIKey :exec
INSERT INTO api_keys (id, organization_id, hash, prefix, last_four, test, name, scopes, max_file_size, webhook_url, created_by, created_at, expires_at)
VALUES (sqlc.arg(id), sqlc.arg(organization_id), sqlc.arg(hash), sqlc.arg(prefix), sqlc.arg(last_four), sqlc.arg(test), sqlc.arg(name), sqlc.arg(scopes),
  sqlc.narg(max_file_size), sqlc.arg(webhook_url), sqlc.arg(created_by), sqlc.arg(created_at), sqlc.narg(expires_at));

-- name: APIKeyByHash :one
SELECT sqlc.embed(k), sqlc.embed(o) FROM api_keys k JOIN organizations o ON o.id = k.organization_id WHERE k.hash = sqlc.arg(hash);

-- name: GetAPIKey :one
SELECT * FROM api_keys WHERE id = sqlc.arg(id) AND organization_id = sqlc.arg(organization_id);

-- name: ListAPIKeys :many
-- Newest first; before is the id of the last key of the page before, or '~'.
SELECT * FROM api_keys WHERE organization_id = sqlc.arg(organization_id) AND id < sqlc.arg(before)
ORDER BY id DESC LIMIT sqlc.arg(lim);

-- name: CountLiveAPIKeys :one
SELECT COUNT(*) FROM api_keys
WHERE organization_id = sqlc.arg(organization_id) AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > CAST(sqlc.arg(now) AS BIGINT));

-- name: RevokeAPIKey :execrows
UPDATE api_keys SET revoked_at = CAST(sqlc.arg(now) AS BIGINT)
WHERE id = sqlc.arg(id) AND organization_id = sqlc.arg(organization_id) AND revoked_at IS NULL;

-- name: UseAPIKey :exec
-- Several processes write the uses that they met: the last one stays.
UPDATE api_keys SET last_used_at = CAST(sqlc.arg(used_at) AS BIGINT), last_used_from = sqlc.arg(used_from)
WHERE id = sqlc.arg(id) AND (last_used_at IS NULL OR last_used_at < CAST(sqlc.arg(used_at) AS BIGINT));
