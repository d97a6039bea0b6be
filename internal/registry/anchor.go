package registry

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"timbre.example/internal/credits"
	"timbre.example/internal/fault"
	"timbre.example/internal/network"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
	"timbre.example/proof/commitment"
)

// batch is how many transactions go through a step at once. They share a commit, so one
// worker keeps up with many clients.
const batch = 256

// pagesInTurn is how many pages of each state one call of advance processes.
const pagesInTurn = 16

// retryEvery is how often a worker polls without being woken: after a failure, after a
// restart, or for work that another instance confirmed.
const retryEvery = time.Second

// Wake tells the worker of a network to look for work.
func (r *Registry) Wake(n network.Name) {
	notify(r.wake[n])
}

// Run drives the confirmed transactions of every network to their end, until ctx ends. It
// also requests time-stamps, makes certificates and sweeps expired jobs. Several instances
// may run on one database: each step changes a row only from the state before it, and
// sending the same bytes twice is harmless.
func (r *Registry) Run(ctx context.Context) {
	done := make(chan struct{})
	for name, n := range r.Networks {
		go func() {
			defer func() { done <- struct{}{} }()
			r.follow(ctx, name, n)
		}()
	}
	go func() {
		defer func() { done <- struct{}{} }()
		r.sweepEvery(ctx)
	}()
	go func() {
		defer func() { done <- struct{}{} }()
		r.certifyEvery(ctx)
	}()
	others := 2
	if r.Stamp != nil {
		others++
		go func() {
			defer func() { done <- struct{}{} }()
			r.stampEvery(ctx)
		}()
	}
	for range len(r.Networks) + others {
		<-done
	}
}

func (r *Registry) follow(ctx context.Context, name network.Name, n network.Network) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		head := n.Head() // taken before the look, so that no block is missed in between
		if err := r.advance(ctx, n); err != nil && ctx.Err() == nil {
			r.Log.ErrorContext(ctx, "anchoring failed", "network", name, "error", err)
		}
		timer.Reset(retryEvery)
		select {
		case <-ctx.Done():
			return
		case <-head:
		case <-r.wake[name]:
		case <-timer.C:
		}
	}
}

// advance takes every transaction in flight on a network as far as it can go now.
// Organizations take turns, with one page of each state after the other. So an organization
// with one transaction does not wait until ten thousand of another are staged. One stuck
// transaction never blocks the others; errors are joined.
//
// Each call looks at each transaction once. While new ones keep coming, it ends after
// pagesInTurn pages, so that the next call looks at the first ones again.
func (r *Registry) advance(ctx context.Context, n network.Network) error {
	var all []error
	type step struct {
		state string
		take  func(context.Context, network.Network, []query.Transaction) error
		seen  map[string]string // by organization: how far this call has come
	}
	steps := []step{{"confirmed", r.stage, map[string]string{}}, {"staged", r.broadcast, map[string]string{}}, {"broadcast", r.finish, map[string]string{}}}
	more := true
	for page := 0; more && ctx.Err() == nil; page++ {
		if page == pagesInTurn {
			r.Wake(n.Name()) // the next call continues
			break
		}
		more = false
		for _, step := range steps {
			rows, full, err := r.inFlight(ctx, n.Name(), step.state, step.seen)
			if err != nil {
				return errors.Join(append(all, err)...)
			}
			if more = more || full; len(rows) == 0 {
				continue
			}
			if err := step.take(ctx, n, rows); err != nil {
				all = append(all, fmt.Errorf("%s: %w", step.state, err))
			}
		}
	}
	return errors.Join(all...)
}

// inFlight returns the next page of a state. Every organization with transactions in that
// state gets an equal part: its oldest transactions that were not seen yet. full reports
// that an organization may have more.
func (r *Registry) inFlight(ctx context.Context, n network.Name, state string, seen map[string]string) (page []query.Transaction, full bool, err error) {
	orgs, err := r.DB.Read().OrganizationsInFlight(ctx, query.OrganizationsInFlightParams{Network: string(n), State: state})
	if err != nil {
		return nil, false, err
	}
	each := int32(max(1, batch/max(1, len(orgs))))
	for _, org := range orgs {
		rows, err := r.DB.Read().InFlight(ctx, query.InFlightParams{Network: string(n), State: state, OrganizationID: org, After: seen[org], Lim: each})
		if err != nil {
			return nil, false, err
		}
		if len(rows) > 0 {
			seen[org] = rows[len(rows)-1].ID
		}
		page, full = append(page, rows...), full || len(rows) == int(each)
	}
	return page, full, nil
}

// errRehearsed is the failure of a transaction for which a test session requested a failure.
var errRehearsed = errors.New("this is a rehearsal: the test session requested a failing transaction")

// stage builds and signs the transactions. It stores the exact bytes and their hash before
// anything is sent.
func (r *Registry) stage(ctx context.Context, n network.Network, rows []query.Transaction) error {
	var (
		answered []query.Transaction
		staged   []network.Staged
		refused  []error
		silent   []error
	)
	for _, row := range rows {
		if row.Rehearse == string(fault.CodeTransactionFailed) {
			answered, staged, refused = append(answered, row), append(staged, network.Staged{}), append(refused, errRehearsed)
			continue
		}
		s, err := n.Stage(ctx, network.Call{Commitment: [32]byte(row.Commitment), ProtocolVersion: commitment.Version, AtsID: row.AtsID, Nonce: row.ID})
		if err != nil && !errors.Is(err, network.ErrRefused) {
			silent = append(silent, fmt.Errorf("transaction %s: %w", row.ID, err))
			continue
		}
		answered, staged, refused = append(answered, row), append(staged, s), append(refused, err)
	}
	if len(answered) == 0 {
		return errors.Join(silent...)
	}
	rows = answered
	err := r.each(ctx, rows, func(tx *store.Tx, i int) error {
		if refused[i] != nil {
			return r.fail(ctx, tx, rows[i], refused[i].Error())
		}
		before, err := parseSteps(rows[i].Steps)
		if err != nil {
			return err
		}
		_, err = tx.StageTransaction(ctx, query.StageTransactionParams{
			Staged: staged[i].Bytes, TxHash: staged[i].Hash[:], Steps: steps(before, tx.Now, stepPreparing, stepSigning), Now: store.Micros(tx.Now), ID: rows[i].ID,
		})
		return err
	})
	r.reached("stage.committed")
	return errors.Join(append(silent, err)...)
}

// broadcast sends the staged transactions. After a crash between sending and the commit, the
// same bytes are sent again.
func (r *Registry) broadcast(ctx context.Context, n network.Network, rows []query.Transaction) error {
	staged := make([]network.Staged, len(rows))
	for i, row := range rows {
		staged[i] = network.Staged{Bytes: row.Staged, Hash: [32]byte(row.TxHash)}
	}
	if err := n.Broadcast(ctx, staged); errors.Is(err, network.ErrRefused) && len(rows) > 1 {
		// One of the rows is refused; the others must not wait for it.
		var all []error
		for i := range rows {
			all = append(all, r.broadcast(ctx, n, rows[i:i+1]))
		}
		return errors.Join(all...)
	} else if err != nil {
		return err
	}
	r.reached("broadcast.sent")
	err := r.each(ctx, rows, func(tx *store.Tx, i int) error {
		before, err := parseSteps(rows[i].Steps)
		if err != nil {
			return err
		}
		_, err = tx.BroadcastTransaction(ctx, query.BroadcastTransactionParams{
			Steps: steps(before, tx.Now, stepSubmitting, stepConfirming), Now: store.Micros(tx.Now), ID: rows[i].ID,
		})
		return err
	})
	r.reached("broadcast.committed")
	return err
}

// finish makes works and versions from receipts.
func (r *Registry) finish(ctx context.Context, n network.Network, rows []query.Transaction) error {
	hashes := make([][32]byte, len(rows))
	for i, row := range rows {
		hashes[i] = [32]byte(row.TxHash)
	}
	receipts, err := n.Find(ctx, hashes)
	if err != nil {
		return err
	}
	final := rows[:0]
	for i, row := range rows {
		if _, ok := receipts[hashes[i]]; ok {
			final = append(final, row)
		}
	}
	if len(final) == 0 {
		return nil
	}
	r.reached("final.found")
	err = r.each(ctx, final, func(tx *store.Tx, i int) error {
		return r.settle(ctx, tx, final[i], receipts[[32]byte(final[i].TxHash)])
	})
	r.reached("final.committed")
	if r.Stamp != nil {
		notify(r.unstamped)
	} else {
		notify(r.final)
	}
	return err
}

// settle ends one transaction as its receipt says.
func (r *Registry) settle(ctx context.Context, tx *store.Tx, row query.Transaction, receipt network.Receipt) error {
	if receipt.Failure != "" {
		return r.fail(ctx, tx, row, receipt.Failure)
	}
	before, err := parseSteps(row.Steps)
	if err != nil {
		return err
	}
	changed, err := tx.FinishTransaction(ctx, query.FinishTransactionParams{
		AtsID: receipt.AtsID, Version: receipt.Version, BlockNumber: receipt.BlockNumber, BlockHash: receipt.BlockHash[:],
		Steps: steps(before, tx.Now, stepCompleted), Now: store.Micros(tx.Now), ID: row.ID,
	})
	if err != nil || changed == 0 { // 0: another instance was first
		return err
	}
	job, err := tx.GetJob(ctx, row.ID)
	if err != nil {
		return err
	}
	if err := r.settleWork(ctx, tx, job, receipt); err != nil {
		return err
	}
	var until int64
	if r.Stamp != nil {
		until = store.Micros(tx.Now.Add(timestampTimeout))
	}
	if err := tx.InsertVersion(ctx, query.InsertVersionParams{
		TransactionID: row.ID, Version: receipt.Version, TxHash: row.TxHash, BlockNumber: receipt.BlockNumber, BlockHash: receipt.BlockHash[:], Now: store.Micros(receipt.At),
		TimestampUntil: until,
	}); err != nil {
		return err
	}
	if row.TotalCredits == 0 {
		return nil
	}
	return credits.Capture(ctx, tx, row.OrganizationID, row.ID)
}

// settleWork creates the work for a first version, or moves an existing work to its next
// version.
func (r *Registry) settleWork(ctx context.Context, tx *store.Tx, job query.Job, receipt network.Receipt) error {
	if job.Kind == KindUpdate {
		n, err := tx.SetWorkVersion(ctx, query.SetWorkVersionParams{Version: receipt.Version, Now: store.Micros(tx.Now), ID: job.WorkID})
		if err == nil && n == 0 {
			err = fmt.Errorf("version %d of work %s does not follow its latest", receipt.Version, job.WorkID)
		}
		return err
	}
	w := query.InsertWorkParams{
		ID: job.WorkID, OrganizationID: job.OrganizationID, Network: job.Network, AtsID: receipt.AtsID, Owner: receipt.Owner,
		Title: job.Title, TitleKey: job.TitleKey, ExternalUserRef: job.ExternalUserRef, Test: job.Test, Now: store.Micros(tx.Now),
	}
	if job.ExternalUserRef == "" {
		w.AccessCodeHash = hashAccessCode(r.accessCode(job.WorkID, 0))
	}
	return tx.InsertWork(ctx, w)
}

// fail ends a transaction that the network will never accept. The same commit stores the
// reason and gives back all that confirm reserved and held.
func (r *Registry) fail(ctx context.Context, tx *store.Tx, row query.Transaction, reason string) error {
	before, err := parseSteps(row.Steps)
	if err != nil {
		return err
	}
	changed, err := tx.FailTransaction(ctx, query.FailTransactionParams{
		Failure: mustJSON(fault.TransactionFailed(reason).Envelope(row.RequestID).Error), Steps: steps(before, tx.Now, stepFailed), Now: store.Micros(tx.Now), ID: row.ID, Seen: row.State,
	})
	if err != nil || changed == 0 { // 0: another instance took it further
		return err
	}
	job, err := tx.GetJob(ctx, row.ID)
	if err != nil {
		return err
	}
	if err := releaseClaims(ctx, tx, job); err != nil {
		return err
	}
	return credits.Release(ctx, tx, row.OrganizationID, row.ID)
}

// rowsTogether is how many rows share one database transaction of a batch. On Postgres each
// statement is a round trip, and these transactions run in parallel. On SQLite they share
// one commit.
const rowsTogether = 32

// each runs f for every row, several rows in one transaction.
func (r *Registry) each(ctx context.Context, rows []query.Transaction, f func(*store.Tx, int) error) error {
	errs := make([]error, (len(rows)+rowsTogether-1)/rowsTogether)
	var wg sync.WaitGroup
	for i := range errs {
		from := i * rowsTogether
		wg.Go(func() { errs[i] = r.together(ctx, rows, from, min(from+rowsTogether, len(rows)), f) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

// together runs f for the rows from up to before to in one transaction, and wakes the
// followers. If the transaction fails while the database is available, each row is tried
// alone. So one stuck row does not hold up the others.
func (r *Registry) together(ctx context.Context, rows []query.Transaction, from, to int, f func(*store.Tx, int) error) error {
	err := r.DB.Tx(ctx, func(tx *store.Tx) error {
		for i := from; i < to; i++ {
			if err := f(tx, i); err != nil {
				return fmt.Errorf("transaction %s: %w", rows[i].ID, err)
			}
		}
		return nil
	})
	if err == nil {
		for _, row := range rows[from:to] {
			r.Progress.wake(row.ID)
		}
		return nil
	}
	if to-from == 1 || store.Unavailable(err) || ctx.Err() != nil {
		return err
	}
	var all []error
	for i := from; i < to; i++ {
		all = append(all, r.together(ctx, rows, i, i+1, f))
	}
	return errors.Join(all...)
}

// View is a transaction as its followers see it.
type View struct {
	ID string
	// Organization owns the transaction. Clients never receive it.
	Organization string

	Kind      string
	Steps     []Step
	CreatedAt time.Time
	UpdatedAt time.Time
	// Rehearse is the code that the test session wants to receive, or "".
	Rehearse fault.Code
	// Done is nil until the transaction has ended.
	Done *Outcome
}

// Outcome is the end of a transaction. Failure is nil when the transaction is final.
type Outcome struct {
	TxHash      string
	BlockNumber int64
	BlockHash   string
	AtsID       int64
	WorkID      string
	WorkURL     string
	ExplorerURL string
	// At is when the network accepted it: the time on the certificate and in the evidence.
	At time.Time
	// AccessCode is shown for Times.Result after the end.
	AccessCode string
	Failure    *fault.Body
}

// Transaction reads a transaction. Knowing its id is the permission to follow it. An unknown
// id is transaction.not_found.
func (r *Registry) Transaction(ctx context.Context, id string) (View, error) {
	row, err := r.DB.Read().TransactionForView(ctx, id)
	if errors.Is(err, sql.ErrNoRows) {
		return View{}, fault.TransactionNotFound()
	} else if err != nil {
		return View{}, fault.TransactionStoreUnavailable(retryStore).Because(err)
	}
	t := row.Transaction
	v := View{ID: t.ID, Organization: t.OrganizationID, Kind: t.Kind, Rehearse: fault.Code(t.Rehearse), CreatedAt: store.Time(t.CreatedAt), UpdatedAt: store.Time(t.UpdatedAt)}
	if v.Steps, err = parseSteps(t.Steps); err != nil {
		return View{}, err
	}
	switch t.State {
	case "failed":
		v.Done = &Outcome{Failure: &fault.Body{}}
		if err := json.Unmarshal([]byte(t.Failure), v.Done.Failure); err != nil {
			return View{}, err
		}
	case "final":
		hash := Hex(t.TxHash)
		v.Done = &Outcome{
			TxHash: hash, BlockNumber: t.BlockNumber, BlockHash: Hex(t.BlockHash), AtsID: t.AtsID, WorkID: t.WorkID, At: store.Time(row.RegisteredAt),
			WorkURL: r.WorkURL(network.Name(t.Network), t.AtsID), ExplorerURL: r.ExplorerURL(network.Name(t.Network), hash),
		}
		// An access code that was replaced or erased since is not shown.
		if row.ExternalUserRef == "" && row.Generation == 0 && !row.RedactedAt.Valid && t.Kind == KindRegister && r.DB.Now().Sub(v.UpdatedAt) < r.Times.Result {
			v.Done.AccessCode = r.accessCode(t.WorkID, 0)
		}
	}
	return v, nil
}
