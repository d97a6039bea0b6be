-- name: InsertWebhookEndpoint :exec
INSERT INTO webhook_endpoints (id, organization_id, api_key_id, url, description, events, network, secret, previous_secret, created_at, updated_at)
VALUES (sqlc.arg(id), sqlc.arg(organization_id), sqlc.arg(api_key_id), sqlc.arg(url), sqlc.arg(description), sqlc.arg(events), sqlc.arg(network), sqlc.arg(secret), sqlc.arg(previous_secret), sqlc.arg(now), sqlc.arg(now));

-- name: CountWebhookEndpoints :one
SELECT COUNT(*) FROM webhook_endpoints WHERE organization_id = sqlc.arg(organization_id) AND deleted_at = 0 AND api_key_id = '';

-- name: CountKeyEndpoints :one
SELECT COUNT(*) FROM webhook_endpoints WHERE organization_id = sqlc.arg(organization_id) AND deleted_at = 0 AND api_key_id <> '';

-- name: EndpointsOfEndedKeys :many
-- The endpoints of API keys that are revoked, expired or gone, the oldest first.
SELECT e.* FROM webhook_endpoints e WHERE e.organization_id = sqlc.arg(organization_id) AND e.deleted_at = 0 AND e.api_key_id <> ''
  AND NOT EXISTS (SELECT 1 FROM api_keys k WHERE k.id = e.api_key_id AND k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > CAST(sqlc.arg(now) AS BIGINT)))
ORDER BY e.id LIMIT sqlc.arg(lim);

-- name: WebhookEndpoints :many
SELECT * FROM webhook_endpoints WHERE organization_id = sqlc.arg(organization_id) AND deleted_at = 0 AND id > sqlc.arg(after) ORDER BY id LIMIT sqlc.arg(lim);

-- name: WebhookTargets :many
-- The endpoints of an organization that receive its events.
SELECT id, api_key_id, events, network, disabled_at FROM webhook_endpoints WHERE organization_id = sqlc.arg(organization_id) AND deleted_at = 0;

-- name: WebhookEndpoint :one
SELECT * FROM webhook_endpoints WHERE organization_id = sqlc.arg(organization_id) AND id = sqlc.arg(id) AND deleted_at = 0;

-- name: WebhookEndpointByID :one
-- For the worker, which serves all organizations. A deleted endpoint is found.
SELECT * FROM webhook_endpoints WHERE id = sqlc.arg(id);

-- name: LockWebhookEndpoint :execrows
UPDATE webhook_endpoints SET revision = revision WHERE organization_id = sqlc.arg(organization_id) AND id = sqlc.arg(id) AND deleted_at = 0;

-- name: SetWebhookEndpoint :execrows
UPDATE webhook_endpoints SET url = sqlc.arg(url), description = sqlc.arg(description), events = sqlc.arg(events), network = sqlc.arg(network),
  disabled_at = sqlc.arg(disabled_at), disabled_reason = sqlc.arg(disabled_reason), failing_since = sqlc.arg(failing_since), warned_at = sqlc.arg(warned_at),
  revision = revision + 1, updated_at = sqlc.arg(now)
WHERE organization_id = sqlc.arg(organization_id) AND id = sqlc.arg(id) AND deleted_at = 0;

-- name: SetWebhookSecrets :execrows
UPDATE webhook_endpoints SET secret = sqlc.arg(secret), previous_secret = sqlc.arg(previous_secret), previous_until = sqlc.arg(previous_until), revision = revision + 1, updated_at = sqlc.arg(now)
WHERE organization_id = sqlc.arg(organization_id) AND id = sqlc.arg(id) AND deleted_at = 0;

-- name: DeleteWebhookEndpoint :execrows
UPDATE webhook_endpoints SET deleted_at = sqlc.arg(now), secret = sqlc.arg(nothing), previous_secret = sqlc.arg(nothing), url = '', description = '', updated_at = sqlc.arg(now)
WHERE organization_id = sqlc.arg(organization_id) AND id = sqlc.arg(id) AND deleted_at = 0;

-- name: ForgetPreviousSecrets :exec
UPDATE webhook_endpoints SET previous_secret = sqlc.arg(nothing), previous_until = 0 WHERE previous_until > 0 AND previous_until < sqlc.arg(now);

-- name: WebhookFails :exec
-- The first failure of a series.
UPDATE webhook_endpoints SET failing_since = sqlc.arg(now) WHERE id = sqlc.arg(id) AND failing_since = 0;

-- name: WebhookWorks :exec
UPDATE webhook_endpoints SET failing_since = 0, warned_at = 0 WHERE id = sqlc.arg(id) AND failing_since > 0;

-- name: WarnWebhook :execrows
UPDATE webhook_endpoints SET warned_at = sqlc.arg(now) WHERE id = sqlc.arg(id) AND warned_at = 0 AND failing_since > 0 AND disabled_at = 0 AND deleted_at = 0;

-- name: DisableWebhook :execrows
UPDATE webhook_endpoints SET disabled_at = sqlc.arg(now), disabled_reason = sqlc.arg(reason), revision = revision + 1, updated_at = sqlc.arg(now)
WHERE id = sqlc.arg(id) AND disabled_at = 0 AND deleted_at = 0;

-- name: InsertWebhookDelivery :exec
INSERT INTO webhook_deliveries (id, organization_id, endpoint_id, event, transaction_id, work_id, payload, access_code, state, created_at, ended_at)
VALUES (sqlc.arg(id), sqlc.arg(organization_id), sqlc.arg(endpoint_id), sqlc.arg(event), sqlc.arg(transaction_id), sqlc.arg(work_id), sqlc.arg(payload), sqlc.arg(access_code), sqlc.arg(state), sqlc.arg(now), sqlc.arg(ended_at));

-- name: WebhookDeliveriesByID :many
-- The deliveries of several ids, joined.
WITH RECURSIVE n AS (SELECT 0 AS i UNION ALL SELECT n.i + 1 AS i FROM n WHERE n.i + 1 < CAST(sqlc.arg(count) AS BIGINT))
SELECT * FROM webhook_deliveries d WHERE d.id IN (SELECT substr(CAST(sqlc.arg(joined) AS TEXT), CAST(n.i * 36 + 1 AS INTEGER), 36) FROM n);

-- name: WebhookDelivery :one
SELECT * FROM webhook_deliveries WHERE id = sqlc.arg(id);

-- name: FailWebhookDelivery :many
-- The end of a round without success. A result that comes late never changes a success.
UPDATE webhook_deliveries SET state = 'failed', attempts = attempts + 1, last_status = sqlc.arg(last_status), ended_at = sqlc.arg(now)
WHERE id = sqlc.arg(id) AND state = 'waiting' RETURNING id, work_id, attempts;

-- name: AcknowledgeWebhookDeliveries :many
-- The end of a round of several deliveries. Their ids are joined.
WITH RECURSIVE n AS (SELECT 0 AS i UNION ALL SELECT n.i + 1 AS i FROM n WHERE n.i + 1 < CAST(sqlc.arg(count) AS BIGINT))
UPDATE webhook_deliveries SET state = 'delivered', attempts = attempts + 1, last_status = sqlc.arg(last_status), ended_at = sqlc.arg(now)
WHERE webhook_deliveries.id IN (SELECT substr(CAST(sqlc.arg(joined) AS TEXT), CAST(n.i * 36 + 1 AS INTEGER), 36) FROM n)
RETURNING id, work_id, attempts;

-- name: TriedWebhookDelivery :many
UPDATE webhook_deliveries SET attempts = attempts + 1, last_status = sqlc.arg(last_status) WHERE id = sqlc.arg(id) RETURNING id, work_id, attempts;

-- name: SkipWebhookDelivery :exec
UPDATE webhook_deliveries SET state = 'skipped', ended_at = sqlc.arg(now) WHERE id = sqlc.arg(id) AND state = 'waiting';

-- name: ReopenWebhookDelivery :execrows
UPDATE webhook_deliveries SET state = 'waiting', ended_at = 0 WHERE id = sqlc.arg(id) AND state <> 'waiting';

-- name: WebhookAttempts :many
SELECT * FROM webhook_attempts WHERE delivery_id = sqlc.arg(delivery_id) ORDER BY number DESC LIMIT sqlc.arg(lim);

-- name: WebhookDeliveriesPage :many
-- The deliveries of an endpoint before one id, the newest first.
SELECT * FROM webhook_deliveries WHERE endpoint_id = sqlc.arg(endpoint_id) AND id < sqlc.arg(before) AND id >= sqlc.arg(since) ORDER BY id DESC LIMIT sqlc.arg(lim);

-- name: WebhookDeliveriesInState :many
SELECT * FROM webhook_deliveries WHERE endpoint_id = sqlc.arg(endpoint_id) AND state = sqlc.arg(state) AND id < sqlc.arg(before) AND id >= sqlc.arg(since) ORDER BY id DESC LIMIT sqlc.arg(lim);

-- name: WebhookDeliveriesOfEvent :many
SELECT * FROM webhook_deliveries WHERE endpoint_id = sqlc.arg(endpoint_id) AND event = sqlc.arg(event) AND state = sqlc.arg(state) AND state <> 'waiting' AND id < sqlc.arg(before) AND id >= sqlc.arg(since) ORDER BY id DESC LIMIT sqlc.arg(lim);

-- name: WaitingWebhooksOfEvent :many
-- No index has the event of a delivery that waits.
SELECT * FROM webhook_deliveries WHERE endpoint_id = sqlc.arg(endpoint_id) AND state = 'waiting' AND event = sqlc.arg(event) AND id < sqlc.arg(before) AND id >= sqlc.arg(since) ORDER BY id DESC LIMIT sqlc.arg(lim);

-- name: WebhookDeliveriesOfTransaction :many
SELECT * FROM webhook_deliveries WHERE work_id = sqlc.arg(work_id) AND transaction_id = sqlc.arg(transaction_id) AND organization_id = sqlc.arg(organization_id) ORDER BY id LIMIT sqlc.arg(lim);

-- name: UnacknowledgedWebhooks :many
-- The deliveries of an endpoint that ended in one state after one id, the oldest first.
SELECT id, work_id FROM webhook_deliveries WHERE endpoint_id = sqlc.arg(endpoint_id) AND state = sqlc.arg(state) AND id >= sqlc.arg(since) AND id > sqlc.arg(after) AND id < sqlc.arg(before) ORDER BY id LIMIT sqlc.arg(lim);

-- name: OldWebhookDeliveries :many
SELECT id, work_id FROM webhook_deliveries WHERE id < sqlc.arg(before) ORDER BY id LIMIT sqlc.arg(lim);

-- name: WebhookDeliveriesOfDeleted :many
-- The deliveries of a deleted endpoint.
SELECT d.id, d.work_id FROM webhook_deliveries d WHERE d.endpoint_id = sqlc.arg(endpoint_id) ORDER BY d.id LIMIT sqlc.arg(lim);

-- name: DeletedWebhookEndpoints :many
SELECT id FROM webhook_endpoints WHERE deleted_at > 0 ORDER BY deleted_at LIMIT sqlc.arg(lim);

-- name: DeleteWebhookAttempts :exec
DELETE FROM webhook_attempts WHERE delivery_id = sqlc.arg(delivery_id);

-- name: DeleteWebhookDelivery :exec
DELETE FROM webhook_deliveries WHERE id = sqlc.arg(id);

-- name: ForgetWebhookEndpoint :exec
DELETE FROM webhook_endpoints WHERE id = sqlc.arg(id) AND deleted_at > 0;

-- name: WebhookAccessCode :one
-- Whether the access code that a work began with still opens it.
SELECT access_code_generation, redacted_at, external_user_ref FROM works WHERE id = sqlc.arg(id);

-- name: LockWebhooksOfWork :exec
-- The first statement of an erasure about webhooks: then no attempt is recorded meanwhile.
UPDATE webhook_deliveries SET attempts = attempts WHERE work_id = sqlc.arg(work_id);

-- name: DropQueuedWebhooks :exec
DELETE FROM deliveries WHERE kind = 'webhook' AND subject IN (SELECT d.id FROM webhook_deliveries d WHERE d.work_id = sqlc.arg(work_id));

-- name: DropWebhookAttempts :exec
DELETE FROM webhook_attempts WHERE delivery_id IN (SELECT d.id FROM webhook_deliveries d WHERE d.work_id = sqlc.arg(work_id));

-- name: DropWebhookDeliveries :exec
DELETE FROM webhook_deliveries WHERE work_id = sqlc.arg(work_id);
