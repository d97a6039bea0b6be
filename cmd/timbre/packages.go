package main

import (
	"bytes"
	"encoding/json"
	"net/http"
	"time"

	"timbre.example/packages"
)

// packageEntry is one package in the body of /packages/.
type packageEntry struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	// Path is the address of this version, on this host.
	Path string `json:"path"`
	// Integrity is the hash of the tarball, as in a lock file of npm.
	Integrity string `json:"integrity"`
}

// packageFiles serves the npm packages that belong to this server: NAME.tgz is the newest,
// and NAME-1.2.3.tgz one version, also that of an earlier release. /packages/ lists them.
func packageFiles(refuse func(http.ResponseWriter, *http.Request, error)) http.Handler {
	mux := http.NewServeMux()
	send := func(w http.ResponseWriter, r *http.Request, name, kind string, b []byte) {
		everyOrigin(w.Header())
		w.Header().Set("Cache-Control", "public, max-age=300")
		w.Header().Set("Content-Type", kind)
		http.ServeContent(w, whole(r), name, time.Time{}, bytes.NewReader(b))
	}
	list, tarballs := []packageEntry{}, map[string][]byte{}
	for _, p := range packages.All() {
		tarballs[p.File], tarballs[p.Versioned()] = p.Tarball, p.Tarball
		list = append(list, packageEntry{p.Name, p.Version, "/packages/" + p.Versioned(), p.Integrity()})
	}
	body, err := json.MarshalIndent(map[string]any{"packages": list}, "", "  ")
	if err != nil {
		panic(err) // impossible: texts only
	}
	mux.HandleFunc("GET /packages/{$}", func(w http.ResponseWriter, r *http.Request) {
		send(w, r, "packages.json", "application/json", append(body, '\n'))
	})
	mux.HandleFunc("GET /packages/{file}", func(w http.ResponseWriter, r *http.Request) {
		b := packages.Released(r.PathValue("file"))
		if b == nil {
			b = tarballs[r.PathValue("file")]
		}
		if b == nil {
			refuse(w, r, notFound)
			return
		}
		send(w, r, r.PathValue("file"), "application/gzip", b)
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { refuse(w, r, notFound) })
	return mux
}
