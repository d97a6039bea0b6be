package timestamp_test

import (
	"crypto"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	lib "github.com/digitorus/timestamp"
	"go.uber.org/goleak"

	"timbre.example/internal/timestamp"
	"timbre.example/internal/timestamp/tsatest"
	"timbre.example/proof/evidence"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func client(t *testing.T, url string, timeout time.Duration) *timestamp.Client {
	t.Helper()
	c, err := timestamp.New(url, timeout)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// OpenSSL accepts the token of a real authority for the commitment itself, which was
// not hashed again.
func TestStamp(t *testing.T) {
	t.Parallel()
	a := tsatest.New(t)
	sum := sha256.Sum256([]byte("a commitment"))
	token, err := client(t, a.URL, time.Minute).Stamp(t.Context(), sum)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "token.der")
	if err := os.WriteFile(file, token, 0o600); err != nil {
		t.Fatal(err)
	}
	verify := func(digest string) (string, error) {
		out, err := exec.Command("openssl", "ts", "-verify", "-digest", digest, "-in", file, "-token_in", "-CAfile", a.CAFile).CombinedOutput()
		return string(out), err
	}
	if out, err := verify(hex.EncodeToString(sum[:])); err != nil || !strings.Contains(out, "Verification: OK") {
		t.Errorf("openssl: %v %s", err, out)
	}
	if out, err := verify(strings.Repeat("00", 32)); err == nil {
		t.Errorf("openssl accepts another digest: %s", out)
	}
	stamp, err := evidence.RFC3161{Token: token}.Open(sum)
	if err != nil || time.Since(stamp.Time).Abs() > time.Minute || stamp.Authority != "CN=Clock,O=Songs Example" {
		t.Errorf("%+v %v", stamp, err)
	}
	if err := stamp.IssuedUnder(a.Roots()); err != nil {
		t.Error(err)
	}
	if err := stamp.IssuedUnder(tsatest.New(t).Roots()); err == nil {
		t.Error("the token is valid under another authority's root")
	}
}

// Every failure of an authority is an error within the timeout, never a token.
func TestFaults(t *testing.T) {
	t.Parallel()
	a := tsatest.New(t)
	sum := sha256.Sum256([]byte("a commitment"))
	// other returns the authority's answer to a changed query.
	other := func(change func(*lib.Request)) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			b, _ := io.ReadAll(r.Body)
			q, err := lib.ParseRequest(b)
			if err == nil {
				change(q)
				b, err = q.Marshal()
			}
			if err == nil {
				b, err = a.Reply(b)
			}
			if err != nil {
				t.Error(err)
			}
			w.Write(b)
		}
	}
	elsewhere := httptest.NewServer(other(func(*lib.Request) {}))
	defer elsewhere.Close()
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		want   string
	}{
		"wrong imprint":     {other(func(q *lib.Request) { q.HashedMessage = make([]byte, 32) }), "for another commitment"},
		"wrong nonce":       {other(func(q *lib.Request) { q.Nonce = big.NewInt(7) }), "another request"},
		"no nonce":          {other(func(q *lib.Request) { q.Nonce = nil }), "another request"},
		"no certificate":    {other(func(q *lib.Request) { q.Certificates = false }), "does not hold the one certificate"},
		"refused":           {other(func(q *lib.Request) { q.HashAlgorithm, q.HashedMessage = crypto.SHA512, make([]byte, 64) }), "rejected"},
		"an error":          {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) }, "answers 503"},
		"nothing":           {func(http.ResponseWriter, *http.Request) {}, "asn1"},
		"not DER":           {func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "<html>maintenance</html>") }, "asn1"},
		"huge":              {func(w http.ResponseWriter, _ *http.Request) { io.CopyN(w, zeros{}, 10<<20) }, "longer than 65536 bytes"},
		"slow":              {func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, "Timeout"},
		"slow in its body":  {func(w http.ResponseWriter, r *http.Request) { w.(http.Flusher).Flush(); <-r.Context().Done() }, "Timeout"},
		"hangs up":          {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "EOF"},
		"to another host":   {http.RedirectHandler(elsewhere.URL, http.StatusTemporaryRedirect).ServeHTTP, "unexpected redirect"},
		"to a page":         {func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/", http.StatusFound) }, "unexpected redirect"},
		"to itself, always": {func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/", http.StatusTemporaryRedirect) }, "unexpected redirect"},
	} {
		t.Run(name, func(t *testing.T) {
			a.Answer(c.answer)
			timeout := time.Minute
			if c.want == "Timeout" {
				timeout = 100 * time.Millisecond
			}
			token, err := client(t, a.URL, timeout).Stamp(t.Context(), sum)
			if err == nil || token != nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "127.0.0.1") {
				t.Errorf("%d bytes, %v, want %q", len(token), err, c.want)
			}
		})
	}
	// Another path on the same host is the same authority.
	a.Answer(func(w http.ResponseWriter, r *http.Request) {
		a.Answer(nil)
		http.Redirect(w, r, "/v2", http.StatusTemporaryRedirect)
	})
	if _, err := client(t, a.URL, time.Minute).Stamp(t.Context(), sum); err != nil {
		t.Error(err)
	}
	down := httptest.NewServer(nil)
	down.Close()
	if _, err := client(t, down.URL, time.Minute).Stamp(t.Context(), sum); err == nil || !strings.Contains(err.Error(), "refused") {
		t.Errorf("down: %v", err)
	}
	for _, address := range []string{"", "tsa.example", "ftp://tsa.example", "https://", "http://user:pass word@tsa.example", "https://tsa.example/#x"} {
		if _, err := timestamp.New(address, time.Second); err == nil || strings.Contains(err.Error(), "pass") {
			t.Errorf("%q: %v", address, err)
		}
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }
