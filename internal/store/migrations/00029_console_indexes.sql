-- +goose Up
-- The reads of the console that had no index in their order: see TestConsoleQueriesAreReadByIndex.
CREATE INDEX jobs_by_organization ON jobs (organization_id, id);
CREATE INDEX webhook_endpoints_rotated ON webhook_endpoints (previous_until) WHERE previous_until > 0;
DROP INDEX webhook_deliveries_of_work;
CREATE INDEX webhook_deliveries_of_work ON webhook_deliveries (work_id, transaction_id, id);

-- +goose Down
DROP INDEX webhook_deliveries_of_work;
CREATE INDEX webhook_deliveries_of_work ON webhook_deliveries (work_id, transaction_id);
DROP INDEX webhook_endpoints_rotated;
DROP INDEX jobs_by_organization;
