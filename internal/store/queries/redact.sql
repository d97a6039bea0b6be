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
  media = '{}', asset_key = '', language = '', upload_bytes = 0, state = CASE WHEN state IN ('open', 'prepared') THEN 'expired' ELSE state END, updated_at = sqlc.arg(now)
WHERE work_id = sqlc.arg(work_id);

-- name: JobsOfWork :many
SELECT * FROM jobs WHERE work_id = sqlc.arg(work_id) ORDER BY id;

-- name: NewestFiles :many
SELECT asset_key, certificate_key FROM versions WHERE asset_key <> '' OR certificate_key <> '' ORDER BY transaction_id DESC LIMIT sqlc.arg(lim);

-- name: DropTitleClaims :exec
DELETE FROM title_claims WHERE work_id = sqlc.arg(work_id);

-- name: DropMediaClaims :exec
DELETE FROM media_claims WHERE work_id = sqlc.arg(work_id);

-- name: DropReplacedCodes :exec
DELETE FROM replaced_access_codes WHERE work_id = sqlc.arg(work_id);

-- name: InsertErasure :exec
INSERT INTO erasures (object_key, since) VALUES (sqlc.arg(object_key), sqlc.arg(now)) ON CONFLICT (object_key) DO NOTHING;

-- name: InsertOrphan :exec
-- erased: it is not due at once, but when nobody can be about to name it.
INSERT INTO erasures (object_key, since, erased) VALUES (sqlc.arg(object_key), sqlc.arg(now), TRUE) ON CONFLICT (object_key) DO NOTHING;

-- name: AdoptOrphan :execrows
DELETE FROM erasures WHERE object_key = sqlc.arg(object_key);

-- name: DueErasures :many
SELECT object_key, since FROM erasures
WHERE (NOT erased OR since < sqlc.arg(before)) AND (since > sqlc.arg(after) OR since = sqlc.arg(after) AND object_key > sqlc.arg(after_key))
ORDER BY since, object_key LIMIT sqlc.arg(lim);

-- name: MarkErased :exec
UPDATE erasures SET erased = TRUE WHERE object_key = sqlc.arg(object_key);

-- name: PostponeErasure :exec
UPDATE erasures SET since = sqlc.arg(now) WHERE object_key = sqlc.arg(object_key);

-- name: ForgetErasure :exec
DELETE FROM erasures WHERE object_key = sqlc.arg(object_key) AND since < sqlc.arg(before);
