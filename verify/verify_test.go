package verify

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
)

func get(h http.Handler, method, path string, head ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, nil)
	for i := 0; i < len(head); i += 2 {
		r.Header.Set(head[i], head[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestPage(t *testing.T) {
	t.Parallel()
	missing := func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) }
	h := New(`https://registry.example/"><script>`, fixed([]string{"a+1+b/c=", "b+2+d"}), missing)
	w := get(h, "GET", "/verify")
	body := w.Body.String()
	if w.Code != http.StatusOK || w.Header().Get("Content-Type") != "text/html; charset=utf-8" {
		t.Fatal(w.Code, w.Header())
	}
	for _, want := range []string{
		`<meta name="timbre-registry" content="https://registry.example/&#34;&gt;&lt;script&gt;">`,
		`<meta name="timbre-log-key" content="a+1+b/c=">`, `<meta name="timbre-log-key" content="b+2+d">`,
	} {
		if strings.Count(body, want) != 1 {
			t.Errorf("the page lacks %s", want)
		}
	}
	if !strings.HasSuffix(w.Header().Get("Content-Security-Policy"), "; frame-ancestors 'none'") {
		t.Error(w.Header())
	}
	tag := w.Header().Get("ETag")
	if again := get(h, "GET", "/verify", "If-None-Match", "W/"+tag); again.Code != http.StatusNotModified || again.Body.Len() != 0 {
		t.Error(again.Code, again.Body.Len())
	}
	if other := get(New("https://other.example", fixed(nil), missing), "GET", "/verify", "If-None-Match", tag); other.Code != http.StatusOK {
		t.Error("the page of another registry has the same tag")
	}
	for method, path := range map[string]string{"GET": "/verify/", "POST": "/verify", "DELETE": "/verify/x"} {
		if w := get(h, method, path); w.Code != http.StatusTeapot {
			t.Errorf("%s %s: %d", method, path, w.Code)
		}
	}
}

// TestPolicy checks that the policy names the script and the style of the page, and nothing that
// would have to be fetched.
func TestPolicy(t *testing.T) {
	t.Parallel()
	page := string(Page("https://registry.example", nil))
	for _, tag := range []string{"script", "style"} {
		m := regexp.MustCompile("(?s)<"+tag+">(.*?)</"+tag+">").FindAllStringSubmatch(page, -1)
		if want := map[string]int{"script": 2, "style": 1}[tag]; len(m) != want {
			t.Fatalf("%d of %s", len(m), tag)
		}
		_, allowed, _ := strings.Cut(policy, tag+"-src ")
		allowed, _, _ = strings.Cut(allowed, ";")
		for _, one := range m {
			sum := sha256.Sum256([]byte(one[1]))
			if !strings.Contains(allowed, "'sha256-"+base64.StdEncoding.EncodeToString(sum[:])+"'") {
				t.Errorf("the policy lacks the %s: %s", tag, policy)
			}
		}
	}
	if !strings.HasPrefix(policy, "default-src 'none';") {
		t.Error(policy)
	}
	if m := regexp.MustCompile(`(?i)\s(?:src|href|srcset|action|poster|data)\s*=\s*"([^"]*)"`).FindAllStringSubmatch(page, -1); len(m) != 1 || m[0][1] != "data:," {
		t.Errorf("the page names %q", m)
	}
	for _, library := range []string{"@noble/hashes", "@noble/curves", "hash-wasm"} {
		if !regexp.MustCompile("This page contains " + library + ".\n(The )?MIT License").MatchString(page) {
			t.Errorf("the licence of %s is not in the page", library)
		}
	}
}

// fixed returns the keys of logs that never get another one.
func fixed(keys []string) func(context.Context) []string {
	return func(context.Context) []string { return keys }
}

// The page follows when a log has another key, and its tag changes.
func TestPageFollowsTheKeys(t *testing.T) {
	t.Parallel()
	keys := []string{"a.example/log/testnet+1+b/c="}
	h := New("https://registry.example", func(context.Context) []string { return keys }, http.NotFound)
	before := get(h, "GET", "/verify")
	keys = append(keys, "a.example/log/testnet+2+d")
	after := get(h, "GET", "/verify", "If-None-Match", before.Header().Get("ETag"))
	if after.Code != http.StatusOK || !strings.Contains(after.Body.String(), keys[0]) || !strings.Contains(after.Body.String(), keys[1]) {
		t.Error(after.Code)
	}
}
