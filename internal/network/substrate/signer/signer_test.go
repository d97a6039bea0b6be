package signer

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"timbre.example/internal/network/substrate/sr25519"
)

var seed = [sr25519.SeedSize]byte{4, 5, 6}

func pairs(t *testing.T, n int) sr25519.Keys {
	t.Helper()
	k, err := sr25519.NewKeys(seed, n)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// program is a signer that checks its caller. wrong replaces its answer to /v1/sign.
type program struct {
	*testing.T
	keys  sr25519.Keys
	token string
	wrong func(w http.ResponseWriter, message []byte) bool
	calls atomic.Int64
}

func (p *program) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.calls.Add(1)
	if p.token != "" && r.Header.Get("Authorization") != "Bearer "+p.token {
		http.Error(w, "not this token", http.StatusUnauthorized)
		return
	}
	switch r.Method + " " + r.URL.Path {
	case "GET /v1/accounts":
		var all []string
		for _, a := range p.keys.Accounts() {
			all = append(all, fmt.Sprintf("0x%x", a))
		}
		json.NewEncoder(w).Encode(map[string]any{"accounts": all})
	case "POST /v1/sign":
		var asked struct{ Account, Message string }
		if err := json.NewDecoder(r.Body).Decode(&asked); err != nil {
			p.Error(err)
		}
		account, err := unhex(asked.Account, 32)
		message, err2 := hex.DecodeString(strings.TrimPrefix(asked.Message, "0x"))
		if err != nil || err2 != nil || r.Header.Get("Content-Type") != "application/json" {
			p.Errorf("%v %v %+v", err, err2, asked)
			return
		}
		if p.wrong != nil && p.wrong(w, message) {
			return
		}
		s, err := p.keys.Sign(r.Context(), [32]byte(account), message)
		if err != nil {
			http.Error(w, err.Error(), http.StatusNotFound)
			return
		}
		json.NewEncoder(w).Encode(map[string]string{"signature": fmt.Sprintf("0x%x", s)})
	default:
		http.NotFound(w, r)
	}
}

func TestRemote(t *testing.T) {
	t.Parallel()
	p := &program{T: t, keys: pairs(t, 3), token: "a token"}
	server := httptest.NewServer(http.StripPrefix("/below", p))
	defer server.Close()
	r, err := Dial(t.Context(), Config{URL: server.URL + "/below/", Token: "a token"})
	if err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(r.Accounts()) != fmt.Sprint(p.keys.Accounts()) {
		t.Errorf("%x", r.Accounts())
	}
	message := []byte("a payload")
	s, err := r.Sign(t.Context(), r.Accounts()[2], message)
	if err != nil || !sr25519.Verify(r.Accounts()[2], message, s) {
		t.Error(err)
	}
	if _, err := r.Sign(t.Context(), [32]byte{9}, message); err == nil || !strings.Contains(err.Error(), "the answer is 404") {
		t.Error(err)
	}
	for name, wrong := range map[string]func(w http.ResponseWriter, message []byte) bool{
		"the signature does not verify": func(w http.ResponseWriter, message []byte) bool {
			s, _ := p.keys.Sign(t.Context(), r.Accounts()[2], append(message, 1))
			return json.NewEncoder(w).Encode(map[string]string{"signature": fmt.Sprintf("0x%x", s)}) == nil
		},
		"128 hex digits": func(w http.ResponseWriter, _ []byte) bool {
			_, err := w.Write([]byte(`{"signature":"0x12"}`))
			return err == nil
		},
		"not the expected JSON": func(w http.ResponseWriter, _ []byte) bool { _, err := w.Write([]byte("<html>")); return err == nil },
		"the answer is 500":     func(w http.ResponseWriter, _ []byte) bool { http.Error(w, "locked", 500); return true },
		"the answer is 302": func(w http.ResponseWriter, _ []byte) bool {
			w.Header().Set("Location", "http://192.0.2.1/")
			w.WriteHeader(http.StatusFound)
			return true
		},
		"more than 65536 bytes": func(w http.ResponseWriter, _ []byte) bool { _, _ = w.Write(make([]byte, maxAnswer+1)); return true },
		"no answer":             func(http.ResponseWriter, []byte) bool { panic(http.ErrAbortHandler) },
	} {
		p.wrong = wrong
		if _, err := r.Sign(t.Context(), r.Accounts()[2], message); err == nil || !strings.Contains(err.Error(), name) || strings.Contains(err.Error(), "a token") {
			t.Errorf("%s: %v", name, err)
		}
	}
	ended, end := context.WithCancel(t.Context())
	end()
	if _, err := r.Sign(ended, r.Accounts()[0], message); err == nil {
		t.Error("a request of an ended call was made")
	}
}

func TestDial(t *testing.T) {
	t.Parallel()
	var answer string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(answer)) }))
	defer server.Close()
	one := `"0x` + strings.Repeat("ab", 32) + `"`
	for _, answer = range []string{"", "{}", `{"accounts":[]}`, `{"accounts":["ab"]}`, `{"accounts":[` + one + `,` + one + `]}`, `{"accounts":["` + strings.Repeat("ab", 32) + `"]}`} {
		if _, err := Dial(t.Context(), Config{URL: server.URL}); err == nil {
			t.Errorf("%q is accepted", answer)
		}
	}
	var many []string
	for i := range MaxAccounts + 1 {
		many = append(many, fmt.Sprintf("0x%064x", i))
	}
	b, err := json.Marshal(map[string]any{"accounts": many})
	if err != nil {
		t.Fatal(err)
	}
	answer = string(b)
	if _, err := Dial(t.Context(), Config{URL: server.URL}); err == nil || !strings.Contains(err.Error(), "257") {
		t.Error(err)
	}
	for _, url := range []string{"", "signer:9000", "ftp://signer", "http://", "http://a:b@signer", "http://signer?x=1", "unix:run/signer", "unix://host/run", "http://signer#x"} {
		if _, err := Dial(t.Context(), Config{URL: url}); err == nil || Check(url) == nil {
			t.Errorf("%q is accepted", url)
		}
	}

	socket := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	p := &program{T: t, keys: pairs(t, 1)}
	s := &http.Server{Handler: p}
	go s.Serve(l)
	defer s.Close()
	r, err := Dial(t.Context(), Config{URL: "unix:" + socket})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Sign(t.Context(), r.Accounts()[0], []byte("x")); err != nil || p.calls.Load() != 2 {
		t.Error(err)
	}
}
