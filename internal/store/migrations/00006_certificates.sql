-- +goose Up
-- The versions that wait for their certificate. They are few, so the worker's query
-- every second is cheap.
CREATE INDEX versions_uncertified ON versions (transaction_id) WHERE certificate_key = '';

-- +goose Down
DROP INDEX versions_uncertified;
