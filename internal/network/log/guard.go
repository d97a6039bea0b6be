package log

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"timbre.example/internal/network"
	"timbre.example/internal/network/log/checkpoint"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
)

// Reason is why a log is stopped.
type Reason string

// The reasons for a stop.
const (
	// Shorter: the database lacks entries of the stored checkpoint.
	Shorter Reason = "shorter"
	// Different: the database has other entries than the stored checkpoint.
	Different Reason = "different"
	// Unreadable: the stored text is not a checkpoint signed with this log's key.
	Unreadable Reason = "unreadable"
	// ClockBehind: the newest block is in the future.
	ClockBehind Reason = "clock_behind"
	// ClockJumped: the clock jumped ahead a moment ago, and may be set back again.
	ClockJumped Reason = "clock_jumped"
)

// Stop is why a log makes no block. It wraps network.ErrStopped.
type Stop struct {
	Reason  Reason       `json:"reason"`
	Network network.Name `json:"network"`
	Origin  string       `json:"origin"`
	// Place is where the checkpoint is stored; KeptSize and KeptRoot are its content.
	Place    string `json:"place,omitempty"`
	KeptSize int64  `json:"kept_size,omitempty"`
	KeptRoot string `json:"kept_root,omitempty"`
	// Size is the number of entries in this database, Root its root hash.
	Size int64  `json:"size"`
	Root string `json:"root,omitempty"`
	// Until is when the log makes blocks again by itself; only if the clock is the
	// reason.
	Until time.Time `json:"until,omitzero"`
}

// Unwrap makes errors.Is find network.ErrStopped.
func (s *Stop) Unwrap() error { return network.ErrStopped }

// Clock reports whether the clock is the reason, not the database.
func (s *Stop) Clock() bool { return s.Reason == ClockBehind || s.Reason == ClockJumped }

// Error says what was found, the probable cause, and what to do.
func (s *Stop) Error() string {
	head := fmt.Sprintf("the log %s makes no block: ", s.Origin)
	switch s.Reason {
	case Shorter:
		return head + fmt.Sprintf("%s has its checkpoint of %d entries (root %s), but the database has %d (root %s). "+
			"Probably a backup was restored, or a replica took over that lagged behind. A new block would fork the log. "+
			"Use the newest database, or run `timbre log repair --network %s` to restore the missing entries. Reads still work", s.Place, s.KeptSize, s.KeptRoot, s.Size, s.Root, s.Network)
	case Different:
		return head + fmt.Sprintf("%s has its checkpoint of %d entries (root %s), but the database has other entries (%d, root %s). "+
			"Probably this is another database, or works were registered after a backup was restored. Use the database that the checkpoint belongs to. Reads still work", s.Place, s.KeptSize, s.KeptRoot, s.Size, s.Root)
	case Unreadable:
		return head + fmt.Sprintf("%s has a text that is not a checkpoint signed with this log's key. Put the right checkpoint there. Reads still work", s.Place)
	case ClockJumped:
		return head + "the clock of this machine jumped ahead. Blocks are made again at " + clockText(s.Until) + ", unless the clock is set back"
	case ClockBehind:
	}
	return head + "its newest block is from " + clockText(s.Until) + ", which is in the future for this machine's clock. " +
		"If the clock is behind, correct it. If the clock was ahead and is right now, wait, or increase --network-clock-tolerance for a while: blocks then get the time of the newest block. Reads still work"
}

func clockText(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }

// Kept returns the checkpoint that is stored outside of the database ("" if it is
// missing), and its place.
func (l *Log) Kept(ctx context.Context) (text, place string, err error) {
	if l.config.Checkpoints == nil {
		return "", "", nil
	}
	text, err = l.config.Checkpoints.Load(ctx, l.KeptName())
	return text, l.config.Checkpoints.Place(l.KeptName()), err
}

// Examine compares the database with the checkpoint outside of it and with the clock. It
// changes nothing. It returns a *Stop if the log must not make blocks.
func (l *Log) Examine(ctx context.Context) error {
	kept, _, err := l.Kept(ctx)
	if err != nil {
		return l.fail("the kept checkpoint", err)
	}
	row, err := l.db.Read().GetLog(ctx, string(l.config.Network)) // after the checkpoint: see Guard
	if err != nil {
		return l.fail("guard", err)
	}
	if err := l.learnAll(ctx, row); err != nil {
		return err
	}
	if err := l.compare(ctx, row, kept); err != nil {
		return err
	}
	return l.behind(row)
}

// compare returns nil if the database continues the tree of the stored checkpoint, or if
// no checkpoint is stored.
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

// place returns the place of the checkpoint.
func (l *Log) place() (name, place string, ok bool) {
	if l.config.Checkpoints == nil {
		return "", "", false
	}
	return l.KeptName(), l.config.Checkpoints.Place(l.KeptName()), true
}

// Tree parses a checkpoint that this log signed, with the key that counts at its size.
func (l *Log) Tree(signed string) (tlog.Tree, error) {
	tree, _, err := l.keys.page().Open(signed)
	return tree, err
}

// Guard decides whether the log may make blocks, and records it for other processes. If
// the checkpoint outside of the database is missing or older, Guard replaces it by the
// newest one. It returns a *Stop if the log must not make blocks.
//
// Guard reads the stored checkpoint first and the database second. A checkpoint is stored
// only after its block was staged in the database. So a database that is read later and
// lacks that block has lost it.
func (l *Log) Guard(ctx context.Context) error {
	_, _, err := l.guard(ctx)
	return err
}

// guard is Guard. It returns what it read of the log, and the waiting entries.
func (l *Log) guard(ctx context.Context) (row query.GetLogRow, waiting []query.ListWaitingLogEntriesRow, err error) {
	jumped := l.clock.look()
	if jumped != nil {
		jumped.Network, jumped.Origin = l.config.Network, l.config.Origin
	}
	kept, _, err := l.Kept(ctx)
	if err != nil {
		l.guarded.Store(false)
		return row, nil, l.fail("the kept checkpoint", err)
	}
	name := string(l.config.Network)
	if err := l.db.Together(ctx, func(q *query.Queries) (err error) { row, err = q.GetLog(ctx, name); return err }, func(q *query.Queries) (err error) {
		waiting, err = q.ListWaitingLogEntries(ctx, query.ListWaitingLogEntriesParams{Network: name, Lim: int32(l.config.MaxBlock)})
		return err
	}); err != nil {
		return row, nil, l.fail("guard", err)
	}
	if err := l.learnAll(ctx, row); err != nil {
		l.guarded.Store(false)
		return row, nil, err
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
			err = l.stop(ctx, row, stop)
		}
		return row, nil, err
	}
	err = l.keep(ctx, row, kept)
	if err == nil {
		err = l.settle(ctx, &row)
	}
	if err != nil {
		l.guarded.Store(false)
		return row, nil, err
	}
	return row, waiting, l.resume(ctx, row)
}

// stop records why no block is made, and returns it.
func (l *Log) stop(ctx context.Context, row query.GetLogRow, s *Stop) error {
	l.running.Store(nil)
	if before := l.stopped.Swap(s); before == nil || before.Reason != s.Reason || before.KeptSize != s.KeptSize || before.Size != s.Size {
		l.config.Logger.ErrorContext(ctx, "the log makes no block", "network", l.config.Network, "error", s)
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

// resume deletes the record of stop.
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

// keep stores the newest checkpoint of a database that continues the stored one, and
// records the place in the database.
func (l *Log) keep(ctx context.Context, row query.GetLogRow, kept string) error {
	name, place, ok := l.place()
	if !ok {
		return nil
	}
	if kept != row.Checkpoint && kept != row.PendingCheckpoint || kept == "" {
		err := l.config.Checkpoints.Swap(ctx, name, kept, row.Checkpoint)
		if errors.Is(err, checkpoint.ErrSwapped) {
			return nil // another process was faster; the next look compares again
		} else if err != nil {
			return l.fail("keep the checkpoint", err)
		}
		log := l.config.Logger.With("network", l.config.Network, "entries", row.Size, "place", place)
		switch {
		case kept != "":
			log.InfoContext(ctx, "the checkpoint outside of the database was older: it was replaced by the newest one")
		case row.KeptAt == place:
			log.WarnContext(ctx, "the checkpoint outside of the database was missing, and was stored again. If the database was restored from a backup meanwhile, stop the server: nothing else detects entries that are missing now")
		case row.KeptAt != "":
			log.WarnContext(ctx, "the checkpoint is now stored in another place: compare it with the one in the former place", "former_place", row.KeptAt)
		case row.Size > 0:
			log.WarnContext(ctx, "the newest checkpoint is now also stored outside of the database")
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

// Stopped implements network.Network: it reads the record of the processes that make
// blocks.
func (l *Log) Stopped(ctx context.Context) error {
	now := l.db.Now()
	kept := l.running.Load()
	if kept.now(now) {
		return nil
	}
	text, err := l.db.Read().LogStopped(ctx, string(l.config.Network))
	if err == nil && text == "" {
		now := believed{until: now.Add(l.config.Remember)}
		if kept != nil {
			now.nextAtsID, now.sequencerAt = kept.nextAtsID, kept.sequencerAt
		}
		l.running.CompareAndSwap(kept, &now)
	}
	if err != nil || text == "" {
		return nil // other calls report that the database does not answer
	}
	s := &Stop{}
	if err := json.Unmarshal([]byte(text), s); err != nil {
		return l.fail("stopped", err)
	}
	return s
}
