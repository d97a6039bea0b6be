package e2e_test

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"timbre.example/internal/e2e/browser"
	"timbre.example/internal/e2e/harness"
)

const fixtures = "../media/testdata/"

// site is a page of another origin with the widget on it, and an organization
// of its own behind it.
type site struct {
	server  *harness.Server
	host    *browser.Host
	org     string
	siteKey string
	secret  string
}

// newSite lets a host embed the widget of a new organization, with the commands
// that an operator uses.
func newSite(t *testing.T, s *harness.Server) *site {
	t.Helper()
	host := browser.NewHost(t)
	var org struct{ ID string }
	s.CLI(&org, "org", "create", "A label", "--json")
	var keys struct {
		SiteKey   string `json:"site_key"`
		SecretKey string `json:"secret_key"`
	}
	s.CLI(&keys, "keys", "create", org.ID, "--json")
	s.CLI(nil, "origins", "add", org.ID, host.URL)
	s.CLI(nil, "credits", "grant", org.ID, "1000")
	host.Connect(s.URL, keys.SecretKey)
	return &site{s, host, org.ID, keys.SiteKey, keys.SecretKey}
}

// element is the tag, as a page has it.
func (x *site) element(more string) string {
	return fmt.Sprintf("<ats-widget site-key=%q ats-url=%q network=\"testnet\" %s></ats-widget>", x.siteKey, x.server.URL, more)
}

const scripts = `<script type="module" src="/host.js"></script><script type="module" src="/ats-widget.esm.js"></script>`

// plain is a page with one widget, as the quick start has it.
func (x *site) plain() string { return x.host.Page("plain.html", x.element("")+scripts) }

// hands are the mouse and the keyboard of a page, in whichever browser.
type hands interface {
	SetFile(element, path string)
	Type(element, text string)
	Click(element string)
	Wait(condition string)
}

// fillSong and fillCreator fill the form in by mouse and keyboard, in the
// widget number i, and go on.
func fillSong(p hands, i int, file, title string) {
	p.SetFile(browser.HookIn(i, "file"), file)
	p.Type(browser.HookIn(i, "title"), title)
	p.Click(browser.HookIn(i, "next"))
}

func fillCreator(p hands, i int) {
	p.Type(browser.HookIn(i, "creator-0-fullName"), "Ana Writer")
	p.Type(browser.HookIn(i, "creator-0-email"), "ana@writers.example")
	p.Click(browser.HookIn(i, "creator-0-author"))
	p.Click(browser.HookIn(i, "submit"))
}

func fill(p hands, i int, file, title string) {
	fillSong(p, i, file, title)
	fillCreator(p, i)
}

func onScreen(i int, name string) string { return fmt.Sprintf("e2e.state(%d).screen === %q", i, name) }

// confirm agrees to the price and waits for the end.
func confirm(p hands, i int) {
	p.Click(browser.HookIn(i, "confirm"))
	p.Wait(onScreen(i, "COMPLETE"))
}

// state is what a widget says of itself.
type state struct {
	Screen, JobID, TransactionID, AccessCode string
	AtsID                                    int64
}

func stateOf(p *browser.Page, i int) state {
	return browser.Eval[state](p, fmt.Sprintf(`(({screen, jobId = '', transactionId = '', accessCode = '', atsId = 0}) => ({Screen: screen, JobID: jobId, TransactionID: transactionId, AccessCode: accessCode, AtsID: atsId}))(e2e.state(%d))`, i))
}

// noise writes a WAV file of about so many bytes that is like no other.
func noise(t *testing.T, name string, size int) string {
	t.Helper()
	data := make([]byte, size&^1)
	src := rand.NewChaCha8([32]byte{byte(size), byte(len(name))})
	src.Read(data)
	copy(data, t.Name()+name)
	var b bytes.Buffer
	b.WriteString("RIFF")
	le := func(v any) { binary.Write(&b, binary.LittleEndian, v) }
	le(uint32(36 + len(data)))
	b.WriteString("WAVEfmt ")
	le(uint32(16))
	le([]uint16{1, 1})
	le([]uint32{44100, 88200})
	le([]uint16{2, 16})
	b.WriteString("data")
	le(uint32(len(data)))
	b.Write(data)
	return write(t, name, b.Bytes())
}

func write(t *testing.T, name string, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// The contract of the events: what each detail must hold, and may.
type kinds map[string]string

var eventShapes = map[string]struct{ must, may kinds }{
	"ready":           {must: kinds{"mode": "register|update|download"}},
	"upload-start":    {must: kinds{"filename": "string", "size": "count"}},
	"upload-progress": {must: kinds{"progress": "percent", "loaded": "count", "total": "count"}},
	"upload-complete": {must: kinds{"filename": "string"}},
	"confirmed":       {must: kinds{"transactionId": "uuid"}},
	"step":            {must: kinds{"step": "validating|preparing_transaction|signing|submitting|confirming|completed", "progress": "percent"}, may: kinds{"description": "string"}},
	"complete": {
		must: kinds{"atsId": "count", "txHash": "hash", "blockNumber": "count", "explorerUrl": "url"},
		may:  kinds{"accessCode": "code"},
	},
	"failed":        {must: kinds{"code": "string", "message": "string", "requestId": "request"}, may: kinds{"details": "object"}},
	"error":         {must: kinds{"code": "string", "message": "string", "requestId": "request", "stage": "string"}, may: kinds{"details": "object"}},
	"token-expired": {must: kinds{"pendingAction": "submit|download|reset"}},
}

var forms = map[string]*regexp.Regexp{
	"string":  regexp.MustCompile(`^".+"$`),
	"object":  regexp.MustCompile(`^\{`),
	"count":   regexp.MustCompile(`^[0-9]+$`),
	"percent": regexp.MustCompile(`^([0-9]|[1-9][0-9]|100)$`),
	"uuid":    regexp.MustCompile(`^"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"$`),
	"hash":    regexp.MustCompile(`^"0x[0-9a-f]{64}"$`),
	"code":    regexp.MustCompile(`^"atc_[0-9a-f]{64}"$`),
	"request": regexp.MustCompile(`^(null|"req_[0-9A-HJKMNP-TV-Z]{26}")$`),
	"url":     regexp.MustCompile(`^"https?://[^ ]+"$`),
}

// checkShapes holds every event to the contract: no member is missing, none is
// of another type, none is there that the contract does not know.
func checkShapes(t *testing.T, events []browser.Event) {
	t.Helper()
	for _, e := range events {
		shape, known := eventShapes[e.Name]
		if !known {
			t.Errorf("unknown event %s", e.Name)
			continue
		}
		if !e.Bubbles || !e.Composed {
			t.Errorf("%s: bubbles %t, composed %t; want both", e.Name, e.Bubbles, e.Composed)
		}
		var detail map[string]json.RawMessage
		if err := json.Unmarshal(e.Detail, &detail); err != nil {
			t.Errorf("%s: %v", e.Name, err)
		}
		for name, value := range detail {
			kind := shape.must[name]
			if kind == "" {
				kind = shape.may[name]
			}
			form := forms[kind]
			if form == nil {
				form = regexp.MustCompile(`^"(` + kind + `)"$`)
			}
			if kind == "" || !form.Match(value) {
				t.Errorf("%s: %s is %s, want %q", e.Name, name, value, kind)
			}
		}
		for name := range shape.must {
			if _, ok := detail[name]; !ok {
				t.Errorf("%s lacks %s: %s", e.Name, name, e.Detail)
			}
		}
	}
}

// course is the order of the events, without repetitions.
func course(events []browser.Event) string {
	var names []string
	for _, e := range events {
		names = append(names, e.Name)
	}
	return strings.Join(slices.Compact(names), " ")
}

// only are the events of the widget with the id.
func only(events []browser.Event, from string) (out []browser.Event) {
	for _, e := range events {
		if e.From == from {
			out = append(out, e)
		}
	}
	return out
}

// named are the events of the name.
func named(events []browser.Event, name string) (out []browser.Event) {
	for _, e := range events {
		if e.Name == name {
			out = append(out, e)
		}
	}
	return out
}

func member[T any](t *testing.T, e browser.Event, name string) (v T) {
	t.Helper()
	var detail map[string]json.RawMessage
	if err := json.Unmarshal(e.Detail, &detail); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(detail[name], &v); err != nil {
		t.Fatalf("%s: %s is %s: %v", e.Name, name, detail[name], err)
	}
	return v
}

// quiet fails the test for every console error, exception and violation.
func quiet(t *testing.T, p *browser.Page) {
	t.Helper()
	for _, line := range p.Problems() {
		t.Errorf("console: %s", line)
	}
	for _, v := range browser.Eval[[]string](p, "e2e.violations") {
		t.Errorf("policy violated: %s", v)
	}
}

// prepareCode calls prepare for the job, as the page of the site would, and returns the
// code of the error.
func prepareCode(t *testing.T, x *site, token, job string) string {
	t.Helper()
	req, err := http.NewRequest("POST", x.server.URL+"/v1/works/prepare", strings.NewReader(`{"job_id":"`+job+`"}`))
	if err != nil {
		t.Fatal(err)
	}
	req.Header = http.Header{"Authorization": {"Bearer " + token}, "X-Site-Key": {x.siteKey}, "Content-Type": {"application/json"}, "Origin": {x.host.URL}}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var body struct{ Error struct{ Code string } }
	if err := json.NewDecoder(res.Body).Decode(&body); err != nil {
		t.Fatal(err)
	}
	return body.Error.Code
}
