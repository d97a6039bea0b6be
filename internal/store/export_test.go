package store

import (
	"context"
	"database/sql"
)

// Serves is the rule of a release on a newer schema.
var Serves = serves

// UpTo takes the schema up to a migration.
func (db *DB) UpTo(ctx context.Context, version int64) error {
	p, err := db.provider(false)
	if err == nil {
		_, err = p.UpTo(ctx, version)
	}
	return err
}

// DownTo takes the schema back to a migration.
func (db *DB) DownTo(ctx context.Context, version int64) error {
	p, err := db.provider(false)
	if err == nil {
		_, err = p.DownTo(ctx, version)
	}
	return err
}

// Exec runs a statement that no release contains.
func (db *DB) Exec(ctx context.Context, text string, args ...any) error {
	_, err := db.engine.pool().ExecContext(ctx, text, args...)
	return err
}

// Strings returns the rows of a query with one column.
func (db *DB) Strings(ctx context.Context, text string) (all []string, err error) {
	err = func() error {
		tx, err := db.engine.pool().BeginTx(ctx, &sql.TxOptions{})
		if err != nil {
			return err
		}
		defer func() { _ = tx.Rollback() }()
		found, err := rows(ctx, tx, text, 1)
		for _, row := range found {
			all = append(all, row[0])
		}
		return err
	}()
	return all, err
}

// Versions returns the numbers of all migrations, in their order.
func (db *DB) Versions() (all []int64, err error) {
	p, err := db.provider(false)
	if err != nil {
		return nil, err
	}
	for _, s := range p.ListSources() {
		all = append(all, s.Version)
	}
	return all, nil
}

// MaxConns is the number of connections without a parameter in the URL.
const MaxConns = maxConns

// Conns returns how many connections to Postgres this process may have.
func (db *DB) Conns() int32 { return db.engine.(*postgres).all.Config().MaxConns }

// Number runs a query with one number outside of a transaction, as the queries of the product run.
func (db *DB) Number(ctx context.Context, text string) (n int64, err error) {
	err = db.engine.reader().QueryRow(ctx, text).Scan(&n)
	return n, err
}
