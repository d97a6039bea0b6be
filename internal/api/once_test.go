package api_test

import (
	"io"
	"math"
	"net/http"
	"sync"
	"testing"

	"timbre.example/internal/fault"
	"timbre.example/internal/store"
	"timbre.example/internal/store/storetest"
)

// 100 equal inits at once with one Idempotency-Key make one job: each receives the same answer,
// byte for byte, or the refusal that the first one still runs.
func TestEqualInitsAtOnce(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db, options{})
		b := w.backend(w.org, nil)
		ask := func() (status int, body, again string) {
			r, err := http.NewRequestWithContext(t.Context(), "POST", w.url+"/v1/works/init", asJSON(work("Once", nil)))
			if err != nil {
				t.Error(err)
				return 0, "", ""
			}
			for name, value := range b.head() {
				r.Header.Set(name, value)
			}
			r.Header.Set("Idempotency-Key", "import-1")
			res, err := w.client.Do(r)
			if err != nil {
				t.Error(err)
				return 0, "", ""
			}
			defer res.Body.Close()
			text, err := io.ReadAll(res.Body)
			if err != nil {
				t.Error(err)
			}
			if res.StatusCode == http.StatusConflict && res.Header.Get("Retry-After") == "" {
				t.Error("no Retry-After")
			}
			return res.StatusCode, string(text), res.Header.Get("Idempotent-Replayed")
		}
		var (
			mu      sync.Mutex
			wg      sync.WaitGroup
			answers = map[string]int{}
			firsts  int
		)
		for range 100 {
			wg.Go(func() {
				for {
					status, body, again := ask()
					if status == http.StatusConflict { // as a backend does
						continue
					}
					mu.Lock()
					defer mu.Unlock()
					if status != http.StatusOK {
						t.Errorf("%d %s", status, body)
					}
					if answers[body]++; again == "" {
						firsts++
					}
					return
				}
			})
		}
		wg.Wait()
		if len(answers) != 1 || firsts != 1 {
			t.Fatalf("%d answers, %d of them the first: %v", len(answers), firsts, answers)
		}
		jobs, err := db.Read().CountExpiredJobs(t.Context(), math.MaxInt64) // every open job
		w.must(err)
		if jobs != 1 {
			t.Errorf("%d jobs", jobs)
		}
		head := b.head()
		head["Idempotency-Key"] = "import-1"
		w.call("POST", "/v1/works/init", head, asJSON(work("Another", nil))).wants("another body with the key", fault.CodeIdempotencyKeyReused)
	})
}
