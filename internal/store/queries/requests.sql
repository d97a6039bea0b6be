-- name: InsertRequest :exec
-- A row that is there already was written by an attempt whose commit was not seen.
INSERT INTO requests (organization_id, request_id, correlation_id, job_id, method, route, status, code, reason, caller_kind, caller, origin, address_class, took, created_at)
VALUES (sqlc.arg(organization_id), sqlc.arg(request_id), sqlc.arg(correlation_id), sqlc.arg(job_id), sqlc.arg(method), sqlc.arg(route), sqlc.arg(status),
  sqlc.arg(code), sqlc.arg(reason), sqlc.arg(caller_kind), sqlc.arg(caller), sqlc.arg(origin), sqlc.arg(address_class), sqlc.arg(took), sqlc.arg(created_at))
ON CONFLICT (organization_id, request_id) DO NOTHING;

-- name: NextRequestOrganization :one
-- The organizations that have rows, one after the other.
SELECT CAST(COALESCE(MIN(organization_id), '') AS TEXT) AS id FROM requests WHERE organization_id > sqlc.arg(after);

-- name: SweepRequests :execrows
DELETE FROM requests WHERE requests.organization_id = sqlc.arg(organization_id) AND requests.request_id IN (
  SELECT r.request_id FROM requests r WHERE r.organization_id = sqlc.arg(organization_id) AND r.request_id < sqlc.arg(before) ORDER BY r.request_id LIMIT sqlc.arg(lim));

-- name: GetRequest :one
SELECT * FROM requests WHERE organization_id = sqlc.arg(organization_id) AND request_id = sqlc.arg(request_id);

-- name: ListRequests :many
SELECT * FROM requests WHERE organization_id = sqlc.arg(organization_id) AND request_id < sqlc.arg(before) AND request_id >= sqlc.arg(since)
ORDER BY request_id DESC LIMIT sqlc.arg(lim);

-- name: ListRefusedRequests :many
SELECT * FROM requests WHERE organization_id = sqlc.arg(organization_id) AND code = sqlc.arg(code) AND code <> '' AND request_id < sqlc.arg(before) AND request_id >= sqlc.arg(since)
ORDER BY request_id DESC LIMIT sqlc.arg(lim);

-- name: RequestsOfCorrelation :many
SELECT * FROM requests WHERE organization_id = sqlc.arg(organization_id) AND correlation_id = sqlc.arg(correlation_id) AND correlation_id <> ''
ORDER BY request_id LIMIT sqlc.arg(lim);

-- name: CountRefusals :many
-- One row for each code of an organization's refusals, with the newest request. A count stops
-- at most.
WITH RECURSIVE c AS (
  SELECT MIN(f.code) AS code FROM requests f WHERE f.organization_id = sqlc.arg(organization_id) AND f.code <> ''
  UNION ALL
  SELECT (SELECT MIN(n.code) FROM requests n WHERE n.organization_id = sqlc.arg(organization_id) AND n.code <> '' AND n.code > c.code) FROM c WHERE c.code IS NOT NULL
)
SELECT CAST(c.code AS TEXT) AS code,
  CAST((SELECT COUNT(*) FROM (SELECT r.request_id FROM requests r WHERE r.organization_id = sqlc.arg(organization_id) AND r.code = c.code AND r.code <> '' AND r.request_id >= sqlc.arg(since) LIMIT sqlc.arg(most)) counted) AS BIGINT) AS count,
  CAST(COALESCE((SELECT MAX(l.request_id) FROM requests l WHERE l.organization_id = sqlc.arg(organization_id) AND l.code = c.code AND l.code <> ''), '') AS TEXT) AS latest
FROM c WHERE c.code IS NOT NULL;
