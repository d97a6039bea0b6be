package explorer

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"timbre.example/internal/fault"
	"timbre.example/internal/network"
)

// perChain is the maximum number of versions of a work on a chain on one page: the proof of each
// has one signature for each authority of the chain.
const perChain = 10

// work shows the public data of a work: its versions on the network, each with a checked
// proof. It reads only the network. So it cannot show personal data, and the page stays
// when other data of the work is erased.
func (x *explorer) work(w http.ResponseWriter, r *http.Request, l network.Browsable) error {
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
	told, err := endsOf(r.Context(), l, atsID)
	if err != nil {
		return err
	}
	last, most := told.Latest.Version, perPage
	if _, ok := l.(network.Chained); ok {
		most = perChain
	}
	entries, err := l.Versions(r.Context(), atsID, after, most)
	if err != nil {
		return err
	}
	if len(entries) == 0 { // after is larger than the last version
		return fault.CommonNotFound()
	}
	versions, holds, failed := make([]proven, len(entries)), told.ok(), told.failed()
	for i, e := range entries {
		if versions[i], err = examine(r.Context(), l, e); err != nil {
			return err
		}
		if versions[i].Earlier, err = earlier(r.Context(), l, versions[i]); err != nil {
			return err
		}
		holds, failed = holds && versions[i].Checks.OK(), failed || versions[i].Checks.Failed()
	}
	unproved := !holds && !failed
	more := int64(0)
	if n := entries[len(entries)-1].Version; n < last {
		more = n
	}
	if wantsJSON(r) {
		return publish(w, r, l, atsID, last, more, versions)
	}
	return x.render(w, r, "work", struct {
		base
		ends
		AtsID    int64
		Last     int64 // the newest version
		Versions []proven
		OK       bool
		Unproved bool   // nothing failed, but a part of the proofs is missing
		After    int64  // the version before the first one here; 0: none
		Before   int64  // the version before the page with earlier versions
		More     int64  // the last version here, if later ones follow; 0: none
		Newest   string // the address of the newest version
	}{x.base(l, fmt.Sprintf("Registration number %d", atsID)), told, atsID, last, versions, holds, unproved, after, max(0, after-int64(most)), more, newest(last, more)})
}

// newest returns the address of the newest version on the page of a work. more is not 0 if
// it is on a later page.
func newest(last, more int64) string {
	if more == 0 {
		return fmt.Sprintf("#v%d", last)
	}
	return fmt.Sprintf("?after=%d#v%d", last-1, last)
}

// ends are the versions in a summary of a work. With the first one's date alone,
// later versions would seem to have that date, too.
type ends struct{ First, Latest proven }

func (e ends) ok() bool     { return e.First.Checks.OK() && e.Latest.Checks.OK() }
func (e ends) failed() bool { return e.First.Checks.Failed() || e.Latest.Checks.Failed() }

func endsOf(ctx context.Context, l network.Browsable, atsID int64) (e ends, err error) {
	last, err := l.LastVersion(ctx, atsID)
	if errors.Is(err, network.ErrNotFound) {
		return e, fault.WorkNotFound().Because(err)
	} else if err != nil {
		return e, err
	}
	if e.First, err = version(ctx, l, atsID, 1); err != nil || last == 1 {
		e.Latest = e.First
		return e, err
	}
	e.Latest, err = version(ctx, l, atsID, last)
	return e, err
}

// version returns version n of a work from the log, with its proof.
func version(ctx context.Context, l network.Browsable, atsID, n int64) (proven, error) {
	one, err := l.Versions(ctx, atsID, n-1, 1)
	if err != nil {
		return proven{}, err
	}
	if len(one) == 0 {
		return proven{}, fault.WorkNotFound()
	}
	return examine(ctx, l, one[0])
}

// earlier returns the first entry of the network with the same commitment, or nil when v
// is the first. Its recording, title and creators are the same.
func earlier(ctx context.Context, l network.Browsable, v proven) (*network.Entry, error) {
	if v.Index < 0 {
		return nil, nil
	}
	e, err := l.Earlier(ctx, v.Transaction.Commitment, v.Entry)
	if errors.Is(err, network.ErrNotFound) {
		return nil, nil
	}
	return &e, err
}

// publicVersion is the JSON of a version. Its members are documented in
// docs/public-page.md and do not change.
type publicVersion struct {
	Version      int64     `json:"version"`
	Commitment   string    `json:"commitment"`
	Protocol     uint8     `json:"protocol_version"`
	RegisteredAt time.Time `json:"registered_at"`
	TxHash       string    `json:"tx_hash"`
	BlockNumber  int64     `json:"block_number"`
	BlockHash    string    `json:"block_hash"`
	LogIndex     *int64    `json:"log_index,omitempty"`
	Extrinsic    *int64    `json:"extrinsic_index,omitempty"`
	Owner        string    `json:"owner_address,omitempty"`
	Verified     bool      `json:"verified"`
}

func publish(w http.ResponseWriter, r *http.Request, l network.Browsable, atsID, last, more int64, versions []proven) error {
	list := make([]publicVersion, len(versions))
	chain := ""
	chained, isChain := l.(network.Chained)
	for i, v := range versions {
		list[i] = publicVersion{
			Version: v.Version, Commitment: prefixed(v.Transaction.Commitment), Protocol: v.Transaction.ProtocolVersion, RegisteredAt: v.At, TxHash: prefixed(v.Receipt.Final()),
			BlockNumber: v.BlockNumber, BlockHash: prefixed(v.BlockHash), Verified: v.Checks.OK(),
		}
		if isChain {
			list[i].Extrinsic, list[i].Owner = &v.Index, v.Owner
		} else {
			list[i].LogIndex = &v.Index
		}
	}
	if isChain {
		genesis, err := chained.Chain(r.Context())
		if err != nil {
			return err
		}
		chain = prefixed(genesis)
	}
	origin, key := signed(l)
	b, err := json.Marshal(struct {
		Network  network.Name    `json:"network"`
		AtsID    int64           `json:"ats_id"`
		Latest   int64           `json:"latest_version"`
		Versions []publicVersion `json:"versions"`
		Next     int64           `json:"next_after,omitempty"`
		Origin   string          `json:"log_origin,omitempty"`
		Key      string          `json:"log_key,omitempty"`
		Chain    string          `json:"genesis,omitempty"`
	}{l.Name(), atsID, last, list, more, origin, key, chain})
	if err != nil {
		return fmt.Errorf("explorer: %w", err)
	}
	w.Header().Set("Access-Control-Allow-Origin", "*") // the data is public
	return send(w, r, "application/json", append(b, '\n'))
}

func prefixed(hash [32]byte) string { return "0x" + hex.EncodeToString(hash[:]) }

// wantsJSON reports whether the client asks for JSON. A browser asks for HTML, and
// a tool that accepts everything does not ask for JSON.
func wantsJSON(r *http.Request) bool {
	return quality(r, "application/json") > 0 && !prefersHTML(r)
}

// prefersHTML reports whether the client is a browser: its Accept header names HTML,
// and does not prefer JSON.
func prefersHTML(r *http.Request) bool {
	html := quality(r, "text/html")
	return html > 0 && html >= quality(r, "application/json")
}

// quality returns the weight of a media type in Accept, from 0 to 1 (RFC 9110, section
// 12.5.1). Ranges such as */* do not count.
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

// badgeLook is one of the two themes of a badge. They have the colours of the pages.
type badgeLook struct{ Paper, Line, Ink, Soft, Accent, OnAccent, Warn string }

var badgeLooks = map[string]badgeLook{
	"light": {"#ffffff", "#d9d3e8", "#1f1c2b", "#5d586d", "#4b3fb5", "#ffffff", "#a1232b"},
	"dark":  {"#1e1b29", "#453f5c", "#eceaf4", "#a9a3bd", "#b3a9ff", "#1e1b29", "#ff9d9f"},
}

// badge answers with a picture that shows the date of the latest version, and also of
// the first version when there are several. It shows dates only when the proofs are
// valid.
func (x *explorer) badge(w http.ResponseWriter, r *http.Request, l network.Browsable) error {
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
	told, err := endsOf(r.Context(), l, atsID)
	if err != nil {
		return err
	}
	b, err := execute("badge", "badge", struct {
		badgeLook
		ends
		Test  bool
		AtsID int64
		OK    bool
		// Unproved: nothing failed, but a part of the proofs is missing.
		Unproved bool
		// Several: the work has several versions, and their proofs are valid.
		Several bool
	}{look, told, l.Info().Test, atsID, told.ok(), !told.ok() && !told.failed(), told.ok() && told.Latest.Version > 1})
	if err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Security-Policy", "default-src 'none'; sandbox")
	h.Set("Cross-Origin-Resource-Policy", "cross-origin")
	h.Set("Access-Control-Allow-Origin", "*")
	if told.ok() { // short, because a new version may follow
		h.Set("Cache-Control", "public, max-age=300")
	}
	return send(w, r, "image/svg+xml", b)
}
