package e2e_test

import (
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"timbre.example/internal/certificate"
	"timbre.example/internal/e2e/harness"
	"timbre.example/internal/lasting/lastingtest"
)

// A server with a signing certificate and an authority issues certificates at the highest level.
// While an authority publishes nothing, they are issued at a lower one, and are raised later.
func TestSignaturesLast(t *testing.T) {
	t.Parallel()
	a := lastingtest.New(t, lastingtest.Options{Names: []string{lastingtest.CRL, lastingtest.Issuer}})
	s := harness.Start(t, harness.Options{Settings: []string{
		"TSA_URL=" + a.URL(lastingtest.Clock), "TIMBRE_CERTIFICATE_ALLOW=127.0.0.0/8",
		"TIMBRE_CERTIFICATE_CERT_FILE=" + filepath.Join(a.Dir, "sign.pem"), "TIMBRE_CERTIFICATE_KEY_FILE=" + filepath.Join(a.Dir, "sign.key"),
	}})
	level := func(file []byte) certificate.Level {
		t.Helper()
		signed, err := certificate.OpenSigned(file)
		if err != nil {
			t.Fatal(err)
		}
		return signed.Level()
	}
	a.Answer(lastingtest.CRL, http.NotFound)
	first := &harness.Song{Server: s, Title: "Raised Later", Audio: harness.WAV(1)}
	issued := certified(t, first)
	if got := level(issued); got != certificate.LevelT {
		t.Fatalf("while nothing is published: %s", got)
	}
	if log := s.Log(); !strings.Contains(log, "a certificate keeps a lower level") || !strings.Contains(log, "level=B-T") {
		t.Errorf("the log says nothing: %s", log)
	}
	a.Answer(lastingtest.CRL, nil)
	// Downloads are limited, so the log is asked first.
	if !harness.Eventually(func() bool { return strings.Contains(s.Log(), "certificate raised") }) || level(certificateOf(t, first)) != certificate.LevelLTA {
		t.Errorf("it was not raised later: %s", s.Log())
	}
	if raised := certificateOf(t, first); !strings.HasPrefix(string(raised), string(issued)) {
		t.Error("the raised file does not begin with the issued one")
	}
	// The server remembers a failed request for some seconds, so the second song comes after them.
	second := certified(t, &harness.Song{Server: s, Title: "Raised at Once", Audio: harness.WAV(2)})
	if got := level(second); got != certificate.LevelLTA {
		t.Errorf("%s", got)
	}
	if len(second) > 60<<10 {
		t.Errorf("it has %d bytes", len(second))
	}
	t.Logf("%d bytes at level %s, %d bytes at level %s", len(issued), level(issued), len(second), level(second))
}
