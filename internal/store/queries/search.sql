-- name: InsertWorkWords :exec
-- Sixteen keys in one statement. Unused places repeat a key.
INSERT INTO work_words (key, work_id) VALUES (sqlc.arg(k1), sqlc.arg(work_id)), (sqlc.arg(k2), sqlc.arg(work_id)), (sqlc.arg(k3), sqlc.arg(work_id)), (sqlc.arg(k4), sqlc.arg(work_id)), (sqlc.arg(k5), sqlc.arg(work_id)), (sqlc.arg(k6), sqlc.arg(work_id)), (sqlc.arg(k7), sqlc.arg(work_id)), (sqlc.arg(k8), sqlc.arg(work_id)), (sqlc.arg(k9), sqlc.arg(work_id)), (sqlc.arg(k10), sqlc.arg(work_id)), (sqlc.arg(k11), sqlc.arg(work_id)), (sqlc.arg(k12), sqlc.arg(work_id)), (sqlc.arg(k13), sqlc.arg(work_id)), (sqlc.arg(k14), sqlc.arg(work_id)), (sqlc.arg(k15), sqlc.arg(work_id)), (sqlc.arg(k16), sqlc.arg(work_id))
ON CONFLICT (key, work_id) DO NOTHING;

-- name: DropWorkWords :exec
DELETE FROM work_words WHERE work_id = sqlc.arg(work_id);

-- name: MarkVersionWords :exec
UPDATE versions SET words = sqlc.arg(rule) WHERE work_id = sqlc.arg(work_id) AND version = sqlc.arg(version);

-- name: VersionsWithoutWords :many
SELECT sqlc.embed(v), sqlc.embed(w) FROM versions v JOIN works w ON w.id = v.work_id WHERE v.words = 0 ORDER BY v.transaction_id LIMIT sqlc.arg(lim);

-- name: WordedWorksBefore :many
-- Works of one key that are older than a work, the newest first, with their newest versions.
SELECT w.id, w.organization_id, w.network, w.test, w.ats_id, w.title, w.external_user_ref, w.latest_version, w.redacted_at, w.created_at, w.updated_at,
  v.version, v.creators, v.media_hash, v.commitment, v.tx_hash, v.registered_at
FROM (SELECT k.work_id FROM work_words k WHERE k.key = sqlc.arg(key) AND k.work_id < sqlc.arg(before) ORDER BY k.work_id DESC LIMIT sqlc.arg(lim)) a
JOIN works w ON w.id = a.work_id JOIN versions v ON v.work_id = w.id AND v.version > w.latest_version - 8
ORDER BY w.id DESC, v.version DESC;

-- name: WordedWorksAfter :many
-- Works of one key that are newer than a work, the oldest first.
SELECT w.id, w.organization_id, w.network, w.test, w.ats_id, w.title, w.external_user_ref, w.latest_version, w.redacted_at, w.created_at, w.updated_at,
  v.version, v.creators, v.media_hash, v.commitment, v.tx_hash, v.registered_at
FROM (SELECT k.work_id FROM work_words k WHERE k.key = sqlc.arg(key) AND k.work_id > sqlc.arg(after) ORDER BY k.work_id LIMIT sqlc.arg(lim)) a
JOIN works w ON w.id = a.work_id JOIN versions v ON v.work_id = w.id AND v.version > w.latest_version - 8
ORDER BY w.id, v.version DESC;

-- name: CountWordedWorks :one
-- At most a number of works of one key: enough to choose the rarest key.
SELECT COUNT(*) FROM (SELECT 1 FROM work_words k WHERE k.key = sqlc.arg(key) LIMIT sqlc.arg(lim)) few;

-- name: ListedWorksBefore :many
SELECT w.id, w.organization_id, w.network, w.test, w.ats_id, w.title, w.external_user_ref, w.latest_version, w.redacted_at, w.created_at, w.updated_at,
  v.version, v.creators, v.media_hash, v.commitment, v.tx_hash, v.registered_at
FROM (SELECT k.id FROM works k WHERE k.organization_id = sqlc.arg(organization_id) AND k.network = sqlc.arg(network) AND k.test = sqlc.arg(test) AND k.id < sqlc.arg(before)
  ORDER BY k.id DESC LIMIT sqlc.arg(lim)) a
JOIN works w ON w.id = a.id JOIN versions v ON v.work_id = w.id AND v.version = w.latest_version
ORDER BY w.id DESC;

-- name: ListedWorksAfter :many
SELECT w.id, w.organization_id, w.network, w.test, w.ats_id, w.title, w.external_user_ref, w.latest_version, w.redacted_at, w.created_at, w.updated_at,
  v.version, v.creators, v.media_hash, v.commitment, v.tx_hash, v.registered_at
FROM (SELECT k.id FROM works k WHERE k.organization_id = sqlc.arg(organization_id) AND k.network = sqlc.arg(network) AND k.test = sqlc.arg(test) AND k.id > sqlc.arg(after)
  ORDER BY k.id LIMIT sqlc.arg(lim)) a
JOIN works w ON w.id = a.id JOIN versions v ON v.work_id = w.id AND v.version = w.latest_version
ORDER BY w.id;

-- name: NumberedWork :one
SELECT w.id, w.organization_id, w.network, w.test, w.ats_id, w.title, w.external_user_ref, w.latest_version, w.redacted_at, w.created_at, w.updated_at,
  v.version, v.creators, v.media_hash, v.commitment, v.tx_hash, v.registered_at
FROM works w JOIN versions v ON v.work_id = w.id AND v.version = w.latest_version
WHERE w.network = sqlc.arg(network) AND w.ats_id = sqlc.arg(ats_id) AND w.organization_id = sqlc.arg(organization_id);
