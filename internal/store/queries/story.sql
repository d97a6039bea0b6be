-- name: Attempts :many
-- An attempt is a job, with its transaction if it was confirmed. All queries of attempts have
-- the same columns.
SELECT j.id, j.session_jti, j.kind, j.network, j.state, j.title, j.external_user_ref, j.work_id, j.total_credits, j.rehearse, j.test, j.created_at, j.updated_at,
  CAST(COALESCE(t.state, '') AS TEXT) AS outcome, CAST(COALESCE(t.ats_id, j.ats_id) AS BIGINT) AS ats_id, CAST(COALESCE(t.version, 0) AS BIGINT) AS version,
  CAST(COALESCE(t.failure, '') AS TEXT) AS failure, CAST(COALESCE(t.updated_at, 0) AS BIGINT) AS changed_at
FROM jobs j LEFT JOIN transactions t ON t.id = j.id
WHERE j.organization_id = sqlc.arg(organization_id) AND j.network = sqlc.arg(network) AND j.id < sqlc.arg(before) AND j.id >= sqlc.arg(since)
ORDER BY j.id DESC LIMIT sqlc.arg(lim);

-- name: AttemptsUnconfirmed :many
SELECT j.id, j.session_jti, j.kind, j.network, j.state, j.title, j.external_user_ref, j.work_id, j.total_credits, j.rehearse, j.test, j.created_at, j.updated_at,
  CAST(COALESCE(t.state, '') AS TEXT) AS outcome, CAST(COALESCE(t.ats_id, j.ats_id) AS BIGINT) AS ats_id, CAST(COALESCE(t.version, 0) AS BIGINT) AS version,
  CAST(COALESCE(t.failure, '') AS TEXT) AS failure, CAST(COALESCE(t.updated_at, 0) AS BIGINT) AS changed_at
FROM jobs j LEFT JOIN transactions t ON t.id = j.id
WHERE j.organization_id = sqlc.arg(organization_id) AND j.network = sqlc.arg(network) AND j.state = sqlc.arg(state) AND j.state IN ('open', 'prepared', 'expired') AND j.id < sqlc.arg(before) AND j.id >= sqlc.arg(since)
ORDER BY j.id DESC LIMIT sqlc.arg(lim);

-- name: AttemptsEnded :many
SELECT j.id, j.session_jti, j.kind, j.network, j.state, j.title, j.external_user_ref, j.work_id, j.total_credits, j.rehearse, j.test, j.created_at, j.updated_at,
  CAST(COALESCE(t.state, '') AS TEXT) AS outcome, CAST(COALESCE(t.ats_id, j.ats_id) AS BIGINT) AS ats_id, CAST(COALESCE(t.version, 0) AS BIGINT) AS version,
  CAST(COALESCE(t.failure, '') AS TEXT) AS failure, CAST(COALESCE(t.updated_at, 0) AS BIGINT) AS changed_at
FROM ended e JOIN transactions t ON t.id = e.transaction_id JOIN jobs j ON j.id = e.transaction_id
WHERE e.organization_id = sqlc.arg(organization_id) AND e.network = sqlc.arg(network) AND e.state = sqlc.arg(state) AND e.transaction_id < sqlc.arg(before) AND e.transaction_id >= sqlc.arg(since)
ORDER BY e.transaction_id DESC LIMIT sqlc.arg(lim);

-- name: AttemptsInFlight :many
SELECT j.id, j.session_jti, j.kind, j.network, j.state, j.title, j.external_user_ref, j.work_id, j.total_credits, j.rehearse, j.test, j.created_at, j.updated_at,
  CAST(COALESCE(t.state, '') AS TEXT) AS outcome, CAST(COALESCE(t.ats_id, j.ats_id) AS BIGINT) AS ats_id, CAST(COALESCE(t.version, 0) AS BIGINT) AS version,
  CAST(COALESCE(t.failure, '') AS TEXT) AS failure, CAST(COALESCE(t.updated_at, 0) AS BIGINT) AS changed_at
FROM in_flight f JOIN transactions t ON t.id = f.transaction_id JOIN jobs j ON j.id = f.transaction_id
WHERE f.organization_id = sqlc.arg(organization_id) AND f.network = sqlc.arg(network) AND f.state = sqlc.arg(state) AND f.transaction_id < sqlc.arg(before) AND f.transaction_id >= sqlc.arg(since)
ORDER BY f.transaction_id DESC LIMIT sqlc.arg(lim);

-- name: AttemptsOfEndUser :many
SELECT j.id, j.session_jti, j.kind, j.network, j.state, j.title, j.external_user_ref, j.work_id, j.total_credits, j.rehearse, j.test, j.created_at, j.updated_at,
  CAST(COALESCE(t.state, '') AS TEXT) AS outcome, CAST(COALESCE(t.ats_id, j.ats_id) AS BIGINT) AS ats_id, CAST(COALESCE(t.version, 0) AS BIGINT) AS version,
  CAST(COALESCE(t.failure, '') AS TEXT) AS failure, CAST(COALESCE(t.updated_at, 0) AS BIGINT) AS changed_at
FROM jobs j LEFT JOIN transactions t ON t.id = j.id
WHERE j.organization_id = sqlc.arg(organization_id) AND j.external_user_ref = sqlc.arg(external_user_ref) AND j.external_user_ref <> '' AND j.id < sqlc.arg(before) AND j.id >= sqlc.arg(since)
ORDER BY j.id DESC LIMIT sqlc.arg(lim);

-- name: AttemptsOfNumber :many
SELECT j.id, j.session_jti, j.kind, j.network, j.state, j.title, j.external_user_ref, j.work_id, j.total_credits, j.rehearse, j.test, j.created_at, j.updated_at,
  CAST(COALESCE(t.state, '') AS TEXT) AS outcome, CAST(COALESCE(t.ats_id, j.ats_id) AS BIGINT) AS ats_id, CAST(COALESCE(t.version, 0) AS BIGINT) AS version,
  CAST(COALESCE(t.failure, '') AS TEXT) AS failure, CAST(COALESCE(t.updated_at, 0) AS BIGINT) AS changed_at
FROM (
  SELECT * FROM (SELECT e.transaction_id FROM ended e WHERE e.organization_id = sqlc.arg(organization_id) AND e.ats_id = sqlc.arg(ats_id) AND e.ats_id <> 0
    AND e.transaction_id < sqlc.arg(before) AND e.transaction_id >= sqlc.arg(since) ORDER BY e.transaction_id DESC LIMIT sqlc.arg(lim)) done
  UNION ALL
  SELECT * FROM (SELECT f.transaction_id FROM in_flight f WHERE f.organization_id = sqlc.arg(organization_id) AND f.ats_id = sqlc.arg(ats_id) AND f.ats_id <> 0
    AND f.transaction_id < sqlc.arg(before) AND f.transaction_id >= sqlc.arg(since) ORDER BY f.transaction_id DESC LIMIT sqlc.arg(lim)) moving
) n JOIN transactions t ON t.id = n.transaction_id JOIN jobs j ON j.id = n.transaction_id
ORDER BY n.transaction_id DESC LIMIT sqlc.arg(lim);

-- name: AttemptsOfID :many
-- The attempts whose ids are in a range: a complete id, or its beginning.
SELECT j.id, j.session_jti, j.kind, j.network, j.state, j.title, j.external_user_ref, j.work_id, j.total_credits, j.rehearse, j.test, j.created_at, j.updated_at,
  CAST(COALESCE(t.state, '') AS TEXT) AS outcome, CAST(COALESCE(t.ats_id, j.ats_id) AS BIGINT) AS ats_id, CAST(COALESCE(t.version, 0) AS BIGINT) AS version,
  CAST(COALESCE(t.failure, '') AS TEXT) AS failure, CAST(COALESCE(t.updated_at, 0) AS BIGINT) AS changed_at
FROM jobs j LEFT JOIN transactions t ON t.id = j.id
WHERE j.organization_id = sqlc.arg(organization_id) AND j.id >= sqlc.arg(first) AND j.id < sqlc.arg(after)
ORDER BY j.id DESC LIMIT sqlc.arg(lim);

-- name: TransactionOfOrganization :one
SELECT * FROM transactions WHERE id = sqlc.arg(id) AND organization_id = sqlc.arg(organization_id);

-- name: JobOfOrganization :one
SELECT * FROM jobs WHERE id = sqlc.arg(id) AND organization_id = sqlc.arg(organization_id);

-- name: VersionInStory :one
SELECT v.work_id, v.version, v.certificate_key, v.registered_at, v.timestamp_until, v.asset_key, w.redacted_at, w.latest_version
FROM versions v JOIN works w ON w.id = v.work_id
WHERE v.transaction_id = sqlc.arg(transaction_id) AND w.organization_id = sqlc.arg(organization_id);

-- name: TransfersOfTransaction :many
SELECT t.kind, t.created_at, e.amount FROM ledger_transfers t JOIN ledger_entries e ON e.transfer_id = t.id
WHERE t.transaction_id = sqlc.arg(transaction_id) AND t.transaction_id <> '' AND t.organization_id = sqlc.arg(organization_id) AND e.account = 'held'
ORDER BY t.created_at, t.id;
