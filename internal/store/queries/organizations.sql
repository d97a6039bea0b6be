-- name: InsertOrganization :exec
INSERT INTO organizations (id, name, created_at) VALUES (sqlc.arg(id), sqlc.arg(name), sqlc.arg(created_at));

-- name: GetOrganization :one
SELECT * FROM organizations WHERE id = sqlc.arg(id);

-- name: ListOrganizations :many
SELECT * FROM organizations WHERE id > sqlc.arg(after) ORDER BY id LIMIT sqlc.arg(lim);

-- name: SetOrganization :exec
UPDATE organizations SET name = sqlc.arg(name), suspended_at = sqlc.narg(suspended_at), widget_enabled = sqlc.arg(widget_enabled),
  max_file_size = sqlc.narg(max_file_size), access_code_ttl = sqlc.narg(access_code_ttl),
  duplicate_titles = sqlc.arg(duplicate_titles), asset_storage = sqlc.arg(asset_storage), quota = sqlc.narg(quota),
  imprint = sqlc.arg(imprint), issuer_name = sqlc.arg(issuer_name), logo_hash = sqlc.narg(logo_hash), low_credits = sqlc.narg(low_credits),
  revision = revision + 1
WHERE id = sqlc.arg(id);

-- name: PutLogo :exec
INSERT INTO organization_logos (organization_id, image, hash, width, height, created_at)
VALUES (sqlc.arg(organization_id), sqlc.arg(image), sqlc.arg(hash), sqlc.arg(width), sqlc.arg(height), sqlc.arg(created_at))
ON CONFLICT (organization_id) DO UPDATE SET image = excluded.image, hash = excluded.hash, width = excluded.width, height = excluded.height, created_at = excluded.created_at;

-- name: DeleteLogo :exec
DELETE FROM organization_logos WHERE organization_id = sqlc.arg(organization_id);

-- name: GetLogo :one
SELECT * FROM organization_logos WHERE organization_id = sqlc.arg(organization_id);

-- name: LockOrganization :exec
UPDATE organizations SET quota = quota WHERE id = sqlc.arg(id);
