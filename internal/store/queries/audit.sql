-- name: InsertAuditEntry :exec
INSERT INTO audit_entries (id, organization_id, actor_kind, actor_id, actor_name, request_id, action, subject, changes, created_at)
VALUES (sqlc.arg(id), sqlc.arg(organization_id), sqlc.arg(actor_kind), sqlc.arg(actor_id), sqlc.arg(actor_name), sqlc.arg(request_id),
  sqlc.arg(action), sqlc.arg(subject), sqlc.arg(changes), sqlc.arg(created_at));
