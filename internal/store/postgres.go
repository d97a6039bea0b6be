package store

import (
	"context"
	"database/sql"
	"errors"
	"net/url"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"

	"timbre.example/internal/store/query"
)

// StatementTimeout is the timeout of one round trip to Postgres, of a commit, and of a new
// connection. After it, a server that disappeared silently counts as not answering. It is
// long for every statement that we run, and short for a person who waits. Migrations have
// no timeout.
const StatementTimeout = 5 * time.Second

// maxConns is how many connections a process opens. A step holds a connection only during
// its round trips, so a few serve many callers. Several instances fit in the hundred
// connections of a default server. The parameter pool_max_conns of the URL changes it.
const maxConns = 24

// lockTimeout is how long a migration waits for the lock of a table. All statements on the
// table queue behind a waiting migration, so it gives up and tries again.
const lockTimeout = 2 * time.Second

type postgres struct {
	all       *pgxpool.Pool
	migrates  *sql.DB // without StatementTimeout; connects only when it is used
	pooled    bool    // behind a pooler in transaction mode
	forgotten atomic.Int64
	counts    *counts
}

// openPostgres makes a pool. The driver prepares each statement once for each connection.
// Behind PgBouncer, where the next statement can reach another server process, it prepares
// nothing: see pooled.
func openPostgres(ctx context.Context, url string, c *counts) (engine, error) {
	url, behindPooler, err := pooled(url)
	if err != nil {
		return nil, err
	}
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, err
	}
	if !given(url, "pool_max_conns") {
		config.MaxConns = maxConns
	}
	config.PingTimeout = time.Second // an idle connection that a router forgot
	if config.ConnConfig.ConnectTimeout == 0 {
		config.ConnConfig.ConnectTimeout = StatementTimeout // the pool also connects without a waiting caller
	}
	if behindPooler {
		config.ConnConfig.DefaultQueryExecMode = pgx.QueryExecModeCacheDescribe
	}
	migrates := stdlib.OpenDB(*config.ConnConfig.Copy(), stdlib.OptionAfterConnect(func(ctx context.Context, c *pgx.Conn) error {
		_, err := c.Exec(ctx, "SET lock_timeout = "+strconv.FormatInt(lockTimeout.Milliseconds(), 10))
		return err
	}))
	migrates.SetMaxIdleConns(0)
	if !behindPooler {
		// The server ends what this process cannot: the statement of a process that
		// disappeared, and the locks of one that is frozen.
		limit := func(name string, d time.Duration) {
			if _, ok := config.ConnConfig.RuntimeParams[name]; !ok {
				config.ConnConfig.RuntimeParams[name] = strconv.FormatInt(d.Milliseconds(), 10)
			}
		}
		limit("statement_timeout", 2*StatementTimeout)
		limit("idle_in_transaction_session_timeout", 2*StatementTimeout)
	}
	pool, err := pgxpool.NewWithConfig(context.WithoutCancel(ctx), config)
	if err == nil {
		first, cancel := context.WithTimeout(ctx, StatementTimeout)
		defer cancel()
		if err = pool.Ping(first); err != nil {
			pool.Close()
		}
	}
	if err != nil {
		return nil, errors.Join(err, migrates.Close())
	}
	return &postgres{all: pool, migrates: migrates, pooled: behindPooler, counts: c}, nil
}

// pooled removes the parameter pgbouncer=true from a URL. It says that the connections go
// through a pooler in transaction mode: statements are then sent without a name, and with
// no setting of the session. Their descriptions stay in this process, so a statement is still
// one round trip.
func pooled(text string) (without string, is bool, err error) {
	u, err := url.Parse(text)
	if err != nil {
		return text, false, nil // the driver explains it, without the password
	}
	values := u.Query()
	value := values.Get("pgbouncer")
	if value == "" {
		return text, false, nil
	}
	if is, err = strconv.ParseBool(value); err != nil {
		return text, false, errors.New("the parameter pgbouncer of the database URL must be true or false")
	}
	values.Del("pgbouncer")
	u.RawQuery = values.Encode()
	return u.String(), is, nil
}

func given(text, parameter string) bool {
	u, err := url.Parse(text)
	return err == nil && u.Query().Has(parameter)
}

func (p *postgres) tx(ctx context.Context, f func(query.DBTX) error) error {
	return p.run(ctx, &pgTx{postgres: p, explicit: true}, f)
}

func (p *postgres) one(ctx context.Context, f func(query.DBTX) error) error {
	return p.run(ctx, &pgTx{postgres: p}, f)
}

func (p *postgres) run(ctx context.Context, t *pgTx, f func(query.DBTX) error) error {
	defer t.release()
	if err := f(caller{t}); err != nil {
		return err
	}
	if err := t.commit(ctx); err != nil {
		return err
	}
	p.counts.transactions.Add(1)
	p.counts.commits.Add(1)
	return nil
}

// pgTx is one transaction. It sends BEGIN with its first statement, statements without an
// answer with the next one, and COMMIT with the last. It takes a connection when it first
// needs one.
type pgTx struct {
	*postgres
	conn     *pgxpool.Conn
	explicit bool  // the transaction has a BEGIN and a COMMIT; false: it is one statement
	begun    bool  // the BEGIN was sent
	broken   error // ended the transaction
	late     []*statement
}

// maxLate is how many statements wait for the next one. It bounds their memory.
const maxLate = 128

func (t *pgTx) tell(ctx context.Context, s *statement) error {
	if !t.explicit {
		return t.ask(ctx, s)
	}
	if t.late = append(t.late, s); len(t.late) >= maxLate {
		return t.ask(ctx)
	}
	return nil
}

func (t *pgTx) ask(ctx context.Context, all ...*statement) error {
	if t.broken != nil {
		return fail(all, t.broken)
	}
	if err := ctx.Err(); err != nil {
		return fail(all, err)
	}
	sent := append(t.late, all...)
	if t.explicit && !t.begun {
		t.begun = true
		sent = append([]*statement{{text: "BEGIN", told: true}}, sent...)
	}
	t.late = nil
	err := t.trip(ctx, sent)
	switch {
	case err == nil:
		return nil
	case t.explicit && t.lost() && !errors.Is(err, context.DeadlineExceeded), pgconn.SafeToRetry(err):
		err = errors.Join(errLostBeforeCommit, err)
	case !t.explicit:
		err = t.unsure(err)
	}
	t.broken = err
	for _, s := range sent {
		if s.err != nil {
			s.err = err
		}
	}
	return err
}

// commit ends the transaction. When a connection is lost meanwhile, it is unknown whether
// the transaction was committed.
func (t *pgTx) commit(ctx context.Context) error {
	if t.broken != nil {
		return t.broken
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	last := t.late
	if t.begun {
		last = append(last, &statement{text: "COMMIT", told: true})
	}
	if t.late = nil; len(last) == 0 {
		return nil
	}
	err := t.trip(ctx, last)
	t.begun = t.begun && err != nil
	switch {
	case err == nil && last[len(last)-1].tag.String() == "ROLLBACK":
		return errors.New("the database rolled the transaction back")
	case err == nil:
		return nil
	case pgconn.SafeToRetry(err):
		return errors.Join(errLostBeforeCommit, err)
	}
	return t.unsure(err)
}

// unsure marks an error of a commit after which it is unknown whether it happened: the
// connection was lost, or the server ended it. Any other refusal of the server is certain.
func (t *pgTx) unsure(err error) error {
	var pg *pgconn.PgError
	if t.conn == nil || errors.As(err, &pg) && !Unavailable(err) {
		return err
	}
	return unknownError{err}
}

// lost reports whether the connection broke: the server rolls back what it had of the
// transaction.
func (t *pgTx) lost() bool { return t.conn != nil && t.conn.Conn().IsClosed() }

// trip sends statements in one round trip. It waits for the answers also after ctx is canceled,
// up to the deadline of ctx and to StatementTimeout: a statement that is interrupted costs the connection.
func (t *pgTx) trip(ctx context.Context, all []*statement) error {
	if err := t.connect(ctx); err != nil {
		return fail(all, name(statementName(all[len(all)-1].text), t.heard(ctx, err)))
	}
	at := time.Now().Add(StatementTimeout)
	if end, has := ctx.Deadline(); has && end.Before(at) {
		at = end
	}
	within, cancel := context.WithDeadline(context.WithoutCancel(ctx), at)
	defer cancel()
	return t.heard(ctx, trip(within, t.conn.Conn(), all))
}

func (t *pgTx) connect(ctx context.Context) (err error) {
	if t.conn == nil {
		within, cancel := context.WithTimeout(ctx, StatementTimeout)
		defer cancel()
		t.conn, err = t.all.Acquire(within)
	}
	return err
}

// heard drops the idle connections after a round trip without an answer, or on a connection
// that the server closed. The cause probably affects the idle ones too, and each would cost
// another caller a timeout.
func (p *postgres) heard(given context.Context, err error) error {
	late := errors.Is(err, context.DeadlineExceeded) && given.Err() == nil
	if late {
		p.counts.timeouts.Add(1)
	}
	now := time.Now().UnixNano()
	if last := p.forgotten.Load(); (late || dropped(err)) && now-last > int64(100*time.Millisecond) && p.forgotten.CompareAndSwap(last, now) {
		p.all.Reset()
	}
	return err
}

// release ends what is left of the transaction, and returns the connection.
func (t *pgTx) release() {
	if t.conn == nil {
		return
	}
	if t.begun && !t.lost() {
		ctx, cancel := context.WithTimeout(context.Background(), StatementTimeout)
		defer cancel()
		if _, err := t.conn.Exec(ctx, "ROLLBACK"); err != nil {
			_ = t.conn.Conn().Close(ctx)
		}
	}
	t.conn.Release()
	t.conn = nil
}

// reading is the line of statements outside of transactions. Each round trip has its own
// connection, and is repeated once when that connection is lost: the statements only read.
type reading struct{ *postgres }

func (r reading) ask(ctx context.Context, all ...*statement) error {
	for try := 1; ; try++ {
		t := &pgTx{postgres: r.postgres}
		err := ctx.Err()
		if err == nil {
			err = t.trip(ctx, all)
		}
		again := t.lost() && !errors.Is(err, context.DeadlineExceeded) || stale(err)
		t.release()
		if err == nil || !again || try == 3 {
			return fail(all, err)
		}
		for _, s := range all {
			s.reset()
		}
	}
}

func (r reading) tell(ctx context.Context, s *statement) error { return r.ask(ctx, s) }

func (p *postgres) reader() query.DBTX { return caller{reading{p}} }
func (p *postgres) pool() *sql.DB      { return p.migrates }
func (p *postgres) close() error       { p.all.Close(); return p.migrates.Close() }
