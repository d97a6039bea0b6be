-- +goose Up
-- test is set for jobs, transactions and works of test keys. Test keys reach only these,
-- and live keys only the others. Older rows count as live unless a test key is known.
ALTER TABLE jobs ADD COLUMN test BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE transactions ADD COLUMN test BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE works ADD COLUMN test BOOLEAN NOT NULL DEFAULT FALSE;
UPDATE jobs SET test = TRUE WHERE kind = 'register' AND network = 'testnet' AND (rehearse <> ''
  OR session_jti IN (SELECT s.jti FROM sessions s JOIN site_keys k ON k.site_key = s.site_key WHERE k.test));
UPDATE works SET test = TRUE WHERE id IN (SELECT work_id FROM jobs WHERE test AND kind = 'register');
-- A version has the test flag of its work, whichever key started it.
UPDATE jobs SET test = TRUE WHERE kind <> 'register' AND work_id IN (SELECT id FROM works WHERE test);
UPDATE transactions SET test = TRUE WHERE id IN (SELECT id FROM jobs WHERE test);

-- The claims of test keys have a separate scope, in the column network: "testnet/test".
UPDATE title_claims SET network = network || '/test' WHERE work_id IN (SELECT work_id FROM jobs WHERE test);
UPDATE media_claims SET network = network || '/test' WHERE work_id IN (SELECT work_id FROM jobs WHERE test);

-- Administrators list and revoke sessions by these columns. end_user is a hash of the
-- host's reference for the end-user, '' without one.
ALTER TABLE sessions ADD COLUMN action TEXT NOT NULL DEFAULT '';
ALTER TABLE sessions ADD COLUMN network TEXT NOT NULL DEFAULT '';
ALTER TABLE sessions ADD COLUMN end_user TEXT NOT NULL DEFAULT '';
CREATE INDEX sessions_by_end_user ON sessions (site_key, end_user);

-- +goose Down
DROP INDEX sessions_by_end_user;
ALTER TABLE sessions DROP COLUMN end_user;
ALTER TABLE sessions DROP COLUMN network;
ALTER TABLE sessions DROP COLUMN action;
UPDATE media_claims SET network = 'testnet' WHERE network = 'testnet/test' AND NOT EXISTS (SELECT 1 FROM media_claims o
  WHERE o.organization_id = media_claims.organization_id AND o.network = 'testnet' AND o.media_hash = media_claims.media_hash);
UPDATE title_claims SET network = 'testnet' WHERE network = 'testnet/test' AND NOT EXISTS (SELECT 1 FROM title_claims o
  WHERE o.organization_id = title_claims.organization_id AND o.network = 'testnet' AND o.external_user_ref = title_claims.external_user_ref AND o.title_key = title_claims.title_key);
DELETE FROM media_claims WHERE network = 'testnet/test';
DELETE FROM title_claims WHERE network = 'testnet/test';
ALTER TABLE works DROP COLUMN test;
ALTER TABLE transactions DROP COLUMN test;
ALTER TABLE jobs DROP COLUMN test;
