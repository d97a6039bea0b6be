package main

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"net/http"
	"strings"
	"time"

	"golang.org/x/mod/semver"

	"timbre.example/internal/compressed"
	"timbre.example/widget"
)

// addWidget adds the widget's files to the cache, as compressed at build time.
func addWidget(packed *compressed.Cache) {
	_ = fs.WalkDir(widget.Files, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		body, err := fs.ReadFile(widget.Files, name)
		for _, coding := range compressed.Codings {
			if b := widget.Packed(name, coding); err == nil && b != nil {
				packed.Add(coding, body, b)
			}
		}
		return err
	})
}

// widgetVersions is the body of /widget/versions.json.
type widgetVersions struct {
	// Channels has the version behind each address that follows releases: "latest" and "v1", "v2" and so on.
	Channels map[string]string `json:"channels"`
	// Versions has every version that this server has, the newest first.
	Versions []widgetVersion `json:"versions"`
}

type widgetVersion struct {
	Version string `json:"version"`
	// Released is false for a version in development, whose files change.
	Released bool `json:"released"`
	// Integrity has the SRI value of each file.
	Integrity map[string]string `json:"integrity"`
}

// widgetFiles serves the files of the widget on three channels, each at its address: every
// version at /widget/VERSION/, the newest of a major at /widget/v1/, and the newest of all
// at /widget/latest/. The files of a released version never change, so browsers cache them
// forever, and pages can pin them by hash. The other addresses are cached for five minutes.
// /widget/versions.json lists the versions with the hashes of their files.
func widgetFiles(refuse func(http.ResponseWriter, *http.Request, error), releases []widget.Release) http.Handler {
	mux := http.NewServeMux()
	channel := func(name string, r widget.Release, cache string) {
		mux.HandleFunc("GET /widget/"+name+"/{file...}", func(w http.ResponseWriter, req *http.Request) {
			everyOrigin(w.Header())
			file := req.PathValue("file")
			b, err := fs.ReadFile(r.Files, file)
			if err != nil {
				refuse(w, req, notFound)
				return
			}
			w.Header().Set("Cache-Control", cache)
			if hash := r.Integrity(file); hash != "" {
				w.Header().Set("ETag", `"`+hash+`"`)
			}
			if strings.HasSuffix(file, ".d.ts") {
				w.Header().Set("Content-Type", "text/plain; charset=utf-8")
			}
			http.ServeContent(w, whole(req), file, time.Time{}, bytes.NewReader(b))
		})
	}
	const follows, forever = "public, max-age=300", "public, max-age=31536000, immutable"
	list := widgetVersions{Channels: map[string]string{}}
	for _, r := range releases { // the newest first
		cache := follows
		if r.Locked {
			cache = forever
		}
		channel(r.Version, r, cache)
		for _, name := range []string{"latest", semver.Major("v" + r.Version)} {
			if list.Channels[name] == "" {
				list.Channels[name] = r.Version
				channel(name, r, follows)
			}
		}
		list.Versions = append(list.Versions, widgetVersion{r.Version, r.Locked, r.Integrities()})
	}
	body, err := json.MarshalIndent(list, "", "  ")
	if err != nil {
		panic(err) // impossible: texts only
	}
	mux.HandleFunc("GET /widget/versions.json", func(w http.ResponseWriter, r *http.Request) {
		everyOrigin(w.Header())
		w.Header().Set("Cache-Control", follows)
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(append(body, '\n')) // the client may be gone
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { refuse(w, r, notFound) })
	return mux
}

// everyOrigin lets pages of every origin load a file.
func everyOrigin(h http.Header) {
	h.Set("Access-Control-Allow-Origin", "*")
	h.Set("Cross-Origin-Resource-Policy", "cross-origin")
}

// whole returns the request without the headers that ask for parts of a file. http.ServeContent would refuse some of
// them with a text of its own.
func whole(r *http.Request) *http.Request {
	r = r.Clone(r.Context())
	for _, conditional := range []string{"Range", "If-Range", "If-Match", "If-Unmodified-Since"} {
		r.Header.Del(conditional)
	}
	return r
}
