package apikey

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
	"timbre.example/internal/work"
)

// apart is how often the last use of a key is written.
const apart = time.Minute

// uses are the last uses that are not written yet.
type uses struct {
	mu      sync.Mutex
	pending pending
	wake    work.Signal
}

// pending has the last use of each key, by its id.
type pending map[string]use

type use struct {
	at   time.Time
	from string
}

// note keeps a use in memory. If the stored one is a minute old, the worker writes it at once,
// so no call waits for a write.
func (u *uses) note(k query.ApiKey, now time.Time, from string) {
	now = now.UTC().Truncate(time.Microsecond)
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.pending == nil {
		u.pending = pending{}
	}
	if now.After(u.pending[k.ID].at) {
		u.pending[k.ID] = use{now, from}
	}
	if !k.LastUsedAt.Valid || now.Sub(store.Time(k.LastUsedAt.Int64)) >= apart {
		u.wake.Ring()
	}
}

// recent returns the uses that this process has not written. A list takes them before it reads
// the rows: what is written in between is in one of both.
func (u *uses) recent() pending {
	u.mu.Lock()
	defer u.mu.Unlock()
	return maps.Clone(u.pending)
}

// batch is how many uses one transaction writes.
const batch = 100

// flush writes all uses that this process has in memory. After an error they stay there.
func (u *uses) flush(ctx context.Context, db *store.DB) error {
	all := u.recent()
	// In one order in every process, so that two transactions never wait for each other.
	for ids := range slices.Chunk(slices.Sorted(maps.Keys(all)), batch) {
		if err := db.Tx(ctx, func(tx *store.Tx) error {
			for _, id := range ids {
				if err := tx.UseAPIKey(ctx, query.UseAPIKeyParams{ID: id, UsedAt: store.Micros(all[id].at), UsedFrom: all[id].from}); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			return err
		}
		u.mu.Lock()
		for _, id := range ids {
			if u.pending[id] == all[id] {
				delete(u.pending, id)
			}
		}
		u.mu.Unlock()
	}
	return nil
}
