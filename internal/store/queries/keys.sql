-- name: InsertSiteKey :exec
INSERT INTO site_keys (site_key, organization_id, secret_hash, test, created_at)
VALUES (sqlc.arg(site_key), sqlc.arg(organization_id), sqlc.arg(secret_hash), sqlc.arg(test), sqlc.arg(created_at));

-- name: ListSiteKeys :many
SELECT * FROM site_keys WHERE organization_id = sqlc.arg(organization_id) ORDER BY created_at, site_key;

-- name: SetSiteKeyDisabled :execrows
UPDATE site_keys SET disabled_at = sqlc.narg(disabled_at) WHERE site_key = sqlc.arg(site_key) AND deleted_at IS NULL;

-- name: DeleteSiteKey :execrows
UPDATE site_keys SET deleted_at = sqlc.arg(deleted_at) WHERE site_key = sqlc.arg(site_key) AND deleted_at IS NULL;

-- name: KeyBySecretHash :one
SELECT sqlc.embed(k), sqlc.embed(o),
  CAST(COALESCE((SELECT string_agg(pattern, ' ') FROM origins WHERE organization_id = o.id), '') AS TEXT) AS origins
FROM site_keys k JOIN organizations o ON o.id = k.organization_id
WHERE k.secret_hash = sqlc.arg(secret_hash);
