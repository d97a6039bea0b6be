-- name: SetLogCosigning :exec
-- A log gets witnesses, or another patience. The time of a change stays: blocks before it may
-- be served already.
INSERT INTO log_cosigning (network, patience, patience_at) VALUES (sqlc.arg(network), sqlc.arg(patience), sqlc.arg(now))
ON CONFLICT (network) DO UPDATE SET patience = excluded.patience, patience_at = excluded.patience_at WHERE log_cosigning.patience <> excluded.patience;

-- name: DropLogCosigning :execrows
DELETE FROM log_cosigning WHERE network = sqlc.arg(network);

-- name: GetLogCosigning :one
-- block is the newest block with a quorum, or -1.
SELECT c.patience, c.patience_at, CAST(COALESCE((SELECT MAX(w.block) FROM log_witnessed w WHERE w.network = c.network), -1) AS BIGINT) AS block
FROM log_cosigning c WHERE c.network = sqlc.arg(network);

-- name: HoldLogCosigning :execrows
-- A lease that ends further in the future than a new one comes from a wrong clock.
UPDATE log_cosigning SET holder = sqlc.arg(holder), lease_until = sqlc.arg(until)
WHERE network = sqlc.arg(network) AND (holder = sqlc.arg(holder) OR lease_until <= sqlc.arg(now) OR lease_until > sqlc.arg(until));

-- name: ReleaseLogCosigning :exec
UPDATE log_cosigning SET lease_until = 0 WHERE network = sqlc.arg(network) AND holder = sqlc.arg(holder);

-- name: AddLogWitness :exec
INSERT INTO log_witnesses (network, witness, label) VALUES (sqlc.arg(network), sqlc.arg(witness), sqlc.arg(label))
ON CONFLICT (network, witness) DO UPDATE SET label = excluded.label WHERE log_witnesses.label <> excluded.label;

-- name: ListLogWitnesses :many
SELECT witness, label, size, cosigned_at, failures, failing_since, due_at, failure, alarm, proof
FROM log_witnesses WHERE network = sqlc.arg(network) ORDER BY label, witness;

-- name: DropLogWitness :exec
DELETE FROM log_witnesses WHERE network = sqlc.arg(network) AND witness = sqlc.arg(witness);

-- name: NoteCosigned :exec
-- Another process may have kept a larger size.
UPDATE log_witnesses SET failures = 0, failing_since = 0, due_at = 0, failure = '', alarm = '', proof = '',
  cosigned_at = CASE WHEN size <= sqlc.arg(size) THEN sqlc.arg(cosigned_at) ELSE cosigned_at END,
  size = CASE WHEN size <= sqlc.arg(size) THEN sqlc.arg(size) ELSE size END
WHERE network = sqlc.arg(network) AND witness = sqlc.arg(witness);

-- name: NoteUncosigned :exec
-- An alarm stays until the witness cosigns again, and so does its proof.
UPDATE log_witnesses SET failures = failures + 1, due_at = sqlc.arg(due_at), failure = sqlc.arg(failure),
  failing_since = CASE WHEN failing_since = 0 THEN sqlc.arg(now) ELSE failing_since END,
  alarm = CASE WHEN sqlc.arg(alarm) <> '' THEN sqlc.arg(alarm) ELSE alarm END,
  proof = CASE WHEN sqlc.arg(proof) <> '' THEN sqlc.arg(proof) ELSE proof END
WHERE network = sqlc.arg(network) AND witness = sqlc.arg(witness);

-- name: PutCosignature :exec
INSERT INTO log_cosignatures (network, block, witness, line, cosigned_at)
VALUES (sqlc.arg(network), sqlc.arg(block), sqlc.arg(witness), sqlc.arg(line), sqlc.arg(cosigned_at))
ON CONFLICT (network, block, witness) DO NOTHING;

-- name: ListCosignatures :many
SELECT line FROM log_cosignatures WHERE network = sqlc.arg(network) AND block = sqlc.arg(block) ORDER BY witness;

-- name: SetLogWitnessed :execrows
INSERT INTO log_witnessed (network, block, witnessed_at) VALUES (sqlc.arg(network), sqlc.arg(block), sqlc.arg(now))
ON CONFLICT (network, block) DO NOTHING;

-- name: WitnessedFrom :one
-- The first block with a quorum, and the first one with a cosignature, from a block on; -1
-- without one. asked is 1 while the log has witnesses.
SELECT (SELECT COUNT(*) FROM log_cosigning a WHERE a.network = l.network) AS asked,
  CAST(COALESCE((SELECT MIN(w.block) FROM log_witnessed w WHERE w.network = l.network AND w.block >= sqlc.arg(block)), -1) AS BIGINT) AS quorum,
  CAST(COALESCE((SELECT MIN(c.block) FROM log_cosignatures c WHERE c.network = l.network AND c.block >= sqlc.arg(block)), -1) AS BIGINT) AS cosigned
FROM logs l WHERE l.network = sqlc.arg(network);

-- name: LastLogBlockBefore :one
-- The newest block after one that is not younger than a time. Times of blocks never decrease.
SELECT number FROM log_blocks WHERE network = sqlc.arg(network) AND number > sqlc.arg(after) AND created_at <= sqlc.arg(until)
ORDER BY number DESC LIMIT 1;
