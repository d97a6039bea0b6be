package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/pressly/goose/v3"
)

// The states of a transaction before its end.
const inFlight = "('confirmed', 'staged', 'broadcast')"

// retired are the indexes of transactions that only the release before uses. Their columns and
// conditions have what a change of state changes, so each change makes a new entry in every index.
var retired = []largeIndex{
	{"transactions_in_flight", "transactions (network, state, organization_id, id) WHERE state IN " + inFlight},
	{"transactions_by_change", "transactions (updated_at)"},
	{"transactions_one_a_work", "transactions (work_id) WHERE state IN " + inFlight},
	{"transactions_holding", "transactions (organization_id, id) WHERE state IN " + inFlight},
	{"transactions_uncounted", "transactions (id) WHERE NOT counted AND state IN ('final', 'failed')"},
	{"transactions_failed", "transactions (organization_id, id) WHERE state = 'failed'"},
	{"transactions_ended", "transactions (organization_id, network, state, id) WHERE state IN ('final', 'failed')"},
	{"transactions_of_number", "transactions (organization_id, ats_id, id) WHERE ats_id <> 0"},
}

// moving is migration 43: the triggers that keep in_flight and ended, and the rows for the
// transactions that exist. A new database has no release before, so it gets no retired index.
func moving(dialect string, fresh bool) *goose.Migration {
	return goose.NewGoMigration(43,
		&goose.GoFunc{RunDB: func(ctx context.Context, db *sql.DB) error {
			if err := follow(ctx, db, dialect); err != nil {
				return err
			}
			if err := copyEnds(ctx, db); err != nil {
				return err
			}
			if fresh {
				return reindex(ctx, db, dialect, nil, retired)
			}
			return nil
		}},
		&goose.GoFunc{RunDB: func(ctx context.Context, db *sql.DB) error {
			if err := unfollow(ctx, db, dialect); err != nil {
				return err
			}
			return reindex(ctx, db, dialect, retired, nil)
		}})
}

const (
	flightColumns = "transaction_id, organization_id, network, work_id, state, ats_id, created_at, updated_at"
	endColumns    = "organization_id, network, state, transaction_id, ats_id, counted, ended_at"
)

// follow makes the triggers and copies the transactions in flight, in one transaction: no change
// of a server that runs comes between.
func follow(ctx context.Context, db *sql.DB, dialect string) error {
	begins := "INSERT INTO in_flight (" + flightColumns + ") VALUES (NEW.id, NEW.organization_id, NEW.network, NEW.work_id, NEW.state, NEW.ats_id, NEW.created_at, NEW.updated_at)"
	moves := "UPDATE in_flight SET state = NEW.state, updated_at = NEW.updated_at WHERE transaction_id = NEW.id"
	leaves := "DELETE FROM in_flight WHERE transaction_id = NEW.id"
	ends := "INSERT INTO ended (" + endColumns + ") VALUES (NEW.organization_id, NEW.network, NEW.state, NEW.id, NEW.ats_id, NEW.counted, NEW.updated_at)"
	counts := "UPDATE ended SET counted = TRUE WHERE organization_id = NEW.organization_id AND network = NEW.network AND state = NEW.state AND transaction_id = NEW.id"
	texts := []string{
		// The condition of the insert that fires this trigger has found no transaction of the work in flight.
		"CREATE TRIGGER IF NOT EXISTS transactions_begin AFTER INSERT ON transactions WHEN NEW.state IN " + inFlight + " BEGIN " + begins + "; END",
		"CREATE TRIGGER IF NOT EXISTS transactions_come_ended AFTER INSERT ON transactions WHEN NEW.state NOT IN " + inFlight + " BEGIN " + ends + "; END",
		"CREATE TRIGGER IF NOT EXISTS transactions_move AFTER UPDATE OF state ON transactions WHEN NEW.state <> OLD.state AND NEW.state IN " + inFlight + " BEGIN " + moves + "; END",
		"CREATE TRIGGER IF NOT EXISTS transactions_end AFTER UPDATE OF state ON transactions WHEN NEW.state <> OLD.state AND NEW.state NOT IN " + inFlight + " BEGIN " + leaves + "; " + ends + "; END",
		"CREATE TRIGGER IF NOT EXISTS transactions_count AFTER UPDATE OF counted ON transactions WHEN NEW.counted AND NOT OLD.counted AND NEW.state = OLD.state BEGIN " + counts + "; END",
		"CREATE TRIGGER IF NOT EXISTS transactions_go AFTER DELETE ON transactions BEGIN DELETE FROM in_flight WHERE transaction_id = OLD.id; DELETE FROM ended WHERE transaction_id = OLD.id; END",
	}
	if dialect == "postgres" {
		texts = []string{
			// Two inserts for one work at the same time: the second one waits for the first, and then inserts no row.
			"CREATE OR REPLACE FUNCTION transaction_begins() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF NEW.state NOT IN " + inFlight + " THEN " + ends + "; RETURN NEW; END IF; " +
				begins + " ON CONFLICT DO NOTHING; IF NOT FOUND THEN RETURN NULL; END IF; RETURN NEW; END $$",
			"CREATE OR REPLACE FUNCTION transaction_moves() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF NEW.state = OLD.state THEN IF NEW.counted AND NOT OLD.counted THEN " + counts + "; END IF; " +
				"ELSIF NEW.state IN " + inFlight + " THEN " + moves + "; ELSE " + leaves + "; " + ends + "; END IF; RETURN NULL; END $$",
			"CREATE OR REPLACE FUNCTION transaction_goes() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN DELETE FROM in_flight WHERE transaction_id = OLD.id; " +
				"DELETE FROM ended WHERE organization_id = OLD.organization_id AND network = OLD.network AND state = OLD.state AND transaction_id = OLD.id; RETURN NULL; END $$",
			"LOCK TABLE transactions IN SHARE ROW EXCLUSIVE MODE",
			"CREATE OR REPLACE TRIGGER transactions_begin BEFORE INSERT ON transactions FOR EACH ROW EXECUTE FUNCTION transaction_begins()",
			"CREATE OR REPLACE TRIGGER transactions_move AFTER UPDATE OF state, counted ON transactions FOR EACH ROW EXECUTE FUNCTION transaction_moves()",
			"CREATE OR REPLACE TRIGGER transactions_go AFTER DELETE ON transactions FOR EACH ROW EXECUTE FUNCTION transaction_goes()",
			// A row has a quarter of its last size when it is inserted, and its page keeps the room.
			"ALTER TABLE transactions SET (fillfactor = 25)",
			// Nearly all rows of this table are dead after a moment.
			"ALTER TABLE in_flight SET (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000)",
		}
	}
	return inTx(ctx, db, append(texts,
		"INSERT INTO in_flight ("+flightColumns+") SELECT id, organization_id, network, work_id, state, ats_id, created_at, updated_at FROM transactions WHERE state IN "+inFlight+" ON CONFLICT DO NOTHING"))
}

// unfollow removes the triggers, and makes the unique index again that reindex cannot make.
func unfollow(ctx context.Context, db *sql.DB, dialect string) error {
	texts := []string{}
	for _, name := range []string{"begin", "come_ended", "move", "end", "count", "go"} {
		texts = append(texts, "DROP TRIGGER IF EXISTS transactions_"+name)
	}
	if dialect == "postgres" {
		texts = []string{
			"DROP TRIGGER transactions_begin ON transactions", "DROP TRIGGER transactions_move ON transactions", "DROP TRIGGER transactions_go ON transactions",
			"DROP FUNCTION transaction_begins()", "DROP FUNCTION transaction_moves()", "DROP FUNCTION transaction_goes()",
			"ALTER TABLE transactions RESET (fillfactor)",
		}
	}
	return inTx(ctx, db, append(texts, "CREATE UNIQUE INDEX IF NOT EXISTS transactions_one_a_work ON transactions (work_id) WHERE state IN "+inFlight))
}

func inTx(ctx context.Context, db *sql.DB, texts []string) (err error) {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, tx.Rollback())
		}
	}()
	for _, text := range texts {
		if _, err := tx.ExecContext(ctx, text); err != nil {
			return fmt.Errorf("%s: %w", text, err)
		}
	}
	return tx.Commit()
}

// copiedAtOnce is how many transactions one statement of copyEnds reads.
const copiedAtOnce = 5000

// copyEnds copies the transactions that ended before the triggers, some rows at a time. An end
// that a trigger has written stays. An end never changes; its counting may come between, and the
// worker that counts ends then finds it once more.
func copyEnds(ctx context.Context, db *sql.DB) error {
	last := ""
	for {
		var next sql.NullString
		if err := db.QueryRowContext(ctx, fmt.Sprintf("SELECT MAX(id) FROM (SELECT id FROM transactions WHERE id > $1 ORDER BY id LIMIT %d) batch", copiedAtOnce), last).Scan(&next); err != nil || !next.Valid {
			return err
		}
		if _, err := db.ExecContext(ctx, "INSERT INTO ended ("+endColumns+") SELECT organization_id, network, state, id, ats_id, counted, updated_at FROM transactions WHERE id > $1 AND id <= $2 AND state NOT IN "+inFlight+" ON CONFLICT DO NOTHING", last, next.String); err != nil {
			return err
		}
		last = next.String
	}
}
