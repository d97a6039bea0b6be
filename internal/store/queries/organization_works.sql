-- name: OrganizationWorks :many
-- The works of an organization on one network, without the erased ones, the last changed first.
SELECT sqlc.embed(w), sqlc.embed(v) FROM works w JOIN versions v ON v.work_id = w.id
WHERE w.id IN (
  SELECT p.id FROM works p
  WHERE p.organization_id = sqlc.arg(organization_id) AND p.network = sqlc.arg(network) AND p.test = sqlc.arg(test) AND p.redacted_at IS NULL
    AND p.title_key LIKE CAST(sqlc.arg(pattern) AS TEXT) ESCAPE '!'
    AND p.updated_at <= sqlc.arg(before) AND (p.updated_at < sqlc.arg(before) OR p.id < sqlc.arg(before_id))
  ORDER BY p.updated_at DESC, p.id DESC LIMIT sqlc.arg(lim))
ORDER BY w.updated_at DESC, w.id DESC, v.version;

-- name: CountOrganizationWorks :one
SELECT COUNT(*) FROM works WHERE organization_id = sqlc.arg(organization_id) AND network = sqlc.arg(network) AND test = sqlc.arg(test) AND redacted_at IS NULL
  AND title_key LIKE CAST(sqlc.arg(pattern) AS TEXT) ESCAPE '!';
