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

-- name: LockOrganization :exec
UPDATE organizations SET quota = quota WHERE id = sqlc.arg(id);
