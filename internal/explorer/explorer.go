// Package explorer shows the content of the networks to people. It shows a transaction,
// its block and the proof of both. It calls an entry verified only after it has checked
// the proof. For a work it shows the versions on the network. Of a network that cannot be
// explored it shows single transactions.
//
// It has pages and their style. It never writes, never runs a script and loads
// nothing from other hosts. It shows no personal data, because a network has only
// numbers and hashes.
package explorer

import (
	"bytes"
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"timbre.example/internal/fault"
	"timbre.example/internal/network"
	"timbre.example/internal/paths"
	"timbre.example/proof/evidence"
)

//go:embed assets
var assets embed.FS

// perPage is the maximum number of rows of a list.
const perPage = 50

// styleURL and iconURL contain a hash of the file, so browsers can cache it for
// ever.
var (
	styleURL, style = embedded("style", ".css")
	iconURL, icon   = embedded("icon", ".svg")
)

func embedded(name, end string) (string, []byte) {
	data, err := assets.ReadFile("assets/" + name + end)
	if err != nil {
		panic(err) // impossible: the file is embedded
	}
	sum := sha256.Sum256(data)
	return fmt.Sprintf(paths.Explorer+"%s-%x%s", name, sum[:8], end), data
}

var pages = func() map[string]*template.Template {
	funcs := template.FuncMap{
		"hex":   func(b [32]byte) string { return hex.EncodeToString(b[:]) },
		"hash":  func(h tlog.Hash) string { return hex.EncodeToString(h[:]) }, // its own String is base64
		"day":   day,
		"date":  func(t time.Time) string { return t.UTC().Format("2 January 2006") },
		"exact": func(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000000Z") },
		"short": func(b [32]byte) string { return fmt.Sprintf("0x%x…%x", b[:6], b[28:]) },
		"count": count,
		"add":   func(a, b int64) int64 { return a + b },
	}
	m := map[string]*template.Template{}
	m["badge"] = template.Must(template.New("").Funcs(funcs).ParseFS(assets, "assets/badge.svg"))
	for _, name := range []string{"transaction", "block", "log", "work", "found", "missing", "network", "receipt", "chain", "chainblock", "chaintx"} {
		m[name] = template.Must(template.New("").Funcs(funcs).ParseFS(assets, "assets/layout.html", "assets/"+name+".html"))
	}
	return m
}()

// day returns a time to the second, with its zone.
func day(t time.Time) string { return t.UTC().Format("2 January 2006, 15:04:05 UTC") }

// count writes n with commas between groups of thousands.
func count(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

type explorer struct {
	networks  []network.Network
	elsewhere network.Elsewheres
}

// Pages are the pages about the networks. There is at least one network.
type Pages struct {
	http.Handler
	refuse func(http.ResponseWriter, *http.Request, error)
}

// Refuse answers with an error: a browser that prefers HTML receives a page, and a
// program the response of the refuse function of [New]. Status and headers are the same.
func (p *Pages) Refuse(w http.ResponseWriter, r *http.Request, err error) { p.refuse(w, r, err) }

// Icon serves the icon of every page, which browsers ask for under /favicon.ico.
func (p *Pages) Icon(w http.ResponseWriter, r *http.Request) { forEver(w, "image/svg+xml", icon) }

func forEver(w http.ResponseWriter, kind string, data []byte) {
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Write(data)
}

// New serves the networks under /explorer/ and works under /w/. It passes every error to
// refuse: transaction.not_found for an unknown hash, work.not_found for an
// unknown work, common.not_found for any other unknown path, and other errors
// unchanged. Browsers receive a page instead of the body that refuse writes. elsewhere has the
// explorers of the chains themselves, to which pages link.
func New(networks []network.Network, elsewhere network.Elsewheres, refuse func(http.ResponseWriter, *http.Request, error)) *Pages {
	x := &explorer{networks, elsewhere}
	refuse = x.readably(refuse)
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+styleURL, func(w http.ResponseWriter, r *http.Request) { forEver(w, "text/css; charset=utf-8", style) })
	mux.HandleFunc("GET "+iconURL, func(w http.ResponseWriter, r *http.Request) { forEver(w, "image/svg+xml", icon) })
	for path, page := range map[string]page[network.Network]{
		paths.Explorer + "{network}":                          explored(x.log, chained(x.chain, x.network)),
		paths.Explorer + "{network}/tx/{hash}":                explored(x.transaction, chained(x.chainTransaction, x.receipt)),
		paths.Explorer + "{network}/tx/{hash}/proof.json":     chained(x.chainProofFile, nil),
		paths.Explorer + "{network}/tx/{hash}/leaf.txt":       explored(x.leafFile, nil),
		paths.Explorer + "{network}/tx/{hash}/proof.txt":      explored(x.proofFile, nil),
		paths.Explorer + "{network}/tx/{hash}/receipt.cose":   explored(x.receiptFile, nil),
		paths.Explorer + "{network}/block/{n}":                explored(x.block, chained(x.chainBlock, nil)),
		paths.Explorer + "{network}/block/{n}/checkpoint.txt": explored(x.checkpointFile, nil),
		paths.Works + "{network}/{ats_id}":                    browsed(x.work),
		paths.Works + "{network}/{ats_id}/badge.svg":          browsed(x.badge),
	} {
		mux.HandleFunc("GET "+path, func(w http.ResponseWriter, r *http.Request) {
			n := x.named(network.Name(r.PathValue("network")))
			if n == nil {
				refuse(w, r, fault.CommonNotFound())
				return
			}
			if err := page(w, r, n); err != nil {
				var f *fault.Error
				if errors.Is(err, network.ErrNotFound) && !errors.As(err, &f) {
					err = fault.CommonNotFound().Because(err)
				}
				refuse(w, r, err)
			}
		})
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		if to := x.nearest(r); to != "" {
			http.Redirect(w, r, to, http.StatusSeeOther)
			return
		}
		refuse(w, r, fault.CommonNotFound())
	})
	return &Pages{mux, refuse}
}

// page answers a request about one network.
type page[N network.Network] func(http.ResponseWriter, *http.Request, N) error

// explored returns a page that needs a network that can be explored. Any other network
// gets the page plain; nil means that it has none.
func explored(full page[network.Explorable], plain page[network.Network]) page[network.Network] {
	return able(full, plain)
}

// chained is explored for a chain of others.
func chained(full page[network.Chained], plain page[network.Network]) page[network.Network] {
	return able(full, plain)
}

// browsed returns a page that any network has whose works can be read.
func browsed(full page[network.Browsable]) page[network.Network] { return able(full, nil) }

func able[N network.Network](full page[N], plain page[network.Network]) page[network.Network] {
	return func(w http.ResponseWriter, r *http.Request, n network.Network) error {
		if l, ok := n.(N); ok {
			return full(w, r, l)
		}
		if plain == nil {
			return fault.CommonNotFound()
		}
		return plain(w, r, n)
	}
}

// named returns the network with this name, or nil.
func (x *explorer) named(name network.Name) network.Network {
	for _, n := range x.networks {
		if n.Name() == name {
			return n
		}
	}
	return nil
}

// first returns the network that a shortened address probably means: the first real
// one. Without a real one it is the first test network.
func (x *explorer) first() network.Network {
	for _, n := range x.networks {
		if !n.Info().Test {
			return n
		}
	}
	return x.networks[0]
}

// nearest returns the address to redirect to when a person shortened an address or
// added a slash at its end. It returns "" for programs and when no page is near.
func (x *explorer) nearest(r *http.Request) string {
	if r.Method != http.MethodGet && r.Method != http.MethodHead || !prefersHTML(r) {
		return ""
	}
	path := strings.TrimRight(r.URL.Path, "/")
	if under, ok := strings.CutPrefix(path, paths.Works); ok {
		if n := x.named(network.Name(under)); n != nil {
			return paths.Network(n.Name())
		}
	}
	switch {
	case path+"/" == paths.Explorer || path+"/" == paths.Works:
		return paths.Network(x.first().Name())
	case path != r.URL.Path && !strings.Contains(path, "//"):
		return path
	}
	return ""
}

// base is the data of every page.
type base struct {
	Title    string
	Style    string
	Icon     string
	Test     bool // a test network
	Network  network.Name
	Networks []network.Name
	Browsed  bool // the pages show works and blocks of the network
	Kind     kind
	Origin   string // "" if the network does not sign its blocks
	Key      string
	Print    string // the fingerprint of Key
	Page     string // path of the key page; "" if the network has none
	Ended    bool
	Files    string // path of the network's own files; "" if it has none

	elsewhere network.Elsewhere
}

// Elsewhere is the address of a transaction on the chain's own explorer, or "".
func (b base) Elsewhere(e network.Entry) string {
	if e.BlockNumber == 0 {
		return ""
	}
	return b.elsewhere.Transaction(e.BlockNumber, e.BlockHash, e.Receipt.Final())
}

// kind is what the pages call a network.
type kind string

const (
	aLog     kind = "log"
	aChain   kind = "chain"
	aNetwork kind = "network" // its content cannot be read
)

// Log and Chain are for templates.
func (k kind) Log() bool   { return k == aLog }
func (k kind) Chain() bool { return k == aChain }

func kindOf(n network.Network) kind {
	switch n.(type) {
	case network.Explorable:
		return aLog
	case network.Chained:
		return aChain
	}
	return aNetwork
}

func (x *explorer) base(n network.Network, title string) base {
	b := base{Title: title, Style: styleURL, Icon: iconURL, Test: n.Info().Test, Network: n.Name()}
	for _, one := range x.networks {
		b.Networks = append(b.Networks, one.Name())
	}
	slices.Sort(b.Networks)
	b.Kind, b.elsewhere = kindOf(n), x.elsewhere.Of(n.Name())
	_, b.Browsed = n.(network.Browsable)
	b.Origin, b.Key = signed(n)
	if p, ok := n.(network.Published); ok {
		b.Files = p.FilesPath()
	}
	return b
}

// keyed adds the newest key of the network, and where all keys are.
func (b base) keyed(ctx context.Context, n network.Network) base {
	if keyed, ok := n.(network.Keyed); ok {
		page, _ := keyed.KeyPage(ctx) // after an error, what was known before
		b.Key, b.Page = page.Key(), b.Files+"/keys"
		_, b.Ended = page.Ended()
	}
	if b.Key != "" {
		b.Print = evidence.Fingerprint(b.Key)
	}
	return b
}

// by is the base of a page about what this key signed.
func (b base) by(key string) base {
	if key != "" {
		b.Key = key
	}
	return b
}

func execute(page, name string, data any) ([]byte, error) {
	var b bytes.Buffer
	if err := pages[page].ExecuteTemplate(&b, name, data); err != nil {
		return nil, fmt.Errorf("explorer: %w", err)
	}
	return b.Bytes(), nil
}

func (x *explorer) render(w http.ResponseWriter, r *http.Request, page string, data any) error {
	b, err := execute(page, "layout", data)
	if err != nil {
		return err
	}
	protect(w.Header())
	return send(w, r, "text/html; charset=utf-8", b)
}

// protect sets headers that allow a page to load only its style.
func protect(h http.Header) {
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'")
	h.Set("Referrer-Policy", "no-referrer")
}

// send answers with data, or with 304 when the client's copy is current. Browsers
// must revalidate a cached copy, unless the caller has set Cache-Control.
func send(w http.ResponseWriter, r *http.Request, kind string, data []byte) error {
	h := w.Header()
	sum := sha256.Sum256(data)
	tag := fmt.Sprintf(`"%x"`, sum[:8])
	h.Set("ETag", tag)
	h.Set("X-Content-Type-Options", "nosniff")
	if h.Get("Cache-Control") == "" {
		h.Set("Cache-Control", "no-cache")
	}
	if strings.Contains(r.Header.Get("If-None-Match"), tag) {
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	h.Set("Content-Type", kind)
	h.Set("Content-Length", strconv.Itoa(len(data)))
	w.Write(data)
	return nil
}

// log shows the newest blocks. With a query it answers the search form.
func (x *explorer) log(w http.ResponseWriter, r *http.Request, l network.Explorable) error {
	if search := strings.TrimSpace(r.URL.Query().Get("q")); search != "" {
		return x.answer(w, r, l, search)
	}
	blocks, older, err := recent(r, l)
	if err != nil {
		return err
	}
	latest, err := l.Blocks(r.Context(), 1<<63-1, 1)
	if err != nil {
		return err
	}
	// Hide block 0: it is the signed empty log.
	blocks = slices.DeleteFunc(blocks, func(b network.Block) bool { return b.Number == 0 })
	return x.render(w, r, "log", struct {
		base
		Blocks []network.Block
		Latest network.Block
		Older  int64
	}{x.base(l, "The public log").keyed(r.Context(), l), blocks, latest[0], older})
}

func (x *explorer) find(r *http.Request, l network.Browsable) (network.Entry, error) {
	hash, ok := parseHash(r.PathValue("hash"))
	if !ok {
		return network.Entry{}, fault.TransactionNotFound()
	}
	e, err := l.Entry(r.Context(), hash)
	if errors.Is(err, network.ErrNotFound) {
		err = fault.TransactionNotFound().Because(err)
	}
	return e, err
}

func (x *explorer) transaction(w http.ResponseWriter, r *http.Request, l network.Explorable) error {
	e, err := x.find(r, l)
	if err != nil {
		return err
	}
	v, err := examine(r.Context(), l, e)
	if err != nil {
		return err
	}
	if v.Earlier, err = earlier(r.Context(), l, v); err != nil {
		return err
	}
	last, newer, err := newerThan(r.Context(), l, v)
	if err != nil {
		return err
	}
	receipted := false
	if n, ok := l.(network.Receipted); ok && v.Index >= 0 {
		_, err := n.Receipt(r.Context(), v.Hash)
		if err != nil && !errors.Is(err, network.ErrNotFound) {
			return err
		}
		receipted = err == nil
	}
	title := "Waiting for its block"
	switch {
	case v.Failure != "":
		title = "Refused"
	case v.Index >= 0:
		title = fmt.Sprintf("Registration number %d, version %d", v.AtsID, v.Version)
	}
	return x.render(w, r, "transaction", struct {
		base
		proven
		Last   int64          // the newest version of the work
		Newest *network.Entry // its entry; nil if it is this one
		// Receipted: there is a COSE Receipt.
		Receipted bool
	}{x.base(l, title).by(v.signedBy), v, last, newer, receipted})
}

// newerThan returns the number of the newest version of an entry's work, and that version if it
// is another one.
func newerThan(ctx context.Context, l network.Browsable, v proven) (last int64, newer *network.Entry, err error) {
	if last = v.Version; v.Index < 0 {
		return last, nil, nil
	}
	if last, err = l.LastVersion(ctx, v.AtsID); err != nil || last <= v.Version {
		return last, nil, err
	}
	one, err := l.Versions(ctx, v.AtsID, last-1, 1)
	if err != nil || len(one) == 0 {
		return last, nil, err
	}
	return last, &one[0], nil
}

// network is the page of a network that cannot be explored.
func (x *explorer) network(w http.ResponseWriter, r *http.Request, n network.Network) error {
	return x.render(w, r, "network", x.base(n, "The network"))
}

// receipt shows a final transaction of a network that cannot be explored.
func (x *explorer) receipt(w http.ResponseWriter, r *http.Request, n network.Network) error {
	hash, ok := parseHash(r.PathValue("hash"))
	if !ok {
		return fault.TransactionNotFound()
	}
	found, err := n.Find(r.Context(), [][32]byte{hash})
	if err != nil {
		return err
	}
	receipt, ok := found[hash]
	if !ok {
		return fault.TransactionNotFound()
	}
	title := "Refused"
	if receipt.Failure == "" {
		title = fmt.Sprintf("Registration number %d, version %d", receipt.AtsID, receipt.Version)
	}
	return x.render(w, r, "receipt", struct {
		base
		network.Receipt
	}{x.base(n, title), receipt})
}

func (x *explorer) leafFile(w http.ResponseWriter, r *http.Request, l network.Explorable) error {
	e, err := x.find(r, l)
	if err != nil {
		return err
	}
	if e.Index < 0 {
		return fault.CommonNotFound()
	}
	return text(w, r, string(e.Leaf))
}

func (x *explorer) proofFile(w http.ResponseWriter, r *http.Request, l network.Explorable) error {
	e, err := x.find(r, l)
	if err != nil {
		return err
	}
	if e.Index < 0 {
		return fault.CommonNotFound()
	}
	p, err := l.Prove(r.Context(), e.Hash)
	if err != nil {
		return err
	}
	if p.Log == nil {
		return fault.CommonNotFound()
	}
	return text(w, r, proofFile(p.Log))
}

// receiptFile answers with the COSE Receipt of an entry.
func (x *explorer) receiptFile(w http.ResponseWriter, r *http.Request, l network.Explorable) error {
	receipted, ok := l.(network.Receipted)
	if !ok {
		return fault.CommonNotFound()
	}
	e, err := x.find(r, l)
	if err != nil {
		return err
	}
	b, err := receipted.Receipt(r.Context(), e.Hash)
	if err != nil {
		return err
	}
	return send(w, r, network.ReceiptType, b)
}

func (x *explorer) findBlock(r *http.Request, l network.Browsable) (network.Block, error) {
	n, ok := parseNumber(r.PathValue("n"))
	if !ok {
		return network.Block{}, fault.CommonNotFound()
	}
	return l.Block(r.Context(), n)
}

func (x *explorer) block(w http.ResponseWriter, r *http.Request, l network.Explorable) error {
	b, err := x.findBlock(r, l)
	if err != nil {
		return err
	}
	from := b.First
	if s := r.URL.Query().Get("from"); s != "" {
		n, ok := parseNumber(s)
		if !ok || n < b.First || n >= b.Size {
			return fault.CommonNotFound()
		}
		from = n
	}
	to := min(b.Size, from+perPage)
	entries, err := l.Entries(r.Context(), from, to)
	if err != nil {
		return err
	}
	c, err := examineBlock(r.Context(), l, b)
	if err != nil {
		return err
	}
	latest, err := l.Blocks(r.Context(), 1<<63-1, 1)
	if err != nil {
		return err
	}
	more := int64(0)
	if to < b.Size {
		more = to
	}
	_, key := signedBy(r.Context(), l, b.Checkpoint)
	return x.render(w, r, "block", struct {
		base
		network.Block
		Checks  checks
		Entries []network.Entry
		More    int64
		Last    bool
	}{x.base(l, fmt.Sprintf("Block %s", count(b.Number))).by(key), b, c, entries, more, latest[0].Number == b.Number})
}

func (x *explorer) checkpointFile(w http.ResponseWriter, r *http.Request, l network.Explorable) error {
	b, err := x.findBlock(r, l)
	if err != nil {
		return err
	}
	return text(w, r, b.Checkpoint)
}

func text(w http.ResponseWriter, r *http.Request, body string) error {
	return send(w, r, "text/plain; charset=utf-8", []byte(body))
}

// parseHash reads 64 hex digits, with or without 0x.
func parseHash(s string) (h [32]byte, ok bool) {
	s = strings.TrimPrefix(strings.TrimPrefix(s, "0x"), "0X")
	if len(s) != 64 {
		return h, false
	}
	_, err := hex.Decode(h[:], []byte(s))
	return h, err == nil
}

// parseNumber reads a decimal number from 0, without sign or leading zeros.
func parseNumber(s string) (int64, bool) {
	n, err := strconv.ParseInt(s, 10, 64)
	return n, err == nil && n >= 0 && strconv.FormatInt(n, 10) == s
}
