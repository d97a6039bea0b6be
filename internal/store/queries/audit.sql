-- name: LockAuditHead :one
-- The chain's last entry. The entries of an organization are written one after the other.
INSERT INTO audit_heads (organization_id, entries, hash) VALUES (sqlc.arg(organization_id), 0, sqlc.arg(hash))
ON CONFLICT (organization_id) DO UPDATE SET entries = audit_heads.entries
RETURNING entries, hash;

-- name: MoveAuditHead :exec
UPDATE audit_heads SET entries = sqlc.arg(entries), hash = sqlc.arg(hash) WHERE organization_id = sqlc.arg(organization_id);

-- name: InsertAuditEntry :exec
INSERT INTO audit_entries (id, organization_id, actor_kind, actor_id, actor_name, request_id, action, subject, changes, created_at, position, hash)
VALUES (sqlc.arg(id), sqlc.arg(organization_id), sqlc.arg(actor_kind), sqlc.arg(actor_id), sqlc.arg(actor_name), sqlc.arg(request_id),
  sqlc.arg(action), sqlc.arg(subject), sqlc.arg(changes), sqlc.arg(created_at), sqlc.arg(position), sqlc.arg(hash));

-- name: AuditEntries :many
-- The next entries of one organization, the newest first, with an id from and up to the bounds.
SELECT * FROM audit_entries WHERE organization_id = sqlc.arg(organization_id) AND id >= sqlc.arg(first) AND id < sqlc.arg(before)
ORDER BY id DESC LIMIT sqlc.arg(lim);

-- name: AuditEntriesOfAction :many
-- Pairs are compared, and not each column: with an equality, Postgres may read the whole log of the organization in
-- the order of id, and keep the few rows of the action. The next two queries are alike.
SELECT * FROM audit_entries WHERE organization_id = sqlc.arg(organization_id) AND (action, id) >= (sqlc.arg(action), sqlc.arg(first)) AND (action, id) < (sqlc.arg(action), sqlc.arg(before))
ORDER BY action DESC, id DESC LIMIT sqlc.arg(lim);

-- name: AuditEntriesOfActor :many
SELECT * FROM audit_entries WHERE organization_id = sqlc.arg(organization_id) AND (actor_id, id) >= (sqlc.arg(actor_id), sqlc.arg(first)) AND (actor_id, id) < (sqlc.arg(actor_id), sqlc.arg(before))
ORDER BY actor_id DESC, id DESC LIMIT sqlc.arg(lim);

-- name: AuditEntriesOfSubject :many
SELECT * FROM audit_entries WHERE organization_id = sqlc.arg(organization_id) AND (subject, id) >= (sqlc.arg(subject), sqlc.arg(first)) AND (subject, id) < (sqlc.arg(subject), sqlc.arg(before))
ORDER BY subject DESC, id DESC LIMIT sqlc.arg(lim);

-- name: AllAuditEntries :many
SELECT * FROM audit_entries WHERE id >= sqlc.arg(first) AND id < sqlc.arg(before) ORDER BY id DESC LIMIT sqlc.arg(lim);

-- name: AuditChain :many
SELECT * FROM audit_entries WHERE organization_id = sqlc.arg(organization_id) AND position > sqlc.arg(after) AND position > 0 ORDER BY position LIMIT sqlc.arg(lim);

-- name: AuditHeads :many
SELECT * FROM audit_heads WHERE organization_id > sqlc.arg(after) ORDER BY organization_id LIMIT sqlc.arg(lim);

-- name: GetAuditHead :one
SELECT * FROM audit_heads WHERE organization_id = sqlc.arg(organization_id);
