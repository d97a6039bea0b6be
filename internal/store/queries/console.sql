-- name: MembershipOf :one
SELECT o.id, o.name, o.suspended_at, m.role FROM memberships m JOIN organizations o ON o.id = m.organization_id
WHERE m.organization_id = sqlc.arg(organization_id) AND m.person_id = sqlc.arg(person_id);
