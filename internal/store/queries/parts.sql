-- name: GetPartUpload :one
SELECT * FROM part_uploads WHERE job_id = sqlc.arg(job_id);

-- name: InsertPartUpload :execrows
INSERT INTO part_uploads (job_id, store_id, size_bytes, part_bytes, begun_at, completed_at)
VALUES (sqlc.arg(job_id), sqlc.arg(store_id), sqlc.arg(size_bytes), sqlc.arg(part_bytes), sqlc.arg(now), 0)
ON CONFLICT (job_id) DO NOTHING;

-- name: CompletePartUpload :execrows
UPDATE part_uploads SET completed_at = sqlc.arg(now) WHERE job_id = sqlc.arg(job_id) AND store_id = sqlc.arg(store_id);

-- name: DeletePartUpload :exec
DELETE FROM part_uploads WHERE job_id = sqlc.arg(job_id);

-- name: EndPartUpload :exec
DELETE FROM part_uploads WHERE job_id = sqlc.arg(job_id) AND store_id = sqlc.arg(store_id);

-- name: LandParts :execrows
-- Parts land at the same time: the larger count is the newer one.
UPDATE jobs SET upload_bytes = CASE WHEN upload_bytes < sqlc.arg(bytes) THEN sqlc.arg(bytes) ELSE upload_bytes END
WHERE id = sqlc.arg(id) AND state IN ('open', 'prepared') AND deadline > sqlc.arg(now);
