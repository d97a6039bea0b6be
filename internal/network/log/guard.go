package log

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"timbre.example/evidence"
	"timbre.example/internal/network"
	"timbre.example/internal/network/log/checkpoint"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
)

// Reason is why a log is stopped.
type Reason string

// The reasons.
const (
	// Shorter: the database lacks entries of the kept checkpoint.
	Shorter Reason = "shorter"
	// Different: the database has other entries than the kept checkpoint.
	Different Reason = "different"
	// Unreadable: what is kept is no checkpoint that this log's key signed.
	Unreadable Reason = "unreadable"
	// ClockBehind: the newest block lies in the future.
	ClockBehind Reason = "clock_behind"
	// ClockJumped: the clock went ahead a moment ago, and may be set back yet.
	ClockJumped Reason = "clock_jumped"
)

// Stop is why a log makes no block. It is an error that wraps network.ErrStopped.
type Stop struct {
	Reason  Reason       `json:"reason"`
	Network network.Name `json:"network"`
	Origin  string       `json:"origin"`
	// Place says where the kept checkpoint is, KeptSize and KeptRoot what it says.
	Place    string `json:"place,omitempty"`
	KeptSize int64  `json:"kept_size,omitempty"`
	KeptRoot string `json:"kept_root,omitempty"`
	// Size is how many entries this database has, Root its root hash.
	Size int64  `json:"size"`
	Root string `json:"root,omitempty"`
	// Until is when blocks are made again by themselves, of a clock's reasons.
	Until time.Time `json:"until,omitzero"`
}

// Unwrap makes errors.Is find network.ErrStopped.
func (s *Stop) Unwrap() error { return network.ErrStopped }

// Clock reports whether the clock is the reason, and not the database.
func (s *Stop) Clock() bool { return s.Reason == ClockBehind || s.Reason == ClockJumped }

// Error says what was found, what probably happened, and how to go on.
func (s *Stop) Error() string {
	head := fmt.Sprintf("the log %s makes no block: ", s.Origin)
	switch s.Reason {
	case Shorter:
		return head + fmt.Sprintf("%s holds its checkpoint of %d entries (root %s), and the database has %d (root %s). "+
			"A backup was probably restored, or a replica that lagged behind has taken over. A block now would fork the log. "+
			"Start the newest database, or run `timbre log repair --network %s` to put the missing entries back. Reads go on", s.Place, s.KeptSize, s.KeptRoot, s.Size, s.Root, s.Network)
	case Different:
		return head + fmt.Sprintf("%s holds its checkpoint of %d entries (root %s), and the database has other entries (%d, root %s). "+
			"This is probably another database, or a backup that registered works after it was restored. Start the database that the checkpoint belongs to. Reads go on", s.Place, s.KeptSize, s.KeptRoot, s.Size, s.Root)
	case Unreadable:
		return head + fmt.Sprintf("%s holds something else than a checkpoint that the key of this log signed. Put the right one there. Reads go on", s.Place)
	case ClockJumped:
		return head + "the clock of this machine went ahead suddenly. Blocks are made again at " + clockText(s.Until) + ", unless the clock is set back"
	}
	return head + "its newest block is from " + clockText(s.Until) + ", which this machine's clock has not reached. " +
		"Correct the clock if it is behind. If it was ahead and is right now, wait, or raise --network-clock-tolerance for a while: blocks then carry the time of the newest block. Reads go on"
}

func clockText(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }

// KeptName is the name under which the newest checkpoint of a log is kept outside of
// its database. It is the log's alone: another origin or another key has another.
func (l *Log) KeptName() string {
	return fmt.Sprintf("%s-%08x", l.config.Network, l.verifier.KeyHash())
}

// Kept returns the checkpoint that is kept outside of the database, "" when there is
// none, and where that is.
func (l *Log) Kept(ctx context.Context) (text, place string, err error) {
	if l.config.Checkpoints == nil {
		return "", "", nil
	}
	text, err = l.config.Checkpoints.Load(ctx, l.KeptName())
	return text, l.config.Checkpoints.Place(l.KeptName()), err
}

// Examine compares the database with the checkpoint that is kept outside of it and
// with the clock, and changes nothing. The error is a *Stop when no block may be made.
func (l *Log) Examine(ctx context.Context) error {
	kept, _, err := l.Kept(ctx)
	if err != nil {
		return l.fail("the kept checkpoint", err)
	}
	row, err := l.db.Read().GetLog(ctx, string(l.config.Network)) // after kept: see Guard
	if err != nil {
		return l.fail("guard", err)
	}
	if err := l.compare(ctx, row, kept); err != nil {
		return err
	}
	return l.behind(row)
}

// compare is nil when the database continues the tree of the kept checkpoint, or
// nothing is kept.
func (l *Log) compare(ctx context.Context, row query.GetLogRow, kept string) error {
	if kept == "" || kept == row.Checkpoint || kept == row.PendingCheckpoint {
		return nil
	}
	tree, err := l.Tree(kept)
	head, headErr := l.Tree(row.Checkpoint)
	if headErr != nil {
		return l.fail("the newest block", headErr)
	}
	_, place, _ := l.place()
	stop := &Stop{Network: l.config.Network, Origin: l.config.Origin, Place: place, Size: head.N, Root: head.Hash.String()}
	if err != nil {
		stop.Reason = Unreadable
		return stop
	}
	stop.KeptSize, stop.KeptRoot = tree.N, tree.Hash.String()
	if tree.N > head.N {
		stop.Reason = Shorter
		return stop
	}
	root, err := tlog.TreeHash(tree.N, newTree(l.loader(ctx, l.db.Read())))
	if err != nil {
		return l.fail("guard", err)
	}
	if root != tree.Hash {
		stop.Reason = Different
		return stop
	}
	return nil
}

// place is where the checkpoint is kept.
func (l *Log) place() (name, place string, ok bool) {
	if l.config.Checkpoints == nil {
		return "", "", false
	}
	return l.KeptName(), l.config.Checkpoints.Place(l.KeptName()), true
}

// Tree reads a checkpoint that this log's key signed.
func (l *Log) Tree(signed string) (tlog.Tree, error) {
	return evidence.OpenCheckpoint(signed, l.config.Origin, l.vkey)
}

// Guard decides whether blocks may be made, and lets other processes know. It keeps
// the newest checkpoint outside of the database where an older one, or none, is kept.
// The error is a *Stop when no block may be made.
//
// The kept checkpoint is read first, and the database after it. A checkpoint is kept
// only after its block was staged in the database, so a database that was read later
// and does not know it has lost that block.
func (l *Log) Guard(ctx context.Context) error {
	jumped := l.clock.look()
	if jumped != nil {
		jumped.Network, jumped.Origin = l.config.Network, l.config.Origin
	}
	kept, _, err := l.Kept(ctx)
	if err != nil {
		l.guarded.Store(false)
		return l.fail("the kept checkpoint", err)
	}
	row, err := l.db.Read().GetLog(ctx, string(l.config.Network))
	if err != nil {
		return l.fail("guard", err)
	}
	err = l.compare(ctx, row, kept)
	if err == nil {
		err = l.behind(row)
	}
	if err == nil && jumped != nil {
		err = jumped
	}
	if err != nil {
		l.guarded.Store(false)
		if stop := (*Stop)(nil); errors.As(err, &stop) {
			return l.stop(ctx, row, stop)
		}
		return err
	}
	if err := l.keep(ctx, row, kept); err != nil {
		l.guarded.Store(false)
		return err
	}
	return l.resume(ctx, row)
}

// stop writes down why no block is made, and returns it.
func (l *Log) stop(ctx context.Context, row query.GetLogRow, s *Stop) error {
	if before := l.stopped.Swap(s); before == nil || before.Reason != s.Reason || before.KeptSize != s.KeptSize || before.Size != s.Size {
		l.config.Logger.ErrorContext(ctx, s.Error(), "network", l.config.Network)
	}
	text, err := json.Marshal(s)
	if err != nil {
		return err
	}
	if row.Stopped == string(text) {
		return s
	}
	if (s.Reason == Shorter || s.Reason == Different) && l.config.WentBack != nil {
		if err := l.config.WentBack(ctx); err != nil {
			return l.fail("the database went back", err)
		}
	}
	if err := l.db.One(ctx, func(tx *store.Tx) error {
		_, err := tx.SetLogStopped(ctx, query.SetLogStoppedParams{Network: string(l.config.Network), Stopped: string(text)})
		return err
	}); err != nil {
		return errors.Join(s, l.fail("stop", err))
	}
	return s
}

// resume takes back what stop wrote.
func (l *Log) resume(ctx context.Context, row query.GetLogRow) error {
	if row.Stopped != "" {
		if err := l.db.One(ctx, func(tx *store.Tx) error {
			_, err := tx.SetLogStopped(ctx, query.SetLogStoppedParams{Network: string(l.config.Network)})
			return err
		}); err != nil {
			return l.fail("resume", err)
		}
		l.config.Logger.InfoContext(ctx, "the log goes on", "network", l.config.Network, "entries", row.Size)
	}
	l.stopped.Store(nil)
	l.guarded.Store(true)
	return nil
}

// keep makes the newest checkpoint of a database that continues the kept one the one
// that is kept. It remembers in the database where.
func (l *Log) keep(ctx context.Context, row query.GetLogRow, kept string) error {
	name, place, ok := l.place()
	if !ok {
		return nil
	}
	if kept != row.Checkpoint && kept != row.PendingCheckpoint || kept == "" {
		err := l.config.Checkpoints.Swap(ctx, name, kept, row.Checkpoint)
		if errors.Is(err, checkpoint.ErrSwapped) {
			return nil // another process was quicker: the next look will tell
		} else if err != nil {
			return l.fail("keep the checkpoint", err)
		}
		log := l.config.Logger.With("network", l.config.Network, "entries", row.Size, "place", place)
		switch {
		case kept != "":
			log.InfoContext(ctx, "an older checkpoint was kept outside of the database: now it is the newest one")
		case row.KeptAt == place:
			log.WarnContext(ctx, "the checkpoint that was kept outside of the database is gone, and is kept again from now on. If the database was restored from a backup meanwhile, stop the server: nothing else notices entries that are missing now")
		case row.KeptAt != "":
			log.WarnContext(ctx, "the checkpoint is kept in another place from now on: compare it with the one in the former place", "former_place", row.KeptAt)
		case row.Size > 0:
			log.WarnContext(ctx, "the newest checkpoint is kept outside of the database from now on")
		}
	}
	if row.KeptAt == place {
		return nil
	}
	if err := l.db.One(ctx, func(tx *store.Tx) error {
		return tx.SetLogKept(ctx, query.SetLogKeptParams{Network: string(l.config.Network), KeptAt: place})
	}); err != nil {
		return l.fail("keep the checkpoint", err)
	}
	return nil
}

// Stopped implements network.Network: it reads what the processes wrote that make
// blocks.
func (l *Log) Stopped(ctx context.Context) error {
	text, err := l.db.Read().LogStopped(ctx, string(l.config.Network))
	if err != nil || text == "" {
		return nil // a database that does not answer says so to whoever needs it
	}
	s := &Stop{}
	if err := json.Unmarshal([]byte(text), s); err != nil {
		return l.fail("stopped", err)
	}
	return s
}
