-- name: TransactionForView :one
SELECT sqlc.embed(t), CAST(COALESCE(w.external_user_ref, '') AS TEXT) AS external_user_ref, CAST(COALESCE(w.access_code_generation, 0) AS BIGINT) AS generation, w.redacted_at,
  CAST(COALESCE(v.registered_at, 0) AS BIGINT) AS registered_at
FROM transactions t LEFT JOIN works w ON w.id = t.work_id LEFT JOIN versions v ON v.work_id = t.work_id AND v.version = t.version WHERE t.id = sqlc.arg(id);

-- name: ChangedTransactions :many
SELECT c.id, c.updated_at FROM (
  SELECT * FROM (SELECT f.transaction_id AS id, f.updated_at FROM in_flight f WHERE f.updated_at >= sqlc.arg(since) ORDER BY f.updated_at LIMIT sqlc.arg(lim)) moved
  UNION ALL
  SELECT * FROM (SELECT e.transaction_id AS id, e.ended_at AS updated_at FROM ended e WHERE e.ended_at >= sqlc.arg(since) ORDER BY e.ended_at LIMIT sqlc.arg(lim)) ended
) c ORDER BY c.updated_at LIMIT sqlc.arg(lim);

-- name: GetVersion :one
SELECT * FROM versions WHERE work_id = sqlc.arg(work_id) AND version = sqlc.arg(version);

-- name: WorkByAccessCode :one
SELECT sqlc.embed(w), o.access_code_ttl FROM works w JOIN organizations o ON o.id = w.organization_id WHERE w.access_code_hash = sqlc.arg(hash);

-- name: ReplacedAccessCode :one
SELECT sqlc.embed(r), sqlc.embed(w) FROM replaced_access_codes r JOIN works w ON w.id = r.work_id WHERE r.hash = sqlc.arg(hash);

-- name: ReplaceAccessCode :execrows
UPDATE works SET access_code_hash = sqlc.arg(new_hash), access_code_generation = access_code_generation + 1, access_code_issued_at = sqlc.arg(now)
WHERE id = sqlc.arg(id) AND access_code_hash = sqlc.arg(old_hash);

-- name: RememberReplacedCode :exec
INSERT INTO replaced_access_codes (hash, work_id, generation, replaced_by, replaced_at)
VALUES (sqlc.arg(hash), sqlc.arg(work_id), sqlc.arg(generation), sqlc.arg(replaced_by), sqlc.arg(now));

-- name: GetWork :one
SELECT * FROM works WHERE id = sqlc.arg(id);

-- name: LastNumber :one
-- The largest registration number on a network; 0 without a work.
SELECT CAST(COALESCE(MAX(ats_id), 0) AS BIGINT) FROM works WHERE network = sqlc.arg(network);

-- name: WorkByAtsID :one
SELECT * FROM works WHERE network = sqlc.arg(network) AND ats_id = sqlc.arg(ats_id);

-- name: OwnWorks :many
SELECT sqlc.embed(w), sqlc.embed(v) FROM works w JOIN versions v ON v.work_id = w.id
WHERE w.id IN (
  SELECT p.id FROM works p
  WHERE p.organization_id = sqlc.arg(organization_id) AND p.network = sqlc.arg(network) AND p.test = sqlc.arg(test) AND p.external_user_ref = sqlc.arg(external_user_ref)
    AND p.updated_at <= sqlc.arg(before) AND (p.updated_at < sqlc.arg(before) OR p.id < sqlc.arg(before_id))
  ORDER BY p.updated_at DESC, p.id DESC LIMIT sqlc.arg(lim))
ORDER BY w.updated_at DESC, w.id DESC, v.version;

-- name: CountOwnWorks :one
-- At most a number of works.
SELECT COUNT(*) FROM (SELECT 1 FROM works p WHERE p.organization_id = sqlc.arg(organization_id) AND p.network = sqlc.arg(network) AND p.test = sqlc.arg(test) AND p.external_user_ref = sqlc.arg(external_user_ref) LIMIT sqlc.arg(lim)) few;

-- name: TitlesOfOwnWorks :many
-- The titles of the next works of an end-user, for a search.
SELECT p.id, p.title_key, p.updated_at FROM works p
WHERE p.organization_id = sqlc.arg(organization_id) AND p.network = sqlc.arg(network) AND p.test = sqlc.arg(test) AND p.external_user_ref = sqlc.arg(external_user_ref)
  AND p.updated_at <= sqlc.arg(before) AND (p.updated_at < sqlc.arg(before) OR p.id < sqlc.arg(before_id))
ORDER BY p.updated_at DESC, p.id DESC LIMIT sqlc.arg(lim);

-- name: TitlesOfWorks :many
-- Like TitlesOfOwnWorks, for an organization. It has the erased works too, so that their number costs no other page.
SELECT p.id, p.title_key, p.updated_at, p.redacted_at FROM works p
WHERE p.organization_id = sqlc.arg(organization_id) AND p.network = sqlc.arg(network) AND p.test = sqlc.arg(test)
  AND p.updated_at <= sqlc.arg(before) AND (p.updated_at < sqlc.arg(before) OR p.id < sqlc.arg(before_id))
ORDER BY p.updated_at DESC, p.id DESC LIMIT sqlc.arg(lim);

-- name: WorksByID :many
-- The works of several ids of 36 characters, joined.
WITH RECURSIVE n AS (SELECT 0 AS i UNION ALL SELECT n.i + 1 AS i FROM n WHERE n.i + 1 < CAST(sqlc.arg(count) AS BIGINT))
SELECT sqlc.embed(w), sqlc.embed(v) FROM works w JOIN versions v ON v.work_id = w.id
WHERE w.id IN (SELECT substr(CAST(sqlc.arg(joined) AS TEXT), CAST(n.i * 36 + 1 AS INTEGER), 36) FROM n)
ORDER BY w.updated_at DESC, w.id DESC, v.version;

-- name: Versions :many
SELECT * FROM versions WHERE work_id = sqlc.arg(work_id) ORDER BY version;
