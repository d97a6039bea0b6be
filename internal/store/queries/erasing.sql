-- name: ExpiredJobs :many
SELECT id, upload_key, asset_key, deadline FROM jobs
WHERE state IN ('open', 'prepared') AND deadline < sqlc.arg(before)
  AND (deadline > sqlc.arg(after) OR deadline = sqlc.arg(after) AND id > sqlc.arg(after_id))
ORDER BY deadline, id LIMIT sqlc.arg(lim);

-- name: ExpireJob :execrows
UPDATE jobs SET state = 'expired', upload_bytes = 0, updated_at = sqlc.arg(now)
WHERE id = sqlc.arg(id) AND state IN ('open', 'prepared') AND deadline < sqlc.arg(before);

-- name: Leftovers :many
SELECT j.id, j.state, j.upload_key, j.asset_key, j.updated_at, CAST(COALESCE(t.state, '') AS TEXT) AS outcome
FROM jobs j LEFT JOIN transactions t ON t.id = j.id
WHERE j.state IN ('confirmed', 'expired') AND j.upload_key <> '' AND j.updated_at < sqlc.arg(before)
  AND (t.state IS NULL OR t.state IN ('final', 'failed'))
  AND (j.updated_at > sqlc.arg(after) OR j.updated_at = sqlc.arg(after) AND j.id > sqlc.arg(after_id))
ORDER BY j.updated_at, j.id LIMIT sqlc.arg(lim);

-- name: PostponeLeftovers :exec
UPDATE jobs SET updated_at = sqlc.arg(now) WHERE id = sqlc.arg(id);

-- name: ForgetUpload :exec
UPDATE jobs SET upload_key = '' WHERE id = sqlc.arg(id);

-- name: ForgetFailed :exec
UPDATE jobs SET upload_key = '', asset_key = '', external_user_ref = '', title = '', title_key = '', creators = '', filename = '', media_hash = NULL,
  declared_hash = NULL, merkle_root = NULL, media = '{}', reading = ''
WHERE id = sqlc.arg(id);

-- name: DeleteExpiredJob :exec
DELETE FROM jobs WHERE id = sqlc.arg(id) AND state = 'expired';

-- name: LockWork :execrows
UPDATE works SET latest_version = latest_version WHERE id = sqlc.arg(id) AND redacted_at IS NULL;

-- name: RedactWork :execrows
UPDATE works SET redacted_at = sqlc.arg(now), title = '', title_key = '', external_user_ref = '', access_code_hash = NULL, access_code_generation = 0,
  access_code_issued_at = 0
WHERE id = sqlc.arg(id) AND redacted_at IS NULL;

-- name: RedactVersions :exec
UPDATE versions SET media_hash = sqlc.arg(nothing), merkle_root = sqlc.arg(nothing), media = '{}', creators = '', filename = '', asset_key = '', certificate_key = '',
  language = ''
WHERE work_id = sqlc.arg(work_id);

-- name: RedactJobs :exec
UPDATE jobs SET external_user_ref = '', title = '', title_key = '', creators = '', filename = '', media_hash = NULL, declared_hash = NULL, merkle_root = NULL,
  media = '{}', reading = '', asset_key = '', language = '', upload_bytes = 0, state = CASE WHEN state IN ('open', 'prepared') THEN 'expired' ELSE state END, updated_at = sqlc.arg(now)
WHERE work_id = sqlc.arg(work_id);

-- name: JobsOfWork :many
SELECT * FROM jobs WHERE work_id = sqlc.arg(work_id) ORDER BY id;

-- name: NewestFiles :many
SELECT asset_key, certificate_key FROM versions WHERE asset_key <> '' OR certificate_key <> '' ORDER BY transaction_id DESC LIMIT sqlc.arg(lim);

-- name: DropTitleClaim :exec
-- By the primary key, all of which the work's row has.
DELETE FROM title_claims WHERE work_id = sqlc.arg(work_id) AND organization_id = sqlc.arg(organization_id) AND network = sqlc.arg(network)
  AND external_user_ref = sqlc.arg(external_user_ref) AND title_key = sqlc.arg(title_key);

-- name: DropMediaClaims :exec
-- Like DropTitleClaim: the claims of a work's recordings.
DELETE FROM media_claims WHERE media_claims.work_id = sqlc.arg(work_id) AND media_claims.organization_id = sqlc.arg(organization_id) AND media_claims.network = sqlc.arg(network)
  AND media_claims.media_hash IN (SELECT v.media_hash FROM versions v WHERE v.work_id = sqlc.arg(work_id));

-- name: DropDeliveries :exec
-- The second condition lets SQLite use the partial index.
DELETE FROM deliveries WHERE work_id = sqlc.arg(work_id) AND work_id <> '';

-- name: DropReplacedCodes :exec
DELETE FROM replaced_access_codes WHERE work_id = sqlc.arg(work_id);

-- name: InsertErasure :exec
INSERT INTO erasures (object_key, organization_id, since) VALUES (sqlc.arg(object_key), sqlc.arg(organization_id), sqlc.arg(now)) ON CONFLICT (object_key) DO NOTHING;

-- name: InsertOrphan :exec
-- erased is TRUE: no row names the file. It is due when no running job can name it any
-- more.
INSERT INTO erasures (object_key, organization_id, since, erased, due_at) VALUES (sqlc.arg(object_key), sqlc.arg(organization_id), sqlc.arg(now), TRUE, sqlc.arg(due_at)) ON CONFLICT (object_key) DO NOTHING;

-- name: AdoptOrphan :execrows
DELETE FROM erasures WHERE object_key = sqlc.arg(object_key);

-- name: NextErasing :one
-- The next organization with a file that is due. An orphan of an older release has no
-- due_at: it is due when no job that started before it is running.
WITH RECURSIVE o AS (
  SELECT MIN(f.organization_id) AS id FROM erasures f WHERE f.organization_id > sqlc.arg(after)
  UNION ALL
  SELECT (SELECT MIN(n.organization_id) FROM erasures n WHERE n.organization_id > o.id) FROM o WHERE o.id IS NOT NULL
)
SELECT e.organization_id FROM erasures e WHERE e.object_key = (
  SELECT t.id FROM (SELECT (
    SELECT d.object_key FROM erasures d WHERE d.organization_id = o.id AND d.due_at <= sqlc.arg(now) AND (NOT d.erased OR d.since < sqlc.arg(before))
    ORDER BY d.due_at, d.object_key LIMIT 1) AS id FROM o WHERE o.id IS NOT NULL) t
  WHERE t.id IS NOT NULL LIMIT 1);

-- name: DueErasureKeys :many
SELECT object_key FROM erasures
WHERE object_key > sqlc.arg(after) AND due_at <= sqlc.arg(now) AND (NOT erased OR since < sqlc.arg(before)) ORDER BY object_key LIMIT sqlc.arg(lim);

-- name: DueErasures :many
SELECT object_key, since, tries FROM erasures
WHERE organization_id = sqlc.arg(organization_id) AND due_at <= sqlc.arg(now) AND (NOT erased OR since < sqlc.arg(before)) ORDER BY due_at, object_key LIMIT sqlc.arg(lim);

-- name: MarkErased :exec
UPDATE erasures SET erased = TRUE, due_at = sqlc.arg(due_at), tries = 0 WHERE object_key = sqlc.arg(object_key);

-- name: PostponeErasure :exec
UPDATE erasures SET due_at = sqlc.arg(due_at), tries = tries + 1 WHERE object_key = sqlc.arg(object_key);

-- name: HurryErasures :exec
-- A repeated erasure does not wait for the next try of a failed one.
UPDATE erasures SET due_at = 0 WHERE organization_id = sqlc.arg(organization_id) AND due_at > 0 AND tries > 0;

-- name: ForgetErasure :exec
DELETE FROM erasures WHERE object_key = sqlc.arg(object_key) AND since < sqlc.arg(before);
