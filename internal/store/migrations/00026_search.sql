-- +goose Up
-- The words by which an organization finds its works: see package search and ADR 84. A key is
-- a part of the SHA-256 of the organization, the network and the beginning of a word. The
-- rows of a work go when its personal data is erased.
CREATE TABLE work_words (
  key     BIGINT NOT NULL,
  work_id TEXT NOT NULL,
  PRIMARY KEY (key, work_id)
);
CREATE INDEX work_words_of_work ON work_words (work_id);

-- The rule by which the words of a version were added; 0: they are missing. Processes of
-- older releases leave it at 0, and the worker adds these words.
ALTER TABLE versions ADD COLUMN words BIGINT NOT NULL DEFAULT 0;
CREATE INDEX versions_without_words ON versions (transaction_id) WHERE words = 0;

-- An organization's works, the newest first.
CREATE INDEX works_listed ON works (organization_id, network, test, id);

-- +goose Down
DROP INDEX works_listed;
DROP INDEX versions_without_words;
ALTER TABLE versions DROP COLUMN words;
DROP TABLE work_words;
