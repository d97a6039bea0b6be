package web

import (
	"strings"

	"timbre.example/internal/paths"
)

// readers says which pages of other origins may read an answer.
type readers int

const (
	noPage   readers = iota
	anyPage          // public content: nothing in the request decides the answer
	apiPages         // each call has its own permission: see cors
)

// area is a part of the server's paths, with the rules that hold before a route is found.
type area struct {
	// below is a path, or with a final slash the beginning of paths.
	below   string
	readers readers
	// counted calls cost their address one of its budget: the API, and all pages that are
	// read, packed, searched or proved for each call.
	counted bool
	// unstored answers must not be stored by caches: nearly each has a token, a URL that is a
	// permission, an access code, or what people wrote. A handler of public content overrides
	// this.
	unstored bool
}

// backends are the parts of the API for programs and for pages of this server. No page of another
// origin may read their answers: they have secrets that are shown once, and a browser that may
// send the cookie of the console must not lend it.
var backends = []string{"api-keys", "audit", "credits", "integrations", "members", "organizations", "origins", "sessions", "settings", "webhooks"}

// areas has one row for each part with a rule. The longest row that fits counts.
var areas = append(areasOf(backends), []area{
	{below: "/v1/", readers: apiPages, counted: true, unstored: true},
	{below: "/blob/", readers: anyPage, unstored: true},
	{below: "/log/", readers: anyPage, counted: true},
	{below: paths.Works, readers: anyPage, counted: true},
	{below: "/widget/", readers: anyPage},
	{below: "/packages/", readers: anyPage},
	{below: paths.Explorer, counted: true},
	{below: "/docs/search", counted: true},
	{below: "/docs/search.json", counted: true},
	{below: "/rehearsal/", readers: anyPage, unstored: true},
	{below: "/openapi.json", readers: anyPage, counted: true, unstored: true},
	{below: "/openapi.yaml", readers: anyPage, counted: true, unstored: true},
	{below: "/console/", counted: true, unstored: true},
	{below: "/console/assets/"},
	{below: "/metrics", unstored: true},
	{below: "/healthz", unstored: true},
	{below: "/readyz", unstored: true},
}...)

// areasOf returns the rows of parts of the API that no page of another origin may read.
func areasOf(parts []string) (out []area) {
	for _, part := range parts {
		out = append(out, area{below: "/v1/" + part, counted: true, unstored: true}, area{below: "/v1/" + part + "/", counted: true, unstored: true})
	}
	return out
}

// areaOf returns the rules of a path.
func areaOf(path string) (a area) {
	for _, one := range areas {
		fits := path == one.below || strings.HasSuffix(one.below, "/") && strings.HasPrefix(path, one.below)
		if fits && len(one.below) > len(a.below) {
			a = one
		}
	}
	return a
}

// Counts reports whether a call of path costs its address one of its budget.
func Counts(path string) bool { return areaOf(path).counted }
