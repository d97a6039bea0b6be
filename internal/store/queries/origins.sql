-- name: AddOrigin :execrows
INSERT INTO origins (organization_id, pattern, created_at) VALUES (sqlc.arg(organization_id), sqlc.arg(pattern), sqlc.arg(created_at))
ON CONFLICT (organization_id, pattern) DO NOTHING;

-- name: RemoveOrigin :execrows
DELETE FROM origins WHERE organization_id = sqlc.arg(organization_id) AND pattern = sqlc.arg(pattern);

-- name: ListOrigins :many
SELECT * FROM origins WHERE organization_id = sqlc.arg(organization_id) ORDER BY pattern;

-- name: AllOrigins :many
SELECT DISTINCT pattern FROM origins;
