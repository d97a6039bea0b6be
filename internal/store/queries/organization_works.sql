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
