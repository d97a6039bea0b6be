// Package demo is the demo page at /demo/. It shows how a site integrates
// <ats-widget>. It also has an event log, samples to try, and a form that rehearses any
// error of the catalogue.
//
// The package has a page, its style and scripts, four short pieces of music, and the
// small backend that mints sessions. It uses Timbre only through the public API, as
// every integrator does, and never reveals the secret key.
package demo

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"html/template"
	"mime"
	"net/http"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"timbre.example/internal/fault"
)

//go:embed assets session.go
var files embed.FS

// Config has the addresses and keys of the page.
type Config struct {
	APIURL       string // the public base URL of Timbre, without a slash at its end
	UploadOrigin string // origin of upload URLs, if it differs from APIURL
	SiteKey      string // of the page's organization
	SecretKey    string // mints sessions; stays in this process

	// A test key pair of the same organization, for rehearsals.
	TestSiteKey, TestSecretKey string

	// RenderError writes a refusal in the form of the API.
	RenderError func(http.ResponseWriter, *http.Request, error)
}

// New serves the page and its files below /demo/. It passes errors to RenderError:
// session.origin_not_allowed for a request from another origin, common.not_found for an
// unknown path, common.service_unavailable when the API cannot be reached. It passes an
// error response of the API to the page unchanged.
func New(c Config) http.Handler {
	policy := contentSecurityPolicy(c.APIURL, c.UploadOrigin)
	page := render(c, policy)
	client := &http.Client{
		Timeout: 10 * time.Second,
		// Follow no redirect: the secret key must not reach another host.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}

	mux := http.NewServeMux()
	mux.HandleFunc("GET /demo/{$}", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", policy)
		w.Header().Set("Referrer-Policy", "same-origin")
		serve(w, r, "index.html", page)
	})
	mux.HandleFunc("GET /demo/assets/{name}", func(w http.ResponseWriter, r *http.Request) {
		name := r.PathValue("name")
		data, err := files.ReadFile("assets/" + name)
		if err != nil || name == "index.html" {
			c.RenderError(w, r, fault.CommonNotFound())
			return
		}
		serve(w, r, name, data)
	})
	mux.HandleFunc("GET /demo/samples/{name}", func(w http.ResponseWriter, r *http.Request) {
		data, err := sample(r.PathValue("name"), r.URL.Query().Get("take"))
		if err != nil {
			c.RenderError(w, r, err)
			return
		}
		serve(w, r, r.PathValue("name"), data)
	})
	style, err := assetURL("demo.css")
	if err != nil {
		panic(err) // impossible: the file is embedded
	}
	received := &hooks{style: style}
	mux.HandleFunc("POST /demo/hooks/{name}", received.receive)
	mux.HandleFunc("GET /demo/hooks", received.show)
	for path, key := range map[string]string{"/demo/session": c.SecretKey, "/demo/session/test": c.TestSecretKey} {
		mint := &sessions{api: c.APIURL, secretKey: key, client: client}
		mux.HandleFunc("POST "+path, func(w http.ResponseWriter, r *http.Request) {
			if !sameOrigin(r) {
				c.RenderError(w, r, fault.SessionOriginNotAllowed())
				return
			}
			if err := mint.serve(w, r); err != nil {
				c.RenderError(w, r, err)
			}
		})
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { c.RenderError(w, r, fault.CommonNotFound()) })
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/demo" {
			http.Redirect(w, r, "/demo/", http.StatusMovedPermanently)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// contentSecurityPolicy allows only the page's own files, the API, and uploads. The API
// is in script-src because the page loads the widget from it. It is the same as 'self'
// when the page is opened under the public URL.
func contentSecurityPolicy(api, uploads string) string {
	connect := "connect-src 'self' " + api + " ws" + strings.TrimPrefix(api, "http")
	if uploads != "" && uploads != api {
		connect += " " + uploads
	}
	return strings.Join([]string{
		"default-src 'none'",
		"script-src 'self' " + api,
		"style-src 'self'",
		"img-src 'self'",
		"media-src 'self'",
		connect,
		"require-trusted-types-for 'script'",
		"base-uri 'none'",
		"frame-ancestors 'none'",
		"form-action 'none'",
	}, "; ")
}

// render makes the page once: it is the same for all visitors.
func render(c Config, policy string) []byte {
	t := template.Must(template.New("index.html").Funcs(template.FuncMap{
		"asset": assetURL,
		"source": func(name string) (string, error) {
			b, err := files.ReadFile(name)
			return strings.TrimSpace(string(b)), err
		},
		"score": func(number, title, about, file, text string) score { return score{number, title, about, file, text} },
	}).ParseFS(files, "assets/index.html"))
	element := fmt.Sprintf("<ats-widget\n  site-key=%q\n  ats-url=%q\n  network=\"testnet\"\n></ats-widget>\n\n"+
		"<script type=\"module\" src=\"quickstart.js\"></script>\n<script defer src=\"%s/widget/v1/ats-widget.iife.js\"></script>", c.SiteKey, c.APIURL, c.APIURL)
	var b bytes.Buffer
	if err := t.Execute(&b, map[string]any{
		"APIURL": c.APIURL, "SiteKey": c.SiteKey, "TestSiteKey": c.TestSiteKey, "Rehearsals": rehearsals(), "Samples": samples, "Element": element, "Policy": strings.ReplaceAll(policy, "; ", ";\n"),
	}); err != nil {
		panic(err) // the template and its data are fixed
	}
	return b.Bytes()
}

// rehearsal is a section of the catalogue with its codes that can be rehearsed.
type rehearsal struct {
	Section string
	Codes   []fault.Entry
}

// rehearsals returns the codes that the page can rehearse, in the catalogue's order.
// Causes are Markdown in the catalogue and plain text here.
func rehearsals() (all []rehearsal) {
	plain := strings.NewReplacer("`", "", "*", "")
	for _, e := range fault.All() {
		if e.Rehearse == "" {
			continue
		}
		e.Cause = plain.Replace(e.Cause)
		i := slices.IndexFunc(all, func(r rehearsal) bool { return r.Section == e.Section })
		if i < 0 {
			i, all = len(all), append(all, rehearsal{Section: e.Section})
		}
		all[i].Codes = append(all[i].Codes, e)
	}
	return all
}

// score is a listing on the page: the running code, for reading and copying.
type score struct{ Number, Title, About, File, Text string }

// assetURL returns an asset's URL with a hash of its content, so that browsers can cache
// it for ever.
func assetURL(name string) (string, error) {
	b, err := files.ReadFile("assets/" + name)
	return "/demo/assets/" + name + "?" + fingerprint(b), err
}

func fingerprint(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:8])
}

func serve(w http.ResponseWriter, r *http.Request, name string, data []byte) {
	h := w.Header()
	h.Set("Content-Type", contentType(name))
	h.Set("X-Content-Type-Options", "nosniff")
	sum := fingerprint(data)
	h.Set("ETag", `"`+sum+`"`)
	h.Set("Cache-Control", "no-cache")
	if r.URL.RawQuery == sum {
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	// ServeContent answers bad conditions and ranges with plain text instead of an
	// envelope. HTTP allows ignoring them, so only valid ranges are passed to it.
	r = r.Clone(r.Context())
	r.Header.Del("If-Match")
	r.Header.Del("If-Unmodified-Since")
	if !plays(r.Header.Get("Range"), len(data)) {
		r.Header.Del("Range")
	}
	http.ServeContent(w, r, name, time.Time{}, bytes.NewReader(data))
}

var fromTo = regexp.MustCompile(`^bytes=([0-9]{1,9})-([0-9]{0,9})$`)

// plays reports whether a Range header asks for an existing part.
func plays(header string, size int) bool {
	m := fromTo.FindStringSubmatch(header)
	if m == nil {
		return false
	}
	from, _ := strconv.Atoi(m[1])
	to, err := strconv.Atoi(m[2])
	return from < size && (err != nil || to >= from)
}

// contentType returns the media type of a file, independent of the machine's configuration.
func contentType(name string) string {
	switch ext := path.Ext(name); ext {
	case ".wav":
		return "audio/wav"
	case ".mp3":
		return "audio/mpeg"
	case ".flac":
		return "audio/flac"
	case ".ogg":
		return "audio/ogg"
	case ".js":
		return "text/javascript; charset=utf-8"
	default:
		return mime.TypeByExtension(ext)
	}
}

// sameOrigin reports whether our own page made the request. Unlike a check against
// forgery, it also refuses a request without Origin, because the mint needs one.
func sameOrigin(r *http.Request) bool {
	_, host, _ := strings.Cut(r.Header.Get("Origin"), "://")
	site := r.Header.Get("Sec-Fetch-Site") // browsers omit it on plain http, except for loopback
	return host != "" && host == r.Host && (site == "" || site == "same-origin")
}
