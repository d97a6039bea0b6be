-- name: OrganizationWorks :many
-- The works of an organization on one network, without the erased ones, the last changed first. It reads a
-- limited number of works, whatever their titles.
SELECT sqlc.embed(w), sqlc.embed(v) FROM works w JOIN versions v ON v.work_id = w.id
WHERE w.id IN (
  SELECT p.id FROM (
    SELECT r.id, r.updated_at, r.title_key, r.redacted_at FROM works r
    WHERE r.organization_id = sqlc.arg(organization_id) AND r.network = sqlc.arg(network) AND r.test = sqlc.arg(test)
      AND r.updated_at <= sqlc.arg(before) AND (r.updated_at < sqlc.arg(before) OR r.id < sqlc.arg(before_id))
    ORDER BY r.updated_at DESC, r.id DESC LIMIT sqlc.arg(read)) p
  WHERE p.redacted_at IS NULL AND p.title_key LIKE CAST(sqlc.arg(pattern) AS TEXT) ESCAPE '!'
  ORDER BY p.updated_at DESC, p.id DESC LIMIT sqlc.arg(lim))
ORDER BY w.updated_at DESC, w.id DESC, v.version;

-- name: LastReadOfOrganization :one
-- The last work that OrganizationWorks reads, if it does not read all of them: skip is one less than what it reads.
SELECT r.updated_at, r.id FROM works r
WHERE r.organization_id = sqlc.arg(organization_id) AND r.network = sqlc.arg(network) AND r.test = sqlc.arg(test)
  AND r.updated_at <= sqlc.arg(before) AND (r.updated_at < sqlc.arg(before) OR r.id < sqlc.arg(before_id))
ORDER BY r.updated_at DESC, r.id DESC LIMIT 1 OFFSET sqlc.arg(skip);

-- name: CountSomeOrganizationWorks :one
-- At most a number of works.
SELECT COUNT(*) FROM (SELECT 1 FROM works p WHERE p.organization_id = sqlc.arg(organization_id) AND p.network = sqlc.arg(network) AND p.test = sqlc.arg(test)
  AND p.redacted_at IS NULL LIMIT sqlc.arg(lim)) few;

-- name: CountManyOrganizationWorks :one
-- The daily counts without the erased works: their cost does not grow with the works.
SELECT CAST(COALESCE((SELECT SUM(d.count) FROM daily_counts d WHERE d.organization_id = sqlc.arg(organization_id) AND d.network = sqlc.arg(network)
    AND d.test = sqlc.arg(test) AND d.kind = 'register' AND d.code = ''), 0)
  - (SELECT COUNT(*) FROM works e WHERE e.organization_id = sqlc.arg(organization_id) AND e.network = sqlc.arg(network) AND e.test = sqlc.arg(test)
    AND e.redacted_at IS NOT NULL) AS BIGINT);

-- name: CountOrganizationWorks :one
-- The works with a title, among a number of works that were changed last.
SELECT COUNT(*) FROM (SELECT r.title_key, r.redacted_at FROM works r
  WHERE r.organization_id = sqlc.arg(organization_id) AND r.network = sqlc.arg(network) AND r.test = sqlc.arg(test)
  ORDER BY r.updated_at DESC, r.id DESC LIMIT sqlc.arg(read)) p
WHERE p.redacted_at IS NULL AND p.title_key LIKE CAST(sqlc.arg(pattern) AS TEXT) ESCAPE '!';
