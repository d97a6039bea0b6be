package registry

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"timbre.example/commitment"
	"timbre.example/fault"
	"timbre.example/internal/credits"
	"timbre.example/internal/network"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
)

// batch is how many transactions are taken through a step at once. They share
// its commit, which is what lets one worker keep up with many clients.
const batch = 256

// pagesInTurn is how many pages of each state one call of advance takes.
const pagesInTurn = 16

// retryEvery is the pace at which a worker looks for work that nobody woke it
// for: after a failure, after a restart, or confirmed by another instance.
const retryEvery = time.Second

// Wake tells the worker of a network that there is something to do.
func (r *Registry) Wake(n network.Name) {
	notify(r.wake[n])
}

// Run drives confirmed transactions of every network to their end, gets their
// time-stamps, makes certificates, and sweeps what expired, until ctx ends. Several instances may
// run on one database: each step changes a row only from the state before it, and
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
		head := n.Head() // before looking, so that nothing is missed in between
		if err := r.advance(ctx, n); err != nil && ctx.Err() == nil {
			r.Log.ErrorContext(ctx, "anchoring", "network", name, "error", err)
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

// advance takes every transaction in flight on a network as far as it can go now, by
// turns of the organizations: a page of each state after the other, so that whoever
// has one transaction does not wait until all of somebody's ten thousand are staged.
// What cannot go on is reported, and keeps nothing else from going on.
//
// It looks at each transaction once. While others come and come, it ends after some
// pages, so that the next call looks at the first ones again.
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
			r.Wake(n.Name()) // to go on with it
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

// inFlight is the next page of a state: a part of it is for each organization that
// has transactions there, of each the oldest that were not seen. full says that an
// organization may have more.
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

// errRehearsed is the reason of a transaction that a test session wanted to fail.
var errRehearsed = errors.New("this is a rehearsal: the test session asked for a transaction that fails")

// stage builds and signs, and persists the exact bytes and their hash before
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

// broadcast sends what is staged. A crash after it and before the commit sends
// the same bytes again.
func (r *Registry) broadcast(ctx context.Context, n network.Network, rows []query.Transaction) error {
	staged := make([]network.Staged, len(rows))
	for i, row := range rows {
		staged[i] = network.Staged{Bytes: row.Staged, Hash: [32]byte(row.TxHash)}
	}
	if err := n.Broadcast(ctx, staged); errors.Is(err, network.ErrRefused) && len(rows) > 1 {
		// One of them is refused; the others must not wait for it.
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

// finish turns receipts into works and versions.
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

// settle ends one transaction by its receipt.
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
	if err != nil || changed == 0 { // 0: another instance was quicker
		return err
	}
	job, err := tx.GetJob(ctx, row.ID)
	if err != nil {
		return err
	}
	if err := r.settleWork(ctx, tx, job, receipt); err != nil {
		return err
	}
	var patience int64
	if r.Stamp != nil {
		patience = store.Micros(tx.Now.Add(timestampPatience))
	}
	if err := tx.InsertVersion(ctx, query.InsertVersionParams{
		TransactionID: row.ID, Version: receipt.Version, TxHash: row.TxHash, BlockNumber: receipt.BlockNumber, BlockHash: receipt.BlockHash[:], Now: store.Micros(receipt.At),
		TimestampUntil: patience,
	}); err != nil {
		return err
	}
	if row.TotalCredits == 0 {
		return nil
	}
	return credits.Capture(ctx, tx, row.OrganizationID, row.ID)
}

// settleWork makes the work of a first version, or moves it to a further one.
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

// fail ends a transaction that the network will never take: everything that
// confirm reserved and held is given back, in the same commit that says why.
func (r *Registry) fail(ctx context.Context, tx *store.Tx, row query.Transaction, reason string) error {
	before, err := parseSteps(row.Steps)
	if err != nil {
		return err
	}
	changed, err := tx.FailTransaction(ctx, query.FailTransactionParams{
		Failure: mustJSON(fault.TransactionFailed(reason).Envelope(row.RequestID).Error), Steps: steps(before, tx.Now, stepFailed), Now: store.Micros(tx.Now), ID: row.ID, Seen: row.State,
	})
	if err != nil || changed == 0 { // 0: another instance has taken it further
		return err
	}
	job, err := tx.GetJob(ctx, row.ID)
	if err != nil {
		return err
	}
	if err := free(ctx, tx, job); err != nil {
		return err
	}
	return credits.Release(ctx, tx, row.OrganizationID, row.ID)
}

// rowsTogether is how many rows one of the database transactions of a batch takes. On
// Postgres, where each statement is a round trip, they run beside each other; on
// SQLite they end in the same commit.
const rowsTogether = 32

// each runs f for every row, some rows together in one transaction.
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

// together runs f for the rows from from to before to in one transaction, and
// wakes the followers. When that fails for another reason than an absent
// database, every row is tried by itself, so that one which cannot go on does
// not hold up the others.
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

// View is a transaction as its follower sees it.
type View struct {
	ID string
	// Organization is whose it is. No client is told.
	Organization string

	Kind      string
	Steps     []Step
	CreatedAt time.Time
	UpdatedAt time.Time
	// Rehearse is the code that its test session was to meet, or "".
	Rehearse fault.Code
	// Done is nil until the transaction has ended.
	Done *Outcome
}

// Outcome is how a transaction ended: Failure is nil when it is final.
type Outcome struct {
	TxHash      string
	BlockNumber int64
	BlockHash   string
	AtsID       int64
	WorkID      string
	WorkURL     string
	ExplorerURL string
	// At is when the network took it: the time that certificate and evidence tell.
	At time.Time
	// AccessCode is shown for a while after the end (Times.Result).
	AccessCode string
	Failure    *fault.Body
}

// Transaction reads a transaction. Its id is the capability: whoever has it may
// follow. An unknown id is transaction.not_found.
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
		// A code that was replaced since, or erased, is nobody's to be shown here.
		if row.ExternalUserRef == "" && row.Generation == 0 && !row.RedactedAt.Valid && t.Kind == KindRegister && r.DB.Now().Sub(v.UpdatedAt) < r.Times.Result {
			v.Done.AccessCode = r.accessCode(t.WorkID, 0)
		}
	}
	return v, nil
}
