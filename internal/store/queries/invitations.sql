-- name: InsertInvitation :exec
INSERT INTO invitations (id, organization_id, email, role, invited_by, created_at, expires_at)
VALUES (sqlc.arg(id), sqlc.arg(organization_id), sqlc.arg(email), sqlc.arg(role), sqlc.arg(invited_by), sqlc.arg(created_at), sqlc.arg(expires_at));

-- name: GetInvitation :one
SELECT i.*, o.name AS organization_name FROM invitations i JOIN organizations o ON o.id = i.organization_id
WHERE i.id = sqlc.arg(id) AND i.expires_at > sqlc.arg(now);

-- name: InvitationOfOrganization :one
SELECT * FROM invitations WHERE organization_id = sqlc.arg(organization_id) AND id = sqlc.arg(id);

-- name: InvitationByEmail :one
SELECT * FROM invitations WHERE organization_id = sqlc.arg(organization_id) AND email = sqlc.arg(email);

-- name: ListInvitations :many
SELECT * FROM invitations WHERE organization_id = sqlc.arg(organization_id) AND email > sqlc.arg(after)
  AND email LIKE CAST(sqlc.arg(pattern) AS TEXT) ESCAPE '!'
ORDER BY email LIMIT sqlc.arg(lim);

-- name: CountInvitations :one
SELECT CAST(COUNT(*) AS BIGINT) FROM invitations WHERE organization_id = sqlc.arg(organization_id);

-- name: RenewInvitation :exec
UPDATE invitations SET expires_at = sqlc.arg(expires_at) WHERE id = sqlc.arg(id);

-- name: DeleteInvitation :execrows
DELETE FROM invitations WHERE organization_id = sqlc.arg(organization_id) AND id = sqlc.arg(id);

-- name: SweepInvitations :execrows
DELETE FROM invitations WHERE id IN (SELECT i.id FROM invitations i WHERE i.expires_at < sqlc.arg(before) ORDER BY i.expires_at LIMIT sqlc.arg(lim));

-- name: CountInvitationsTo :one
SELECT CAST(COUNT(*) AS BIGINT) FROM invitations WHERE email = sqlc.arg(email) AND expires_at > sqlc.arg(now);

-- name: ListInvitationsBack :many
SELECT * FROM invitations WHERE organization_id = sqlc.arg(organization_id) AND email < sqlc.arg(before)
  AND email LIKE CAST(sqlc.arg(pattern) AS TEXT) ESCAPE '!'
ORDER BY email DESC LIMIT sqlc.arg(lim);
