// Package works is the console's pages of an organization's works: the search, one work with its versions and proofs, the
// replacement of an access code and the erasure of personal data. It never shows another organization's work, and registers
// nothing.
package works

import (
	"bytes"
	"embed"
	"encoding/hex"
	"slices"
	"strconv"
	"strings"

	"timbre.example/internal/access"
	"timbre.example/internal/console/shell"
	"timbre.example/internal/erasing"
	"timbre.example/internal/fault"
	"timbre.example/internal/network"
	"timbre.example/internal/paths"
	"timbre.example/internal/permission"
	"timbre.example/internal/registry"
	"timbre.example/internal/search"
	"timbre.example/internal/store"
	registered "timbre.example/internal/works"
	"timbre.example/proof/evidence"
)

//go:embed templates texts
var files embed.FS

const (
	perPage  = 25
	versions = 5 // of a work on one page
)

// testKeys ends the option for the works of test keys.
const testKeys = "-test-keys"

// Area returns the pages. networks are those of the server.
func Area(db *store.DB, reg *registry.Registry, networks []network.Network, elsewhere network.Elsewheres) shell.Area {
	p := &pages{db: db, reg: reg, elsewhere: elsewhere}
	options := []string{""}
	for _, n := range networks {
		p.scopes = append(p.scopes, search.Scope{Network: string(n.Name())})
		options = append(options, string(n.Name()))
	}
	for _, n := range networks {
		if n.Info().Test {
			p.scopes = append(p.scopes, search.Scope{Network: string(n.Name()), Test: true})
			options = append(options, string(n.Name())+testKeys)
		}
	}
	const one = "/o/{org}/works/{work}"
	read, erase := shell.To(permission.WorksRead), shell.To(permission.WorksErase)
	return shell.Area{Name: "works", Files: files, Pages: []shell.Page{
		{Method: "GET", Path: "/o/{org}/works", Needs: read, Handle: p.list, Nav: shell.Nav{Order: 20, Icon: "works"}, Fields: []shell.Field{
			shell.Text("q", search.MaxQuery).Type("search"), shell.Choice("network", options...),
		}},
		{Method: "GET", Path: one, Needs: read, Handle: p.show},
		{Method: "GET", Path: one + "/versions/{version}/certificate", Needs: read, Handle: p.certificate},
		{Method: "GET", Path: one + "/versions/{version}/evidence", Needs: read, Handle: p.evidence},
		{Method: "GET", Path: one + "/versions/{version}/recording", Needs: read, Handle: p.recording},
		{Method: "GET", Path: one + "/code", Needs: erase, Handle: p.code},
		{Method: "POST", Path: one + "/code", Name: "renew", Needs: erase, Handle: p.renew, Again: p.code, Fields: []shell.Field{shell.Hidden("codes", 20)}},
		{Method: "GET", Path: one + "/redact", Needs: erase, Handle: p.redactable},
		{Method: "POST", Path: one + "/redact", Name: "redact", Needs: erase, Handle: p.redact, Again: p.redactable, Fields: []shell.Field{shell.Text("number", 20).Must()}},
	}}
}

type pages struct {
	db        *store.DB
	reg       *registry.Registry
	scopes    []search.Scope
	elsewhere network.Elsewheres
}

// asked returns the scopes of a filter.
func (p *pages) asked(option string) []search.Scope {
	if option == "" {
		return p.scopes
	}
	name, test := strings.CutSuffix(option, testKeys)
	i := slices.Index(p.scopes, search.Scope{Network: name, Test: test})
	if i < 0 {
		return nil
	}
	return p.scopes[i : i+1]
}

func (p *pages) list(c *shell.Call) error {
	if !c.Form.OK() { // a question that is too long finds nothing
		return c.Render("list", listed{})
	}
	found, err := search.Find(c.Context(), p.db, search.Question{
		Organization: c.Organization(), Scopes: p.asked(c.Form.Text("network")), Text: c.Form.Text("q"), After: c.After(), Before: c.Before(), Limit: perPage,
	})
	if err != nil {
		return err
	}
	return c.Render("list", listed{found, c.Turns(found.Before, found.After)})
}

type listed struct {
	search.Found
	shell.List
}

// found returns the proof that the visitor may read the work of the path.
func (p *pages) found(c *shell.Call) (access.Reader, error) {
	return p.reg.Access.ReaderByMember(c.Context(), member(c), c.Path("work"))
}

func member(c *shell.Call) access.Member {
	return access.Member{Organization: c.Organization(), Role: c.Visitor.Member.Role}
}

// version is a version of the path.
func version(c *shell.Call) (int64, error) {
	n, err := strconv.ParseInt(c.Path("version"), 10, 64)
	if err != nil || n < 1 || strconv.FormatInt(n, 10) != c.Path("version") {
		return 0, fault.CommonNotFound()
	}
	return n, nil
}

// shown is a work for its pages.
type shown struct {
	registered.Registered
	PublicPage string
	List       shell.List
	elsewhere  network.Elsewhere
}

// Elsewhere is the page of a version's transaction in the chain's own explorer, or "".
func (s shown) Elsewhere(v registered.RegisteredVersion) string {
	var block, tx [32]byte
	copy(block[:], v.BlockHash)
	copy(tx[:], v.TxHash)
	return s.elsewhere.Transaction(v.BlockNumber, block, tx)
}

func (s shown) Redacted() bool { return !s.RedactedAt.IsZero() }

// Transaction is the page of a version's transaction on the network.
func (s shown) Transaction(v registered.RegisteredVersion) string {
	return paths.Transaction(s.Network, "0x"+hex.EncodeToString(v.TxHash))
}

func (p *pages) show(c *shell.Call) error {
	r, err := p.found(c)
	if err != nil {
		return err
	}
	var before int64
	if c.After() != "" {
		if before, err = strconv.ParseInt(c.After(), 10, 64); err != nil || before < 1 {
			return fault.CommonNotFound()
		}
	}
	w, err := p.reg.Works.Registered(c.Context(), r, before, versions)
	if err != nil {
		return err
	}
	s := shown{Registered: w, PublicPage: paths.Work(w.Network, w.AtsID), elsewhere: p.elsewhere.Of(w.Network)}
	if w.More {
		s.List = c.Turns("", strconv.FormatInt(w.Versions[len(w.Versions)-1].Version, 10))
	}
	return c.Render("work", s)
}

func (p *pages) certificate(c *shell.Call) error {
	r, err := p.found(c)
	if err != nil {
		return err
	}
	n, err := version(c)
	if err != nil {
		return err
	}
	d, err := p.reg.Works.Certificate(c.Context(), r.Certificate(n))
	if err != nil {
		return err
	}
	return c.Outside(d.URL)
}

func (p *pages) recording(c *shell.Call) error {
	r, err := p.found(c)
	if err != nil {
		return err
	}
	n, err := version(c)
	if err != nil {
		return err
	}
	d, err := p.reg.Works.Recording(c.Context(), r, n)
	if err != nil {
		return err
	}
	return c.Outside(d.URL)
}

func (p *pages) evidence(c *shell.Call) error {
	r, err := p.found(c)
	if err != nil {
		return err
	}
	n, err := version(c)
	if err != nil {
		return err
	}
	e, err := p.reg.Issuing.Evidence(c.Context(), r.WorkID(), n)
	if err != nil {
		return err
	}
	text, err := evidence.Encode(e)
	if err != nil {
		return err
	}
	w := c.Download("evidence-"+r.WorkID()+"-v"+strconv.FormatInt(n, 10)+".json", "application/json")
	_, _ = bytes.NewReader(text).WriteTo(w) // an error means that the browser has left
	return nil
}

// managed returns the work of the path and the proof that the visitor may erase it.
func (p *pages) managed(c *shell.Call) (m access.Manager, w registered.Registered, err error) {
	if m, err = p.reg.Access.ManagerByMember(c.Context(), member(c), c.Path("work")); err != nil {
		return m, w, err
	}
	w, err = p.reg.Works.Registered(c.Context(), m.Reader(), 0, 1)
	return m, w, err
}

func (p *pages) code(c *shell.Call) error {
	_, w, err := p.managed(c)
	if err != nil {
		return err
	}
	if !w.HasCode {
		return fault.CommonNotFound()
	}
	c.Store("renew", "codes", strconv.FormatInt(w.Codes, 10))
	return c.Render("code", shown{Registered: w})
}

func (p *pages) renew(c *shell.Call) error {
	m, _, err := p.managed(c)
	if err != nil {
		return err
	}
	next, err := p.reg.Works.RenewCode(c.Context(), c.Actor(), m, c.Form.Number("codes"))
	if err != nil {
		return err
	}
	return c.Redirect("/o/{org}/works/{work}", shell.Say("renewed"), shell.Reveal("code", next))
}

// erasable is a work whose data can be erased.
type erasable struct {
	shown
	erasing.Redaction
}

func (p *pages) redactable(c *shell.Call) error {
	_, w, err := p.managed(c)
	if err != nil {
		return err
	}
	plan, err := p.reg.Erasing.Redactable(c.Context(), w.Network, w.AtsID)
	if err != nil {
		return err
	}
	return c.Render("redact", erasable{shown{Registered: w}, plan})
}

func (p *pages) redact(c *shell.Call) error {
	_, w, err := p.managed(c)
	if err != nil {
		return err
	}
	if strings.TrimPrefix(c.Form.Text("number"), "#") != strconv.FormatInt(w.AtsID, 10) {
		c.Form.Fail("number", "mismatch")
		return nil
	}
	if _, err := p.reg.Erasing.Redact(c.Context(), c.Actor(), w.Network, w.AtsID); err != nil {
		return err
	}
	return c.Redirect("/o/{org}/works/{work}", shell.Say("redacted"))
}
