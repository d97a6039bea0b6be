package store

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/database"
	"github.com/pressly/goose/v3/lock"

	"timbre.example/internal/operation"
)

//go:embed migrations/*.sql
var migrations embed.FS

//go:embed migrations/migrations.lock
var landed string

// releases is the number of releases in migrations.lock: of those before this tree, and of this release itself in its
// own binary.
var releases = int64(strings.Count("\n"+landed, "\nrelease "))

// perRelease is the distance between the numbers of two releases: the hundreds of a migration's number count the
// releases before it.
const perRelease = 100

// serves reports whether a release works on a schema that is newer than its own. Each release works on the schema of
// the next one, so that a rolling upgrade can run both. newest is the release's last migration, current that of the
// database. A build between two releases has migrations of its own, and works on no newer schema.
func serves(newest, current, releases int64) bool {
	return newest/perRelease < releases && current/perRelease <= releases
}

// Migrate updates the schema to this release. Several instances can call it at the same
// time: on Postgres a session lock makes the others wait, on SQLite the writer lock does.
// While servers of the release before run, no migration blocks their statements for longer than
// lockTimeout.
func (db *DB) Migrate(ctx context.Context) (err error) {
	defer operation.Wrap(&err, "migrate the database")
	fresh, err := db.Empty(ctx)
	if err != nil {
		return err
	}
	p, err := db.provider(fresh)
	if err != nil {
		return err
	}
	if pg, ok := db.engine.(*postgres); ok && pg.pooled {
		if n, err := db.Pending(ctx); err != nil || n <= 0 {
			return err
		}
		return errors.New("store: migrations need a connection to Postgres itself, because their lock is of a session: run `timbre migrate` with the URL of the server, not of the pooler")
	}
	steps := []func(context.Context) error{func(ctx context.Context) error { _, err := p.Up(ctx); return err }, db.fill, db.recount}
	if db.dialect == "postgres" {
		steps = append(steps, db.unlog)
	}
	for _, step := range append(steps, db.guard) {
		if err := patiently(ctx, step); err != nil {
			return fmt.Errorf("store: migrate: %w", err)
		}
	}
	return nil
}

// tableTries is how often a migration waits for the lock of a table.
const tableTries = 60

// patiently runs a step, and again after a pause while another transaction has the lock of a
// table. A step keeps what it has done.
func patiently(ctx context.Context, step func(context.Context) error) error {
	for try := 1; ; try++ {
		err := step(ctx)
		var pg *pgconn.PgError
		if try == tableTries || !errors.As(err, &pg) || pg.Code != "55P03" { // lock_not_available
			return err
		}
		select {
		case <-ctx.Done():
			return errors.Join(err, ctx.Err())
		case <-time.After(lockTimeout):
		}
	}
}

// fillAtOnce is how many rows one statement of fill changes.
const fillAtOnce = 5000

// fill sets the commitments of log entries that are older than the column for them, some rows at a
// time. SQLite and Postgres need different SQL for it, so a migration file cannot do it. An
// entry's third line is "commitment " and 64 hex digits.
func (db *DB) fill(ctx context.Context) error {
	value := "unhex(substr(CAST(body AS TEXT), instr(CAST(body AS TEXT), 'commitment ') + 11, 64))"
	if db.dialect == "postgres" {
		value = "decode(substring(convert_from(body, 'UTF8') FROM 'commitment ([0-9a-f]{64})'), 'hex')"
	}
	text := fmt.Sprintf("UPDATE log_entries SET commitment = %s WHERE (network, tx_hash) IN (SELECT e.network, e.tx_hash FROM log_entries e WHERE e.commitment IS NULL LIMIT %d)", value, fillAtOnce)
	for {
		result, err := db.engine.pool().ExecContext(ctx, text)
		if err != nil {
			return err
		}
		if n, err := result.RowsAffected(); err != nil || n == 0 {
			return err
		}
	}
}

// recount drops the counters of quotas, so that they are counted again: processes of the release
// before confirm registrations without moving them. The last process of an upgrade starts when no
// old one is left.
func (db *DB) recount(ctx context.Context) error {
	_, err := db.engine.pool().ExecContext(ctx, "DELETE FROM quota_counters")
	return err
}

// unlog makes the table of rate limits UNLOGGED on Postgres. Its commits then wait for no
// disk, and after a crash of the database every budget is full again. SQLite has no such
// tables, so a migration file cannot do it.
func (db *DB) unlog(ctx context.Context) error {
	var kept string
	err := db.engine.pool().QueryRowContext(ctx, "SELECT relpersistence FROM pg_class WHERE oid = CAST('budgets' AS regclass)").Scan(&kept)
	if err == nil && kept != "u" {
		_, err = db.engine.pool().ExecContext(ctx, "ALTER TABLE budgets SET UNLOGGED")
	}
	return err
}

// guard makes the database refuse every change and removal of an audit entry. Triggers differ
// between SQLite and Postgres, so a migration file cannot make them. SQLite's INSERT OR REPLACE
// removes a row without a trigger for it, so the insertion of an existing entry is refused too.
func (db *DB) guard(ctx context.Context) error {
	texts := []string{
		"CREATE TRIGGER IF NOT EXISTS audit_no_update BEFORE UPDATE ON audit_entries BEGIN SELECT RAISE(ABORT, 'an audit entry never changes'); END",
		"CREATE TRIGGER IF NOT EXISTS audit_no_delete BEFORE DELETE ON audit_entries BEGIN SELECT RAISE(ABORT, 'an audit entry never goes'); END",
		`CREATE TRIGGER IF NOT EXISTS audit_no_replace BEFORE INSERT ON audit_entries WHEN EXISTS (SELECT 1 FROM audit_entries
			WHERE id = NEW.id OR organization_id = NEW.organization_id AND position = NEW.position AND position > 0) BEGIN SELECT RAISE(ABORT, 'an audit entry never changes'); END`,
	}
	if db.dialect == "postgres" {
		var there bool // a replacement would lock the table of a running server
		if err := db.engine.pool().QueryRowContext(ctx, "SELECT EXISTS (SELECT 1 FROM pg_trigger WHERE tgname = 'audit_no_truncate' AND tgrelid = CAST('audit_entries' AS regclass))").Scan(&there); err != nil || there {
			return err
		}
		texts = []string{
			"CREATE OR REPLACE FUNCTION audit_is_kept() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'an audit entry never changes and never goes'; END $$",
			"CREATE OR REPLACE TRIGGER audit_no_change BEFORE UPDATE OR DELETE ON audit_entries FOR EACH ROW EXECUTE FUNCTION audit_is_kept()",
			"CREATE OR REPLACE TRIGGER audit_no_truncate BEFORE TRUNCATE ON audit_entries FOR EACH STATEMENT EXECUTE FUNCTION audit_is_kept()",
		}
	}
	for _, text := range texts {
		if _, err := db.engine.pool().ExecContext(ctx, text); err != nil {
			return err
		}
	}
	return nil
}

// Pending returns the number of migrations that Migrate would apply. If a newer release has migrated the database,
// it is 0 after the next release, and negative after a later one: the number of migrations that this release lacks.
func (db *DB) Pending(ctx context.Context) (_ int64, err error) {
	defer operation.Wrap(&err, "count pending migrations")
	p, err := db.provider(false)
	if err != nil {
		return 0, err
	}
	current, newest, err := p.GetVersions(ctx)
	if err != nil {
		return 0, err
	}
	if current > newest {
		if serves(newest, current, releases) {
			return 0, nil
		}
		var ahead int64
		err := db.engine.pool().QueryRowContext(ctx, "SELECT COUNT(DISTINCT version_id) FROM goose_db_version WHERE version_id > $1", newest).Scan(&ahead)
		return -ahead, err
	}
	var pending int64
	for _, source := range p.ListSources() { // the numbers can have gaps
		if source.Version > current {
			pending++
		}
	}
	return pending, nil
}

// Empty reports whether no release has migrated this database yet.
func (db *DB) Empty(ctx context.Context) (_ bool, err error) {
	defer operation.Wrap(&err, "read the version of the schema")
	p, err := db.provider(false)
	if err != nil {
		return false, err
	}
	current, _, err := p.GetVersions(ctx)
	return current == 0, err
}

// provider knows all migrations. fresh: no release has used the database, so it needs nothing of
// the release before.
func (db *DB) provider(fresh bool) (*goose.Provider, error) {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, err
	}
	dialect, opts := database.DialectSQLite3, []goose.ProviderOption{goose.WithGoMigrations(titleKeys(), growing(db.dialect), moving(db.dialect, fresh))}
	if db.dialect == "postgres" {
		dialect = database.DialectPostgres
		locker, err := lock.NewPostgresSessionLocker()
		if err != nil {
			return nil, err
		}
		opts = append(opts, goose.WithSessionLocker(locker))
	}
	p, err := goose.NewProvider(dialect, db.engine.pool(), files, opts...)
	if err != nil {
		return nil, fmt.Errorf("store: migrations: %w", err)
	}
	return p, nil
}
