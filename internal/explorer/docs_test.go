package explorer_test

import (
	"encoding/hex"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"timbre.example/internal/store/storetest"
)

// docs/log.md promises that its commands prove an entry. The test runs them
// unchanged.
func TestDocumentedCommands(t *testing.T) {
	for _, tool := range []string{"sh", "curl", "sha256sum", "base64", "xxd", "openssl"} {
		if _, err := exec.LookPath(tool); err != nil {
			if os.Getenv("TIMBRE_TEST_ALL") != "" {
				t.Fatal(err)
			}
			t.Skipf("skipped: the documented commands need %s", tool)
		}
	}
	page, err := os.ReadFile("../../docs/log.md")
	if err != nil {
		t.Fatal(err)
	}
	script := "set -eu\n"
	for _, m := range regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllStringSubmatch(string(page), -1) {
		script += m[1]
	}
	h := open(t, storetest.SQLite(t))
	h.add(0, 3, 0, true)
	staged := h.add(3, 9, 1, true)
	files := httptest.NewServer(h.log.Handler(func(w http.ResponseWriter, _ *http.Request, err error) {
		http.Error(w, err.Error(), http.StatusNotFound)
	}))
	t.Cleanup(files.Close)
	run := func(script, tx string) (string, error) {
		cmd := exec.Command("sh", "-c", script)
		cmd.Dir = t.TempDir()
		cmd.Env = append(os.Environ(), "LOG="+files.URL, "EXPLORER="+h.url+"/explorer/testnet", "TX="+tx)
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	for _, s := range staged {
		out, err := run(script, hex.EncodeToString(s.Hash[:]))
		for _, want := range []string{"the transaction is right", "Signature Verified Successfully", "the entry is in the log"} {
			if err != nil || !strings.Contains(out, want) {
				t.Fatalf("%v, no %q:\n%s", err, want, out)
			}
		}
	}
	// The commands can also fail: another time in the entry gives another leaf.
	forged := strings.Replace(script, `-o key.txt`, "-o key.txt\nsed -i 's/^time 2/time 1/' leaf.txt", 1)
	if out, err := run(forged, hex.EncodeToString(staged[0].Hash[:])); err == nil || strings.Contains(out, "the entry is in the log") {
		t.Errorf("a forged entry passes:\n%s", out)
	}
}
