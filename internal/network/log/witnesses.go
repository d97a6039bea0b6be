package log

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"timbre.example/internal/network"
	"timbre.example/internal/network/log/cosign"
	"timbre.example/internal/operation"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
	"timbre.example/proof/evidence"
)

// The bounds of asking.
const (
	// maxWitnesses is how many witnesses a log may have: evidence has no place for more
	// cosignatures.
	maxWitnesses = 64
	// askTime is how long one witness may take, with all its answers.
	askTime = 10 * time.Second
	// maxConflicts is how often a witness may answer with another size in one attempt.
	maxConflicts = 3
	// firstPause and lastPause bound the pauses after failed attempts.
	firstPause, lastPause = time.Second, 5 * time.Minute
	// cosigningLease is how long one process has the right to ask without renewing it.
	cosigningLease = 15 * time.Second
	// clockOfWitness is how far the clock of a witness may differ. Verifiers take a
	// cosignature from before its block for a contradiction.
	clockOfWitness = 4 * time.Minute
)

// CheckWitnesses returns an error for a policy whose witnesses cannot be asked. It connects to
// none of them.
func CheckWitnesses(p evidence.Policy) (err error) {
	defer operation.Wrap(&err, "check the witnesses of a log")
	_, err = askable(p)
	return err
}

// askable returns the witnesses of a policy. It leaves out those with a key that nothing here
// verifies, if the others can be a quorum.
func askable(p evidence.Policy) (all []*cosign.Witness, err error) {
	if len(p.Witnesses) > maxWitnesses {
		return nil, fmt.Errorf("the policy has more than %d witnesses", maxWitnesses)
	}
	if !p.Asks() {
		return nil, errors.New("the quorum of the policy needs no witness")
	}
	var names []string
	for _, one := range p.Witnesses {
		w, err := cosign.New(one)
		if errors.Is(err, cosign.ErrKind) {
			continue
		} else if err != nil {
			return nil, err
		}
		all, names = append(all, w), append(names, w.Name)
	}
	if !p.Enough(names...) {
		return nil, errors.New("the witnesses with Ed25519 keys are no quorum")
	}
	return all, nil
}

// newCosigner returns an error for witnesses that cannot be asked.
func newCosigner(l *Log, w Witnesses) (*cosigner, error) {
	asked, err := askable(w.Policy)
	if err != nil {
		return nil, err
	}
	if len(w.Policy.Logs) > 0 && !slices.ContainsFunc(l.keys.page().Keys(), func(key string) bool { return slices.Contains(w.Policy.Logs, key) }) {
		return nil, fmt.Errorf("the policy names other logs, and not this one: %s", l.keys.page().Key())
	}
	return &cosigner{l: l, from: w, asked: asked, holder: rand.Text(), busy: map[string]bool{}}, nil
}

// AskWitnesses makes w the witnesses of the log, for Run and Cosign. A log without witnesses
// has none of their rows: w is then nil. A process that makes blocks calls it before Run.
func (l *Log) AskWitnesses(ctx context.Context, w *Witnesses) (err error) {
	defer operation.Wrap(&err, "witnesses of the log %s", l.config.Network)
	l.cosigner = nil
	if w != nil {
		if l.cosigner, err = newCosigner(l, *w); err != nil {
			return err
		}
	}
	return l.db.Tx(ctx, func(tx *store.Tx) error {
		name := string(l.config.Network)
		kept, err := tx.ListLogWitnesses(ctx, name)
		if err != nil {
			return err
		}
		var asked []*cosign.Witness
		if l.cosigner != nil {
			asked = l.cosigner.asked
			err = tx.SetLogCosigning(ctx, query.SetLogCosigningParams{Network: name, Timeout: w.Timeout.Microseconds(), Now: store.Micros(tx.Now)})
		} else {
			_, err = tx.DropLogCosigning(ctx, name)
		}
		for _, row := range kept {
			if err == nil && !slices.ContainsFunc(asked, func(w *cosign.Witness) bool { return w.ID() == row.Witness }) {
				err = tx.DropLogWitness(ctx, query.DropLogWitnessParams{Network: name, Witness: row.Witness})
			}
		}
		for _, w := range asked {
			if err == nil {
				err = tx.AddLogWitness(ctx, query.AddLogWitnessParams{Network: name, Witness: w.ID(), Label: w.Name})
			}
		}
		return err
	})
}

// run asks until ctx ends.
func (c *cosigner) run(ctx context.Context) {
	failures := 0
	for ctx.Err() == nil {
		grown := c.l.Head()
		again, err := c.round(ctx)
		if err != nil && ctx.Err() == nil {
			if failures++; failures == 1 {
				c.l.config.Logger.ErrorContext(ctx, "no witness was asked", "network", c.l.config.Network, "error", err)
			}
			again = min(firstPause<<min(failures, 10), lastPause)
		} else {
			failures = 0
		}
		timer := time.NewTimer(again)
		select {
		case <-ctx.Done():
		case <-grown:
		case <-timer.C:
		}
		timer.Stop()
	}
	c.running.Wait()
	_ = c.l.db.One(context.WithoutCancel(ctx), func(tx *store.Tx) error { // otherwise the lease ends by itself
		return tx.ReleaseLogCosigning(ctx, query.ReleaseLogCosigningParams{Network: string(c.l.config.Network), Holder: c.holder})
	})
}

// Cosign asks each witness that is due to cosign the newest checkpoint, and waits for all
// answers. Run does the same without being called; tests and the command line can call it too.
func (l *Log) Cosign(ctx context.Context) error {
	if l.cosigner == nil {
		return nil
	}
	_, err := l.cosigner.round(ctx)
	l.cosigner.running.Wait()
	return err
}

// round asks each witness that is due to cosign the newest checkpoint. It waits for those that
// answered last time: all witnesses are then asked for the same blocks, and a quorum comes
// together. A witness that failed answers in its own time. again is when the next one is due.
func (c *cosigner) round(ctx context.Context) (again time.Duration, err error) {
	var mine int64
	if err := c.l.db.One(ctx, func(tx *store.Tx) (err error) {
		mine, err = tx.HoldLogCosigning(ctx, query.HoldLogCosigningParams{Network: string(c.l.config.Network), Holder: c.holder, Now: store.Micros(tx.Now), Until: store.Micros(tx.Now.Add(cosigningLease))})
		return err
	}); err != nil {
		return 0, c.l.fail("ask witnesses", err)
	}
	if mine == 0 {
		return cosigningLease / 3, nil
	}
	newest, err := c.newest(ctx)
	if err != nil {
		return 0, err
	}
	rows, err := c.l.db.Read().ListLogWitnesses(ctx, string(c.l.config.Network))
	if err != nil {
		return 0, c.l.fail("ask witnesses", err)
	}
	again = lastPause
	var steady sync.WaitGroup
	var failed atomic.Bool
	for _, w := range c.asked {
		at := slices.IndexFunc(rows, func(r query.ListLogWitnessesRow) bool { return r.Witness == w.ID() })
		if at < 0 || rows[at].Size >= newest.Size && rows[at].Failures == 0 || newest.Size == 0 {
			continue // another process was configured without it, or it has seen all
		}
		row := rows[at]
		// A pause that is longer than the longest comes from a wrong clock.
		if wait := store.Time(row.DueAt).Sub(c.l.db.Now()); row.DueAt > 0 && wait > 0 && wait <= maxPause {
			again = min(again, wait)
			continue
		}
		if !c.claim(w.ID()) {
			again = min(again, askTime)
			continue
		}
		if row.Failures > 0 {
			again = min(again, askTime)
		} else {
			steady.Add(1)
		}
		c.running.Go(func() {
			if !c.ask(ctx, w, row, newest) && row.Failures == 0 {
				failed.Store(true)
			}
			c.free(w.ID())
			if row.Failures == 0 {
				steady.Done()
			}
		})
	}
	if steady.Wait(); failed.Load() {
		again = min(again, pause(1))
	}
	return again, nil
}

// claim reports whether no request to this witness runs in this process.
func (c *cosigner) claim(id string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.busy[id] {
		return false
	}
	c.busy[id] = true
	return true
}

func (c *cosigner) free(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.busy, id)
}

// maxPause is the longest pause, also of a witness that names one.
const maxPause = time.Hour

// pause is the pause after some failures in a row.
func pause(failures int64) time.Duration {
	return min(firstPause<<min(max(failures-1, 0), 10), lastPause)
}

// newest returns the newest block.
func (c *cosigner) newest(ctx context.Context) (network.Block, error) {
	row, err := c.l.db.Read().GetLog(ctx, string(c.l.config.Network))
	if err != nil {
		return network.Block{}, c.l.fail("ask witnesses", err)
	}
	return network.Block{Number: row.Blocks, Size: row.Size, Checkpoint: row.Checkpoint, At: store.Time(row.BlockAt)}, nil
}

// alarm is a failure that is a reason to look: the witness saw a history that is not this
// log's.
type alarm struct {
	why   string
	proof string // a checkpoint of that history with this log's signature, or ""
}

func (a *alarm) Error() string { return a.why }

// ask asks one witness, and records the result.
func (c *cosigner) ask(ctx context.Context, w *cosign.Witness, row query.ListLogWitnessesRow, b network.Block) (ok bool) {
	within, cancel := context.WithTimeout(ctx, askTime)
	line, at, b, err := c.cosigned(within, w, row.Size, b)
	cancel()
	if err == nil {
		c.l.crash("log.cosigned")
		if err = c.keep(ctx, w, b, line, at); err != nil {
			err = fmt.Errorf("keep the cosignature: %w", err)
		}
		c.l.crash("log.cosignature.kept")
	}
	if ctx.Err() != nil {
		return false
	}
	log, attrs := c.l.config.Logger, []any{"network", c.l.config.Network, "witness", w.Name}
	if err == nil {
		if row.Failures > 0 {
			log.InfoContext(ctx, "a witness cosigns again", append(attrs, "failures", row.Failures, "size", b.Size)...)
		}
		return true
	}
	found, isAlarm := errors.AsType[*alarm](err)
	if !isAlarm {
		found = &alarm{}
	}
	switch {
	case isAlarm && row.Alarm == "":
		log.ErrorContext(ctx, "a witness saw another history of this log: this database went back, or a copy of it runs elsewhere", append(attrs, "error", err, "signed_checkpoint", found.proof)...)
	case row.Failures == 0:
		log.WarnContext(ctx, "a witness did not cosign", append(attrs, "error", err)...)
	}
	wait := pause(row.Failures + 1)
	if r, ok := errors.AsType[*cosign.Refused](err); ok {
		wait = max(wait, r.RetryAfter)
	}
	if err := c.l.db.One(ctx, func(tx *store.Tx) error {
		return tx.NoteUncosigned(ctx, query.NoteUncosignedParams{
			Network: string(c.l.config.Network), Witness: w.ID(), Now: store.Micros(tx.Now), DueAt: store.Micros(tx.Now.Add(wait)),
			Failure: shortened(err.Error()), Alarm: shortened(found.why), Proof: found.proof,
		})
	}); err != nil && ctx.Err() == nil {
		log.ErrorContext(ctx, "the failure of a witness was not recorded", append(attrs, "error", err)...)
	}
	return false
}

// cosigned asks until the witness cosigns, with the size that its answers name. The block is a
// newer one if the witness has seen more than b.
func (c *cosigner) cosigned(ctx context.Context, w *cosign.Witness, old int64, b network.Block) (string, time.Time, network.Block, error) {
	client := c.from.Client
	fail := func(err error) (string, time.Time, network.Block, error) { return "", time.Time{}, b, err }
	for range maxConflicts {
		var proof tlog.TreeProof
		if old > 0 {
			var err error
			if proof, err = c.l.ConsistencyProof(ctx, old, b.Size); err != nil {
				return fail(err)
			}
		}
		line, at, err := w.Ask(ctx, client, old, proof, b.Checkpoint)
		if conflict, ok := errors.AsType[*cosign.Conflict](err); ok {
			if conflict.Size > b.Size { // perhaps another process of this log was faster
				if b, err = c.newest(ctx); err != nil {
					return fail(err)
				}
			}
			if conflict.Size > b.Size {
				return fail(c.another(ctx, w, fmt.Sprintf("the witness saw %d entries of this log, which has %d", conflict.Size, b.Size)))
			}
			if conflict.Size < old {
				c.l.config.Logger.WarnContext(ctx, "a witness has forgotten what it cosigned", "network", c.l.config.Network, "witness", w.Name, "size", conflict.Size, "before", old)
			}
			old = conflict.Size
			continue
		}
		if refused, ok := errors.AsType[*cosign.Refused](err); ok && refused.Status == http.StatusUnprocessableEntity {
			return fail(c.another(ctx, w, refused.Error()))
		}
		if err != nil {
			return fail(err)
		}
		if now := c.l.db.Now(); at.Before(b.At.Add(-clockOfWitness)) || at.After(now.Add(clockOfWitness)) {
			return fail(fmt.Errorf("the clock of the witness is wrong: it cosigned at %s", at.Format(time.RFC3339)))
		}
		return line, at, b, nil
	}
	return fail(errors.New("the witness names another size at each request"))
}

// another returns the alarm for a witness that saw another history, with the proof if the
// witness shows it: only this log's key can have signed it.
func (c *cosigner) another(ctx context.Context, w *cosign.Witness, why string) *alarm {
	a := &alarm{why: why}
	signed, err := w.Seen(ctx, c.from.Client, c.l.Origin())
	if err != nil {
		return a
	}
	own, _, err := evidence.Split(signed)
	if err != nil {
		return a
	}
	tree, err := c.l.Tree(own)
	if err != nil {
		return a
	}
	newest, err := c.newest(ctx)
	if err != nil {
		return a
	}
	if tree.N > 0 && tree.N <= newest.Size {
		root, err := tlog.TreeHash(tree.N, newTree(c.l.loader(ctx, c.l.db.Read())))
		if err != nil || root == tree.Hash {
			return a
		}
	}
	a.proof = own
	return a
}

// keep stores a cosignature, and whether the block has a quorum with it.
func (c *cosigner) keep(ctx context.Context, w *cosign.Witness, b network.Block, line string, at time.Time) error {
	c.keeping.Lock()
	defer c.keeping.Unlock()
	name, quorum := string(c.l.config.Network), false
	err := c.l.db.Tx(ctx, func(tx *store.Tx) error {
		if err := tx.PutCosignature(ctx, query.PutCosignatureParams{Network: name, Block: b.Number, Witness: w.ID(), Line: line, CosignedAt: store.Micros(at)}); err != nil {
			return err
		}
		if err := tx.NoteCosigned(ctx, query.NoteCosignedParams{Network: name, Witness: w.ID(), Size: b.Size, CosignedAt: store.Micros(at)}); err != nil {
			return err
		}
		lines, err := tx.ListCosignatures(ctx, query.ListCosignaturesParams{Network: name, Block: b.Number})
		if err != nil {
			return err
		}
		if quorum, err = c.enough(b, lines); err != nil || !quorum {
			return err
		}
		n, err := tx.SetLogWitnessed(ctx, query.SetLogWitnessedParams{Network: name, Block: b.Number, Now: store.Micros(tx.Now)})
		quorum = n == 1
		return err
	})
	if err != nil || !quorum {
		return err
	}
	c.mu.Lock()
	told := slices.Clone(c.quorum)
	c.mu.Unlock()
	for _, tell := range told {
		tell()
	}
	return nil
}

// enough reports whether the cosignatures of a block are a quorum.
func (c *cosigner) enough(b network.Block, lines []string) (bool, error) {
	text, _, _ := strings.Cut(b.Checkpoint, "\n\n")
	seen, err := c.from.Policy.Witnessed(text+"\n", lines)
	return seen.Met && c.from.Policy.Asks(), err
}

// OnQuorum implements network.Witnessed.
func (l *Log) OnQuorum(tell func()) {
	if l.cosigner == nil {
		return
	}
	l.cosigner.mu.Lock()
	defer l.cosigner.mu.Unlock()
	l.cosigner.quorum = append(l.cosigner.quorum, tell)
}

// Witnessing implements network.Witnessed.
func (l *Log) Witnessing(ctx context.Context) (network.Witnessing, error) {
	row, err := l.db.Read().GetLogCosigning(ctx, string(l.config.Network))
	if errors.Is(err, sql.ErrNoRows) {
		return network.Witnessing{}, nil
	} else if err != nil {
		return network.Witnessing{}, l.fail("witnesses", err)
	}
	at := network.Witnessing{Asked: true, Timeout: time.Duration(row.Timeout) * time.Microsecond, Block: row.Block}
	if l.cosigner == nil {
		return at, nil
	}
	out, err := l.outOfReach(ctx, at.Timeout)
	if out {
		at.Timeout = 0
	}
	return at, err
}

// outOfReach reports whether no quorum is possible without witnesses that fail for longer than
// the timeout. A wait of one more timeout would bring nothing.
func (l *Log) outOfReach(ctx context.Context, timeout time.Duration) (bool, error) {
	rows, err := l.db.Read().ListLogWitnesses(ctx, string(l.config.Network))
	if err != nil {
		return false, l.fail("witnesses", err)
	}
	down := map[string]bool{}
	for _, row := range rows {
		down[row.Witness] = row.FailingSince > 0 && l.db.Now().Sub(store.Time(row.FailingSince)) > timeout
	}
	var up []string
	for _, w := range l.cosigner.asked {
		if !down[w.ID()] {
			up = append(up, w.Name)
		}
	}
	return !l.cosigner.from.Policy.Enough(up...), nil
}

// Witnesses implements network.Witnessed.
func (l *Log) Witnesses(ctx context.Context) ([]network.Witness, error) {
	rows, err := l.db.Read().ListLogWitnesses(ctx, string(l.config.Network))
	if err != nil {
		return nil, l.fail("witnesses", err)
	}
	all := make([]network.Witness, len(rows))
	for i, row := range rows {
		all[i] = network.Witness{Name: row.Label, ID: row.Witness, Size: row.Size, Failures: row.Failures, Failure: row.Failure, Alarm: row.Alarm, Proof: row.Proof}
		if row.CosignedAt > 0 {
			all[i].CosignedAt = store.Time(row.CosignedAt)
		}
		if row.FailingSince > 0 {
			all[i].FailingSince = store.Time(row.FailingSince)
		}
	}
	return all, nil
}

// Forked returns an error while a witness proves that this log is not the only one: it cosigned
// a checkpoint with the log's own signature that this log does not continue.
func (l *Log) Forked(ctx context.Context) error {
	all, err := l.Witnesses(ctx)
	for _, w := range all {
		if w.Proof != "" {
			return fmt.Errorf("log %s: witness %s: %s", l.config.Network, w.Name, w.Alarm)
		}
	}
	return err
}

// Published returns the checkpoint that the log serves, with its cosignatures. It is that of
// the newest block with a quorum, or of a newer one whose timeout has passed. Both numbers only
// grow, so no checkpoint follows a larger one.
func (l *Log) Published(ctx context.Context) (_ string, err error) {
	name := string(l.config.Network)
	row, err := l.db.Read().GetLogCosigning(ctx, name)
	if errors.Is(err, sql.ErrNoRows) {
		return l.LatestCheckpoint(ctx)
	} else if err != nil {
		return "", l.fail("checkpoint", err)
	}
	number, err := l.db.Read().LastLogBlockBefore(ctx, query.LastLogBlockBeforeParams{
		Network: name, After: row.Block, Until: max(store.Micros(l.db.Now())-row.Timeout, row.TimeoutAt),
	})
	if errors.Is(err, sql.ErrNoRows) && row.Block >= 0 {
		number, err = row.Block, nil
	} else if errors.Is(err, sql.ErrNoRows) { // the clock went back: no block is that old
		number, err = 0, nil
	}
	if err != nil {
		return "", l.fail("checkpoint", err)
	}
	b, err := l.Block(ctx, number)
	if err != nil {
		return "", err
	}
	lines, err := l.cosignatures(ctx, number)
	return evidence.Join(b.Checkpoint, lines), err
}

// seen is what witnesses have said about a block so far.
type seen struct {
	lines  []string              // the cosignatures of its own checkpoint
	later  *evidence.Attestation // a later checkpoint that more witnesses have seen; may be nil
	quorum network.Quorum
}

// seenOf reads what witnesses have said about a block. The later checkpoint is the first one
// with a quorum. Before there is one, it is the first one with any cosignature, for a block
// without cosignatures.
func (l *Log) seenOf(ctx context.Context, b network.Block) (s seen, err error) {
	first, err := l.db.Read().WitnessedFrom(ctx, query.WitnessedFromParams{Network: string(l.config.Network), Block: b.Number})
	if err != nil {
		return s, l.fail("cosignatures", err)
	}
	if first.Asked > 0 {
		s.quorum = network.TooFew
	}
	if first.Cosigned < 0 {
		return s, nil
	}
	if first.Cosigned == b.Number {
		if s.lines, err = l.cosignatures(ctx, b.Number); err != nil {
			return s, err
		}
	}
	number := first.Quorum
	if number >= 0 {
		s.quorum = network.Enough
	} else {
		number = first.Cosigned
	}
	if number == b.Number {
		return s, nil
	}
	later, err := l.Block(ctx, number)
	if err != nil {
		return s, err
	}
	a := evidence.Attestation{Kind: evidence.KindCheckpoint, Checkpoint: later.Checkpoint}
	if a.Consistency, err = l.ConsistencyProof(ctx, b.Size, later.Size); err != nil {
		return s, err
	}
	a.Cosignatures, err = l.cosignatures(ctx, number)
	s.later = &a
	return s, err
}

// cosignatures returns the cosignatures of a block, in the order of evidence.
func (l *Log) cosignatures(ctx context.Context, block int64) ([]string, error) {
	lines, err := l.db.Read().ListCosignatures(ctx, query.ListCosignaturesParams{Network: string(l.config.Network), Block: block})
	if err != nil {
		return nil, l.fail("cosignatures", err)
	}
	slices.Sort(lines)
	return lines[:min(len(lines), maxWitnesses)], nil
}

// shortened is a cause as rows keep it.
func shortened(text string) string { return text[:min(len(text), 500)] }
