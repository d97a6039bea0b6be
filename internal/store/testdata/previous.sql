-- The queries of the newest release, for the tests of the next release. `go run ./internal/store/lock -release` writes this file.
-- No release exists yet: these are the queries of the commit below.
-- commit 2b4ef6e005c48b7aef16001032751abd332d33f8
-- schema 17

-- name: GetBalance :one
SELECT balance FROM ledger_accounts WHERE organization_id = $1 AND account = $2

-- name: HeldFor :one
SELECT CAST(COALESCE(SUM(e.amount), 0) AS BIGINT) FROM ledger_entries e JOIN ledger_transfers t ON t.id = e.transfer_id
WHERE t.transaction_id = $1 AND e.account = 'held'

-- name: History :many
SELECT t.id, t.kind, t.transaction_id, t.note, t.created_at, e.account, e.amount
FROM ledger_transfers t JOIN ledger_entries e ON e.transfer_id = t.id
WHERE t.organization_id = $1 AND t.id < $2
ORDER BY t.id DESC, e.account LIMIT $3

-- name: InsertEntry :exec
INSERT INTO ledger_entries (transfer_id, account, amount) VALUES ($1, $2, $3)

-- name: InsertTransfer :execrows
INSERT INTO ledger_transfers (id, organization_id, kind, transaction_id, note, created_at)
VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (transaction_id, kind) WHERE transaction_id <> '' DO NOTHING

-- name: ListBalances :many
SELECT account, balance FROM ledger_accounts WHERE organization_id = $1 ORDER BY account

-- name: MoveBalance :execrows
UPDATE ledger_accounts SET balance = balance + CAST($1 AS BIGINT)
WHERE organization_id = $2 AND account = $3
  AND (account = 'issued' OR balance + CAST($1 AS BIGINT) >= 0)

-- name: OpenAccount :exec
INSERT INTO ledger_accounts (organization_id, account, balance) VALUES ($1, $2, 0)
ON CONFLICT (organization_id, account) DO NOTHING

-- name: GetBudget :one
SELECT whole FROM budgets WHERE key = $1

-- name: SpendBudget :one
INSERT INTO budgets (key, whole) VALUES ($1, CAST($2 AS BIGINT) + CAST($3 AS BIGINT))
ON CONFLICT (key) DO UPDATE
SET whole = CASE WHEN budgets.whole > CAST($2 AS BIGINT) AND budgets.whole <= CAST($4 AS BIGINT) THEN budgets.whole + CAST($3 AS BIGINT) ELSE excluded.whole END
WHERE budgets.whole <= CAST($5 AS BIGINT) OR budgets.whole > CAST($4 AS BIGINT)
RETURNING whole

-- name: SweepBudgets :exec
DELETE FROM budgets WHERE whole < $1

-- name: AdvanceLog :execrows
UPDATE logs SET size = $1, refused = $2, blocks = $3, next_ats_id = $4,
  sequencer_at = $5, pending = NULL, pending_checkpoint = '', pending_at = 0
WHERE network = $6 AND size = $7 AND refused = $8

-- name: CountLogRepairs :one
SELECT COUNT(*) FROM log_repairs WHERE network = $1

-- name: FindLogEntries :many
WITH RECURSIVE n AS (SELECT 0 AS i UNION ALL SELECT n.i + 1 AS i FROM n WHERE n.i + 1 < CAST($3 AS BIGINT))
SELECT e.tx_hash, e.body, e.received_at, e.idx, e.leaf, e.ats_id, e.version, e.block, e.decided_at, e.failure, e.lost, b.hash AS block_hash
FROM log_blocks g CROSS JOIN n
JOIN log_entries e ON e.network = g.network AND e.tx_hash = substr(COALESCE($1, g.hash), n.i * 32 + 1, 32)
LEFT JOIN log_blocks b ON b.network = e.network AND b.number = e.block AND e.idx IS NOT NULL
WHERE g.network = $2 AND g.number = 0

-- name: FirstLogEntryOfCommitment :one
SELECT e.tx_hash, e.body, e.received_at, e.idx, e.leaf, e.ats_id, e.version, e.block, e.decided_at, e.failure, e.lost, b.hash AS block_hash
FROM log_entries e LEFT JOIN log_blocks b ON b.network = e.network AND b.number = e.block AND e.idx IS NOT NULL
WHERE e.commitment = $1 AND e.network = $2 AND e.idx < $3
ORDER BY e.idx LIMIT 1

-- name: GetLog :one
SELECT l.origin, l.size, l.refused, l.blocks, l.next_ats_id, l.sequencer_at, l.pending, l.pending_checkpoint, l.pending_at, l.kept_at, l.stopped,
  b.checkpoint, b.created_at AS block_at
FROM logs l JOIN log_blocks b ON b.network = l.network AND b.number = l.blocks
WHERE l.network = $1

-- name: GetLogBlock :one
SELECT number, hash, first_idx, size, checkpoint, created_at FROM log_blocks
WHERE network = $1 AND number = $2

-- name: GetLogEntry :one
SELECT e.tx_hash, e.body, e.received_at, e.idx, e.leaf, e.ats_id, e.version, e.block, e.decided_at, e.failure, e.lost, b.hash AS block_hash
FROM log_entries e LEFT JOIN log_blocks b ON b.network = e.network AND b.number = e.block AND e.idx IS NOT NULL
WHERE e.network = $1 AND e.tx_hash = $2

-- name: GetLogTile :one
SELECT data FROM log_tiles WHERE network = $1 AND level = $2 AND n = $3

-- name: InsertLog :execrows
INSERT INTO logs (network, origin, size, refused, blocks, next_ats_id, sequencer_at)
VALUES ($1, $2, 0, 0, 0, 1, $3)
ON CONFLICT (network) DO NOTHING

-- name: InsertLogBlock :exec
INSERT INTO log_blocks (network, number, hash, first_idx, size, checkpoint, created_at)
VALUES ($1, $2, $3, $4, $5, $6, $7)

-- name: InsertLogEntry :exec
INSERT INTO log_entries (network, tx_hash, body, commitment, received_at, position)
VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (network, tx_hash) DO UPDATE SET lost = FALSE WHERE log_entries.lost

-- name: InsertLogRepair :exec
INSERT INTO log_repairs (network, from_size, to_size, lost, checkpoint, created_at)
VALUES ($1, $2, $3, $4, $5, $6)

-- name: LastLogVersion :one
SELECT version FROM log_entries
WHERE network = $1 AND ats_id = $2 AND idx IS NOT NULL
ORDER BY version DESC LIMIT 1

-- name: ListLogBlocks :many
SELECT number, hash, first_idx, size, checkpoint, created_at FROM log_blocks
WHERE network = $1 AND number <= $2
ORDER BY number DESC LIMIT $3

-- name: ListLogEntries :many
SELECT e.tx_hash, e.body, e.received_at, e.idx, e.leaf, e.ats_id, e.version, e.block, e.decided_at, e.failure, e.lost, b.hash AS block_hash
FROM log_entries e LEFT JOIN log_blocks b ON b.network = e.network AND b.number = e.block
WHERE e.network = $1 AND e.idx >= $2 AND e.idx < $3
ORDER BY e.idx

-- name: ListLogEntriesOfCommitment :many
SELECT e.tx_hash, e.body, e.received_at, e.idx, e.leaf, e.ats_id, e.version, e.block, e.decided_at, e.failure, e.lost, b.hash AS block_hash
FROM log_entries e LEFT JOIN log_blocks b ON b.network = e.network AND b.number = e.block AND e.idx IS NOT NULL
WHERE e.commitment = $1 AND e.network = $2
ORDER BY e.received_at, e.position, e.tx_hash LIMIT $3

-- name: ListLogLeaves :many
SELECT leaf FROM log_entries
WHERE network = $1 AND idx >= $2 AND idx < $3
ORDER BY idx

-- name: ListLogVersions :many
SELECT e.tx_hash, e.body, e.received_at, e.idx, e.leaf, e.ats_id, e.version, e.block, e.decided_at, e.failure, e.lost, b.hash AS block_hash
FROM log_entries e LEFT JOIN log_blocks b ON b.network = e.network AND b.number = e.block
WHERE e.network = $1 AND e.ats_id = $2 AND e.idx IS NOT NULL AND e.version > $3
ORDER BY e.version LIMIT $4

-- name: ListWaitingLogEntries :many
SELECT tx_hash, body FROM log_entries
WHERE network = $1 AND idx IS NULL AND failure = ''
ORDER BY received_at, position, tx_hash LIMIT $2

-- name: LogBlockByHash :one
SELECT number FROM log_blocks WHERE hash = $1 AND network = $2

-- name: LogStopped :one
SELECT stopped FROM logs WHERE network = $1

-- name: NoteSequencer :exec
UPDATE logs SET sequencer_at = $1 WHERE network = $2

-- name: PollLog :one
SELECT l.size, l.refused, l.sequencer_at, CAST(CASE WHEN EXISTS (
  SELECT 1 FROM log_entries e WHERE e.network = l.network AND e.idx IS NULL AND e.failure = ''
) THEN 1 ELSE 0 END AS BIGINT) AS waiting
FROM logs l WHERE l.network = $1

-- name: PutLogTile :exec
INSERT INTO log_tiles (network, level, n, data)
VALUES ($1, $2, $3, $4)
ON CONFLICT (network, level, n) DO UPDATE SET data = excluded.data

-- name: RefuseLogEntry :execrows
UPDATE log_entries SET failure = $1, decided_at = $2
WHERE network = $3 AND tx_hash = $4 AND idx IS NULL AND failure = ''

-- name: RestoreLogEntry :execrows
INSERT INTO log_entries (network, tx_hash, body, commitment, received_at, position, lost)
VALUES ($1, $2, $3, $4, $5, 0, TRUE)
ON CONFLICT (network, tx_hash) DO NOTHING

-- name: SequenceLogEntry :execrows
UPDATE log_entries SET idx = $1, leaf = $2, ats_id = $3,
  version = $4, block = $5, decided_at = $6
WHERE network = $7 AND tx_hash = $8 AND idx IS NULL AND failure = ''

-- name: SetLogKept :exec
UPDATE logs SET kept_at = $1 WHERE network = $2

-- name: SetLogStopped :execrows
UPDATE logs SET stopped = $1 WHERE network = $2 AND stopped <> $1

-- name: StageLogBlock :execrows
UPDATE logs SET pending = $1, pending_checkpoint = $2, pending_at = $3
WHERE network = $4 AND size = $5 AND refused = $6 AND pending_checkpoint = ''

-- name: AddOrigin :exec
INSERT INTO origins (organization_id, pattern, created_at) VALUES ($1, $2, $3)
ON CONFLICT (organization_id, pattern) DO NOTHING

-- name: AllOrigins :many
SELECT DISTINCT pattern FROM origins

-- name: DeleteSiteKey :execrows
UPDATE site_keys SET deleted_at = $1 WHERE site_key = $2 AND deleted_at IS NULL

-- name: GetOrganization :one
SELECT id, name, suspended_at, widget_enabled, max_file_size, access_code_ttl, duplicate_titles, asset_storage, quota, created_at, imprint FROM organizations WHERE id = $1

-- name: InsertOrganization :exec
INSERT INTO organizations (id, name, created_at) VALUES ($1, $2, $3)

-- name: InsertSiteKey :exec
INSERT INTO site_keys (site_key, organization_id, secret_hash, test, created_at)
VALUES ($1, $2, $3, $4, $5)

-- name: KeyBySecretHash :one
SELECT k.site_key, k.organization_id, k.secret_hash, k.test, k.max_file_size, k.disabled_at, k.deleted_at, k.created_at, o.id, o.name, o.suspended_at, o.widget_enabled, o.max_file_size, o.access_code_ttl, o.duplicate_titles, o.asset_storage, o.quota, o.created_at, o.imprint,
  CAST(COALESCE((SELECT string_agg(pattern, ' ') FROM origins WHERE organization_id = o.id), '') AS TEXT) AS origins
FROM site_keys k JOIN organizations o ON o.id = k.organization_id
WHERE k.secret_hash = $1

-- name: KeyBySiteKey :one
SELECT k.site_key, k.organization_id, k.secret_hash, k.test, k.max_file_size, k.disabled_at, k.deleted_at, k.created_at, o.id, o.name, o.suspended_at, o.widget_enabled, o.max_file_size, o.access_code_ttl, o.duplicate_titles, o.asset_storage, o.quota, o.created_at, o.imprint,
  CAST(COALESCE((SELECT string_agg(pattern, ' ') FROM origins WHERE organization_id = o.id), '') AS TEXT) AS origins,
  s.jti, s.revoked_at, CAST(COALESCE(s.action, '') AS TEXT) AS action, CAST(COALESCE(s.network, '') AS TEXT) AS network, CAST(COALESCE(s.end_user, '') AS TEXT) AS end_user
FROM site_keys k JOIN organizations o ON o.id = k.organization_id
  LEFT JOIN sessions s ON s.jti = $1 AND s.site_key = k.site_key AND s.organization_id = o.id
WHERE k.site_key = $2

-- name: ListOrganizations :many
SELECT id, name, suspended_at, widget_enabled, max_file_size, access_code_ttl, duplicate_titles, asset_storage, quota, created_at, imprint FROM organizations ORDER BY id

-- name: ListOrigins :many
SELECT pattern FROM origins WHERE organization_id = $1 ORDER BY pattern

-- name: ListSiteKeys :many
SELECT site_key, organization_id, secret_hash, test, max_file_size, disabled_at, deleted_at, created_at FROM site_keys WHERE organization_id = $1 ORDER BY created_at, site_key

-- name: LockOrganization :exec
UPDATE organizations SET quota = quota WHERE id = $1

-- name: RemoveOrigin :execrows
DELETE FROM origins WHERE organization_id = $1 AND pattern = $2

-- name: SetOrganization :execrows
UPDATE organizations SET suspended_at = $1, widget_enabled = $2,
  max_file_size = $3, access_code_ttl = $4,
  duplicate_titles = $5, asset_storage = $6, quota = $7,
  imprint = $8
WHERE id = $9

-- name: SetSiteKeyDisabled :execrows
UPDATE site_keys SET disabled_at = $1 WHERE site_key = $2 AND deleted_at IS NULL

-- name: AdoptOrphan :execrows
DELETE FROM erasures WHERE object_key = $1

-- name: DropMediaClaims :exec
DELETE FROM media_claims WHERE work_id = $1

-- name: DropReplacedCodes :exec
DELETE FROM replaced_access_codes WHERE work_id = $1

-- name: DropTitleClaims :exec
DELETE FROM title_claims WHERE work_id = $1

-- name: DueErasureKeys :many
SELECT object_key FROM erasures
WHERE object_key > $1 AND due_at <= $2 AND (NOT erased OR since < $3) ORDER BY object_key LIMIT $4

-- name: DueErasures :many
SELECT object_key, since, tries FROM erasures
WHERE organization_id = $1 AND due_at <= $2 AND (NOT erased OR since < $3) ORDER BY due_at, object_key LIMIT $4

-- name: ForgetErasure :exec
DELETE FROM erasures WHERE object_key = $1 AND since < $2

-- name: HurryErasures :exec
UPDATE erasures SET due_at = 0 WHERE organization_id = $1 AND due_at > 0 AND tries > 0

-- name: InsertErasure :exec
INSERT INTO erasures (object_key, organization_id, since) VALUES ($1, $2, $3) ON CONFLICT (object_key) DO NOTHING

-- name: InsertOrphan :exec
INSERT INTO erasures (object_key, organization_id, since, erased, due_at) VALUES ($1, $2, $3, TRUE, $4) ON CONFLICT (object_key) DO NOTHING

-- name: JobsOfWork :many
SELECT id, organization_id, session_jti, kind, network, external_user_ref, state, work_id, ats_id, title, title_key, creators, filename, max_bytes, upload_key, asset_key, deadline, quote_until, media_hash, media, merkle_root, commitment, quote, total_credits, created_at, updated_at, base_version, rehearse, hash_only, declared_hash, language, upload_bytes, reading, test FROM jobs WHERE work_id = $1 ORDER BY id

-- name: LockWork :execrows
UPDATE works SET latest_version = latest_version WHERE id = $1 AND redacted_at IS NULL

-- name: MarkErased :exec
UPDATE erasures SET erased = TRUE, due_at = $1, tries = 0 WHERE object_key = $2

-- name: NewestFiles :many
SELECT asset_key, certificate_key FROM versions WHERE asset_key <> '' OR certificate_key <> '' ORDER BY transaction_id DESC LIMIT $1

-- name: NextErasing :one
WITH RECURSIVE o AS (
  SELECT MIN(f.organization_id) AS id FROM erasures f WHERE f.organization_id > $3
  UNION ALL
  SELECT (SELECT MIN(n.organization_id) FROM erasures n WHERE n.organization_id > o.id) FROM o WHERE o.id IS NOT NULL
)
SELECT e.organization_id FROM erasures e WHERE e.object_key = (
  SELECT t.id FROM (SELECT (
    SELECT d.object_key FROM erasures d WHERE d.organization_id = o.id AND d.due_at <= $1 AND (NOT d.erased OR d.since < $2)
    ORDER BY d.due_at, d.object_key LIMIT 1) AS id FROM o WHERE o.id IS NOT NULL) t
  WHERE t.id IS NOT NULL LIMIT 1)

-- name: PostponeErasure :exec
UPDATE erasures SET due_at = $1, tries = tries + 1 WHERE object_key = $2

-- name: RedactJobs :exec
UPDATE jobs SET external_user_ref = '', title = '', title_key = '', creators = '', filename = '', media_hash = NULL, declared_hash = NULL, merkle_root = NULL,
  media = '{}', reading = '', asset_key = '', language = '', upload_bytes = 0, state = CASE WHEN state IN ('open', 'prepared') THEN 'expired' ELSE state END, updated_at = $1
WHERE work_id = $2

-- name: RedactVersions :exec
UPDATE versions SET media_hash = $1, merkle_root = $1, media = '{}', creators = '', filename = '', asset_key = '', certificate_key = '',
  language = ''
WHERE work_id = $2

-- name: RedactWork :execrows
UPDATE works SET redacted_at = $1, title = '', title_key = '', external_user_ref = '', access_code_hash = NULL, access_code_generation = 0,
  access_code_issued_at = 0
WHERE id = $2 AND redacted_at IS NULL

-- name: BroadcastTransaction :execrows
UPDATE transactions SET state = 'broadcast', steps = $1, updated_at = $2
WHERE id = $3 AND state = 'staged'

-- name: ChangedTransactions :many
SELECT id, updated_at FROM transactions WHERE updated_at >= $1 ORDER BY updated_at LIMIT $2

-- name: ClaimMedia :execrows
INSERT INTO media_claims (organization_id, network, media_hash, work_id)
VALUES ($1, $2, $3, $4)
ON CONFLICT (organization_id, network, media_hash) DO NOTHING

-- name: ClaimTitle :execrows
INSERT INTO title_claims (organization_id, network, external_user_ref, title_key, work_id)
VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (organization_id, network, external_user_ref, title_key) DO NOTHING

-- name: ConfirmJob :execrows
UPDATE jobs SET state = 'confirmed', upload_bytes = 0, updated_at = $1
WHERE id = $2 AND state = 'prepared' AND quote_until > $1

-- name: CountOwnWorks :one
SELECT COUNT(*) FROM works WHERE organization_id = $1 AND network = $2 AND test = $3
  AND external_user_ref = $4 AND title_key LIKE CAST($5 AS TEXT) ESCAPE '!'
  AND (CAST($6 AS BIGINT) = 0 OR ats_id = CAST($6 AS BIGINT))

-- name: CountTransactions :one
SELECT COUNT(*) FROM transactions WHERE organization_id = $1 AND created_at >= $2 AND test = $3 AND state <> 'failed'

-- name: CountUncertified :one
SELECT CAST((SELECT COUNT(*) FROM versions a WHERE a.certificate_key = '' AND a.creators <> '' AND a.timestamp_until = 0)
  + (SELECT COUNT(*) FROM versions b WHERE b.timestamp_until > 0 AND b.creators <> '') AS BIGINT)

-- name: CountWorks :one
SELECT COUNT(*) FROM works WHERE network = $1

-- name: DecideTimestamp :execrows
UPDATE versions SET timestamp_until = 0 WHERE work_id = $1 AND version = $2 AND timestamp_until > 0

-- name: DeclareMedia :execrows
UPDATE jobs SET state = 'open', declared_hash = $1, media_hash = $2, media = $3, updated_at = $4
WHERE id = $5 AND state IN ('open', 'prepared')

-- name: DeleteExpiredJob :exec
DELETE FROM jobs WHERE id = $1 AND state = 'expired'

-- name: DismissTimestamps :execrows
UPDATE versions SET timestamp_until = 0 WHERE timestamp_until > 0

-- name: ExpireJob :execrows
UPDATE jobs SET state = 'expired', upload_bytes = 0, updated_at = $1
WHERE id = $2 AND state IN ('open', 'prepared') AND deadline < $3

-- name: ExpiredJobs :many
SELECT id, upload_key, asset_key, deadline FROM jobs
WHERE state IN ('open', 'prepared') AND deadline < $1
  AND (deadline > $2 OR deadline = $2 AND id > $3)
ORDER BY deadline, id LIMIT $4

-- name: FailTransaction :execrows
UPDATE transactions SET state = 'failed', failure = $1, steps = $2, updated_at = $3
WHERE id = $4 AND state = $5

-- name: FinishTransaction :execrows
UPDATE transactions SET state = 'final', ats_id = $1, version = $2, block_number = $3,
  block_hash = $4, steps = $5, updated_at = $6
WHERE id = $7 AND state = 'broadcast'

-- name: ForgetFailed :exec
UPDATE jobs SET upload_key = '', asset_key = '', external_user_ref = '', title = '', title_key = '', creators = '', filename = '', media_hash = NULL,
  declared_hash = NULL, merkle_root = NULL, media = '{}', reading = ''
WHERE id = $1

-- name: ForgetUpload :exec
UPDATE jobs SET upload_key = '' WHERE id = $1

-- name: FreeMedia :exec
DELETE FROM media_claims WHERE media_claims.organization_id = $1 AND media_claims.network = $2
  AND media_claims.media_hash = $3 AND media_claims.work_id = $4
  AND NOT EXISTS (SELECT 1 FROM versions v WHERE v.work_id = media_claims.work_id AND v.media_hash = media_claims.media_hash)

-- name: FreeTitle :exec
DELETE FROM title_claims WHERE organization_id = $1 AND network = $2
  AND external_user_ref = $3 AND title_key = $4 AND work_id = $5

-- name: GetJob :one
SELECT id, organization_id, session_jti, kind, network, external_user_ref, state, work_id, ats_id, title, title_key, creators, filename, max_bytes, upload_key, asset_key, deadline, quote_until, media_hash, media, merkle_root, commitment, quote, total_credits, created_at, updated_at, base_version, rehearse, hash_only, declared_hash, language, upload_bytes, reading, test FROM jobs WHERE id = $1

-- name: GetTransaction :one
SELECT id, organization_id, network, kind, state, work_id, ats_id, version, commitment, total_credits, staged, tx_hash, block_number, block_hash, steps, failure, request_id, created_at, updated_at, rehearse, test FROM transactions WHERE id = $1

-- name: GetVersion :one
SELECT work_id, version, transaction_id, commitment, media_hash, media, merkle_root, creators, filename, asset_key, quote, tx_hash, block_number, block_hash, registered_at, certificate_key, timestamp_until, language, issued_at, organization_id, certificate_at, certificate_tries, timestamp_at, timestamp_tries FROM versions WHERE work_id = $1 AND version = $2

-- name: GetWork :one
SELECT id, organization_id, network, ats_id, owner, title, external_user_ref, access_code_hash, access_code_generation, latest_version, created_at, updated_at, access_code_issued_at, title_key, redacted_at, test FROM works WHERE id = $1

-- name: InFlight :many
SELECT id, organization_id, network, kind, state, work_id, ats_id, version, commitment, total_credits, staged, tx_hash, block_number, block_hash, steps, failure, request_id, created_at, updated_at, rehearse, test FROM transactions
WHERE network = $1 AND state = $2 AND state IN ('confirmed', 'staged', 'broadcast')
  AND organization_id = $3 AND id > $4
ORDER BY id LIMIT $5

-- name: InsertJob :exec
INSERT INTO jobs (id, organization_id, session_jti, kind, network, external_user_ref, state, work_id, ats_id, title, title_key,
  creators, filename, max_bytes, upload_key, base_version, media_hash, media, hash_only, declared_hash, deadline, rehearse, language, test, created_at, updated_at)
VALUES ($1, $2, $3, $4, $5, $6,
  'open', $7, $8, $9, $10, $11, $12,
  $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $24)

-- name: InsertTimestamp :exec
INSERT INTO timestamps (work_id, version, token) VALUES ($1, $2, $3)

-- name: InsertTransaction :execrows
INSERT INTO transactions (id, organization_id, network, kind, state, work_id, ats_id, commitment, total_credits, steps, request_id, rehearse, test, created_at, updated_at)
VALUES ($1, $2, $3, $4, 'confirmed', $5, $6,
  $7, $8, $9, $10, $11, $12, $13, $13)
ON CONFLICT (work_id) WHERE state IN ('confirmed', 'staged', 'broadcast') DO NOTHING

-- name: InsertVersion :exec
INSERT INTO versions (work_id, version, transaction_id, commitment, media_hash, media, merkle_root, creators, filename, asset_key, quote,
  tx_hash, block_number, block_hash, registered_at, language, timestamp_until, organization_id)
SELECT j.work_id, $1, j.id, j.commitment, j.media_hash, j.media, j.merkle_root, j.creators, j.filename,
  CASE WHEN j.asset_key <> '' OR j.hash_only THEN j.asset_key ELSE (SELECT b.asset_key FROM versions b WHERE b.work_id = j.work_id AND b.version = j.base_version) END, j.quote,
  $2, $3, $4, $5, j.language,
  CAST($6 AS BIGINT), j.organization_id
FROM jobs j WHERE j.id = $7

-- name: InsertWork :exec
INSERT INTO works (id, organization_id, network, ats_id, owner, title, title_key, external_user_ref, access_code_hash, access_code_issued_at, latest_version, test, created_at, updated_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8,
  $9, $10, 1, $11, $10, $10)

-- name: LandUpload :execrows
UPDATE jobs SET upload_bytes = $1 WHERE id = $2 AND state IN ('open', 'prepared') AND deadline > $3

-- name: Leftovers :many
SELECT j.id, j.state, j.upload_key, j.asset_key, j.updated_at, CAST(COALESCE(t.state, '') AS TEXT) AS outcome
FROM jobs j LEFT JOIN transactions t ON t.id = j.id
WHERE j.state IN ('confirmed', 'expired') AND j.upload_key <> '' AND j.updated_at < $1
  AND (t.state IS NULL OR t.state IN ('final', 'failed'))
  AND (j.updated_at > $2 OR j.updated_at = $2 AND j.id > $3)
ORDER BY j.updated_at, j.id LIMIT $4

-- name: MediaClaim :one
SELECT work_id FROM media_claims WHERE organization_id = $1 AND network = $2 AND media_hash = $3

-- name: NextUncertified :one
WITH RECURSIVE o AS (
  SELECT MIN(f.organization_id) AS id FROM versions f
  WHERE f.certificate_key = '' AND f.creators <> '' AND f.timestamp_until = 0 AND f.organization_id > $2
  UNION ALL
  SELECT (SELECT MIN(n.organization_id) FROM versions n WHERE n.certificate_key = '' AND n.creators <> '' AND n.timestamp_until = 0 AND n.organization_id > o.id)
  FROM o WHERE o.id IS NOT NULL
)
SELECT v.work_id, v.version, v.transaction_id, v.organization_id, v.certificate_at, v.certificate_tries FROM versions v WHERE v.transaction_id = (
  SELECT t.id FROM (SELECT (
    SELECT d.transaction_id FROM versions d
    WHERE d.certificate_key = '' AND d.creators <> '' AND d.timestamp_until = 0 AND d.organization_id = o.id AND d.certificate_at <= $1
    ORDER BY d.certificate_at, d.transaction_id DESC LIMIT 1) AS id FROM o WHERE o.id IS NOT NULL) t
  WHERE t.id IS NOT NULL LIMIT 1)

-- name: NextUnstamped :one
WITH RECURSIVE o AS (
  SELECT MIN(f.organization_id) AS id FROM versions f WHERE f.timestamp_until > 0 AND f.organization_id > $2
  UNION ALL
  SELECT (SELECT MIN(n.organization_id) FROM versions n WHERE n.timestamp_until > 0 AND n.organization_id > o.id) FROM o WHERE o.id IS NOT NULL
)
SELECT v.work_id, v.version, v.commitment, v.organization_id, v.timestamp_at, v.timestamp_tries FROM versions v WHERE v.transaction_id = (
  SELECT t.id FROM (SELECT (
    SELECT d.transaction_id FROM versions d WHERE d.timestamp_until > 0 AND d.organization_id = o.id AND d.timestamp_at <= $1
    ORDER BY d.timestamp_at, d.transaction_id DESC LIMIT 1) AS id FROM o WHERE o.id IS NOT NULL) t
  WHERE t.id IS NOT NULL LIMIT 1)

-- name: NoteReading :exec
UPDATE jobs SET reading = $1 WHERE id = $2 AND state IN ('open', 'prepared')

-- name: OldestUncertified :one
SELECT work_id, version, transaction_id, organization_id, certificate_at, certificate_tries FROM versions
WHERE certificate_key = '' AND creators <> '' AND timestamp_until = 0 AND organization_id = $1 AND certificate_at = 0
ORDER BY certificate_at DESC, transaction_id LIMIT 1

-- name: OrganizationsInFlight :many
WITH RECURSIVE o AS (
  SELECT MIN(f.organization_id) AS id FROM transactions f WHERE f.network = $1 AND f.state = $2 AND f.state IN ('confirmed', 'staged', 'broadcast')
  UNION ALL
  SELECT (SELECT MIN(n.organization_id) FROM transactions n
    WHERE n.network = $1 AND n.state = $2 AND n.state IN ('confirmed', 'staged', 'broadcast') AND n.organization_id > o.id)
  FROM o WHERE o.id IS NOT NULL
)
SELECT CAST(o.id AS TEXT) AS id FROM o WHERE o.id IS NOT NULL

-- name: OverdueTimestamps :many
SELECT work_id, version FROM versions WHERE timestamp_until > 0 AND timestamp_until <= $1 ORDER BY timestamp_until LIMIT $2

-- name: OwnWorks :many
SELECT w.id, w.organization_id, w.network, w.ats_id, w.owner, w.title, w.external_user_ref, w.access_code_hash, w.access_code_generation, w.latest_version, w.created_at, w.updated_at, w.access_code_issued_at, w.title_key, w.redacted_at, w.test, v.work_id, v.version, v.transaction_id, v.commitment, v.media_hash, v.media, v.merkle_root, v.creators, v.filename, v.asset_key, v.quote, v.tx_hash, v.block_number, v.block_hash, v.registered_at, v.certificate_key, v.timestamp_until, v.language, v.issued_at, v.organization_id, v.certificate_at, v.certificate_tries, v.timestamp_at, v.timestamp_tries FROM works w JOIN versions v ON v.work_id = w.id
WHERE w.id IN (
  SELECT p.id FROM works p
  WHERE p.organization_id = $1 AND p.network = $2 AND p.test = $3 AND p.external_user_ref = $4
    AND p.title_key LIKE CAST($5 AS TEXT) ESCAPE '!' AND (CAST($6 AS BIGINT) = 0 OR p.ats_id = CAST($6 AS BIGINT))
    AND p.updated_at <= $7 AND (p.updated_at < $7 OR p.id < $8)
  ORDER BY p.updated_at DESC, p.id DESC LIMIT $9)
ORDER BY w.updated_at DESC, w.id DESC, v.version

-- name: PostponeLeftovers :exec
UPDATE jobs SET updated_at = $1 WHERE id = $2

-- name: PrepareJob :execrows
UPDATE jobs SET state = 'prepared', media_hash = $1, media = $2, merkle_root = $3,
  commitment = $4, quote = $5, total_credits = $6, asset_key = $7,
  quote_until = $8, deadline = $9, reading = $10, updated_at = $11
WHERE id = $12 AND state IN ('open', 'prepared') AND updated_at = $13

-- name: RememberReplacedCode :exec
INSERT INTO replaced_access_codes (hash, work_id, generation, replaced_by, replaced_at)
VALUES ($1, $2, $3, $4, $5)

-- name: ReplaceAccessCode :execrows
UPDATE works SET access_code_hash = $1, access_code_generation = access_code_generation + 1, access_code_issued_at = $2
WHERE id = $3 AND access_code_hash = $4

-- name: ReplacedAccessCode :one
SELECT r.hash, r.work_id, r.generation, r.replaced_by, r.replaced_at, w.id, w.organization_id, w.network, w.ats_id, w.owner, w.title, w.external_user_ref, w.access_code_hash, w.access_code_generation, w.latest_version, w.created_at, w.updated_at, w.access_code_issued_at, w.title_key, w.redacted_at, w.test FROM replaced_access_codes r JOIN works w ON w.id = r.work_id WHERE r.hash = $1

-- name: RetryCertificate :exec
UPDATE versions SET certificate_at = $1, certificate_tries = $2
WHERE work_id = $3 AND version = $4 AND certificate_key = ''

-- name: RetryTimestamp :exec
UPDATE versions SET timestamp_at = $1, timestamp_tries = $2
WHERE work_id = $3 AND version = $4 AND timestamp_until > 0

-- name: SetCertificate :execrows
UPDATE versions SET certificate_key = $1 WHERE work_id = $2 AND version = $3 AND certificate_key = '' AND creators <> ''

-- name: SetIssued :execrows
UPDATE versions SET issued_at = $1 WHERE work_id = $2 AND version = $3 AND issued_at = 0

-- name: SetJobUpload :execrows
UPDATE jobs SET state = 'open', deadline = $1, upload_key = $2, updated_at = $3
WHERE id = $4 AND state IN ('open', 'prepared')

-- name: SetWorkVersion :execrows
UPDATE works SET latest_version = $1, updated_at = $2 WHERE id = $3 AND latest_version < $1

-- name: StageTransaction :execrows
UPDATE transactions SET state = 'staged', staged = $1, tx_hash = $2, steps = $3, updated_at = $4
WHERE id = $5 AND state = 'confirmed'

-- name: StagedBytes :one
SELECT CAST(COALESCE(SUM(upload_bytes), 0) AS BIGINT) AS staged,
  CAST(COALESCE(SUM(CASE WHEN organization_id = $1 THEN upload_bytes ELSE 0 END), 0) AS BIGINT) AS own
FROM jobs WHERE upload_bytes > 0

-- name: Timestamp :one
SELECT token FROM timestamps WHERE work_id = $1 AND version = $2

-- name: TitleClaim :one
SELECT work_id FROM title_claims WHERE organization_id = $1 AND network = $2
  AND external_user_ref = $3 AND title_key = $4

-- name: TransactionForView :one
SELECT t.id, t.organization_id, t.network, t.kind, t.state, t.work_id, t.ats_id, t.version, t.commitment, t.total_credits, t.staged, t.tx_hash, t.block_number, t.block_hash, t.steps, t.failure, t.request_id, t.created_at, t.updated_at, t.rehearse, t.test, CAST(COALESCE(w.external_user_ref, '') AS TEXT) AS external_user_ref, CAST(COALESCE(w.access_code_generation, 0) AS BIGINT) AS generation, w.redacted_at,
  CAST(COALESCE(v.registered_at, 0) AS BIGINT) AS registered_at
FROM transactions t LEFT JOIN works w ON w.id = t.work_id LEFT JOIN versions v ON v.work_id = t.work_id AND v.version = t.version WHERE t.id = $1

-- name: TransactionInFlight :one
SELECT id FROM transactions WHERE work_id = $1 AND state IN ('confirmed', 'staged', 'broadcast')

-- name: TryCertificate :execrows
UPDATE versions SET certificate_at = $1
WHERE work_id = $2 AND version = $3 AND certificate_key = '' AND creators <> '' AND certificate_at = $4

-- name: TryTimestamp :execrows
UPDATE versions SET timestamp_at = $1
WHERE work_id = $2 AND version = $3 AND timestamp_until > 0 AND timestamp_at = $4

-- name: Versions :many
SELECT work_id, version, transaction_id, commitment, media_hash, media, merkle_root, creators, filename, asset_key, quote, tx_hash, block_number, block_hash, registered_at, certificate_key, timestamp_until, language, issued_at, organization_id, certificate_at, certificate_tries, timestamp_at, timestamp_tries FROM versions WHERE work_id = $1 ORDER BY version

-- name: WorkByAccessCode :one
SELECT w.id, w.organization_id, w.network, w.ats_id, w.owner, w.title, w.external_user_ref, w.access_code_hash, w.access_code_generation, w.latest_version, w.created_at, w.updated_at, w.access_code_issued_at, w.title_key, w.redacted_at, w.test, o.access_code_ttl FROM works w JOIN organizations o ON o.id = w.organization_id WHERE w.access_code_hash = $1

-- name: WorkByAtsID :one
SELECT id, organization_id, network, ats_id, owner, title, external_user_ref, access_code_hash, access_code_generation, latest_version, created_at, updated_at, access_code_issued_at, title_key, redacted_at, test FROM works WHERE network = $1 AND ats_id = $2

-- name: EndSessions :execrows
UPDATE sessions SET revoked_at = CAST($1 AS BIGINT)
WHERE jti IN (SELECT s.jti FROM sessions s WHERE s.revoked_at IS NULL LIMIT $2)

-- name: GetSession :one
SELECT jti, organization_id, site_key, job_id, revoked_at, expires_at, action, network, end_user FROM sessions WHERE jti = $1

-- name: InsertSession :exec
INSERT INTO sessions (jti, organization_id, site_key, action, network, end_user, expires_at)
VALUES ($1, $2, $3, $4, $5, $6, $7)

-- name: ListSessions :many
SELECT jti, organization_id, site_key, job_id, revoked_at, expires_at, action, network, end_user FROM sessions
WHERE organization_id = $1 AND (CAST($2 AS TEXT) = '' OR site_key = CAST($2 AS TEXT))
  AND (CAST($3 AS TEXT) = '' OR end_user = CAST($3 AS TEXT))
ORDER BY jti DESC LIMIT $4

-- name: RevokeEndUser :execrows
UPDATE sessions SET revoked_at = CAST($1 AS BIGINT)
WHERE site_key = $2 AND end_user = $3 AND revoked_at IS NULL
  AND (CAST($4 AS TEXT) = '' OR organization_id = CAST($4 AS TEXT))

-- name: RevokeSession :execrows
UPDATE sessions SET revoked_at = CAST($1 AS BIGINT)
WHERE jti = $2 AND revoked_at IS NULL
  AND (CAST($3 AS TEXT) = '' OR organization_id = CAST($3 AS TEXT))
  AND (CAST($4 AS TEXT) = '' OR site_key = CAST($4 AS TEXT))
  AND (CAST($5 AS TEXT) = '' OR end_user = CAST($5 AS TEXT))

-- name: RevokeSessions :execrows
UPDATE sessions SET revoked_at = CAST($1 AS BIGINT)
WHERE revoked_at IS NULL
  AND (CAST($2 AS TEXT) = '' OR organization_id = CAST($2 AS TEXT))
  AND (CAST($3 AS TEXT) = '' OR site_key = CAST($3 AS TEXT))
  AND (CAST($4 AS TEXT) = '' OR end_user = CAST($4 AS TEXT))

-- name: SpendSession :execrows
UPDATE sessions SET job_id = $1
WHERE jti = $2 AND job_id IS NULL AND revoked_at IS NULL AND expires_at > $3

-- name: SweepSessions :execrows
DELETE FROM sessions WHERE expires_at < $1
