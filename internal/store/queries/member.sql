-- name: VersionsBelow :many
SELECT * FROM versions WHERE work_id = sqlc.arg(work_id) AND version < sqlc.arg(before) ORDER BY version DESC LIMIT sqlc.arg(lim);

-- name: LatestFailures :many
-- The newest transactions of an organization that failed.
SELECT * FROM transactions WHERE organization_id = sqlc.arg(organization_id) AND state = 'failed' ORDER BY id DESC LIMIT sqlc.arg(lim);
