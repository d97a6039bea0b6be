package log

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/mod/sumdb/tlog"

	"timbre.example/internal/network"
	"timbre.example/internal/network/log/checkpoint"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
	"timbre.example/proof/evidence"
)

// The keys of a log are in its key page, a signed note that only grows (evidence.KeyPage).
// The page alone decides which key signs a tree of a size, so no two keys sign trees of one
// size. A change is made as a block is: first the next page is staged in the database. From
// then on no block is staged. Then the page is kept outside of the database, and then it is
// published. After a crash the next process that makes blocks completes the missing steps.

// learnAll reads the page that is kept outside of the database, once in a process, and adopts
// that of the row too. A restored database lacks changes that were made after its backup.
func (l *Log) learnAll(ctx context.Context, row query.GetLogRow) error {
	if l.config.Checkpoints != nil && !l.keptKeys.Load() {
		text, err := l.config.Checkpoints.Load(ctx, l.keysName())
		if err == nil && text != "" {
			err = l.keys.learn(text)
		}
		if err != nil {
			return l.fail("the kept key page", err)
		}
		l.keptKeys.Store(true)
	}
	if err := l.keys.learn(row.Keys); err != nil {
		return l.fail("the key page", err)
	}
	return nil
}

// errOvertaken rolls a block or a change of the keys back if another process was faster.
var errOvertaken = errors.New("another sequencer was faster")

// KeptName returns the name under which a log's newest checkpoint is stored outside of
// its database. A log with another origin or first key has another name.
func (l *Log) KeptName() string { return fmt.Sprintf("%s-%08x", l.config.Network, l.keys.hash) }

// keysName is the name of the key page in the place of the checkpoints.
func (l *Log) keysName() string { return l.KeptName() + "-keys" }

// settle brings the row's key page up to date: it completes a staged change, begins the page
// of a log of an older release, and restores changes that a database has lost. It returns an
// error if this process cannot sign the next block.
func (l *Log) settle(ctx context.Context, row *query.GetLogRow) error {
	if err := l.learnAll(ctx, *row); err != nil {
		return err
	}
	if row.PendingKeys != "" {
		if err := l.publish(ctx, row.PendingKeys); err != nil {
			return l.fail("complete a change of the keys", err)
		}
		row.Keys, row.PendingKeys = row.PendingKeys, ""
	}
	p := l.keys.page()
	if p.Text == "" {
		if _, err := l.keys.private(p, l.keys.first); err != nil {
			return nil // another process begins the page
		}
		var err error
		if p, err = l.begin(ctx); err != nil {
			return l.fail("begin the key page", err)
		}
	}
	if row.Keys != p.Text {
		if err := l.db.One(ctx, func(tx *store.Tx) error {
			n, err := tx.GrowLogKeys(ctx, query.GrowLogKeysParams{Network: string(l.config.Network), Before: row.Keys, Keys: p.Text})
			if err == nil && n != 1 {
				err = errOvertaken
			}
			return err
		}); err != nil {
			return l.fail("the key page", err)
		}
		if row.Keys != "" {
			l.config.Logger.WarnContext(ctx, "the database lacked a change of the log's keys: it was restored from the kept key page", "network", l.config.Network)
		}
		row.Keys = p.Text
		if err := l.keys.learn(p.Text); err != nil {
			return err
		}
	}
	if key := p.KeyFor(row.Size + 1); key != "" {
		_, err := l.keys.private(p, key)
		return err
	}
	return nil
}

// begin returns the first page of a log: every process with the first key makes the same one.
func (l *Log) begin(ctx context.Context) (evidence.KeyPage, error) {
	b, err := l.Block(ctx, 0)
	if err != nil {
		return evidence.KeyPage{}, err
	}
	return l.keys.change(l.keys.page(), evidence.KeyChange{Kind: evidence.ChangeBegin, Key: l.keys.first, After: tlog.Tree{Hash: sha256.Sum256(nil)}, At: b.At})
}

// publish keeps a staged page outside of the database, and then publishes it. Each step can
// have been made by another process.
func (l *Log) publish(ctx context.Context, staged string) error {
	before := l.keys.page()
	next, err := evidence.ParseKeyPage(staged)
	if err != nil {
		return err
	}
	if !next.Continues(before) && !before.Continues(next) {
		return errKeys
	}
	if s := l.config.Checkpoints; s != nil {
		kept, err := s.Load(ctx, l.keysName())
		if err != nil {
			return err
		}
		if !strings.HasPrefix(kept, staged) {
			if !strings.HasPrefix(staged, kept) {
				return errKeys
			}
			// If another process was faster, it kept the same page or a newer one.
			if err := s.Swap(ctx, l.keysName(), kept, staged); err != nil && !errors.Is(err, checkpoint.ErrSwapped) {
				return err
			}
		}
	}
	l.crash("log.keys.kept")
	if err := l.db.One(ctx, func(tx *store.Tx) error {
		_, err := tx.PublishLogKeys(ctx, query.PublishLogKeysParams{Network: string(l.config.Network), Staged: staged})
		return err
	}); err != nil {
		return err
	}
	l.crash("log.keys.published")
	return l.keys.learn(staged)
}

// KeyPage implements network.Keyed.
func (l *Log) KeyPage(ctx context.Context) (evidence.KeyPage, error) {
	text, err := l.db.Read().GetLogKeys(ctx, string(l.config.Network))
	if err == nil {
		err = l.keys.learn(text)
	}
	if err != nil {
		return l.keys.page(), l.fail("the key page", err)
	}
	return l.keys.page(), nil
}

// keyOf returns the key that signed a block. A change of the keys can be newer than what this
// process knows.
func (l *Log) keyOf(ctx context.Context, b network.Block) (string, error) {
	_, key, err := l.keys.page().Open(b.Checkpoint)
	if err == nil {
		return key, nil
	}
	p, err := l.KeyPage(ctx)
	if err == nil {
		_, key, err = p.Open(b.Checkpoint)
	}
	if err != nil {
		return "", l.fail(fmt.Sprintf("the key of block %d", b.Number), err)
	}
	return key, nil
}
