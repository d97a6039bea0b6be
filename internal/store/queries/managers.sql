-- name: ListManagers :many
-- The owners and admins of an organization, for mails.
SELECT p.id, p.email, p.language, o.name AS organization FROM memberships m JOIN people p ON p.id = m.person_id JOIN organizations o ON o.id = m.organization_id
WHERE m.organization_id = sqlc.arg(organization_id) AND m.role IN ('owner', 'admin') ORDER BY m.email LIMIT sqlc.arg(lim);
