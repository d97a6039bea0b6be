-- name: OrganizationOfAPIKey :one
SELECT organization_id FROM api_keys WHERE id = sqlc.arg(id);
