-- +goose Up
-- The language of a registration and its certificate (see Languages).
ALTER TABLE jobs ADD COLUMN language TEXT NOT NULL DEFAULT 'en';
ALTER TABLE versions ADD COLUMN language TEXT NOT NULL DEFAULT 'en';

-- The date of issue on the certificate of a version; 0: not set yet. It is stored before
-- the certificate is made, so that making the certificate again gives the same file.
ALTER TABLE versions ADD COLUMN issued_at BIGINT NOT NULL DEFAULT 0;

-- The text on certificates after the organization's name; '': no text.
ALTER TABLE organizations ADD COLUMN imprint TEXT NOT NULL DEFAULT '';

-- +goose Down
ALTER TABLE organizations DROP COLUMN imprint;
ALTER TABLE versions DROP COLUMN issued_at;
ALTER TABLE versions DROP COLUMN language;
ALTER TABLE jobs DROP COLUMN language;
