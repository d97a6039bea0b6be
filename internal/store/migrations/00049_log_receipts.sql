-- +goose Up
-- The signatures for COSE Receipts (RFC 9942): see network/log/receipts.go and ADR 109. The
-- process that makes a block signs its root once more. A block of an older release has none.
CREATE TABLE log_receipts (
  network   TEXT NOT NULL,
  block     BIGINT NOT NULL,
  signature BYTEA NOT NULL,
  PRIMARY KEY (network, block)
);

-- +goose Down
DROP TABLE log_receipts;
