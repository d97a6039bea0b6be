-- name: InsertOrganization :exec
INSERT INTO organizations (id, name, created_at) VALUES (sqlc.arg(id), sqlc.arg(name), sqlc.arg(created_at));

-- name: GetOrganization :one
SELECT * FROM organizations WHERE id = sqlc.arg(id);

-- name: ListOrganizations :many
SELECT * FROM organizations ORDER BY id;

-- name: SetOrganization :execrows
UPDATE organizations SET suspended_at = sqlc.narg(suspended_at), widget_enabled = sqlc.arg(widget_enabled),
  max_file_size = sqlc.narg(max_file_size), access_code_ttl = sqlc.narg(access_code_ttl),
  duplicate_titles = sqlc.arg(duplicate_titles), asset_storage = sqlc.arg(asset_storage), quota = sqlc.narg(quota),
  imprint = sqlc.arg(imprint)
WHERE id = sqlc.arg(id);

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

-- name: KeyBySiteKey :one
SELECT sqlc.embed(k), sqlc.embed(o),
  CAST(COALESCE((SELECT string_agg(pattern, ' ') FROM origins WHERE organization_id = o.id), '') AS TEXT) AS origins,
  s.jti, s.revoked_at, CAST(COALESCE(s.action, '') AS TEXT) AS action, CAST(COALESCE(s.network, '') AS TEXT) AS network, CAST(COALESCE(s.end_user, '') AS TEXT) AS end_user
FROM site_keys k JOIN organizations o ON o.id = k.organization_id
  LEFT JOIN sessions s ON s.jti = sqlc.arg(jti) AND s.site_key = k.site_key AND s.organization_id = o.id
WHERE k.site_key = sqlc.arg(site_key);

-- name: AddOrigin :exec
INSERT INTO origins (organization_id, pattern, created_at) VALUES (sqlc.arg(organization_id), sqlc.arg(pattern), sqlc.arg(created_at))
ON CONFLICT (organization_id, pattern) DO NOTHING;

-- name: RemoveOrigin :execrows
DELETE FROM origins WHERE organization_id = sqlc.arg(organization_id) AND pattern = sqlc.arg(pattern);

-- name: ListOrigins :many
SELECT pattern FROM origins WHERE organization_id = sqlc.arg(organization_id) ORDER BY pattern;

-- name: AllOrigins :many
SELECT DISTINCT pattern FROM origins;

-- name: LockOrganization :exec
UPDATE organizations SET quota = quota WHERE id = sqlc.arg(id);
