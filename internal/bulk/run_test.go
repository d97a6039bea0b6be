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

// A dry run asks for the prices of the songs that the journal does not have. It reads the journal of a run that goes on, and
// changes nothing.
func TestDryRunReadsTheJournal(t *testing.T) {
	dir := folder(t, map[string]string{"done.wav": "d", "new.wav": "n", "paid.wav": "p", "same.wav": "d"})
	l, err := Read(dir)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "j")
	j := open(t, path)
	for _, it := range l.Items {
		if it.Name == "new.wav" || it.Name == "same.wav" {
			continue
		}
		hash, err := client.Recording{Size: it.Size, Bytes: strings.NewReader(it.Name[:1])}.Hash()
		if err != nil {
			t.Fatal(err)
		}
		add(t, j, line{Name: it.Name, Begin: &begin{Try: 1, Size: it.Size, Mod: it.Modified, Hash: hash, Song: it.Name, Key: "k"}})
		add(t, j, line{Name: it.Name, State: &client.State{IdempotencyKey: "k", JobID: "j", TransactionID: "tx"}, Cost: new(int64)})
	}
	add(t, j, line{Name: "done.wav", Final: &finalResult{"tx", client.Result{AtsID: 7}}})
	hashOfNew, err := client.Recording{Size: 1, Bytes: strings.NewReader("n")}.Hash()
	if err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"job_id":"j","total_price_credits":6,"media_hash":"0x`+hashOfNew+`"}`)
	}))
	defer server.Close()
	c, err := client.New(client.Config{URL: server.URL, APIKey: "afo_sk_x", Wait: -1})
	if err != nil {
		t.Fatal(err)
	}
	known, err := ReadJournal(path, "https://ats.example", "testnet")
	if err != nil {
		t.Fatal(err)
	}
	run := &Run{Client: c, Journal: known, DryRun: true, Network: client.Testnet, Parallel: 1, MaxCost: -1, Save: filepath.Join(dir, "proofs")}
	out, err := run.Do(t.Context(), l.Items)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []Status{Registered, Priced, Interrupted, Duplicate} {
		if out[i].Status != want {
			t.Errorf("%s: %s %+v, want %s", out[i].Item.Name, out[i].Status, out[i].Fault, want)
		}
	}
	if !out[0].Earlier || out[0].AtsID != 7 || out[1].Cost != 6 {
		t.Errorf("%+v", out[0])
	}
	if after, err := os.ReadFile(path); err != nil || string(after) != string(before) {
		t.Errorf("the journal was changed: %v", err)
	}
	if _, err := os.Stat(run.Save); err == nil {
		t.Error("files were saved")
	}
	none := filepath.Join(dir, "none")
	if _, err := ReadJournal(none, "https://ats.example", "testnet"); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(none); err == nil {
		t.Error("a dry run began a journal")
	}
	if _, err := ReadJournal(path, "https://other.example", "testnet"); err == nil {
		t.Error("the journal of another server is read")
	}
}

// A refusal of the key, or of an address where no server is, concerns no song: the run ends, and no song is refused.
func TestRefusalOfTheCall(t *testing.T) {
	t.Parallel()
	for answer, words := range map[string]string{
		`{"error":{"code":"api_key.invalid_format","message":"The API key is malformed."}}`: "api_key.invalid_format",
		`{"error":{"code":"common.auth.invalid_api_key","message":"No."}}`:                  "common.auth.invalid_api_key",
		`{"error":{"code":"common.not_found","message":"Resource not found."}}`:             "common.not_found",
		`<html>`: "not one of a Timbre server",
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = io.WriteString(w, answer)
		}))
		dir := folder(t, map[string]string{"a.wav": "a", "b.wav": "b", "c.wav": "c"})
		l, err := Read(dir)
		if err != nil {
			t.Fatal(err)
		}
		c, err := client.New(client.Config{URL: server.URL, APIKey: "afo_sk_x", Wait: -1})
		if err != nil {
			t.Fatal(err)
		}
		run := &Run{Client: c, Journal: open(t, filepath.Join(dir, "j")), Network: client.Testnet, Parallel: 2, MaxCost: -1}
		out, err := run.Do(t.Context(), l.Items)
		server.Close()
		if err == nil || !strings.Contains(err.Error(), words) {
			t.Errorf("%v does not say %s", err, words)
		}
		for _, o := range out {
			if o.Status != Waiting || o.Fault != nil {
				t.Errorf("%s: %s is %s: %+v", words, o.Item.Name, o.Status, o.Fault)
			}
		}
	}
}
