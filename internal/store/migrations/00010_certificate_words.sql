-- +goose Up
-- The language that a registration was asked for in, and its certificate is
-- written in: registry.Languages.
ALTER TABLE jobs ADD COLUMN language TEXT NOT NULL DEFAULT 'en';
ALTER TABLE versions ADD COLUMN language TEXT NOT NULL DEFAULT 'en';

-- The date of issue on the certificate of a version; 0: none was decided yet. It
-- is decided before the certificate is made, so that making it again gives the
-- same file.
ALTER TABLE versions ADD COLUMN issued_at BIGINT NOT NULL DEFAULT 0;

-- What certificates say of an organization after its name; '': nothing.
ALTER TABLE organizations ADD COLUMN imprint TEXT NOT NULL DEFAULT '';

-- +goose Down
ALTER TABLE organizations DROP COLUMN imprint;
ALTER TABLE versions DROP COLUMN issued_at;
ALTER TABLE versions DROP COLUMN language;
ALTER TABLE jobs DROP COLUMN language;
