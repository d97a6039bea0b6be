-- name: VersionsBelow :many
SELECT * FROM versions WHERE work_id = sqlc.arg(work_id) AND version < sqlc.arg(before) ORDER BY version DESC LIMIT sqlc.arg(lim);

-- name: LatestFailures :many
-- The newest transactions of an organization that failed.
SELECT t.* FROM ended e JOIN transactions t ON t.id = e.transaction_id WHERE e.organization_id = sqlc.arg(organization_id) AND e.state = 'failed' ORDER BY e.transaction_id DESC LIMIT sqlc.arg(lim);

-- name: EndpointsOf :one
-- How many endpoints of webhooks an organization has, and how many of them are disabled by the server.
SELECT COUNT(*) AS total, CAST(COALESCE(SUM(CASE WHEN disabled_at > 0 AND disabled_reason <> 'manual' THEN 1 ELSE 0 END), 0) AS BIGINT) AS stopped
FROM webhook_endpoints WHERE organization_id = sqlc.arg(organization_id) AND deleted_at = 0;

-- name: AnotherMember :one
SELECT CAST(EXISTS (SELECT 1 FROM memberships WHERE organization_id = sqlc.arg(organization_id) AND person_id <> sqlc.arg(person_id)) AS BOOLEAN) AS found;
