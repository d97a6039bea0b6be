package log

import (
	"context"
	"crypto/ed25519"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"timbre.example/internal/events"
	"timbre.example/internal/network"
	"timbre.example/internal/network/log/checkpoint"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
)

// URL is the address of the built-in log. It needs no more: the log is in the server's
// own database.
const URL = "log:"

// Kind opens logs by URL. It implements network.Kind, Kept and Examined. The fields with
// the same names as those of Config mean the same.
type Kind struct {
	DB *store.DB
	// Host is the host of the public URL: the beginning of the name of a log that starts
	// now. "" opens only logs that have started.
	Host string
	// Key returns the keys of a log: the seed of the signing key, and the public key. A
	// process that makes no blocks has only the second.
	Key func(network.Name) (seed []byte, public ed25519.PublicKey)
	// NextKey returns the seed of the signing key with this number, from 2 upwards, or nil.
	NextKey func(n network.Name, number int) []byte
	// Makes: this process makes blocks. Open then also decides, with Guard, whether it may.
	Makes bool
	// AfterRestore says what an operator checks after a restore, for findings.
	AfterRestore string

	BlockTime, Silence, ClockTolerance time.Duration
	Remember                           time.Duration
	Checkpoints                        checkpoint.Store
	WentBack                           func(context.Context) error
	// Witnesses are those of each log; a log that is not named has none.
	Witnesses map[network.Name]*Witnesses
	Events    *events.Recorder
	Logger    *slog.Logger
}

var _ interface {
	network.Kind
	network.Kept
	network.Examined
} = (*Kind)(nil)

// Check implements network.Kind.
func (*Kind) Check(url string) error {
	if url != URL {
		return errors.New("must be " + URL + " and nothing else: the built-in log is in the server's database")
	}
	return nil
}

// Begun implements network.Kept. The tables of an older release can lack a column that
// this release reads. Then a log has begun, too.
func (k *Kind) Begun(ctx context.Context, n network.Name) (bool, error) {
	_, err := k.DB.Read().GetLog(ctx, string(n))
	switch {
	case err == nil:
		return true, nil
	case errors.Is(err, sql.ErrNoRows):
		return false, nil
	}
	if behind, e := k.DB.Pending(ctx); e == nil && behind > 0 {
		return true, nil
	}
	return false, err
}

// Open implements network.Kind. A process that makes blocks starts also while the log is
// stopped, because reads still work: the logger says why no block is made.
func (k *Kind) Open(ctx context.Context, at network.Address) (network.Network, error) {
	l, err := k.open(ctx, at.Name)
	if err != nil {
		return nil, err
	}
	if k.Makes {
		err := l.Guard(ctx)
		if _, stopped := errors.AsType[*Stop](err); err != nil && !stopped { // the place of the checkpoints does not answer
			k.Logger.ErrorContext(ctx, "no block is made until this error is solved", "network", at.Name, "error", err)
		}
		if err := l.AskWitnesses(ctx, k.Witnesses[at.Name]); err != nil {
			return nil, err
		}
	}
	return l, nil
}

func (k *Kind) open(ctx context.Context, n network.Name) (*Log, error) {
	origin := k.Host + "/log/" + string(n)
	if k.Host == "" {
		row, err := k.DB.Read().GetLog(ctx, string(n))
		if errors.Is(err, sql.ErrNoRows) {
			return nil, fmt.Errorf("this database has no log yet: %w", err)
		} else if err != nil {
			return nil, err
		}
		origin = row.Origin
	}
	seed, public := k.Key(n)
	var next func(int) []byte
	if k.NextKey != nil {
		next = func(number int) []byte { return k.NextKey(n, number) }
	}
	return Open(ctx, k.DB, Config{
		Network: n, Origin: origin, Key: seed, PublicKey: public, NextKey: next, BlockTime: k.BlockTime, Silence: k.Silence, Checkpoints: k.Checkpoints,
		WentBack: k.WentBack, ClockTolerance: k.ClockTolerance, Remember: k.Remember, Events: k.Events, Logger: k.Logger,
	})
}

// Examine implements network.Examined. It opens only a log that has started. A process
// that makes no blocks also examines whether another process makes them.
func (k *Kind) Examine(ctx context.Context, at network.Address, report func(network.Finding)) {
	name := string(at.Name)
	row, err := k.DB.Read().GetLog(ctx, name)
	if errors.Is(err, sql.ErrNoRows) {
		report(network.Finding{Check: "network " + name, Found: "not started yet"})
		return
	}
	var l *Log
	if err == nil {
		started := *k
		started.Host = ""
		l, err = started.open(ctx, at.Name)
	}
	found := fmt.Sprintf("%s, entries: %d, signed with this secret", row.Origin, row.Size)
	if k.Host != "" && k.Host+"/log/"+name != row.Origin {
		found += ". The public URL has another host now, but the log keeps its name: proofs stay valid, and verifiers identify the log by this name." +
			" Links on older certificates point to the old host: keep that host, or redirect it to the new one"
	}
	report(network.Finding{Check: "network " + name, Err: err, Found: found, Remedy: "A log can continue only with the secret that started it: restore that secret file."})
	if err != nil {
		return
	}
	if !k.Makes {
		report(network.Finding{Check: "worker for " + name, Err: l.Sequenced(ctx), Found: "alive",
			Remedy: "Start a process with the role worker on this database. Until then the server refuses new quotes, and confirmed registrations wait."})
	}
	k.examineContinuity(ctx, l, report)
	k.examineWitnesses(ctx, l, report)
}

// examineWitnesses reports what the process that asks knows of each witness. It asks none.
func (k *Kind) examineWitnesses(ctx context.Context, l *Log, report func(network.Finding)) {
	name := string(l.Name())
	if w := k.Witnesses[l.Name()]; w != nil {
		_, err := newCosigner(l, *w)
		report(network.Finding{Check: "policy of the witnesses of " + name, Err: err, Found: "names this log, or none", Remedy: "Correct the file of --log-witnesses."})
	}
	all, err := l.Witnesses(ctx)
	var row query.GetLogRow
	if err == nil && len(all) > 0 {
		row, err = k.DB.Read().GetLog(ctx, name)
	}
	if err != nil {
		report(network.Finding{Check: "witnesses of " + name, Err: err})
		return
	}
	for _, w := range all {
		f := network.Finding{Check: fmt.Sprintf("witness %s of %s", w.Name, name), Found: "not asked yet", Remedy: "Check the address of the witness, and that its operator added the key of this log."}
		if w.Size > 0 {
			f.Found = fmt.Sprintf("cosigned %d of %d entries, at %s", w.Size, row.Size, w.CosignedAt.UTC().Format(time.RFC3339))
		}
		switch {
		case w.Alarm != "":
			f.Err, f.Remedy = errors.New(w.Alarm), "A copy of this registry runs elsewhere, or its database went back. Stop all but one, and see docs/operating.md, Witnesses of the log."
		case w.Failures > 0:
			f.Err = fmt.Errorf("fails since %s: %s", w.FailingSince.UTC().Format(time.RFC3339), w.Failure)
		}
		report(f)
	}
}

// examineContinuity compares a log with its checkpoint outside of the database and with
// the clock, as a worker does before each block. A process without the place of the
// checkpoints reports what workers found.
func (k *Kind) examineContinuity(ctx context.Context, l *Log, report func(network.Finding)) {
	continuity := network.Finding{Check: "continuity of " + string(l.Name()), Remedy: "See docs/operating.md, Backup and restore."}
	if k.Checkpoints == nil {
		continuity.Err, continuity.Found = l.Stopped(ctx), "no worker has stopped this log"
		report(continuity)
		return
	}
	text, place, err := l.Kept(ctx)
	continuity.Found = "the database continues the checkpoint in " + place
	if text == "" {
		continuity.Found = "no checkpoint is stored yet: a worker stores one when it starts"
	}
	if err == nil {
		err = l.Examine(ctx)
	}
	continuity.Err = err
	report(continuity)
	if n, err := k.DB.Read().CountLogRepairs(ctx, string(l.Name())); err == nil && n > 0 {
		repairs := "1 repair"
		if n > 1 {
			repairs = fmt.Sprintf("%d repairs", n)
		}
		report(network.Finding{Check: "repairs of " + string(l.Name()), Found: repairs + ". After a restore, " + k.AfterRestore})
	}
}

// BeginRepair implements network.Repairable.
func (l *Log) BeginRepair(ctx context.Context) (network.Repair, error) {
	stop, stopped := errors.AsType[*Stop](l.Stopped(ctx))
	r, err := l.Repair(ctx)
	if err != nil {
		return nil, err
	}
	return &repair{Repair: r, noticed: stopped && (stop.Reason == Shorter || stop.Reason == Different)}, nil
}

// repair is a Repair with its last plan.
type repair struct {
	*Repair
	noticed bool
	plan    *Restored
}

// Noticed implements network.Repair.
func (r *repair) Noticed() bool { return r.noticed }

// AddBundle implements network.Repair.
func (r *repair) AddBundle(path string, file io.Reader) error {
	data, err := io.ReadAll(io.LimitReader(file, maxBundle+1))
	if err != nil {
		return err
	}
	return r.Repair.AddBundle(path, data)
}

// Plan implements network.Repair.
func (r *repair) Plan(ctx context.Context) (network.Plan, error) {
	p, err := r.Repair.Plan(ctx)
	r.plan = p
	out := network.Plan{Size: p.Size, Target: p.Target.checkpoint(), Missing: p.Missing, Entries: len(p.Entries), NextAtsID: p.NextAtsID}
	for _, fork := range p.Forks {
		out.Forks = append(out.Forks, fork.checkpoint())
	}
	return out, err
}

func (t Target) checkpoint() network.Checkpoint {
	return network.Checkpoint{Size: t.N, Root: t.Hash.String(), From: t.From}
}

// Apply implements network.Repair.
func (r *repair) Apply(ctx context.Context) (lost int64, err error) {
	if r.plan == nil {
		return 0, errors.New("call Plan first")
	}
	err = r.Repair.Apply(ctx, r.plan)
	return r.plan.Lost, err
}

// Resume implements network.Repair.
func (r *repair) Resume(ctx context.Context) error {
	if stop, ok := errors.AsType[*Stop](r.l.Guard(ctx)); ok && !stop.Clock() {
		return stop
	}
	return nil
}
