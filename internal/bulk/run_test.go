package bulk

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"timbre.example/client"
)

// A file that becomes shorter while it is sent, and one that cannot be read, end their own songs: not the run, and at once,
// though the client would try again for an hour.
func TestFileChangesWhileItIsSent(t *testing.T) {
	dir := folder(t, map[string]string{"0.wav": "x", "a.wav": strings.Repeat("x", 3<<20), "b.wav": strings.Repeat("y", 3<<20), "c.wav": "z"})
	l, err := Read(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(dir, "b.wav")); err != nil {
		t.Fatal(err)
	}
	var server *httptest.Server
	server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var in struct{ Title string }
		w.Header().Set("Content-Type", "application/json")
		switch {
		case r.Method == http.MethodPut:
			if err := os.Truncate(filepath.Join(dir, "a.wav"), 5); err != nil {
				t.Error(err)
			}
			_, _ = io.Copy(io.Discard, r.Body)
			panic(http.ErrAbortHandler)
		case strings.HasSuffix(r.URL.Path, "/init"):
			if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
				t.Error(err)
			}
			if in.Title == "0" { // the server refuses bytes that are not those of the hash
				if err := os.WriteFile(filepath.Join(dir, "0.wav"), []byte("yy"), 0o600); err != nil {
					t.Error(err)
				}
			}
			if in.Title == "c" || in.Title == "0" {
				w.WriteHeader(http.StatusConflict)
				_, _ = io.WriteString(w, `{"error":{"code":"registration.duplicate_title","message":"No.","request_id":"req_1"}}`)
				return
			}
			_, _ = io.WriteString(w, `{"job_id":"j","upload_url":"`+server.URL+`/put"}`)
		default:
			_, _ = io.WriteString(w, `{}`)
		}
	}))
	defer server.Close()
	c, err := client.New(client.Config{URL: server.URL, APIKey: "afo_sk_x", Wait: 3600e9})
	if err != nil {
		t.Fatal(err)
	}
	for i := range l.Items {
		l.Items[i].Title = strings.TrimSuffix(l.Items[i].Name, ".wav")
	}
	run := &Run{Client: c, Journal: open(t, filepath.Join(dir, "j")), Network: client.Testnet, Parallel: 1, MaxCost: -1}
	out, err := run.Do(t.Context(), l.Items)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []struct {
		Status
		words string
	}{{Failed, "it changed since"}, {Failed, "it is shorter than before"}, {Failed, "no such file"}, {Refused, "No."}} {
		if o := out[i]; o.Status != want.Status || o.Fault == nil || !strings.Contains(o.Fault.Message, want.words) {
			t.Errorf("%s: %s %+v", o.Item.Name, o.Status, o.Fault)
		}
	}
}
