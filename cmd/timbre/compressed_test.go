package main

import (
	"bytes"
	"compress/gzip"
	"crypto/sha512"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/andybalholm/brotli"

	"timbre.example/internal/session"
	"timbre.example/widget"
)

func varies(r *http.Response) bool {
	return slices.Contains(r.Header.Values("Vary"), "Accept-Encoding")
}

// Answers that are the same for every client are compressed, and unpack to the same
// bytes. Answers with a secret are not compressed.
func TestStaticFilesAreCompressed(t *testing.T) {
	r := startDemo(t, filepath.Join(t.TempDir(), "demo"))
	defer r.stop()
	client := &http.Client{Transport: &http.Transport{DisableCompression: true}}
	defer client.CloseIdleConnections()
	get := func(method, path, accept, tag string) (*http.Response, []byte) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, r.demo.URL+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if accept != "" {
			req.Header.Set("Accept-Encoding", accept)
		}
		if tag != "" {
			req.Header.Set("If-None-Match", tag)
		}
		res, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		b, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return res, b
	}
	for _, path := range []string{
		"/widget/v1/ats-widget.iife.js", "/widget/v1/ats-widget.esm.js", "/widget/v1/ats-widget-works.js", "/widget/" + widget.Version + "/ats-widget-hash.js", "/widget/v1/locale/ja.json", "/widget/v1/ats-widget.d.ts",
		"/verify", "/docs/", "/docs/errors", "/docs/errors.json", "/docs/api.md", "/docs/search?q=token", "/demo/", "/explorer/testnet", "/docs/api/works", "/openapi.json", "/v1/openapi.json",
	} {
		plain, body := get("GET", path, "", "")
		if plain.StatusCode != 200 || plain.Header.Get("Content-Encoding") != "" || !varies(plain) {
			t.Errorf("%s: %d %v", path, plain.StatusCode, plain.Header)
		}
		line := fmt.Sprintf("%-40s %7d", path, len(body))
		for _, coding := range []string{"gzip", "br"} {
			res, packed := get("GET", path, coding, "")
			line += fmt.Sprintf(" %s %6d", coding, len(packed))
			var unpack io.Reader = brotli.NewReader(bytes.NewReader(packed))
			if coding == "gzip" {
				var err error
				if unpack, err = gzip.NewReader(bytes.NewReader(packed)); err != nil {
					t.Fatalf("%s: %v", path, err)
				}
			}
			unpacked, err := io.ReadAll(unpack)
			if err != nil || !bytes.Equal(unpacked, body) {
				t.Errorf("%s: %s holds something else (%v)", path, coding, err)
			}
			h := res.Header
			if h.Get("Content-Encoding") != coding || !varies(res) || h.Get("Content-Type") != plain.Header.Get("Content-Type") || h.Get("Content-Length") != strconv.Itoa(len(packed)) ||
				!strings.HasSuffix(h.Get("ETag"), "-"+coding+`"`) || h.Get("Content-Security-Policy") != plain.Header.Get("Content-Security-Policy") || h.Get("Access-Control-Allow-Origin") != plain.Header.Get("Access-Control-Allow-Origin") {
				t.Errorf("%s: %s: %v, plain %v", path, coding, h, plain.Header)
			}
			if again, b := get("GET", path, coding, h.Get("ETag")); again.StatusCode != 304 || len(b) > 0 {
				t.Errorf("%s: %s again: %d", path, coding, again.StatusCode)
			}
			if !strings.HasSuffix(path, "/openapi.json") { // answers only GET
				if headed, b := get("HEAD", path, coding, ""); headed.StatusCode != 200 || len(b) > 0 || headed.Header.Get("Content-Length") != h.Get("Content-Length") || headed.Header.Get("ETag") != h.Get("ETag") {
					t.Errorf("%s: %s HEAD: %d %v", path, coding, headed.StatusCode, headed.Header)
				}
			}
			if len(packed) > len(body)*6/10 {
				t.Errorf("%s: %s gives %d of %d bytes", path, coding, len(packed), len(body))
			}
			if name, ok := strings.CutPrefix(path, "/widget/v1/"); ok {
				if !bytes.Equal(packed, widget.Packed(name, coding)) {
					t.Errorf("%s: %s is not what was built", path, coding)
				}
				sum := sha512.Sum384(unpacked) // a browser checks the unpacked bytes
				if widget.Integrity(name) != "sha384-"+base64.StdEncoding.EncodeToString(sum[:]) {
					t.Errorf("%s: %s has another integrity", path, coding)
				}
			}
		}
		t.Log(line)
	}
	for _, c := range [][2]string{{"/docs/images/widget.png", "image/png"}, {"/v1/formats", "application/json"}, {"/v1/stats?network=testnet", "application/json"}, {"/log/testnet/checkpoint", "text/plain"}} {
		if res, _ := get("GET", c[0], "br, gzip", ""); res.Header.Get("Content-Encoding") != "" {
			t.Errorf("%s: %v", c[0], res.Header)
		}
	}
	// The answer to a mint contains a token.
	req, err := http.NewRequestWithContext(t.Context(), "POST", r.demo.URL+"/v1/sessions", strings.NewReader(fmt.Sprintf(`{"secret_key": %q, "action_type": %q, "allowed_network": "testnet"}`, r.demo.SecretKey, session.Register)))
	if err != nil {
		t.Fatal(err)
	}
	req.Header = http.Header{"Content-Type": {"application/json"}, "Origin": {r.demo.URL}, "Accept-Encoding": {"br, gzip"}}
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode > 299 || res.Header.Get("Content-Encoding") != "" || varies(res) {
		t.Errorf("a mint: %d %v", res.StatusCode, res.Header)
	}
}
