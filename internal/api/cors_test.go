package api

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// However many origins nobody has heard of are asked for at once, the database
// is asked one question at a time, and one more for all who came meanwhile.
func TestUnknownOriginsAtOnce(t *testing.T) {
	t.Parallel()
	for name, away := range map[string]error{"there": nil, "away": errors.New("no database")} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var asked, yes atomic.Int64
				answer := make(chan struct{})
				c := newOriginCache(func(context.Context) ([]string, error) {
					asked.Add(1)
					<-answer
					return []string{"https://songs.example"}, away
				})
				ask := func(wg *sync.WaitGroup, origin string) {
					wg.Go(func() {
						if c.allows(t.Context(), origin) {
							yes.Add(1)
						}
					})
				}
				var wg sync.WaitGroup
				ask(&wg, "https://first.example")
				synctest.Wait()
				time.Sleep(time.Millisecond) // the bubble's clock, which stands still by itself
				for i := range 100 {
					ask(&wg, "https://"+strconv.Itoa(i)+".example")
				}
				ask(&wg, "https://songs.example")
				synctest.Wait()
				if n := asked.Load(); n != 1 {
					t.Errorf("%d questions at once", n)
				}
				time.Sleep(time.Millisecond)
				close(answer)
				wg.Wait()
				if n := asked.Load(); n != 2 {
					t.Errorf("%d questions", n)
				}
				want := int64(1)
				if away != nil {
					want = 102
				}
				if n := yes.Load(); n != want {
					t.Errorf("%d of 102 are let through, not %d", n, want)
				}
			})
		})
	}
}
