package state_test

import (
	"context"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"timbre.example/internal/state"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
	"timbre.example/internal/store/storetest"
)

var (
	jobStates = []state.Job{state.JobOpen, state.JobPrepared, state.JobConfirmed, state.JobExpired}
	txStates  = []state.Transaction{state.TransactionConfirmed, state.TransactionStaged, state.TransactionBroadcast, state.TransactionFinal, state.TransactionFailed}
)

const (
	now         = 1_000_000
	confirmedAt = -1 // before the end of the quote
)

func newJob(id string) query.InsertJobParams {
	return query.InsertJobParams{ID: id, OrganizationID: "o", SessionJti: id, Kind: "register", Network: "testnet", WorkID: id, Title: "t", TitleKey: "t", Creators: "[]", Filename: "f", Media: "{}", Deadline: now - 1, Now: now}
}

// jobQueries run each query that changes the state of a job. They return how many rows changed.
var jobQueries = map[string]func(context.Context, *store.Tx, string) (int64, error){
	"SetJobUpload": func(ctx context.Context, tx *store.Tx, id string) (int64, error) {
		return tx.SetJobUpload(ctx, query.SetJobUploadParams{ID: id, Deadline: now, Now: now})
	},
	"DeclareMedia": func(ctx context.Context, tx *store.Tx, id string) (int64, error) {
		return tx.DeclareMedia(ctx, query.DeclareMediaParams{ID: id, Media: "{}", Now: now})
	},
	"PrepareJob": func(ctx context.Context, tx *store.Tx, id string) (int64, error) {
		return tx.PrepareJob(ctx, query.PrepareJobParams{ID: id, Seen: now, Media: "{}", Commitment: []byte{0}, Quote: "{}", Now: now})
	},
	"ConfirmJob": func(ctx context.Context, tx *store.Tx, id string) (int64, error) {
		return tx.ConfirmJob(ctx, query.ConfirmJobParams{ID: id, Now: confirmedAt})
	},
	"ExpireJob": func(ctx context.Context, tx *store.Tx, id string) (int64, error) {
		return tx.ExpireJob(ctx, query.ExpireJobParams{ID: id, Before: now, Now: now})
	},
	"RedactJobs": func(ctx context.Context, tx *store.Tx, id string) (int64, error) {
		before, err := tx.GetJob(ctx, id)
		if err != nil {
			return 0, err
		}
		if err := tx.RedactJobs(ctx, query.RedactJobsParams{WorkID: id, Now: now}); err != nil {
			return 0, err
		}
		after, err := tx.GetJob(ctx, id)
		if err != nil || before.State == after.State { // it erases personal data of every job
			return 0, err
		}
		return 1, nil
	},
}

// transactionQueries are the same for a transaction, which is in the state from.
var transactionQueries = map[string]func(context.Context, *store.Tx, string, state.Transaction) (int64, error){
	"StageTransaction": func(ctx context.Context, tx *store.Tx, id string, _ state.Transaction) (int64, error) {
		return tx.StageTransaction(ctx, query.StageTransactionParams{ID: id, Staged: []byte{1}, TxHash: []byte(id), Steps: "[]", Now: now})
	},
	"BroadcastTransaction": func(ctx context.Context, tx *store.Tx, id string, _ state.Transaction) (int64, error) {
		return tx.BroadcastTransaction(ctx, query.BroadcastTransactionParams{ID: id, Steps: "[]", Now: now})
	},
	"FinishTransaction": func(ctx context.Context, tx *store.Tx, id string, _ state.Transaction) (int64, error) {
		return tx.FinishTransaction(ctx, query.FinishTransactionParams{ID: id, AtsID: 1, Version: 1, BlockHash: []byte{1}, Steps: "[]", Now: now})
	},
	"FailTransaction": func(ctx context.Context, tx *store.Tx, id string, from state.Transaction) (int64, error) {
		if !from.InFlight() { // the caller read the row while it was in flight
			from = state.TransactionBroadcast
		}
		return tx.FailTransaction(ctx, query.FailTransactionParams{ID: id, Seen: from, Failure: "{}", Steps: "[]", Now: now})
	},
}

// Each query makes exactly the changes of the list, on both databases: it is tried on a row in
// every state.
func TestQueriesMakeTheListedChanges(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx := t.Context()
		var jobs []string
		try := func(what string, insert func(*store.Tx, string) error, put func(*store.Tx, string) error, run func(*store.Tx, string) (int64, error), read func(*store.Tx, string) (string, error)) (to string, changed bool) {
			t.Helper()
			if err := db.Tx(ctx, func(tx *store.Tx) error {
				if err := insert(tx, what); err != nil {
					return err
				}
				if err := put(tx, what); err != nil {
					return err
				}
				n, err := run(tx, what)
				if err != nil {
					return err
				}
				changed = n > 0
				to, err = read(tx, what)
				return err
			}); err != nil {
				t.Fatalf("%s: %v", what, err)
			}
			return to, changed
		}
		for name, run := range jobQueries {
			for _, from := range jobStates {
				id := name + " " + string(from)
				to, changed := try(id,
					func(tx *store.Tx, id string) error { return tx.InsertJob(ctx, newJob(id)) },
					func(tx *store.Tx, id string) error { return bring(ctx, tx, id, from) },
					func(tx *store.Tx, id string) (int64, error) { return run(ctx, tx, id) },
					func(tx *store.Tx, id string) (string, error) {
						row, err := tx.GetJob(ctx, id)
						return string(row.State), err
					})
				if changed {
					jobs = append(jobs, fmt.Sprintf("%s: %s → %s", name, from, to))
				} else if to != string(from) {
					t.Errorf("%s: nothing changed, and the job went from %s to %s", name, from, to)
				}
			}
		}
		jobs = append(jobs, "InsertJob:  → open")
		compare(t, jobs, state.Jobs)

		var transactions []string
		for name, run := range transactionQueries {
			for _, from := range txStates {
				id := name + " " + string(from)
				to, changed := try(id,
					func(tx *store.Tx, id string) error {
						if err := tx.InsertJob(ctx, newJob(id)); err != nil {
							return err
						}
						if err := bring(ctx, tx, id, state.JobConfirmed); err != nil {
							return err
						}
						_, err := tx.InsertTransaction(ctx, query.InsertTransactionParams{JobID: id, Steps: "[]", RequestID: "r", Now: confirmedAt})
						return err
					},
					func(tx *store.Tx, id string) error { return bringTransaction(ctx, tx, id, from) },
					func(tx *store.Tx, id string) (int64, error) { return run(ctx, tx, id, from) },
					func(tx *store.Tx, id string) (string, error) {
						row, err := tx.GetTransaction(ctx, id)
						return string(row.State), err
					})
				if changed {
					transactions = append(transactions, fmt.Sprintf("%s: %s → %s", name, from, to))
				} else if to != string(from) {
					t.Errorf("%s: nothing changed, and the transaction went from %s to %s", name, from, to)
				}
			}
		}
		transactions = append(transactions, "InsertTransaction:  → confirmed")
		compare(t, transactions, state.Transactions)
	})
}

// bring brings a new job to a state, by the queries of the server.
func bring(ctx context.Context, tx *store.Tx, id string, to state.Job) error {
	var err error
	switch to {
	case state.JobOpen: // a new job is open
	case state.JobPrepared, state.JobConfirmed:
		if _, err = jobQueries["PrepareJob"](ctx, tx, id); err == nil && to == state.JobConfirmed {
			_, err = jobQueries["ConfirmJob"](ctx, tx, id)
		}
	case state.JobExpired:
		_, err = jobQueries["ExpireJob"](ctx, tx, id)
	}
	if err != nil {
		return err
	}
	if row, err := tx.GetJob(ctx, id); err != nil || row.State != to {
		return fmt.Errorf("the job is %s and not %s: %w", row.State, to, err)
	}
	return nil
}

func bringTransaction(ctx context.Context, tx *store.Tx, id string, to state.Transaction) error {
	way := map[state.Transaction][]string{
		state.TransactionStaged:    {"StageTransaction"},
		state.TransactionBroadcast: {"StageTransaction", "BroadcastTransaction"},
		state.TransactionFinal:     {"StageTransaction", "BroadcastTransaction", "FinishTransaction"},
	}
	for _, step := range way[to] {
		if _, err := transactionQueries[step](ctx, tx, id, ""); err != nil {
			return err
		}
	}
	if to == state.TransactionFailed {
		if _, err := transactionQueries["FailTransaction"](ctx, tx, id, state.TransactionConfirmed); err != nil {
			return err
		}
	}
	if row, err := tx.GetTransaction(ctx, id); err != nil || row.State != to {
		return fmt.Errorf("the transaction is %s and not %s: %w", row.State, to, err)
	}
	return nil
}

func compare[S ~string](t *testing.T, got []string, list []state.Change[S]) {
	t.Helper()
	var want []string
	for _, c := range list {
		want = append(want, fmt.Sprintf("%s: %s → %s", c.Query, c.From, c.To))
	}
	for _, c := range got {
		if !slices.Contains(want, c) {
			t.Errorf("%s is not in the list", c)
		}
	}
	for _, c := range want {
		if !slices.Contains(got, c) {
			t.Errorf("%s is in the list, and the database does not do it", c)
		}
	}
}

// Every query that writes a state is in the list, and the queries know no other state.
func TestEveryQueryIsListed(t *testing.T) {
	t.Parallel()
	paths, err := filepath.Glob("../store/queries/*.sql")
	if err != nil || len(paths) == 0 {
		t.Fatalf("%d files, %v", len(paths), err)
	}
	listed := map[string]bool{}
	for _, c := range state.Jobs {
		listed[c.Query] = true
	}
	for _, c := range state.Transactions {
		listed[c.Query] = true
	}
	var known []string
	for _, s := range jobStates {
		known = append(known, string(s))
	}
	for _, s := range txStates {
		known = append(known, string(s))
	}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, q := range regexp.MustCompile(`(?s)-- name: (\w+) :\w+\n(.*?);`).FindAllStringSubmatch(string(text), -1) {
			name, body := q[1], q[2]
			set, _, _ := strings.Cut(body, "\nWHERE ")
			writes := regexp.MustCompile(`INSERT INTO (jobs|transactions)\b`).MatchString(body) || regexp.MustCompile(`UPDATE (jobs|transactions)\b`).MatchString(body) && regexp.MustCompile(`\bstate =`).MatchString(set)
			if writes && !listed[name] {
				t.Errorf("%s writes a state and is not in the list", name)
			}
			delete(listed, name)
			if !regexp.MustCompile(`\b(jobs|transactions)\b`).MatchString(body) {
				continue // a state of another table, such as that of a webhook's delivery
			}
			for _, in := range regexp.MustCompile(`\bstate (?:=|<>|IN) \(?((?:'\w+'(?:, )?)+)`).FindAllStringSubmatch(body, -1) {
				for _, s := range regexp.MustCompile(`\w+`).FindAllString(in[1], -1) {
					if !slices.Contains(known, s) {
						t.Errorf("%s knows the state %s", name, s)
					}
				}
			}
		}
	}
	for name := range listed {
		t.Errorf("%s is listed, and no query has this name", name)
	}
}

// No Go code compares a state with a text of its own. (The checker of the invariants does: it
// shares no code with what it checks.)
func TestNoRawState(t *testing.T) {
	t.Parallel()
	checked := 0
	for _, root := range []string{"..", "../../cmd"} {
		if err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			if d.IsDir() && (d.Name() == "registrytest" || d.Name() == "node_modules" || d.Name() == "e2e") {
				return filepath.SkipDir
			}
			if d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return nil
			}
			fset := token.NewFileSet()
			file, err := parser.ParseFile(fset, path, nil, 0)
			if err != nil {
				return err
			}
			checked++
			raw := func(e ast.Expr) bool {
				l, ok := e.(*ast.BasicLit)
				return ok && l.Kind == token.STRING && l.Value != `""`
			}
			isState := func(e ast.Expr) bool {
				s, ok := e.(*ast.SelectorExpr)
				return ok && (s.Sel.Name == "State" || s.Sel.Name == "Outcome")
			}
			ast.Inspect(file, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.BinaryExpr:
					if isState(n.X) && raw(n.Y) || isState(n.Y) && raw(n.X) {
						t.Errorf("%s: a raw state", fset.Position(n.Pos()))
					}
				case *ast.KeyValueExpr:
					if k, ok := n.Key.(*ast.Ident); ok && k.Name == "State" && raw(n.Value) {
						t.Errorf("%s: a raw state", fset.Position(n.Pos()))
					}
				case *ast.SwitchStmt:
					for _, c := range n.Body.List {
						if n.Tag != nil && isState(n.Tag) && slices.ContainsFunc(c.(*ast.CaseClause).List, raw) {
							t.Errorf("%s: a raw state", fset.Position(c.Pos()))
						}
					}
				}
				return true
			})
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	if checked < 50 {
		t.Errorf("only %d files were read", checked)
	}
}

// The page shows the list. With TIMBRE_UPDATE=1 the test writes it.
func TestPage(t *testing.T) {
	t.Parallel()
	const path = "../../docs/states.md"
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	page := string(text)
	for name, table := range map[string]string{"jobs": state.Table(state.Jobs), "transactions": state.Table(state.Transactions)} {
		begin, end := "<!-- "+name+" -->\n", "\n<!-- end -->"
		before, rest, ok := strings.Cut(page, begin)
		drawn, after, ended := strings.Cut(rest, end)
		if !ok || !ended {
			t.Fatalf("%s has no place for %s", path, name)
		}
		if drawn+"\n" != table {
			if os.Getenv("TIMBRE_UPDATE") == "" {
				t.Errorf("%s: the table of %s differs from package state; TIMBRE_UPDATE=1 go test ./internal/state writes it. It must be:\n%s", path, name, table)
			}
			page = before + begin + strings.TrimSuffix(table, "\n") + end + after
		}
	}
	if page != string(text) && os.Getenv("TIMBRE_UPDATE") != "" {
		if err := os.WriteFile(path, []byte(page), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
