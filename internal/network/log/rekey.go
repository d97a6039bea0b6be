package log

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"

	"golang.org/x/mod/sumdb/note"

	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
	"timbre.example/proof/evidence"
)

// Rotate lets the key with this number sign from the next block on. The first key has the number
// 1. Rotate changes nothing if this key, or a later one, signs already; so it can be repeated
// after any error.
func (l *Log) Rotate(ctx context.Context, number int) error {
	return l.alter(ctx, func(p evidence.KeyPage) (c evidence.KeyChange, done bool, err error) {
		now := len(p.Keys())
		if _, ended := p.Ended(); ended {
			return c, false, errors.New("the log has ended")
		}
		if number <= now {
			return c, true, nil
		}
		if number != now+1 {
			return c, false, fmt.Errorf("the log is at key %d, so the next one is %d", now, now+1)
		}
		seed := l.keys.next(number)
		if len(seed) != ed25519.SeedSize {
			return c, false, fmt.Errorf("key %d is not in the secret file", number)
		}
		c = evidence.KeyChange{Kind: evidence.ChangeRotate}
		c.Key, err = note.NewEd25519VerifierKey(l.config.Origin, ed25519.NewKeyFromSeed(seed).Public().(ed25519.PublicKey))
		return c, false, err
	})
}

// End ends the log: it signs that no block follows the newest one. Entries that wait are then
// refused. End changes nothing if the log has ended.
func (l *Log) End(ctx context.Context) error {
	return l.alter(ctx, func(p evidence.KeyPage) (evidence.KeyChange, bool, error) {
		_, ended := p.Ended()
		return evidence.KeyChange{Kind: evidence.ChangeEnd, Key: p.Key()}, ended, nil
	})
}

// alterTries is how often alter starts again after another process was faster.
const alterTries = 100

// alter adds the change that next returns to the key page, after the newest block.
func (l *Log) alter(ctx context.Context, next func(evidence.KeyPage) (c evidence.KeyChange, done bool, err error)) error {
	for range alterTries {
		row, _, err := l.guard(ctx)
		if errors.Is(err, errOvertaken) {
			continue
		} else if err != nil {
			return err
		}
		p := l.keys.page()
		c, done, err := next(p)
		if err != nil || done {
			return err
		}
		if row.PendingCheckpoint != "" { // the block is the last one before the change
			if _, err := l.block(ctx, row, nil); err != nil && !errors.Is(err, errOvertaken) && !(errors.Is(err, errTile) && l.moved(ctx, row)) {
				return l.fail("complete a block", err)
			}
			continue
		}
		if c.After, err = l.Tree(row.Checkpoint); err != nil {
			return l.fail("the newest block", err)
		}
		c.Block, c.At = row.Blocks, store.Time(max(store.Micros(l.db.Now()), row.BlockAt, store.Micros(p.Changes[len(p.Changes)-1].At)))
		signed, err := l.keys.change(p, c)
		if err != nil {
			return l.fail("change the keys", err)
		}
		var claimed int64
		if err := l.db.One(ctx, func(tx *store.Tx) (err error) {
			claimed, err = tx.StageLogKeys(ctx, query.StageLogKeysParams{Network: string(l.config.Network), PendingKeys: signed.Text, Size: row.Size, Before: row.Keys})
			return err
		}); err != nil {
			return l.fail("change the keys", err)
		}
		if claimed != 1 {
			continue // a block was staged meanwhile, or another change
		}
		l.crash("log.keys.staged")
		if err := l.publish(ctx, signed.Text); err != nil {
			return l.fail("change the keys", err)
		}
		l.config.Logger.InfoContext(ctx, "the log's keys changed", "network", l.config.Network, "change", c.Kind, "after", c.After.N, "key", evidence.Fingerprint(c.Key))
		return nil
	}
	return l.fail("change the keys", errOvertaken)
}
