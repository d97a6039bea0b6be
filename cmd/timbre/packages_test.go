package main

import (
	"bytes"
	"encoding/json"
	"net/http"
	"testing"

	"timbre.example/packages"
)

// npm installs each package from its address, with the hash that the list has.
func TestPackages(t *testing.T) {
	h := packageFiles(refuseWidget)
	var list struct{ Packages []packageEntry }
	w := get(t, h, "/packages/")
	if err := json.Unmarshal(w.Body.Bytes(), &list); err != nil || len(list.Packages) != len(packages.All()) {
		t.Fatalf("%v: %s", err, w.Body)
	}
	for i, p := range packages.All() {
		if e := list.Packages[i]; e.Name != p.Name || e.Version != p.Version || e.Integrity != p.Integrity() {
			t.Errorf("%+v", e)
		}
		for _, address := range []string{"/packages/" + p.File, list.Packages[i].Path} {
			w := get(t, h, address)
			if w.Code != http.StatusOK || !bytes.Equal(w.Body.Bytes(), p.Tarball) || w.Header().Get("Content-Type") != "application/gzip" {
				t.Errorf("%s: %d %v", address, w.Code, w.Header())
			}
		}
	}
	for _, missing := range []string{"/packages/client-0.0.0.tgz", "/packages/README.md", "/packages/released/README.md", "/packages/..%2fclient.tgz"} {
		if w := get(t, h, missing); w.Code != http.StatusNotFound {
			t.Errorf("%s: %d", missing, w.Code)
		}
	}
}
