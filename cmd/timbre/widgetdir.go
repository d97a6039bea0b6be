package main

import (
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// followed is appended to the classic script. It reloads the page after each change of the folder:
// the request for the changes is answered when there are some, or after pollFor.
const followed = `
(async()=>{for(let seen="",now;;seen=now){now=await fetch("/widget/changes?since="+encodeURIComponent(seen)).then(r=>r.text());if(seen&&now!==seen)return location.reload()}})().catch(()=>{});
`

const pollFor = 20 * time.Second

// widgetDir serves the files of a folder as the widget, as they are at each request, for people who
// change the widget. It fails if the folder is not a build of the widget.
func widgetDir(dir string, refuse func(http.ResponseWriter, *http.Request, error)) (http.Handler, error) {
	if _, err := os.Stat(filepath.Join(dir, "ats-widget.iife.js")); err != nil {
		return nil, wrongf("widget-dir", "this folder has no ats-widget.iife.js: build the widget into it with `go run ./widget/build -watch DIR`")
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, wrongf("widget-dir", "cannot open this folder: %s", plainly(err))
	}
	files := http.FileServerFS(root.FS())
	mux := http.NewServeMux()
	mux.HandleFunc("GET /widget/changes", func(w http.ResponseWriter, r *http.Request) {
		now := changes(root.FS())
		for end := time.Now().Add(pollFor); now == r.URL.Query().Get("since") && time.Now().Before(end); now = changes(root.FS()) {
			select {
			case <-r.Context().Done():
				return
			case <-time.After(50 * time.Millisecond):
			}
		}
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		fmt.Fprint(w, now)
	})
	mux.HandleFunc("GET /widget/{version}/{file...}", func(w http.ResponseWriter, r *http.Request) {
		name := r.PathValue("file")
		body, err := fs.ReadFile(root.FS(), name)
		if err != nil {
			refuse(w, r, notFound)
			return
		}
		h := w.Header()
		h.Set("Access-Control-Allow-Origin", "*")
		h.Set("Cross-Origin-Resource-Policy", "cross-origin")
		h.Set("Cache-Control", "no-store")
		if name == "ats-widget.iife.js" {
			h.Set("Content-Type", "text/javascript; charset=utf-8")
			_, _ = w.Write(append(body, followed...)) // the client is gone
			return
		}
		r2 := r.Clone(r.Context())
		r2.URL.Path = "/" + name
		files.ServeHTTP(w, r2)
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { refuse(w, r, notFound) })
	return mux, nil
}

// changes is a text that changes when a file of the folder does.
func changes(dir fs.FS) string {
	var newest time.Time
	var size int64
	err := fs.WalkDir(dir, ".", func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || strings.HasSuffix(name, ".new") {
			return err
		}
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) { // replaced just now
			return nil
		} else if err != nil {
			return err
		}
		size += info.Size()
		if info.ModTime().After(newest) {
			newest = info.ModTime()
		}
		return nil
	})
	if err != nil {
		return ""
	}
	return fmt.Sprintf("%d-%d", newest.UnixNano(), size)
}
