-- name: InsertSiteKey :exec
INSERT INTO site_keys (site_key, organization_id, secret_hash, test, label, created_at)
VALUES (sqlc.arg(site_key), sqlc.arg(organization_id), sqlc.arg(secret_hash), sqlc.arg(test), sqlc.arg(label), sqlc.arg(created_at));

-- name: ListSiteKeys :many
SELECT * FROM site_keys WHERE organization_id = sqlc.arg(organization_id) ORDER BY created_at, site_key;

-- name: CountSiteKeys :one
SELECT COUNT(*) FROM site_keys WHERE organization_id = sqlc.arg(organization_id) AND deleted_at IS NULL;

-- name: GetSiteKey :one
SELECT * FROM site_keys WHERE site_key = sqlc.arg(site_key) AND organization_id = sqlc.arg(organization_id);

-- name: OrganizationOfSiteKey :one
SELECT organization_id FROM site_keys WHERE site_key = sqlc.arg(site_key);

-- name: SetSiteKeyDisabled :execrows
UPDATE site_keys SET disabled_at = sqlc.narg(disabled_at)
WHERE site_key = sqlc.arg(site_key) AND organization_id = sqlc.arg(organization_id) AND deleted_at IS NULL;

-- name: SetSiteKeyLabel :execrows
UPDATE site_keys SET label = sqlc.arg(label)
WHERE site_key = sqlc.arg(site_key) AND organization_id = sqlc.arg(organization_id) AND deleted_at IS NULL;

-- name: RotateSiteKey :execrows
-- The secret that was current becomes the previous one. A secret before it is forgotten.
UPDATE site_keys SET previous_hash = secret_hash, previous_until = sqlc.arg(previous_until), secret_hash = sqlc.arg(secret_hash)
WHERE site_key = sqlc.arg(site_key) AND organization_id = sqlc.arg(organization_id) AND deleted_at IS NULL;

-- name: DeleteSiteKey :execrows
UPDATE site_keys SET deleted_at = sqlc.arg(deleted_at)
WHERE site_key = sqlc.arg(site_key) AND organization_id = sqlc.arg(organization_id) AND deleted_at IS NULL;

-- name: KeyBySecretHash :one
SELECT sqlc.embed(k), sqlc.embed(o),
  CAST(COALESCE((SELECT string_agg(pattern, ' ') FROM origins WHERE organization_id = o.id), '') AS TEXT) AS origins
FROM site_keys k JOIN organizations o ON o.id = k.organization_id
WHERE k.secret_hash = sqlc.arg(secret_hash);

-- name: SiteKeyByPreviousHash :one
-- The current secret of the pair whose previous secret is still valid.
SELECT secret_hash FROM site_keys WHERE previous_hash = sqlc.arg(previous_hash) AND previous_until > sqlc.arg(now);
