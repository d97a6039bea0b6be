-- name: GetIdempotentRequest :one
SELECT * FROM idempotent_requests WHERE id = sqlc.arg(id);

-- name: ClaimIdempotentRequest :execrows
-- One statement decides which of several equal requests runs. A row that is too old, or that
-- a killed process left without an answer, counts for nothing.
INSERT INTO idempotent_requests (id, request, claim, leased_until, created_at)
VALUES (sqlc.arg(id), sqlc.arg(request), sqlc.arg(claim), sqlc.arg(leased_until), sqlc.arg(now))
ON CONFLICT (id) DO UPDATE SET request = excluded.request, claim = excluded.claim, leased_until = excluded.leased_until,
  status = 0, answer = NULL, created_at = excluded.created_at
WHERE idempotent_requests.created_at <= CAST(sqlc.arg(before) AS BIGINT)
  OR (idempotent_requests.status = 0 AND idempotent_requests.leased_until <= excluded.created_at);

-- name: AnswerIdempotentRequest :execrows
-- Only by the execution that has the claim.
UPDATE idempotent_requests SET status = sqlc.arg(status), answer = sqlc.arg(answer)
WHERE id = sqlc.arg(id) AND claim = sqlc.arg(claim) AND status = 0;

-- name: ReleaseIdempotentRequest :execrows
-- Like AnswerIdempotentRequest. An answer stays.
DELETE FROM idempotent_requests WHERE id = sqlc.arg(id) AND claim = sqlc.arg(claim) AND status = 0;

-- name: SweepIdempotentRequests :execrows
DELETE FROM idempotent_requests WHERE id IN (
  SELECT r.id FROM idempotent_requests r WHERE r.created_at <= sqlc.arg(before) ORDER BY r.created_at LIMIT sqlc.arg(lim));
