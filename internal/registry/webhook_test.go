package registry

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"timbre.example/internal/audit"
	"timbre.example/internal/network"
	"timbre.example/internal/webhook"
)

// hooked is a receiver of an endpoint of the world's organization.
type hooked struct {
	endpoint webhook.Endpoint
	mu       sync.Mutex
	got      []map[string]any
}

func (h *hooked) events() (all []map[string]any) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append(all, h.got...)
}

func (w *world) hook(t *testing.T) *hooked {
	t.Helper()
	h := &hooked{}
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		var m map[string]any
		if err := json.Unmarshal(b, &m); err != nil {
			t.Errorf("%s: %v", b, err)
		}
		h.mu.Lock()
		defer h.mu.Unlock()
		h.got = append(h.got, m)
	}))
	t.Cleanup(s.Close)
	e, _, err := w.reg.Webhooks.CreateEndpoint(t.Context(), w.org, webhook.EndpointInput{URL: s.URL}, audit.CommandLine())
	if err != nil {
		t.Fatal(err)
	}
	h.endpoint = e
	return h
}

func (w *world) deliver(t *testing.T) {
	t.Helper()
	if err := w.reg.Webhooks.Workers()[0].Step(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.reg.Webhooks.Wait()
}

// Each end of a transaction is one delivery, enqueued with it: a new work with its access
// code, an update without one, and a refusal with its reason. The erasure of the work takes
// its deliveries, also those that wait.
func TestEndsAreDelivered(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		w.webhooks(t)
		h := w.hook(t)
		first := w.confirmed("Told", 1)
		w.advance()
		w.deliver(t)
		done := first.view().Done
		got := h.events()
		if len(got) != 1 || got[0]["event"] != "work_registered" || got[0]["access_code"] != done.AccessCode || got[0]["tx_hash"] != done.TxHash || got[0]["explorer_url"] != done.ExplorerURL || got[0]["ats_id"] != float64(done.AtsID) || got[0]["transaction_id"] != first.slot.JobID {
			t.Fatalf("%v of %+v", got, done)
		}
		u := w.updating(done.AccessCode, 2, "Bo Example")
		if _, err := u.prepare(); err != nil {
			t.Fatal(err)
		}
		if _, err := u.confirm(); err != nil {
			t.Fatal(err)
		}
		w.advance()
		w.deliver(t)
		if got = h.events(); len(got) != 2 || got[1]["event"] != "work_updated" || got[1]["access_code"] != nil {
			t.Fatalf("%v", got)
		}
		w.net.IncludeFailed("not today")
		w.confirmed("Refused", 3)
		w.advance()
		w.net.Heal()
		w.deliver(t)
		if got = h.events(); len(got) != 3 || got[2]["event"] != "work_failed" || !strings.Contains(got[2]["reason"].(string), "not today") {
			t.Fatalf("%v", got)
		}
		if _, err := w.reg.Webhooks.ReplayRange(t.Context(), w.org, h.endpoint.ID, webhook.Range{Since: w.db.Now().Add(-1e12), Until: w.db.Now()}, audit.CommandLine()); err != nil {
			t.Fatal(err)
		}
		list, _, err := w.reg.Webhooks.ListDeliveries(t.Context(), w.org, h.endpoint.ID, webhook.Filter{})
		if err != nil || len(list) != 3 {
			t.Fatal(list, err)
		}
		if _, err := w.reg.Webhooks.Replay(t.Context(), w.org, h.endpoint.ID, list[2].ID, audit.CommandLine()); err != nil {
			t.Fatal(err)
		}
		if _, err := w.reg.Erasing.Redact(t.Context(), audit.CommandLine(), network.Testnet, done.AtsID); err != nil {
			t.Fatal(err)
		}
		w.deliver(t)
		list, _, err = w.reg.Webhooks.ListDeliveries(t.Context(), w.org, h.endpoint.ID, webhook.Filter{})
		if err != nil || len(list) != 1 || list[0].Event != webhook.WorkFailed || len(h.events()) != 3 {
			t.Errorf("after the erasure: %+v, %d events, %v", list, len(h.events()), err)
		}
	})
}

// webhooks makes the registry again with a key, and loopback allowed.
func (w *world) webhooks(t *testing.T) {
	t.Helper()
	c := w.config(w.db)
	c.Webhooks = webhook.Config{Key: make([]byte, 32), Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, UserAgent: "Timbre/test"}
	w.reg = New(c)
}
