package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"timbre.example/widget"
)

// Only the files of a released version are cached forever. A version in development is
// cached as briefly as the address that follows releases.
func TestWidgetCaching(t *testing.T) {
	refuse := func(w http.ResponseWriter, _ *http.Request, err error) {
		http.Error(w, err.Error(), http.StatusNotFound)
	}
	for released, want := range map[bool]string{true: "immutable", false: "max-age=300"} {
		h := widgetFiles(refuse, released)
		for address, want := range map[string]string{"/widget/v1/": "max-age=300", "/widget/" + widget.Version + "/": want} {
			w := httptest.NewRecorder()
			h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, address+"ats-widget.esm.js", nil))
			got := w.Header().Get("Cache-Control")
			if w.Code != http.StatusOK || !strings.Contains(got, want) || strings.Contains(got, "immutable") != (want == "immutable") {
				t.Errorf("released %v, %s: %d %q, want %s", released, address, w.Code, got, want)
			}
		}
	}
}
