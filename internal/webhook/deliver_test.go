package webhook_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"timbre.example/internal/accesscode"
	"timbre.example/internal/outbox"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
	"timbre.example/internal/webhook"
)

// An endpoint that hangs holds up no other: while its attempts hang, all deliveries of a quick
// endpoint of the same organization are made, and those of another organization. The hanging
// ones never hold more than their window.
func TestSlowEndpointsDelayNobody(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		const deliveries = 200
		var hanging, most atomic.Int32
		release, begun := make(chan struct{}), make(chan struct{})
		first := sync.OnceFunc(func() { close(begun) })
		slow := receive(t, func(_ http.ResponseWriter, r *http.Request) {
			n := hanging.Add(1)
			first()
			defer hanging.Add(-1)
			for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
				continue
			}
			select {
			case <-release:
			case <-r.Context().Done():
			}
		})
		all := make(chan struct{})
		var ids sync.Map
		var arrived atomic.Int32
		quick := receive(t, func(_ http.ResponseWriter, r *http.Request) {
			if _, again := ids.LoadOrStore(r.Header.Get("Webhook-Id"), true); !again && arrived.Add(1) == 2*deliveries {
				close(all)
			}
		})
		w.endpoint(slow.URL)
		e, _ := w.endpoint(quick.URL)
		other := w.organization()
		if _, _, err := w.CreateEndpoint(t.Context(), other, webhook.EndpointInput{URL: quick.URL}, by); err != nil {
			t.Fatal(err)
		}
		for range deliveries {
			w.ended(nil)
			w.ended(func(e *webhook.Ended) { e.Organization = other })
		}
		ctx, stop := context.WithCancel(t.Context())
		var running sync.WaitGroup
		for _, worker := range w.Workers() {
			running.Go(func() { worker.Run(ctx) })
		}
		<-all // with the slow ones still hanging
		<-begun
		if n := hanging.Load(); n == 0 || n > 16 || len(slow.got()) > 32 {
			t.Errorf("%d attempts hang, %d were made", n, len(slow.got()))
		}
		close(release)
		stop()
		running.Wait()
		w.Wait()
		if got, _, err := w.ListDeliveries(t.Context(), w.org, e.ID, webhook.Filter{State: webhook.Failed}); err != nil || len(got) != 0 {
			t.Errorf("%d failed, %v", len(got), err)
		}
		// The deliveries whose attempts the stop cancelled wait again, and another process has
		// the endpoints at once.
		w.drainBy(w.another())
		if n := len(slow.got()); n < deliveries {
			t.Errorf("the slow endpoint got %d deliveries", n)
		}
	})
}

// Two processes on one database never send the same delivery at once, and a killed one's
// deliveries are sent again after the lease: also when the receiver has them already.
func TestTwoProcessesAndKilled(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		r := receive(t, nil)
		e, _ := w.endpoint(r.URL)
		for range 100 {
			w.ended(nil)
		}
		two := w.another()
		var both sync.WaitGroup
		both.Go(func() { w.drainBy(w.Service) })
		both.Go(func() { w.drainBy(two) })
		both.Wait()
		seen := map[string]int{}
		for _, g := range r.got() {
			seen[g.header.Get("Webhook-Id")]++
		}
		for id, n := range seen {
			if n != 1 {
				t.Errorf("%s was sent %d times", id, n)
			}
		}
		if len(seen) != 100 {
			t.Errorf("%d deliveries", len(seen))
		}

		// A process takes a delivery and is killed; the receiver may have it.
		w.ended(nil)
		lanes := outbox.Lanes{DB: w.db, Kind: outbox.Webhook, Owner: "killed", Lease: webhook.Lease}
		if mine, err := lanes.Claim(t.Context(), w.org+"/"+e.ID); err != nil || !mine {
			t.Fatal(mine, err)
		}
		w.drain()
		if n := len(r.got()); n != 100 {
			t.Errorf("sent %d times within the lease", n)
		}
		w.pass(webhook.Lease)
		w.drain()
		if n := len(r.got()); n != 101 {
			t.Errorf("sent %d times after the lease", n)
		}
	})
}

// The steps of an attempt fail, or fail although they went through: the delivery is made in
// the end, with one id, and its state is right.
func TestEachStepFails(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		r := receive(t, nil)
		e, _ := w.endpoint(r.URL)
		for _, point := range []string{"webhook.taken", "webhook.sent", "webhook.recorded"} {
			w.ended(nil)
			before := len(r.got())
			// The process ends at this point: nothing after it happens.
			ctx, kill := context.WithCancel(t.Context())
			dying := webhook.New(webhook.Config{DB: w.db, Key: make([]byte, 32), Allow: loopback, Log: w.Log, Reached: func(at string) {
				if at == point {
					kill()
					panic(errKilled)
				}
			}})
			func() {
				defer func() {
					if err, ok := recover().(error); !ok || !errors.Is(err, errKilled) {
						t.Fatalf("%s was not reached", point)
					}
				}()
				webhook.DeliverOne(ctx, dying, w.org+"/"+e.ID)
			}()
			w.drain()
			w.pass(webhook.Lease)
			w.drain()
			sent := map[string]webhook.Delivery{"webhook.taken": {Attempts: 1}, "webhook.sent": {Attempts: 1}, "webhook.recorded": {Attempts: 1}}[point]
			list, _, err := w.ListDeliveries(t.Context(), w.org, e.ID, webhook.Filter{})
			if err != nil || list[0].State != webhook.Delivered || list[0].Attempts != sent.Attempts {
				t.Errorf("%s: %+v %v", point, list[0], err)
			}
			want := map[string]int{"webhook.taken": 1, "webhook.sent": 2, "webhook.recorded": 1}[point]
			if n := len(r.got()) - before; n != want {
				t.Errorf("%s: the receiver got it %d times, not %d", point, n, want)
			}
		}
		w.invariants()
	})
}

var errKilled = errors.New("killed")

// invariants: exactly the deliveries that wait are in the outbox, once, and every attempt has
// its delivery.
func (w *world) invariants() {
	w.t.Helper()
	for name, statement := range map[string]string{
		"a waiting delivery is not queued":           "SELECT id FROM webhook_deliveries d WHERE state = 'waiting' AND NOT EXISTS (SELECT 1 FROM deliveries q WHERE q.kind = 'webhook' AND q.subject = d.id)",
		"a delivery that does not wait is queued":    "SELECT subject FROM deliveries q WHERE kind = 'webhook' AND NOT EXISTS (SELECT 1 FROM webhook_deliveries d WHERE d.id = q.subject AND d.state = 'waiting')",
		"an attempt without its delivery":            "SELECT delivery_id FROM webhook_attempts a WHERE NOT EXISTS (SELECT 1 FROM webhook_deliveries d WHERE d.id = a.delivery_id AND d.work_id = a.work_id)",
		"a delivery with another number of attempts": "SELECT id FROM webhook_deliveries d WHERE attempts <> (SELECT COUNT(*) FROM webhook_attempts a WHERE a.delivery_id = d.id)",
	} {
		if all := w.texts(statement); len(all) > 0 {
			w.t.Errorf("%s: %q", name, all)
		}
	}
}

// A result that comes after the lease: another process has delivered meanwhile. A late failure
// changes nothing, and a late success ends the retries.
func TestLateResults(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		arrived, release := make(chan struct{}), make(chan int)
		r := receive(t, func(rw http.ResponseWriter, _ *http.Request) {
			arrived <- struct{}{}
			rw.WriteHeader(<-release)
		})
		e, _ := w.endpoint(r.URL)
		for _, c := range []struct {
			first, second int
			want          webhook.State
		}{{500, 200, webhook.Delivered}, {404, 200, webhook.Delivered}, {200, 500, webhook.Delivered}, {200, 404, webhook.Delivered}, {404, 404, webhook.Failed}} {
			d, err := w.SendTest(t.Context(), w.org, e.ID, by)
			if err != nil {
				t.Fatal(err)
			}
			one, two := w.another(), w.another()
			var both sync.WaitGroup
			start := func(s *webhook.Service) {
				if err := s.Workers()[0].Step(t.Context()); err != nil {
					t.Error(err)
				}
				both.Go(s.Wait)
			}
			start(one)
			<-arrived
			w.pass(webhook.Lease)
			start(two)
			<-arrived
			// Both wait for the same channel; the order of the answers does not matter here.
			release <- c.first
			release <- c.second
			both.Wait()
			got, attempts, err := w.Delivery(t.Context(), w.org, e.ID, d.ID)
			if err != nil || got.State != c.want || len(attempts) != 2 {
				t.Errorf("%+v: %+v, %d attempts, %v", c, got, len(attempts), err)
			}
		}
		w.invariants()
	})
}

// The access code is in an attempt while it is the work's and the event is new, and in no row.
func TestAccessCode(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		r := receive(t, nil)
		// The receiver sends back what it received: the code is not in the stored answer.
		r.set(func(rw http.ResponseWriter, _ *http.Request) {
			all := r.got()
			rw.Header().Set("X-Received", all[len(all)-1].body)
			_, _ = io.WriteString(rw, all[len(all)-1].body)
		})
		e, _ := w.endpoint(r.URL)
		work := ""
		w.ended(func(e *webhook.Ended) { work, e.AccessCode = e.Work, true })
		code := accesscode.Secret("secret").Code(work, 0)
		w.tx(func(tx *store.Tx) error {
			return tx.InsertWork(t.Context(), query.InsertWorkParams{ID: work, OrganizationID: w.org, Network: "testnet", AtsID: 7, Title: "t", TitleKey: "t", AccessCodeHash: accesscode.Hash(code)})
		})
		w.drain()
		d, _ := w.one(e.ID)
		if got := r.got()[0].json(t)["access_code"]; got != code || !d.AccessCode || strings.Contains(d.Payload, code) {
			t.Errorf("sent %v; %+v", got, d)
		}
		for _, row := range append(w.texts("SELECT payload FROM webhook_deliveries"), w.texts("SELECT body || headers || error || url FROM webhook_attempts")...) {
			if strings.Contains(row, "atc_") {
				t.Errorf("stored: %s", row)
			}
		}
		replay := func() any {
			t.Helper()
			if _, err := w.Replay(t.Context(), w.org, e.ID, d.ID, by); err != nil {
				t.Fatal(err)
			}
			w.drain()
			all := r.got()
			return all[len(all)-1].json(t)["access_code"]
		}
		w.pass(webhook.CodeLifetime - time.Second)
		if got := replay(); got != code {
			t.Errorf("a replay in time: %v", got)
		}
		w.pass(time.Second)
		if got := replay(); got != nil {
			t.Errorf("a late replay: %v", got)
		}
		w.pass(-time.Hour)
		w.tx(func(tx *store.Tx) error {
			_, err := tx.ReplaceAccessCode(t.Context(), query.ReplaceAccessCodeParams{ID: work, NewHash: accesscode.Hash("x"), OldHash: accesscode.Hash(code), Now: 1})
			return err
		})
		if got := replay(); got != nil {
			t.Errorf("after the code was replaced: %v", got)
		}
	})
}

// After 30 days deliveries go with their attempts, in bounded transactions. Those of a deleted
// endpoint go at once, and so do its secrets.
func TestSweep(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		r := receive(t, status(http.StatusInternalServerError))
		old, _ := w.endpoint(r.URL)
		for range 3 {
			w.ended(nil)
		}
		w.drain()
		w.pass(webhook.Retention + time.Second)
		w.ended(nil)
		w.drain()
		if n, err := w.Sweep(t.Context()); err != nil || n != 3 {
			t.Errorf("%d removed, %v", n, err)
		}
		d, _ := w.one(old.ID)
		if d.Attempts != 1 {
			t.Errorf("%+v", d)
		}
		w.invariants()
		if err := w.DeleteEndpoint(t.Context(), w.org, old.ID, by); err != nil {
			t.Fatal(err)
		}
		before := len(r.got())
		w.ended(nil)
		w.pass(time.Hour)
		w.drain()
		if n := len(r.got()) - before; n != 0 {
			t.Errorf("%d requests after the deletion", n)
		}
		if n, err := w.Sweep(t.Context()); err != nil || n != 1 {
			t.Errorf("%d removed, %v", n, err)
		}
		for _, table := range []string{"webhook_endpoints", "webhook_deliveries", "webhook_attempts", "deliveries"} {
			if n := w.texts("SELECT CAST(COUNT(*) AS TEXT) FROM " + table)[0]; n != "0" {
				t.Errorf("%s rows of %s", n, table)
			}
		}
	})
}

// A list is read in pages that miss nothing and repeat nothing, for each filter.
func TestPages(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		r := receive(t, nil)
		e, _ := w.endpoint(r.URL)
		for i := range 40 {
			r.set(status([]int{200, 404, 500, 200}[i%4]))
			w.ended(func(e *webhook.Ended) {
				e.Event = []webhook.Event{webhook.WorkRegistered, webhook.WorkFailed, webhook.WorkUpdated}[i%3]
			})
			w.drain()
			w.pass(time.Minute)
		}
		all := func(f webhook.Filter) (ids []string) {
			t.Helper()
			f.Limit = 7
			for {
				list, next, err := w.ListDeliveries(t.Context(), w.org, e.ID, f)
				if err != nil {
					t.Fatal(err)
				}
				for _, d := range list {
					if f.State != "" && d.State != f.State || f.Event != "" && d.Event != f.Event {
						t.Errorf("%+v has %+v", f, d)
					}
					if n := len(ids); n > 0 && ids[n-1] <= d.ID {
						t.Errorf("%+v: %s after %s", f, d.ID, ids[n-1])
					}
					ids = append(ids, d.ID)
				}
				if next == "" {
					return ids
				}
				f.After = next
			}
		}
		total := 0
		for _, state := range webhook.States() {
			in := 0
			for _, event := range webhook.Events() {
				in += len(all(webhook.Filter{State: state, Event: event}))
			}
			if n := len(all(webhook.Filter{State: state})); n != in {
				t.Errorf("%s: %d, and %d by events", state, n, in)
			}
			total += in
		}
		if n := len(all(webhook.Filter{})); n != 40 || total != 40 {
			t.Errorf("%d in all, %d by states", n, total)
		}
		for _, event := range webhook.Events() {
			want := map[webhook.Event]int{webhook.WorkRegistered: 14, webhook.WorkFailed: 13, webhook.WorkUpdated: 13}[event]
			if n := len(all(webhook.Filter{Event: event})); n != want {
				t.Errorf("%s: %d, not %d", event, n, want)
			}
		}
	})
}
