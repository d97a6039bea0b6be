-- name: InsertMail :exec
INSERT INTO mails (id, kind, ref, organization_id, recipient, language, words, created_at)
VALUES (sqlc.arg(id), sqlc.arg(kind), sqlc.arg(ref), sqlc.arg(organization_id), sqlc.arg(recipient), sqlc.arg(language), sqlc.arg(words), sqlc.arg(created_at));

-- name: GetMail :one
SELECT * FROM mails WHERE id = sqlc.arg(id);

-- name: DeleteMail :exec
DELETE FROM mails WHERE id = sqlc.arg(id);
