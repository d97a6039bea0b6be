package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/fstest"

	"timbre.example/widget"
)

func get(t *testing.T, h http.Handler, address string) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, address, nil))
	return w
}

func refuseWidget(w http.ResponseWriter, _ *http.Request, err error) {
	http.Error(w, err.Error(), http.StatusNotFound)
}

// Only the files of a released version are cached forever. A version in development is
// cached as briefly as the addresses that follow releases.
func TestWidgetCaching(t *testing.T) {
	for released, want := range map[bool]string{true: "immutable", false: "max-age=300"} {
		embedded := widget.Releases()[0]
		embedded.Locked = released
		h := widgetFiles(refuseWidget, []widget.Release{embedded})
		for address, want := range map[string]string{"/widget/v1/": "max-age=300", "/widget/latest/": "max-age=300", "/widget/" + widget.Version + "/": want} {
			w := get(t, h, address+"ats-widget.esm.js")
			got := w.Header().Get("Cache-Control")
			if w.Code != http.StatusOK || !strings.Contains(got, want) || strings.Contains(got, "immutable") != (want == "immutable") {
				t.Errorf("released %v, %s: %d %q, want %s", released, address, w.Code, got, want)
			}
			if got := w.Header().Get("Content-Type"); got != "text/javascript; charset=utf-8" {
				t.Errorf("%s: %s", address, got)
			}
			if w := get(t, h, address+"locale"); w.Code != http.StatusNotFound {
				t.Errorf("a folder: %d", w.Code)
			}
		}
	}
}

// A page can follow the newest version, follow a major, or pin a version. Each keeps working after a server that
// has a newer major.
func TestWidgetChannels(t *testing.T) {
	version := func(v string, locked bool) widget.Release {
		return widget.Release{Version: v, Locked: locked, Files: fstest.MapFS{"ats-widget.iife.js": {Data: []byte("// " + v)}}}
	}
	h := widgetFiles(refuseWidget, []widget.Release{version("2.1.0", false), version("2.0.0", true), version("1.10.0", true), version("1.9.0", true)})
	for channel, want := range map[string]string{"latest": "2.1.0", "v2": "2.1.0", "v1": "1.10.0", "2.1.0": "2.1.0", "2.0.0": "2.0.0", "1.10.0": "1.10.0", "1.9.0": "1.9.0"} {
		w := get(t, h, "/widget/"+channel+"/ats-widget.iife.js")
		if w.Code != http.StatusOK || w.Body.String() != "// "+want {
			t.Errorf("%s: %d %s, want %s", channel, w.Code, w.Body, want)
		}
		if forever := strings.Contains(w.Header().Get("Cache-Control"), "immutable"); forever != (channel == want && channel != "2.1.0") {
			t.Errorf("%s: %s", channel, w.Header().Get("Cache-Control"))
		}
	}
	for _, missing := range []string{"v3", "1.8.0", "1", "v1.10.0"} {
		if w := get(t, h, "/widget/"+missing+"/ats-widget.iife.js"); w.Code != http.StatusNotFound {
			t.Errorf("%s: %d", missing, w.Code)
		}
	}
	var list widgetVersions
	w := get(t, h, "/widget/versions.json")
	if err := json.Unmarshal(w.Body.Bytes(), &list); err != nil || w.Header().Get("Access-Control-Allow-Origin") != "*" {
		t.Fatal(err, w.Header())
	}
	if list.Channels["latest"] != "2.1.0" || list.Channels["v1"] != "1.10.0" || len(list.Channels) != 3 || len(list.Versions) != 4 || list.Versions[0].Released || !list.Versions[3].Released {
		t.Errorf("%+v", list)
	}
}
