-- name: InsertJob :exec
INSERT INTO jobs (id, organization_id, session_jti, api_key_id, kind, network, external_user_ref, state, work_id, ats_id, title, title_key,
  creators, filename, max_bytes, upload_key, base_version, media_hash, media, hash_only, declared_hash, deadline, rehearse, language, test, created_at, updated_at)
VALUES (sqlc.arg(id), sqlc.arg(organization_id), sqlc.arg(session_jti), sqlc.arg(api_key_id), sqlc.arg(kind), sqlc.arg(network), sqlc.arg(external_user_ref),
  'open', sqlc.arg(work_id), sqlc.arg(ats_id), sqlc.arg(title), sqlc.arg(title_key), sqlc.arg(creators), sqlc.arg(filename),
  sqlc.arg(max_bytes), sqlc.arg(upload_key), sqlc.arg(base_version), sqlc.narg(media_hash), sqlc.arg(media), sqlc.arg(hash_only), sqlc.narg(declared_hash), sqlc.arg(deadline), sqlc.arg(rehearse), sqlc.arg(language), sqlc.arg(test), sqlc.arg(now), sqlc.arg(now));

-- name: GetJob :one
SELECT * FROM jobs WHERE id = sqlc.arg(id);

-- name: OwnJob :one
-- A job, and whether the session of a caller is revoked.
SELECT sqlc.embed(j), CAST(EXISTS (SELECT 1 FROM sessions s WHERE s.jti = sqlc.arg(jti) AND s.revoked_at IS NOT NULL) AS BOOLEAN) AS revoked
FROM jobs j WHERE j.id = sqlc.arg(id);

-- name: SetJobUpload :execrows
UPDATE jobs SET state = 'open', deadline = sqlc.arg(deadline), upload_key = sqlc.arg(upload_key), updated_at = sqlc.arg(now)
WHERE id = sqlc.arg(id) AND state IN ('open', 'prepared');

-- name: DeclareMedia :execrows
UPDATE jobs SET state = 'open', declared_hash = sqlc.narg(declared_hash), media_hash = sqlc.narg(media_hash), media = sqlc.arg(media), updated_at = sqlc.arg(now)
WHERE id = sqlc.arg(id) AND state IN ('open', 'prepared');

-- name: PrepareJob :execrows
UPDATE jobs SET state = 'prepared', media_hash = sqlc.arg(media_hash), media = sqlc.arg(media), merkle_root = sqlc.arg(merkle_root),
  commitment = sqlc.arg(commitment), quote = sqlc.arg(quote), total_credits = sqlc.arg(total_credits), asset_key = sqlc.arg(asset_key),
  quote_until = sqlc.arg(quote_until), deadline = sqlc.arg(deadline), reading = sqlc.arg(reading), updated_at = sqlc.arg(now)
WHERE id = sqlc.arg(id) AND state IN ('open', 'prepared') AND updated_at = sqlc.arg(seen);

-- name: NoteReading :exec
-- updated_at stays, so that a running prepare is not disturbed.
UPDATE jobs SET reading = sqlc.arg(reading) WHERE id = sqlc.arg(id) AND state IN ('open', 'prepared');

-- name: ConfirmJob :execrows
UPDATE jobs SET state = 'confirmed', upload_bytes = 0, updated_at = sqlc.arg(now)
WHERE id = sqlc.arg(id) AND state = 'prepared' AND quote_until > sqlc.arg(now);

-- name: LandUpload :execrows
UPDATE jobs SET upload_bytes = sqlc.arg(upload_bytes) WHERE id = sqlc.arg(id) AND state IN ('open', 'prepared') AND deadline > sqlc.arg(now);

-- name: LandFirstUpload :execrows
-- LandUpload for a job of which no copy is stored. The bytes of an oversized upload are not kept.
UPDATE jobs SET upload_bytes = CASE WHEN CAST(sqlc.arg(size) AS BIGINT) > max_bytes THEN 1 ELSE CAST(sqlc.arg(size) AS BIGINT) END
WHERE id = sqlc.arg(id) AND state IN ('open', 'prepared') AND deadline > sqlc.arg(now) AND asset_key = '';

-- name: StagedBytes :one
-- The bytes of all unpaid jobs, and those of the organization of one job. Other jobs have no
-- bytes. The condition on the state says so to Postgres, which otherwise reads the whole table
-- when it has no statistics yet.
SELECT CAST(COALESCE(SUM(upload_bytes), 0) AS BIGINT) AS staged,
  CAST(COALESCE(SUM(CASE WHEN organization_id = (SELECT o.organization_id FROM jobs o WHERE o.id = sqlc.arg(id)) THEN upload_bytes ELSE 0 END), 0) AS BIGINT) AS own
FROM jobs WHERE upload_bytes > 0 AND state IN ('open', 'prepared');

-- name: InsertTransaction :execrows
-- The transaction of a job that ConfirmJob has confirmed at this time. It inserts nothing while
-- the work has another transaction in flight.
INSERT INTO transactions (id, organization_id, api_key_id, network, kind, state, work_id, ats_id, commitment, total_credits, steps, request_id, rehearse, test, created_at, updated_at)
SELECT j.id, j.organization_id, j.api_key_id, j.network, j.kind, 'confirmed', j.work_id, j.ats_id, j.commitment, j.total_credits, sqlc.arg(steps), sqlc.arg(request_id), j.rehearse, j.test, j.updated_at, j.updated_at
FROM jobs j WHERE j.id = sqlc.arg(job_id) AND j.state = 'confirmed' AND j.updated_at = sqlc.arg(now)
  AND NOT EXISTS (SELECT 1 FROM in_flight f WHERE f.work_id = j.work_id);
