-- +goose Up
-- The people who use the console: see package people and ADR 83. Every secret is a hash
-- (links, sessions, recovery codes, devices), or encrypted with the server's key (TOTP).
CREATE TABLE people (
  id                TEXT PRIMARY KEY,           -- UUIDv7
  email             TEXT NOT NULL UNIQUE,       -- lower-case ASCII; the domain as punycode
  name              TEXT NOT NULL DEFAULT '',
  language          TEXT NOT NULL DEFAULT '',   -- '': the browser's
  -- Whether a link that was sent to the address has been opened, or an OpenID provider vouched.
  email_verified    BOOLEAN NOT NULL DEFAULT FALSE,
  password_hash     TEXT NOT NULL DEFAULT '',   -- argon2id; '': no password
  operator          BOOLEAN NOT NULL DEFAULT FALSE,
  totp_secret       BYTEA,                      -- encrypted; NULL: none
  totp_confirmed_at BIGINT NOT NULL DEFAULT 0,  -- 0: the second factor is not on
  totp_step         BIGINT NOT NULL DEFAULT 0,  -- of the last accepted code, which is not accepted again
  passkeys          BIGINT NOT NULL DEFAULT 0,  -- how many
  revision          BIGINT NOT NULL DEFAULT 1,  -- grows with each change, for edits at once
  created_at        BIGINT NOT NULL
);
-- The list of operators, and the question whether there is one.
CREATE INDEX people_operators ON people (email) WHERE operator;

CREATE TABLE memberships (
  organization_id TEXT NOT NULL REFERENCES organizations (id),
  person_id       TEXT NOT NULL REFERENCES people (id),
  email           TEXT NOT NULL,                -- the person's, for the list and its search
  role            TEXT NOT NULL,                -- owner | admin | developer | viewer
  created_at      BIGINT NOT NULL,
  PRIMARY KEY (organization_id, person_id)
);
CREATE INDEX memberships_of_person ON memberships (person_id, organization_id);
CREATE INDEX memberships_by_email ON memberships (organization_id, email);

-- A session of the console. The token is in the browser's cookie only.
CREATE TABLE person_sessions (
  hash       BYTEA PRIMARY KEY,                 -- SHA-256 of the token
  id         TEXT NOT NULL UNIQUE,              -- UUIDv7
  person_id  TEXT NOT NULL REFERENCES people (id),
  created_at BIGINT NOT NULL,
  seen_at    BIGINT NOT NULL,
  expires_at BIGINT NOT NULL,
  proved_at  BIGINT NOT NULL,                   -- when a password or a second factor was last given
  address    TEXT NOT NULL,
  agent      TEXT NOT NULL
);
CREATE INDEX person_sessions_of_person ON person_sessions (person_id, id);
CREATE INDEX person_sessions_by_expiry ON person_sessions (expires_at);

CREATE TABLE recovery_codes (
  person_id TEXT NOT NULL REFERENCES people (id),
  hash      BYTEA NOT NULL,
  PRIMARY KEY (person_id, hash)
);

CREATE TABLE passkeys (
  id         TEXT PRIMARY KEY,                  -- the credential id, base64url
  person_id  TEXT NOT NULL REFERENCES people (id),
  name       TEXT NOT NULL,
  credential TEXT NOT NULL,                     -- JSON: public key, counter, flags
  created_at BIGINT NOT NULL,
  used_at    BIGINT NOT NULL DEFAULT 0          -- 0: never
);
CREATE INDEX passkeys_of_person ON passkeys (person_id, created_at);

-- A person's account at an OpenID Connect provider.
CREATE TABLE identities (
  issuer     TEXT NOT NULL,
  subject    TEXT NOT NULL,
  person_id  TEXT NOT NULL REFERENCES people (id),
  created_at BIGINT NOT NULL,
  PRIMARY KEY (issuer, subject)
);
CREATE INDEX identities_of_person ON identities (person_id);

CREATE TABLE invitations (
  id              TEXT PRIMARY KEY,             -- UUIDv7
  organization_id TEXT NOT NULL REFERENCES organizations (id),
  email           TEXT NOT NULL,
  role            TEXT NOT NULL,
  invited_by      TEXT NOT NULL,                -- as shown: an e-mail address, or "command line"
  created_at      BIGINT NOT NULL,
  expires_at      BIGINT NOT NULL,
  UNIQUE (organization_id, email)
);
CREATE INDEX invitations_to ON invitations (email);
CREATE INDEX invitations_by_expiry ON invitations (expires_at);

-- Secrets that work once: links in mails, and steps of a sign-in.
CREATE TABLE person_links (
  hash       BYTEA PRIMARY KEY,                 -- SHA-256 of the token
  kind       TEXT NOT NULL,                     -- first | reset | sign_up | invitation | second | challenge
  ref        TEXT NOT NULL,                     -- a person, an invitation, an e-mail address, or ''
  tries      BIGINT NOT NULL DEFAULT 0,         -- failed ones
  mailed     BOOLEAN NOT NULL DEFAULT FALSE,    -- only the owner of the address received it
  expires_at BIGINT NOT NULL
);
CREATE INDEX person_links_of ON person_links (kind, ref);
CREATE INDEX person_links_by_expiry ON person_links (expires_at);

-- A browser that has signed in as a person. It may try when strangers have used up the tries.
CREATE TABLE known_devices (
  hash       BYTEA PRIMARY KEY,
  person_id  TEXT NOT NULL REFERENCES people (id),
  expires_at BIGINT NOT NULL
);
CREATE INDEX known_devices_of_person ON known_devices (person_id, expires_at);
CREATE INDEX known_devices_by_expiry ON known_devices (expires_at);

-- An operator who has opened an organization's pages.
CREATE TABLE operator_visits (
  person_id       TEXT NOT NULL REFERENCES people (id),
  organization_id TEXT NOT NULL REFERENCES organizations (id),
  expires_at      BIGINT NOT NULL,
  PRIMARY KEY (person_id, organization_id)
);
CREATE INDEX operator_visits_by_expiry ON operator_visits (expires_at);

-- A mail that waits for its delivery (outbox kind 'mail'). It has no secret: the delivery
-- makes the link.
CREATE TABLE mails (
  id         TEXT PRIMARY KEY,                  -- the delivery's subject
  kind       TEXT NOT NULL,                     -- reset | sign_up | invitation | notice kinds: see package mail
  ref        TEXT NOT NULL,                     -- what the link is for, like person_links.ref
  organization_id TEXT NOT NULL,
  recipient  TEXT NOT NULL,
  language   TEXT NOT NULL,
  words      TEXT NOT NULL,                     -- JSON: what the text names
  created_at BIGINT NOT NULL
);
CREATE INDEX mails_of ON mails (kind, ref);

-- +goose Down
DROP TABLE mails;
DROP TABLE operator_visits;
DROP TABLE known_devices;
DROP TABLE person_links;
DROP TABLE invitations;
DROP TABLE identities;
DROP TABLE passkeys;
DROP TABLE recovery_codes;
DROP TABLE person_sessions;
DROP TABLE memberships;
DROP TABLE people;
