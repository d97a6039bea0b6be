-- name: ClaimTitle :execrows
-- The title of a job that makes a new work. The network is that of package claims.
INSERT INTO title_claims (organization_id, network, external_user_ref, title_key, work_id)
SELECT j.organization_id, CASE WHEN j.test THEN j.network || '/test' ELSE j.network END, j.external_user_ref, j.title_key, j.work_id
FROM jobs j WHERE j.id = sqlc.arg(job_id) AND j.kind = 'register'
ON CONFLICT (organization_id, network, external_user_ref, title_key) DO NOTHING;

-- name: TitleClaim :one
SELECT work_id FROM title_claims WHERE organization_id = sqlc.arg(organization_id) AND network = sqlc.arg(network)
  AND external_user_ref = sqlc.arg(external_user_ref) AND title_key = sqlc.arg(title_key);

-- name: ClaimMedia :execrows
-- The recording of a job. The network is that of package claims.
INSERT INTO media_claims (organization_id, network, media_hash, work_id)
SELECT j.organization_id, CASE WHEN j.test THEN j.network || '/test' ELSE j.network END, j.media_hash, j.work_id
FROM jobs j WHERE j.id = sqlc.arg(job_id)
ON CONFLICT (organization_id, network, media_hash) DO NOTHING;

-- name: MediaClaim :one
SELECT work_id FROM media_claims WHERE organization_id = sqlc.arg(organization_id) AND network = sqlc.arg(network) AND media_hash = sqlc.arg(media_hash);

-- name: FreeTitle :exec
DELETE FROM title_claims WHERE organization_id = sqlc.arg(organization_id) AND network = sqlc.arg(network)
  AND external_user_ref = sqlc.arg(external_user_ref) AND title_key = sqlc.arg(title_key) AND work_id = sqlc.arg(work_id);

-- name: FreeMedia :exec
DELETE FROM media_claims WHERE media_claims.organization_id = sqlc.arg(organization_id) AND media_claims.network = sqlc.arg(network)
  AND media_claims.media_hash = sqlc.arg(media_hash) AND media_claims.work_id = sqlc.arg(work_id)
  AND NOT EXISTS (SELECT 1 FROM versions v WHERE v.work_id = media_claims.work_id AND v.media_hash = media_claims.media_hash);
