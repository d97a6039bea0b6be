-- name: PlaceOf :one
-- A person's role in an organization ('': none), and whether the person visits it as operator.
SELECT o.id, o.name, o.suspended_at, CAST(COALESCE(m.role, '') AS TEXT) AS role,
  CAST((SELECT COUNT(*) FROM operator_visits v JOIN people p ON p.id = v.person_id AND p.operator
    WHERE v.person_id = sqlc.arg(person_id) AND v.organization_id = o.id AND v.expires_at > sqlc.arg(now)) AS BIGINT) AS visits
FROM organizations o LEFT JOIN memberships m ON m.organization_id = o.id AND m.person_id = sqlc.arg(person_id)
WHERE o.id = sqlc.arg(organization_id);

-- name: PutOperatorVisit :exec
INSERT INTO operator_visits (person_id, organization_id, expires_at) VALUES (sqlc.arg(person_id), sqlc.arg(organization_id), sqlc.arg(expires_at))
ON CONFLICT (person_id, organization_id) DO UPDATE SET expires_at = excluded.expires_at;

-- name: DeleteOperatorVisits :exec
DELETE FROM operator_visits WHERE person_id = sqlc.arg(person_id);

-- name: SweepOperatorVisits :execrows
DELETE FROM operator_visits WHERE (person_id, organization_id) IN (SELECT x.person_id, x.organization_id FROM operator_visits x WHERE x.expires_at < sqlc.arg(now) ORDER BY x.expires_at LIMIT sqlc.arg(lim));

-- name: LockOperators :many
-- The row locks order changes of operators.
UPDATE people SET revision = revision WHERE operator RETURNING id;

-- name: FindOrganizations :many
-- before '': from the newest.
SELECT id, name, suspended_at, created_at FROM organizations
WHERE (CAST(sqlc.arg(before) AS TEXT) = '' OR id < CAST(sqlc.arg(before) AS TEXT))
  AND (LOWER(name) LIKE CAST(sqlc.arg(pattern) AS TEXT) ESCAPE '!' OR id LIKE CAST(sqlc.arg(pattern) AS TEXT) ESCAPE '!')
ORDER BY id DESC LIMIT sqlc.arg(lim);

-- name: FindOrganizationsBack :many
SELECT id, name, suspended_at, created_at FROM organizations
WHERE id > sqlc.arg(after)
  AND (LOWER(name) LIKE CAST(sqlc.arg(pattern) AS TEXT) ESCAPE '!' OR id LIKE CAST(sqlc.arg(pattern) AS TEXT) ESCAPE '!')
ORDER BY id LIMIT sqlc.arg(lim);

-- name: SetSuspended :execrows
UPDATE organizations SET suspended_at = sqlc.narg(suspended_at), revision = revision + 1
WHERE id = sqlc.arg(id) AND (suspended_at IS NULL) = (CAST(sqlc.narg(suspended_at) AS BIGINT) IS NOT NULL);
