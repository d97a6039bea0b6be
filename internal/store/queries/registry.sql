-- name: InsertJob :exec
INSERT INTO jobs (id, organization_id, session_jti, kind, network, external_user_ref, state, work_id, ats_id, title, title_key,
  creators, filename, max_bytes, upload_key, base_version, media_hash, media, hash_only, declared_hash, deadline, rehearse, language, test, created_at, updated_at)
VALUES (sqlc.arg(id), sqlc.arg(organization_id), sqlc.arg(session_jti), sqlc.arg(kind), sqlc.arg(network), sqlc.arg(external_user_ref),
  'open', sqlc.arg(work_id), sqlc.arg(ats_id), sqlc.arg(title), sqlc.arg(title_key), sqlc.arg(creators), sqlc.arg(filename),
  sqlc.arg(max_bytes), sqlc.arg(upload_key), sqlc.arg(base_version), sqlc.narg(media_hash), sqlc.arg(media), sqlc.arg(hash_only), sqlc.narg(declared_hash), sqlc.arg(deadline), sqlc.arg(rehearse), sqlc.arg(language), sqlc.arg(test), sqlc.arg(now), sqlc.arg(now));

-- name: GetJob :one
SELECT * FROM jobs WHERE id = sqlc.arg(id);

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

-- name: ExpiredJobs :many
SELECT id, upload_key, asset_key, deadline FROM jobs
WHERE state IN ('open', 'prepared') AND deadline < sqlc.arg(before)
  AND (deadline > sqlc.arg(after) OR deadline = sqlc.arg(after) AND id > sqlc.arg(after_id))
ORDER BY deadline, id LIMIT sqlc.arg(lim);

-- name: LandUpload :execrows
UPDATE jobs SET upload_bytes = sqlc.arg(upload_bytes) WHERE id = sqlc.arg(id) AND state IN ('open', 'prepared') AND deadline > sqlc.arg(now);

-- name: StagedBytes :one
SELECT CAST(COALESCE(SUM(upload_bytes), 0) AS BIGINT) AS staged,
  CAST(COALESCE(SUM(CASE WHEN organization_id = sqlc.arg(organization_id) THEN upload_bytes ELSE 0 END), 0) AS BIGINT) AS own
FROM jobs WHERE upload_bytes > 0;

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

-- name: ClaimTitle :execrows
INSERT INTO title_claims (organization_id, network, external_user_ref, title_key, work_id)
VALUES (sqlc.arg(organization_id), sqlc.arg(network), sqlc.arg(external_user_ref), sqlc.arg(title_key), sqlc.arg(work_id))
ON CONFLICT (organization_id, network, external_user_ref, title_key) DO NOTHING;

-- name: TitleClaim :one
SELECT work_id FROM title_claims WHERE organization_id = sqlc.arg(organization_id) AND network = sqlc.arg(network)
  AND external_user_ref = sqlc.arg(external_user_ref) AND title_key = sqlc.arg(title_key);

-- name: ClaimMedia :execrows
INSERT INTO media_claims (organization_id, network, media_hash, work_id)
VALUES (sqlc.arg(organization_id), sqlc.arg(network), sqlc.arg(media_hash), sqlc.arg(work_id))
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

-- name: InsertTransaction :execrows
INSERT INTO transactions (id, organization_id, network, kind, state, work_id, ats_id, commitment, total_credits, steps, request_id, rehearse, test, created_at, updated_at)
VALUES (sqlc.arg(id), sqlc.arg(organization_id), sqlc.arg(network), sqlc.arg(kind), 'confirmed', sqlc.arg(work_id), sqlc.arg(ats_id),
  sqlc.arg(commitment), sqlc.arg(total_credits), sqlc.arg(steps), sqlc.arg(request_id), sqlc.arg(rehearse), sqlc.arg(test), sqlc.arg(now), sqlc.arg(now))
ON CONFLICT (work_id) WHERE state IN ('confirmed', 'staged', 'broadcast') DO NOTHING;

-- name: TransactionInFlight :one
SELECT id FROM transactions WHERE work_id = sqlc.arg(work_id) AND state IN ('confirmed', 'staged', 'broadcast');

-- name: CountTransactions :one
SELECT COUNT(*) FROM transactions WHERE organization_id = sqlc.arg(organization_id) AND created_at >= sqlc.arg(since) AND test = sqlc.arg(test) AND state <> 'failed';

-- name: GetTransaction :one
SELECT * FROM transactions WHERE id = sqlc.arg(id);

-- name: TransactionForView :one
SELECT sqlc.embed(t), CAST(COALESCE(w.external_user_ref, '') AS TEXT) AS external_user_ref, CAST(COALESCE(w.access_code_generation, 0) AS BIGINT) AS generation, w.redacted_at,
  CAST(COALESCE(v.registered_at, 0) AS BIGINT) AS registered_at
FROM transactions t LEFT JOIN works w ON w.id = t.work_id LEFT JOIN versions v ON v.work_id = t.work_id AND v.version = t.version WHERE t.id = sqlc.arg(id);

-- name: OrganizationsInFlight :many
WITH RECURSIVE o AS (
  SELECT MIN(f.organization_id) AS id FROM transactions f WHERE f.network = sqlc.arg(network) AND f.state = sqlc.arg(state) AND f.state IN ('confirmed', 'staged', 'broadcast')
  UNION ALL
  SELECT (SELECT MIN(n.organization_id) FROM transactions n
    WHERE n.network = sqlc.arg(network) AND n.state = sqlc.arg(state) AND n.state IN ('confirmed', 'staged', 'broadcast') AND n.organization_id > o.id)
  FROM o WHERE o.id IS NOT NULL
)
SELECT CAST(o.id AS TEXT) AS id FROM o WHERE o.id IS NOT NULL;

-- name: InFlight :many
SELECT * FROM transactions
WHERE network = sqlc.arg(network) AND state = sqlc.arg(state) AND state IN ('confirmed', 'staged', 'broadcast')
  AND organization_id = sqlc.arg(organization_id) AND id > sqlc.arg(after)
ORDER BY id LIMIT sqlc.arg(lim);

-- name: StageTransaction :execrows
UPDATE transactions SET state = 'staged', staged = sqlc.arg(staged), tx_hash = sqlc.arg(tx_hash), steps = sqlc.arg(steps), updated_at = sqlc.arg(now)
WHERE id = sqlc.arg(id) AND state = 'confirmed';

-- name: BroadcastTransaction :execrows
UPDATE transactions SET state = 'broadcast', steps = sqlc.arg(steps), updated_at = sqlc.arg(now)
WHERE id = sqlc.arg(id) AND state = 'staged';

-- name: FinishTransaction :execrows
UPDATE transactions SET state = 'final', ats_id = sqlc.arg(ats_id), version = sqlc.arg(version), block_number = sqlc.arg(block_number),
  block_hash = sqlc.arg(block_hash), steps = sqlc.arg(steps), updated_at = sqlc.arg(now)
WHERE id = sqlc.arg(id) AND state = 'broadcast';

-- name: FailTransaction :execrows
UPDATE transactions SET state = 'failed', failure = sqlc.arg(failure), steps = sqlc.arg(steps), updated_at = sqlc.arg(now)
WHERE id = sqlc.arg(id) AND state = sqlc.arg(seen);

-- name: ChangedTransactions :many
SELECT id, updated_at FROM transactions WHERE updated_at >= sqlc.arg(since) ORDER BY updated_at LIMIT sqlc.arg(lim);

-- name: InsertWork :exec
INSERT INTO works (id, organization_id, network, ats_id, owner, title, title_key, external_user_ref, access_code_hash, access_code_issued_at, latest_version, test, created_at, updated_at)
VALUES (sqlc.arg(id), sqlc.arg(organization_id), sqlc.arg(network), sqlc.arg(ats_id), sqlc.arg(owner), sqlc.arg(title), sqlc.arg(title_key), sqlc.arg(external_user_ref),
  sqlc.arg(access_code_hash), sqlc.arg(now), 1, sqlc.arg(test), sqlc.arg(now), sqlc.arg(now));

-- name: SetWorkVersion :execrows
UPDATE works SET latest_version = sqlc.arg(version), updated_at = sqlc.arg(now) WHERE id = sqlc.arg(id) AND latest_version < sqlc.arg(version);

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

-- name: InsertVersion :exec
INSERT INTO versions (work_id, version, transaction_id, commitment, media_hash, media, merkle_root, creators, filename, asset_key, quote,
  tx_hash, block_number, block_hash, registered_at, language, timestamp_until, organization_id)
SELECT j.work_id, sqlc.arg(version), j.id, j.commitment, j.media_hash, j.media, j.merkle_root, j.creators, j.filename,
  CASE WHEN j.asset_key <> '' OR j.hash_only THEN j.asset_key ELSE (SELECT b.asset_key FROM versions b WHERE b.work_id = j.work_id AND b.version = j.base_version) END, j.quote,
  sqlc.arg(tx_hash), sqlc.arg(block_number), sqlc.arg(block_hash), sqlc.arg(now), j.language,
  CAST(sqlc.arg(timestamp_until) AS BIGINT), j.organization_id
FROM jobs j WHERE j.id = sqlc.arg(transaction_id);

-- name: GetWork :one
SELECT * FROM works WHERE id = sqlc.arg(id);

-- name: CountWorks :one
SELECT COUNT(*) FROM works WHERE network = sqlc.arg(network);

-- name: WorkByAtsID :one
SELECT * FROM works WHERE network = sqlc.arg(network) AND ats_id = sqlc.arg(ats_id);

-- name: OwnWorks :many
SELECT sqlc.embed(w), sqlc.embed(v) FROM works w JOIN versions v ON v.work_id = w.id
WHERE w.id IN (
  SELECT p.id FROM works p
  WHERE p.organization_id = sqlc.arg(organization_id) AND p.network = sqlc.arg(network) AND p.test = sqlc.arg(test) AND p.external_user_ref = sqlc.arg(external_user_ref)
    AND p.title_key LIKE CAST(sqlc.arg(pattern) AS TEXT) ESCAPE '!' AND (CAST(sqlc.arg(one) AS BIGINT) = 0 OR p.ats_id = CAST(sqlc.arg(one) AS BIGINT))
    AND p.updated_at <= sqlc.arg(before) AND (p.updated_at < sqlc.arg(before) OR p.id < sqlc.arg(before_id))
  ORDER BY p.updated_at DESC, p.id DESC LIMIT sqlc.arg(lim))
ORDER BY w.updated_at DESC, w.id DESC, v.version;

-- name: CountOwnWorks :one
SELECT COUNT(*) FROM works WHERE organization_id = sqlc.arg(organization_id) AND network = sqlc.arg(network) AND test = sqlc.arg(test)
  AND external_user_ref = sqlc.arg(external_user_ref) AND title_key LIKE CAST(sqlc.arg(pattern) AS TEXT) ESCAPE '!'
  AND (CAST(sqlc.arg(one) AS BIGINT) = 0 OR ats_id = CAST(sqlc.arg(one) AS BIGINT));

-- name: Versions :many
SELECT * FROM versions WHERE work_id = sqlc.arg(work_id) ORDER BY version;

-- name: NextUncertified :one
-- The newest version of the next organization that has one due: new ones before those
-- that were tried. A join with o would leave the order to the database, which could skip
-- an organization.
WITH RECURSIVE o AS (
  SELECT MIN(f.organization_id) AS id FROM versions f
  WHERE f.certificate_key = '' AND f.creators <> '' AND f.timestamp_until = 0 AND f.organization_id > sqlc.arg(after)
  UNION ALL
  SELECT (SELECT MIN(n.organization_id) FROM versions n WHERE n.certificate_key = '' AND n.creators <> '' AND n.timestamp_until = 0 AND n.organization_id > o.id)
  FROM o WHERE o.id IS NOT NULL
)
SELECT v.work_id, v.version, v.transaction_id, v.organization_id, v.certificate_at, v.certificate_tries FROM versions v WHERE v.transaction_id = (
  SELECT t.id FROM (SELECT (
    SELECT d.transaction_id FROM versions d
    WHERE d.certificate_key = '' AND d.creators <> '' AND d.timestamp_until = 0 AND d.organization_id = o.id AND d.certificate_at <= sqlc.arg(now)
    ORDER BY d.certificate_at, d.transaction_id DESC LIMIT 1) AS id FROM o WHERE o.id IS NOT NULL) t
  WHERE t.id IS NOT NULL LIMIT 1);

-- name: CountUncertified :one
SELECT CAST((SELECT COUNT(*) FROM versions a WHERE a.certificate_key = '' AND a.creators <> '' AND a.timestamp_until = 0)
  + (SELECT COUNT(*) FROM versions b WHERE b.timestamp_until > 0 AND b.creators <> '') AS BIGINT);

-- name: OldestUncertified :one
SELECT work_id, version, transaction_id, organization_id, certificate_at, certificate_tries FROM versions
WHERE certificate_key = '' AND creators <> '' AND timestamp_until = 0 AND organization_id = sqlc.arg(organization_id) AND certificate_at = 0
ORDER BY certificate_at DESC, transaction_id LIMIT 1;

-- name: TryCertificate :execrows
-- Only if the row is unchanged: two workers never make the same certificate.
UPDATE versions SET certificate_at = sqlc.arg(again_at)
WHERE work_id = sqlc.arg(work_id) AND version = sqlc.arg(version) AND certificate_key = '' AND creators <> '' AND certificate_at = sqlc.arg(seen);

-- name: RetryCertificate :exec
UPDATE versions SET certificate_at = sqlc.arg(again_at), certificate_tries = sqlc.arg(tries)
WHERE work_id = sqlc.arg(work_id) AND version = sqlc.arg(version) AND certificate_key = '';

-- name: SetCertificate :execrows
UPDATE versions SET certificate_key = sqlc.arg(certificate_key) WHERE work_id = sqlc.arg(work_id) AND version = sqlc.arg(version) AND certificate_key = '' AND creators <> '';

-- name: SetIssued :execrows
UPDATE versions SET issued_at = sqlc.arg(now) WHERE work_id = sqlc.arg(work_id) AND version = sqlc.arg(version) AND issued_at = 0;

-- name: NextUnstamped :one
-- Like NextUncertified.
WITH RECURSIVE o AS (
  SELECT MIN(f.organization_id) AS id FROM versions f WHERE f.timestamp_until > 0 AND f.organization_id > sqlc.arg(after)
  UNION ALL
  SELECT (SELECT MIN(n.organization_id) FROM versions n WHERE n.timestamp_until > 0 AND n.organization_id > o.id) FROM o WHERE o.id IS NOT NULL
)
SELECT v.work_id, v.version, v.commitment, v.organization_id, v.timestamp_at, v.timestamp_tries FROM versions v WHERE v.transaction_id = (
  SELECT t.id FROM (SELECT (
    SELECT d.transaction_id FROM versions d WHERE d.timestamp_until > 0 AND d.organization_id = o.id AND d.timestamp_at <= sqlc.arg(now)
    ORDER BY d.timestamp_at, d.transaction_id DESC LIMIT 1) AS id FROM o WHERE o.id IS NOT NULL) t
  WHERE t.id IS NOT NULL LIMIT 1);

-- name: TryTimestamp :execrows
-- Like TryCertificate.
UPDATE versions SET timestamp_at = sqlc.arg(again_at)
WHERE work_id = sqlc.arg(work_id) AND version = sqlc.arg(version) AND timestamp_until > 0 AND timestamp_at = sqlc.arg(seen);

-- name: RetryTimestamp :exec
UPDATE versions SET timestamp_at = sqlc.arg(again_at), timestamp_tries = sqlc.arg(tries)
WHERE work_id = sqlc.arg(work_id) AND version = sqlc.arg(version) AND timestamp_until > 0;

-- name: OverdueTimestamps :many
-- The longest waiting first: each costs almost nothing.
SELECT work_id, version FROM versions WHERE timestamp_until > 0 AND timestamp_until <= sqlc.arg(until) ORDER BY timestamp_until LIMIT sqlc.arg(lim);

-- name: DismissTimestamps :execrows
UPDATE versions SET timestamp_until = 0 WHERE timestamp_until > 0;

-- name: DecideTimestamp :execrows
UPDATE versions SET timestamp_until = 0 WHERE work_id = sqlc.arg(work_id) AND version = sqlc.arg(version) AND timestamp_until > 0;

-- name: InsertTimestamp :exec
INSERT INTO timestamps (work_id, version, token) VALUES (sqlc.arg(work_id), sqlc.arg(version), sqlc.arg(token));

-- name: Timestamp :one
SELECT token FROM timestamps WHERE work_id = sqlc.arg(work_id) AND version = sqlc.arg(version);
