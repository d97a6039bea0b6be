package e2e_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"timbre.example/internal/apikey"
	"timbre.example/internal/audit"
	"timbre.example/internal/e2e/browser"
	"timbre.example/internal/e2e/harness"
	"timbre.example/internal/store"
)

// hooks calls the API of webhooks with an API key of the server's organization.
type hooks struct {
	t     *testing.T
	s     *harness.Server
	token string
}

func hooksOf(t *testing.T, s *harness.Server) hooks {
	t.Helper()
	db, err := store.Open(t.Context(), s.DatabaseURL)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	keys := &apikey.Service{DB: db, Log: slog.New(slog.DiscardHandler)}
	k, err := keys.Create(t.Context(), audit.CommandLine(), s.OrganizationID, apikey.Request{Name: "webhooks", Scopes: []string{"webhooks:manage"}})
	if err != nil {
		t.Fatal(err)
	}
	return hooks{t, s, k.Token}
}

// call makes a call and reads its answer.
func (h hooks) call(method, path string, in any) (out struct {
	ID         string
	Secret     string
	State      string
	Event      string
	Attempts   []struct{ Status int }
	Deliveries []struct{ ID, State, Event string }
}) {
	h.t.Helper()
	var body io.Reader
	if in != nil {
		text, err := json.Marshal(in)
		if err != nil {
			h.t.Fatal(err)
		}
		body = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(h.t.Context(), method, h.s.URL+"/v1/webhooks"+path, body)
	if err != nil {
		h.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+h.token)
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		h.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode >= 300 {
		h.t.Fatalf("%s %s: %d %s %v", method, path, res.StatusCode, text, err)
	}
	if err := json.Unmarshal(text, &out); err != nil {
		h.t.Fatal(err)
	}
	return out
}

// heard is what a receiver of this test got.
type heard struct {
	mu  sync.Mutex
	all []map[string]string // the headers in small letters, and "body"
}

func (h *heard) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	b, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	one := map[string]string{"body": string(b)}
	for name := range r.Header {
		one[strings.ToLower(name)] = r.Header.Get(name)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.all = append(h.all, one)
}

func (h *heard) events(name string) (found []map[string]string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, one := range h.all {
		if strings.Contains(one["body"], `"event":"`+name+`"`) {
			found = append(found, one)
		}
	}
	return found
}

// The published libraries of Standard Webhooks verify a delivery, with the secret before a
// rotation and with the one after it.
func TestStandardWebhooks(t *testing.T) {
	t.Parallel()
	s := harness.Start(t, harness.Options{})
	h := hooksOf(t, s)
	got := &heard{}
	receiver := httptest.NewServer(got)
	defer receiver.Close()
	e := h.call("POST", "", map[string]any{"url": receiver.URL})
	rotated := h.call("POST", "/"+e.ID+"/rotate-secret", map[string]any{"overlap_seconds": 3600})
	h.call("POST", "/"+e.ID+"/test", nil)
	if !harness.Eventually(func() bool { return len(got.events("test")) == 1 }) {
		t.Fatal("no delivery")
	}
	one := got.events("test")[0]
	if !strings.HasPrefix(one["x-allfeat-signature"], "t="+one["x-allfeat-timestamp"]+",v1=") || strings.Count(one["x-allfeat-signature"], "v1=") != 2 || strings.Count(one["webhook-signature"], "v1,") != 2 {
		t.Errorf("%v", one)
	}
	for _, secret := range []string{e.Secret, rotated.Secret} {
		key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
		if err != nil {
			t.Fatal(err)
		}
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(one["x-allfeat-timestamp"] + "." + one["body"]))
		if !strings.Contains(one["x-allfeat-signature"]+",", fmt.Sprintf(",v1=%x,", mac.Sum(nil))) {
			t.Errorf("no X-Allfeat-Signature of a valid secret: %v", one)
		}
	}
	verifiers := map[string]func(string) *exec.Cmd{}
	dir := filepath.Join("testdata", "standardwebhooks")
	binary := filepath.Join(t.TempDir(), "verify")
	if out, err := command(dir, "go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	verifiers["Go"] = func(string) *exec.Cmd { return command(dir, binary) }
	if _, err := os.Stat(filepath.Join("..", "..", "node_modules", "standardwebhooks")); err != nil {
		browser.Missing(t, "node_modules has no standardwebhooks: npm ci")
	}
	verifiers["npm"] = func(string) *exec.Cmd { return command(dir, "node", "verify.mjs") }
	for name, verifier := range verifiers {
		for _, c := range []struct {
			secret, body string
			fine         bool
		}{{e.Secret, one["body"], true}, {rotated.Secret, one["body"], true}, {rotated.Secret, one["body"] + " ", false}, {"whsec_" + base64.StdEncoding.EncodeToString(make([]byte, 32)), one["body"], false}} {
			in, err := json.Marshal(map[string]any{"secret": c.secret, "body": c.body, "headers": map[string]string{"webhook-id": one["webhook-id"], "webhook-timestamp": one["webhook-timestamp"], "webhook-signature": one["webhook-signature"]}})
			if err != nil {
				t.Fatal(err)
			}
			cmd := verifier("")
			cmd.Stdin = bytes.NewReader(in)
			if said, err := cmd.CombinedOutput(); (err == nil) != c.fine {
				t.Errorf("%s, %+v: %v %s", name, c, err, said)
			}
		}
	}
}

// The server is killed at each step of a delivery: the receiver gets the event in the end,
// with one id, and at most once more than it acknowledged.
func TestWebhooksKilled(t *testing.T) {
	t.Parallel()
	databases(t, func(t *testing.T, databaseURL func(*testing.T) string) {
		for point, most := range map[string]int{"final.committed": 1, "webhook.taken": 1, "webhook.sent": 2, "webhook.recorded": 1} {
			t.Run(point, func(t *testing.T) {
				t.Parallel()
				clock := filepath.Join(t.TempDir(), "clock")
				s := harness.Start(t, harness.Options{Tags: "crashpoints", DatabaseURL: databaseURL(t), Settings: []string{"TIMBRE_CLOCK_AHEAD=" + clock, "TIMBRE_NETWORK_CLOCK_TOLERANCE=24h"}})
				h := hooksOf(t, s)
				got := &heard{}
				receiver := httptest.NewServer(got)
				defer receiver.Close()
				e := h.call("POST", "", map[string]any{"url": receiver.URL})
				s.Kill()
				s.Restart("TIMBRE_CRASH_AT=" + point)
				// A killed process keeps its lease for a minute, so the next process starts two minutes later.
				again := func() {
					if err := os.WriteFile(clock, []byte("2m"), 0o600); err != nil {
						t.Fatal(err)
					}
					s.Restart()
				}
				song := &harness.Song{Server: s, Title: "Killed at " + point, Audio: harness.WAV(1)}
				died := 0
				walk(t, song, func(step string, err error) {
					if died++; died > 1 || !s.WasKilled() {
						t.Fatalf("%s: %v", step, err)
					}
					again()
				})
				if died == 0 {
					if !harness.Eventually(s.WasKilled) {
						t.Fatal("the server never came by this point")
					}
					again()
				}
				if !harness.Eventually(func() bool {
					l := h.call("GET", "/"+e.ID+"/deliveries", nil)
					return len(l.Deliveries) == 1 && l.Deliveries[0].State == "delivered"
				}) {
					t.Fatalf("%+v", h.call("GET", "/"+e.ID+"/deliveries", nil))
				}
				events := got.events("work_registered")
				ids := map[string]bool{}
				for _, one := range events {
					ids[one["webhook-id"]] = true
				}
				if len(events) == 0 || len(events) > most || len(ids) != 1 {
					t.Errorf("the receiver got it %d times, with %d ids", len(events), len(ids))
				}
				checkWork(t, song, 1)
			})
		}
	})
}
