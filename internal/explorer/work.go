package explorer

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"timbre.example/fault"
	"timbre.example/internal/network"
	"timbre.example/internal/network/log"
)

// work shows what is public about one: the versions that the log has of it, each
// with its proof checked. It asks the log alone, so there is nothing personal
// that it could show, and the page of a work outlives whatever else is erased.
func (x *explorer) work(w http.ResponseWriter, r *http.Request, l *log.Log) error {
	w.Header().Set("Vary", "Accept")
	atsID, ok := parseNumber(r.PathValue("ats_id"))
	if !ok {
		return fault.WorkNotFound()
	}
	after := int64(0)
	if s := r.URL.Query().Get("after"); s != "" {
		if after, ok = parseNumber(s); !ok {
			return fault.CommonNotFound()
		}
	}
	last, err := l.LastVersion(r.Context(), atsID)
	if errors.Is(err, log.ErrNotFound) {
		return fault.WorkNotFound().Because(err)
	} else if err != nil {
		return err
	}
	entries, err := l.Versions(r.Context(), atsID, after, perPage)
	if err != nil {
		return err
	}
	if len(entries) == 0 { // after is beyond the last
		return fault.CommonNotFound()
	}
	versions, holds := make([]proven, len(entries)), true
	for i, e := range entries {
		if versions[i], err = examine(r.Context(), l, e); err != nil {
			return err
		}
		holds = holds && versions[i].Checks.OK()
	}
	more := int64(0)
	if n := entries[len(entries)-1].Version; n < last {
		more = n
	}
	if wantsJSON(r) {
		return publish(w, r, l, atsID, last, more, versions)
	}
	return x.render(w, r, "work", struct {
		base
		AtsID    int64
		Last     int64 // the newest version that there is
		Versions []proven
		OK       bool
		More     int64
	}{x.base(l, fmt.Sprintf("Registration number %d", atsID)), atsID, last, versions, holds, more})
}

// publicVersion is a version as a program reads it. Its members are a contract:
// docs/public-page.md.
type publicVersion struct {
	Version      int64     `json:"version"`
	Commitment   string    `json:"commitment"`
	Protocol     uint8     `json:"protocol_version"`
	RegisteredAt time.Time `json:"registered_at"`
	TxHash       string    `json:"tx_hash"`
	BlockNumber  int64     `json:"block_number"`
	BlockHash    string    `json:"block_hash"`
	LogIndex     int64     `json:"log_index"`
	Verified     bool      `json:"verified"`
}

func publish(w http.ResponseWriter, r *http.Request, l *log.Log, atsID, last, more int64, versions []proven) error {
	list := make([]publicVersion, len(versions))
	for i, v := range versions {
		list[i] = publicVersion{
			v.Version, prefixed(v.Transaction.Commitment), v.Transaction.ProtocolVersion, v.At, prefixed(v.Hash),
			v.BlockNumber, prefixed(v.BlockHash), v.Index, v.Checks.OK(),
		}
	}
	b, err := json.Marshal(struct {
		Network  network.Name    `json:"network"`
		AtsID    int64           `json:"ats_id"`
		Latest   int64           `json:"latest_version"`
		Versions []publicVersion `json:"versions"`
		Next     int64           `json:"next_after,omitempty"`
		Origin   string          `json:"log_origin"`
		Key      string          `json:"log_key"`
	}{l.Name(), atsID, last, list, more, l.Origin(), l.VerifierKey()})
	if err != nil {
		return fmt.Errorf("explorer: %w", err)
	}
	w.Header().Set("Access-Control-Allow-Origin", "*") // it is public
	return send(w, r, "application/json", append(b, '\n'))
}

func prefixed(hash [32]byte) string { return "0x" + hex.EncodeToString(hash[:]) }

// wantsJSON tells a program that asks for it from a browser, whose Accept names
// HTML, and from a tool that takes whatever comes.
func wantsJSON(r *http.Request) bool {
	return quality(r, "application/json") > 0 && !prefersHTML(r)
}

// prefersHTML tells people from programs: a browser's Accept names HTML, and no
// JSON before it.
func prefersHTML(r *http.Request) bool {
	html := quality(r, "text/html")
	return html > 0 && html >= quality(r, "application/json")
}

// quality is how much a media type is wanted by its name (RFC 9110, section
// 12.5.1), from 0 to 1. Ranges such as */* name none.
func quality(r *http.Request, name string) float64 {
	for part := range strings.SplitSeq(strings.Join(r.Header.Values("Accept"), ","), ",") {
		kind, parameters, err := mime.ParseMediaType(part)
		if err != nil || kind != name {
			continue
		}
		if q, err := strconv.ParseFloat(parameters["q"], 64); err == nil {
			return q
		}
		return 1
	}
	return 0
}

// badgeLook is one of the two that a site can ask for. They have the colours of
// the pages.
type badgeLook struct{ Paper, Line, Ink, Soft, Accent, OnAccent, Warn string }

var badgeLooks = map[string]badgeLook{
	"light": {"#ffffff", "#d9d3e8", "#1f1c2b", "#5d586d", "#4b3fb5", "#ffffff", "#a1232b"},
	"dark":  {"#1e1b29", "#453f5c", "#eceaf4", "#a9a3bd", "#b3a9ff", "#1e1b29", "#ff9d9f"},
}

// badge is a picture of the day on which the work was first registered. It says
// so only when the proof of that holds.
func (x *explorer) badge(w http.ResponseWriter, r *http.Request, l *log.Log) error {
	atsID, ok := parseNumber(r.PathValue("ats_id"))
	if !ok {
		return fault.WorkNotFound()
	}
	theme := r.URL.Query().Get("theme")
	if theme == "" {
		theme = "light"
	}
	look, ok := badgeLooks[theme]
	if !ok {
		return fault.CommonValidationFailed([]fault.Field{{Field: "theme", Rule: "one_of", Message: "Must be light or dark."}})
	}
	first, err := l.Versions(r.Context(), atsID, 0, 1)
	if err != nil {
		return err
	}
	if len(first) == 0 {
		return fault.WorkNotFound()
	}
	v, err := examine(r.Context(), l, first[0])
	if err != nil {
		return err
	}
	b, err := execute("badge", "badge", struct {
		badgeLook
		Test  bool
		AtsID int64
		At    time.Time
		OK    bool
	}{look, l.Name().Test(), atsID, v.At, v.Checks.OK()})
	if err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Security-Policy", "default-src 'none'; sandbox")
	h.Set("Cross-Origin-Resource-Policy", "cross-origin")
	h.Set("Access-Control-Allow-Origin", "*")
	if v.Checks.OK() { // a first version is never another one later
		h.Set("Cache-Control", "public, max-age=86400")
	}
	return send(w, r, "image/svg+xml", b)
}
