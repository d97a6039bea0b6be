-- +goose Up
-- How many registrations of an organization count for the quota of a month: see
-- intake/quota.go and ADR 93. A confirm and a failure move the number in their transactions,
-- so that no call counts transactions. A missing row is counted once, and every start of a
-- process deletes the rows of organizations with a quota: processes of the release before
-- move no number.
CREATE TABLE quota_counters (
  organization_id TEXT NOT NULL,
  month           BIGINT NOT NULL,           -- months since 1970, UTC
  test            BOOLEAN NOT NULL,          -- of test keys
  count           BIGINT NOT NULL,
  PRIMARY KEY (organization_id, month, test)
);
CREATE INDEX quota_counters_by_month ON quota_counters (month);

-- +goose Down
DROP TABLE quota_counters;
