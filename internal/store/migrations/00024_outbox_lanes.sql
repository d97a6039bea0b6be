-- +goose Up
-- A lane is a part of a kind whose deliveries are taken together, the oldest first, such as
-- those of one endpoint (ADR 82). A delivery of a kind without lanes has the lane ''.
ALTER TABLE deliveries ADD COLUMN lane TEXT NOT NULL DEFAULT '';
CREATE INDEX deliveries_lane ON deliveries (kind, lane, due_at, subject) WHERE lane <> '';

-- +goose Down
DROP INDEX deliveries_lane;
ALTER TABLE deliveries DROP COLUMN lane;
