-- name: InsertPerson :exec
INSERT INTO people (id, email, email_verified, name, language, password_hash, operator, created_at)
VALUES (sqlc.arg(id), sqlc.arg(email), sqlc.arg(email_verified), sqlc.arg(name), sqlc.arg(language), sqlc.arg(password_hash), sqlc.arg(operator), sqlc.arg(created_at));

-- name: AnyPerson :one
SELECT CAST(EXISTS (SELECT 1 FROM people) AS BOOLEAN) AS found;

-- name: GetPerson :one
SELECT * FROM people WHERE id = sqlc.arg(id);

-- name: PersonByEmail :one
SELECT * FROM people WHERE email = sqlc.arg(email);

-- name: ListPeople :many
SELECT * FROM people WHERE email > sqlc.arg(after) AND email LIKE CAST(sqlc.arg(pattern) AS TEXT) ESCAPE '!' ORDER BY email LIMIT sqlc.arg(lim);

-- name: LockPerson :one
-- The row lock orders changes of one person.
UPDATE people SET revision = revision WHERE id = sqlc.arg(id) RETURNING *;

-- name: SetPersonProfile :execrows
UPDATE people SET name = sqlc.arg(name), language = sqlc.arg(language), revision = revision + 1 WHERE id = sqlc.arg(id) AND revision = sqlc.arg(revision);

-- name: SetPersonPassword :exec
UPDATE people SET password_hash = sqlc.arg(password_hash), revision = revision + 1 WHERE id = sqlc.arg(id);

-- name: SetPersonOperator :exec
UPDATE people SET operator = sqlc.arg(operator), revision = revision + 1 WHERE id = sqlc.arg(id);

-- name: SetPersonTOTP :exec
UPDATE people SET totp_secret = sqlc.arg(totp_secret), totp_confirmed_at = sqlc.arg(confirmed_at), totp_step = sqlc.arg(step), revision = revision + 1 WHERE id = sqlc.arg(id);

-- name: SpendTOTPStep :execrows
-- A code, and every older one, is accepted once.
UPDATE people SET totp_step = sqlc.arg(step) WHERE id = sqlc.arg(id) AND totp_step < sqlc.arg(step);

-- name: InsertPersonSession :exec
INSERT INTO person_sessions (hash, id, person_id, created_at, seen_at, expires_at, proved_at, address, agent)
VALUES (sqlc.arg(hash), sqlc.arg(id), sqlc.arg(person_id), sqlc.arg(created_at), sqlc.arg(created_at), sqlc.arg(expires_at), sqlc.arg(proved_at), sqlc.arg(address), sqlc.arg(agent));

-- name: PersonSessionByHash :one
SELECT sqlc.embed(s), sqlc.embed(p) FROM person_sessions s JOIN people p ON p.id = s.person_id WHERE s.hash = sqlc.arg(hash);

-- name: ListPersonSessions :many
SELECT * FROM person_sessions WHERE person_id = sqlc.arg(person_id) AND expires_at > sqlc.arg(now) ORDER BY id DESC LIMIT sqlc.arg(lim);

-- name: TouchPersonSession :exec
UPDATE person_sessions SET seen_at = sqlc.arg(now) WHERE hash = sqlc.arg(hash) AND seen_at < sqlc.arg(now);

-- name: RotatePersonSession :execrows
UPDATE person_sessions SET hash = sqlc.arg(new_hash), proved_at = sqlc.arg(now) WHERE hash = sqlc.arg(hash);

-- name: DeletePersonSession :execrows
DELETE FROM person_sessions WHERE id = sqlc.arg(id) AND person_id = sqlc.arg(person_id);

-- name: DeletePersonSessions :execrows
-- All sessions of a person, except for one; '' keeps none.
DELETE FROM person_sessions WHERE person_id = sqlc.arg(person_id) AND id <> sqlc.arg(keep);

-- name: DeleteOldestPersonSessions :exec
-- Only the newest sessions stay.
DELETE FROM person_sessions AS s WHERE s.person_id = sqlc.arg(person_id) AND s.id NOT IN (
  SELECT n.id FROM person_sessions n WHERE n.person_id = sqlc.arg(person_id) ORDER BY n.id DESC LIMIT sqlc.arg(keep));

-- name: SweepPersonSessions :execrows
DELETE FROM person_sessions WHERE hash IN (SELECT x.hash FROM person_sessions x WHERE x.expires_at < sqlc.arg(now) ORDER BY x.expires_at LIMIT sqlc.arg(lim));

-- name: InsertMembership :exec
INSERT INTO memberships (organization_id, person_id, email, role, created_at)
VALUES (sqlc.arg(organization_id), sqlc.arg(person_id), sqlc.arg(email), sqlc.arg(role), sqlc.arg(created_at));

-- name: GetMembership :one
SELECT * FROM memberships WHERE organization_id = sqlc.arg(organization_id) AND person_id = sqlc.arg(person_id);

-- name: MembershipRole :one
SELECT role FROM memberships WHERE organization_id = sqlc.arg(organization_id) AND person_id = sqlc.arg(person_id);

-- name: ListMembershipsOfPerson :many
SELECT m.organization_id, o.name, o.suspended_at, m.role FROM memberships m JOIN organizations o ON o.id = m.organization_id
WHERE m.person_id = sqlc.arg(person_id) AND m.organization_id > sqlc.arg(after) ORDER BY m.organization_id LIMIT sqlc.arg(lim);

-- name: ListMembers :many
SELECT m.person_id, m.email, m.role, m.created_at, p.name, p.totp_confirmed_at, p.passkeys FROM memberships m JOIN people p ON p.id = m.person_id
WHERE m.organization_id = sqlc.arg(organization_id) AND m.email > sqlc.arg(after)
  AND (m.email LIKE CAST(sqlc.arg(pattern) AS TEXT) ESCAPE '!' OR LOWER(p.name) LIKE CAST(sqlc.arg(pattern) AS TEXT) ESCAPE '!')
ORDER BY m.email LIMIT sqlc.arg(lim);

-- name: CountOwners :one
SELECT CAST(COUNT(*) AS BIGINT) FROM memberships WHERE organization_id = sqlc.arg(organization_id) AND role = 'owner';

-- name: SetMembershipRole :execrows
UPDATE memberships SET role = sqlc.arg(role) WHERE organization_id = sqlc.arg(organization_id) AND person_id = sqlc.arg(person_id);

-- name: DeleteMembership :execrows
DELETE FROM memberships WHERE organization_id = sqlc.arg(organization_id) AND person_id = sqlc.arg(person_id);

-- name: SetPersonVerified :exec
UPDATE people SET email_verified = TRUE WHERE id = sqlc.arg(id);

-- name: CountMembershipsOfPerson :one
SELECT CAST(COUNT(*) AS BIGINT) FROM memberships WHERE person_id = sqlc.arg(person_id);

-- name: ListMembersBack :many
SELECT m.person_id, m.email, m.role, m.created_at, p.name, p.totp_confirmed_at, p.passkeys FROM memberships m JOIN people p ON p.id = m.person_id
WHERE m.organization_id = sqlc.arg(organization_id) AND m.email < sqlc.arg(before)
  AND (m.email LIKE CAST(sqlc.arg(pattern) AS TEXT) ESCAPE '!' OR LOWER(p.name) LIKE CAST(sqlc.arg(pattern) AS TEXT) ESCAPE '!')
ORDER BY m.email DESC LIMIT sqlc.arg(lim);

-- name: GetMember :one
SELECT m.person_id, m.email, m.role, m.created_at, p.name, p.totp_confirmed_at, p.passkeys FROM memberships m JOIN people p ON p.id = m.person_id
WHERE m.organization_id = sqlc.arg(organization_id) AND m.person_id = sqlc.arg(person_id);

-- name: ListPeopleBack :many
SELECT * FROM people WHERE email < sqlc.arg(before) AND email LIKE CAST(sqlc.arg(pattern) AS TEXT) ESCAPE '!' ORDER BY email DESC LIMIT sqlc.arg(lim);

-- name: SetPersonNewEmail :exec
UPDATE people SET new_email = sqlc.arg(new_email) WHERE id = sqlc.arg(id);

-- name: SetPersonEmail :exec
UPDATE people SET email = sqlc.arg(email), email_verified = sqlc.arg(email_verified), new_email = '', revision = revision + 1 WHERE id = sqlc.arg(id);

-- name: SetMembershipsEmail :exec
UPDATE memberships SET email = sqlc.arg(email) WHERE person_id = sqlc.arg(person_id);

-- name: ListOwnedAlone :many
-- The organizations whose only owner is the person.
SELECT m.organization_id, o.name FROM memberships m JOIN organizations o ON o.id = m.organization_id
WHERE m.person_id = sqlc.arg(person_id) AND m.role = 'owner' AND NOT EXISTS (
  SELECT 1 FROM memberships x WHERE x.organization_id = m.organization_id AND x.role = 'owner' AND x.person_id <> m.person_id)
ORDER BY m.organization_id LIMIT sqlc.arg(lim);

-- name: DeleteMembershipsOfPerson :exec
DELETE FROM memberships WHERE person_id = sqlc.arg(person_id);

-- name: DeletePerson :exec
DELETE FROM people WHERE id = sqlc.arg(id);
