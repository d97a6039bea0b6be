package integration

import (
	"encoding/json"
	"errors"
	"net/http"
	"regexp"
	"slices"
	"time"

	"timbre.example/internal/console/shell"
	"timbre.example/internal/fault"
	"timbre.example/internal/network"
	"timbre.example/internal/session"
	"timbre.example/internal/web"
)

// as is errors.As.
func as[T error](err error, into *T) bool { return errors.As(err, into) }

// codeGroup is the codes of one section of the catalogue.
type codeGroup struct {
	Section string
	Codes   []codeOption
}

type codeOption struct {
	Code      string
	Rehearsed bool // it can be rehearsed
	Set       bool
}

type rehearsalData struct {
	preview
	Groups  []codeGroup
	Modes   []option
	Entry   *fault.Entry
	Remedy  string
	Message string
	// Stage is where the error comes: the key of its text.
	Stage string
}

// Rehearsable reports whether the widget can be shown with the chosen code.
func (d rehearsalData) Rehearsable() bool { return d.Entry == nil || d.Entry.Rehearse != "" }

func (p pages) rehearsal(c *shell.Call) error {
	p.status(c)
	keys, err := p.keys(c)
	if err != nil {
		return err
	}
	var data rehearsalData
	if data.preview, err = p.preview(c, keys); err != nil {
		return err
	}
	data.Code = c.Form.Text("code")
	if m := c.Form.Text("mode"); slices.Contains(modes, m) {
		data.Mode = m
	}
	for _, m := range modes {
		data.Modes = append(data.Modes, option{Name: m, Set: m == data.Mode})
	}
	for _, e := range fault.All() {
		if n := len(data.Groups); n == 0 || data.Groups[n-1].Section != e.Section {
			data.Groups = append(data.Groups, codeGroup{Section: e.Section})
		}
		g := &data.Groups[len(data.Groups)-1]
		g.Codes = append(g.Codes, codeOption{Code: string(e.Code), Rehearsed: e.Rehearse != "", Set: string(e.Code) == data.Code})
	}
	if entry, ok := fault.Lookup(fault.Code(data.Code)); ok {
		data.Entry, data.Remedy, data.Stage = &entry, markdown.ReplaceAllString(entry.Action, "$1"), entry.Rehearse
		if data.Message = entry.Message; entry.Status != 0 {
			data.Message = fault.Example(entry.Code).Message()
		}
		if entry.Rehearse == "code" && data.Mode == "register" { // only flows with an access code have this stage
			data.Mode = "update"
			for i := range data.Modes {
				data.Modes[i].Set = data.Modes[i].Name == data.Mode
			}
		}
	}
	data.store(c)
	return c.Render("rehearsal", data)
}

// markdown matches what the catalogue's texts use: links and code.
var markdown = regexp.MustCompile("\\[([^\\]]*)\\]\\([^)]*\\)|`")

// limited is the refusal of a member who rehearses too often.
func limited(wait time.Duration) *fault.Error {
	return fault.SessionRateLimited(wait).With("reason", "mint")
}

// session mints a session for the widget on this page, and answers with the token in JSON. Only the script
// of the page calls it.
func (p pages) session(c *shell.Call) error {
	key, code := c.Form.Text("key"), c.Form.Text("code")
	action, ok := actions[c.Form.Text("mode")]
	if !ok {
		return fault.CommonBadRequest("form")
	}
	if err := web.Take(c.Context(), p.Limits.Mint, "console "+c.Visitor.Person.ID, limited); err != nil {
		return err
	}
	request := session.MintRequest{Action: action, Network: network.Testnet}
	if code != "" {
		request.Rehearse = &code
	}
	token, err := p.Sessions.Rehearsal(c.Context(), c.Organization(), key, p.origin(), request)
	if err != nil {
		return err
	}
	c.W.Header().Set("Content-Type", "application/json")
	c.W.WriteHeader(http.StatusOK)
	return json.NewEncoder(c.W).Encode(map[string]string{"token": token})
}
