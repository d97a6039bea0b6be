-- name: InsertPersonLink :exec
INSERT INTO person_links (hash, kind, ref, mailed, expires_at)
VALUES (sqlc.arg(hash), sqlc.arg(kind), sqlc.arg(ref), sqlc.arg(mailed), sqlc.arg(expires_at));

-- name: InsertPersonLinkOnce :execrows
INSERT INTO person_links (hash, kind, ref, expires_at) VALUES (sqlc.arg(hash), sqlc.arg(kind), sqlc.arg(ref), sqlc.arg(expires_at))
ON CONFLICT (hash) DO NOTHING;

-- name: GetPersonLink :one
SELECT * FROM person_links WHERE hash = sqlc.arg(hash) AND kind = sqlc.arg(kind) AND expires_at > sqlc.arg(now);

-- name: TakePersonLink :one
-- A link works once: only one transaction deletes its row.
DELETE FROM person_links WHERE hash = sqlc.arg(hash) AND kind = sqlc.arg(kind) AND expires_at > sqlc.arg(now) RETURNING *;

-- name: TryPersonLink :one
UPDATE person_links SET tries = tries + 1 WHERE hash = sqlc.arg(hash) AND kind = sqlc.arg(kind) AND expires_at > sqlc.arg(now) AND tries < sqlc.arg(most) RETURNING *;

-- name: DeletePersonLinks :exec
DELETE FROM person_links WHERE kind = sqlc.arg(kind) AND ref = sqlc.arg(ref);

-- name: SweepPersonLinks :execrows
DELETE FROM person_links WHERE hash IN (SELECT x.hash FROM person_links x WHERE x.expires_at < sqlc.arg(now) ORDER BY x.expires_at LIMIT sqlc.arg(lim));

-- name: InsertRecoveryCode :exec
INSERT INTO recovery_codes (person_id, hash) VALUES (sqlc.arg(person_id), sqlc.arg(hash));

-- name: TakeRecoveryCode :execrows
DELETE FROM recovery_codes WHERE person_id = sqlc.arg(person_id) AND hash = sqlc.arg(hash);

-- name: DeleteRecoveryCodes :exec
DELETE FROM recovery_codes WHERE person_id = sqlc.arg(person_id);

-- name: CountRecoveryCodes :one
SELECT CAST(COUNT(*) AS BIGINT) FROM recovery_codes WHERE person_id = sqlc.arg(person_id);

-- name: InsertKnownDevice :exec
INSERT INTO known_devices (hash, person_id, expires_at) VALUES (sqlc.arg(hash), sqlc.arg(person_id), sqlc.arg(expires_at));

-- name: KnownDevice :one
SELECT person_id FROM known_devices WHERE hash = sqlc.arg(hash) AND expires_at > sqlc.arg(now);

-- name: DeleteKnownDevice :exec
DELETE FROM known_devices WHERE hash = sqlc.arg(hash);

-- name: DeleteKnownDevices :exec
DELETE FROM known_devices WHERE person_id = sqlc.arg(person_id);

-- name: DeleteOldestKnownDevices :exec
DELETE FROM known_devices AS d WHERE d.person_id = sqlc.arg(person_id) AND d.hash NOT IN (
  SELECT n.hash FROM known_devices n WHERE n.person_id = sqlc.arg(person_id) ORDER BY n.expires_at DESC, n.hash LIMIT sqlc.arg(keep));

-- name: SweepKnownDevices :execrows
DELETE FROM known_devices WHERE hash IN (SELECT x.hash FROM known_devices x WHERE x.expires_at < sqlc.arg(now) ORDER BY x.expires_at LIMIT sqlc.arg(lim));

-- name: InsertPasskey :exec
INSERT INTO passkeys (id, person_id, name, credential, created_at)
VALUES (sqlc.arg(id), sqlc.arg(person_id), sqlc.arg(name), sqlc.arg(credential), sqlc.arg(created_at));

-- name: ListPasskeys :many
SELECT * FROM passkeys WHERE person_id = sqlc.arg(person_id) ORDER BY created_at, id;

-- name: UsePasskey :execrows
UPDATE passkeys SET credential = sqlc.arg(credential), used_at = sqlc.arg(now) WHERE id = sqlc.arg(id) AND person_id = sqlc.arg(person_id);

-- name: DeletePasskey :execrows
DELETE FROM passkeys WHERE id = sqlc.arg(id) AND person_id = sqlc.arg(person_id);

-- name: DeletePasskeys :exec
DELETE FROM passkeys WHERE person_id = sqlc.arg(person_id);

-- name: CountPasskeys :exec
-- The count on the person, after a change of the passkeys.
UPDATE people SET passkeys = (SELECT COUNT(*) FROM passkeys k WHERE k.person_id = people.id), revision = revision + 1 WHERE people.id = sqlc.arg(id);

-- name: InsertIdentity :exec
INSERT INTO identities (issuer, subject, person_id, created_at) VALUES (sqlc.arg(issuer), sqlc.arg(subject), sqlc.arg(person_id), sqlc.arg(created_at));

-- name: PersonByIdentity :one
SELECT p.* FROM identities i JOIN people p ON p.id = i.person_id WHERE i.issuer = sqlc.arg(issuer) AND i.subject = sqlc.arg(subject);

-- name: ListIdentities :many
SELECT * FROM identities WHERE person_id = sqlc.arg(person_id) ORDER BY issuer, subject;

-- name: DeleteIdentity :execrows
DELETE FROM identities WHERE person_id = sqlc.arg(person_id) AND issuer = sqlc.arg(issuer);

-- name: DeleteIdentities :exec
DELETE FROM identities WHERE person_id = sqlc.arg(person_id);
