package e2e_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"timbre.example/internal/e2e/harness"
	"timbre.example/internal/fault"
)

// office is an organization whose owner, also the operator, has an API key and is signed in to
// the console, in a browser without scripts.
type office struct {
	t       *testing.T
	server  *harness.Server
	org     string
	key     string
	siteKey string
	secret  string
	browser http.Client
}

// remedy is a row of the catalogue whose action is for the organization, or for the operator.
type remedy struct {
	code fault.Code
	// poor makes another organization for the row, without credits.
	poor bool
	// cause is why the call is refused. It returns the call.
	cause func(*office) (call func(*office) fault.Code)
	// program applies the action by the API, or by the operator's command line; clicks by
	// the forms of the console.
	program, clicks func(*office)
}

// sends are the remedies that the catalogue sends people to the console for.
var sends = regexp.MustCompile(`administrator|console|settings|allowed origins|credits|operator's support|API key`)

var remedies = []remedy{
	{code: fault.CodeSessionKeyInactive, cause: func(o *office) func(*office) fault.Code {
		call := o.begun("")
		o.manage("PATCH", "/v1/integrations/"+o.siteKey, map[string]any{"enabled": false})
		return call
	}, program: func(o *office) {
		o.manage("PATCH", "/v1/integrations/"+o.siteKey, map[string]any{"enabled": true})
	}, clicks: func(o *office) {
		o.click("/integration/keys/"+o.siteKey, "/integration/keys/"+o.siteKey+"/state")
	}},
	{code: fault.CodeSessionWidgetNotEnabled, cause: func(o *office) func(*office) fault.Code {
		call := o.begun("")
		o.manage("PATCH", "/v1/settings", map[string]any{"widget_enabled": false})
		return call
	}, program: func(o *office) {
		o.manage("PATCH", "/v1/settings", map[string]any{"widget_enabled": true})
	}, clicks: func(o *office) { o.click("/settings", "/settings", "widget_enabled", "yes") }},
	{code: fault.CodeSessionOriginNotAllowed, cause: func(o *office) func(*office) fault.Code {
		return o.begun("https://shop.songs.example")
	}, program: func(o *office) {
		o.manage("POST", "/v1/origins", map[string]any{"origin": "https://shop.songs.example"})
	}, clicks: func(o *office) {
		o.click("/integration", "/integration/origins", "origin", "https://shop.songs.example")
	}},
	{code: fault.CodeOrganizationInactive, poor: true, cause: func(o *office) func(*office) fault.Code {
		call := o.begun("")
		o.server.CLI(nil, "org", "suspend", o.org)
		return call
	}, program: func(o *office) {
		o.server.CLI(nil, "org", "resume", o.org)
	}, clicks: func(o *office) {
		at := "/console/operator/organizations/" + o.org
		o.clickAt(at, at+"/resume", "reason", "Paid")
	}},
	{code: fault.CodeOrganizationNoIntegration, cause: func(o *office) func(*office) fault.Code {
		token := o.token()
		o.manage("DELETE", "/v1/integrations/"+o.siteKey, nil)
		return func(o *office) fault.Code {
			if fresh, code := o.mint(); code == "" { // the page has the new key pair
				token = fresh
			}
			return o.init("", token)
		}
	}, program: func(o *office) {
		o.siteKey, o.secret = o.keys(o.manage("POST", "/v1/integrations", map[string]any{"label": "Replaced"}))
	}, clicks: func(o *office) {
		page := o.click("/integration", "/integration/keys", "label", "Replaced", "kind", "live")
		o.siteKey, o.secret = shownKey(page, "cpk_"), shownKey(page, "csk_")
	}},
	{code: fault.CodeCommonAuthInvalidAPIKey, cause: func(o *office) func(*office) fault.Code {
		o.manage("POST", "/v1/integrations/"+o.siteKey+"/rotate", map[string]any{}) // the backend still has the old key
		return func(o *office) fault.Code { _, code := o.mint(); return code }
	}, program: func(o *office) {
		_, o.secret = o.keys(o.manage("POST", "/v1/integrations/"+o.siteKey+"/rotate", map[string]any{}))
	}, clicks: func(o *office) {
		at := "/integration/keys/" + o.siteKey
		o.secret = shownKey(o.click(at, at+"/rotate"), "csk_")
	}},
	{code: fault.CodeRegistrationInsufficientCredits, poor: true, cause: func(o *office) func(*office) fault.Code {
		audio, err := os.ReadFile(noise(o.t, "long.wav", 11<<20)) // beyond what a testnet stores for nothing
		if err != nil {
			o.t.Fatal(err)
		}
		return func(o *office) fault.Code { return o.register("A long song", audio) }
	}, program: func(o *office) {
		o.server.CLI(nil, "credits", "grant", o.org, "1000")
	}, clicks: func(o *office) {
		at := "/console/operator/organizations/" + o.org
		o.clickAt(at, at+"/grant", "amount", "1000", "note", "Paid by transfer")
	}},
	{code: fault.CodeRegistrationAudioTooLarge, cause: func(o *office) func(*office) fault.Code {
		o.manage("PATCH", "/v1/settings", map[string]any{"max_file_size_bytes": 1000})
		return func(o *office) fault.Code { return o.register("A large song", harness.WAV(11)) }
	}, program: func(o *office) {
		o.manage("PATCH", "/v1/settings", map[string]any{"max_file_size_bytes": 0})
	}, clicks: func(o *office) { o.click("/settings", "/settings", "max_file_size_bytes", "") }},
	{code: fault.CodeRegistrationDuplicateTitle, cause: func(o *office) func(*office) fault.Code {
		o.manage("PATCH", "/v1/settings", map[string]any{"duplicate_titles": false})
		o.registered("The same song", 12)
		return func(o *office) fault.Code { return o.register("The same song", harness.WAV(13)) }
	}, program: func(o *office) {
		o.manage("PATCH", "/v1/settings", map[string]any{"duplicate_titles": true})
	}, clicks: func(o *office) { o.click("/settings", "/settings", "duplicate_titles", "yes") }},
	{code: fault.CodeCommonQuotaExceeded, cause: func(o *office) func(*office) fault.Code {
		o.registered("The only song", 14)
		o.manage("PATCH", "/v1/settings", map[string]any{"quota": 1})
		return func(o *office) fault.Code { return o.register("One more song", harness.WAV(15)) }
	}, program: func(o *office) {
		o.manage("PATCH", "/v1/settings", map[string]any{"quota": 100})
	}, clicks: func(o *office) { o.click("/settings", "/settings", "quota", "100") }},
}

// Each remedy in the console is also a call of the API, and undoes its error.
func TestRemedies(t *testing.T) {
	t.Parallel()
	rows := map[fault.Code]bool{}
	for _, r := range remedies {
		rows[r.code] = true
	}
	for _, e := range fault.All() {
		if e.Seed && sends.MatchString(e.Action) && !rows[e.Code] && e.Code != fault.CodeCommonAuthJWKSUnavailable { // a network between two servers
			t.Errorf("%s has no row: %s", e.Code, e.Action)
		}
	}
	for name, way := range map[string]func(remedy) func(*office){
		"api":     func(r remedy) func(*office) { return r.program },
		"console": func(r remedy) func(*office) { return r.clicks },
	} {
		t.Run(name, func(t *testing.T) {
			s := harness.Start(t, harness.Options{})
			for _, r := range remedies {
				t.Run(string(r.code), func(t *testing.T) {
					o := newOffice(t, s, r.poor)
					call := r.cause(o)
					if code := call(o); code != r.code {
						t.Fatalf("refused with %q", code)
					}
					way(r)(o)
					if code := call(o); code != "" {
						t.Errorf("refused with %q after the remedy", code)
					}
				})
			}
		})
	}
}

// newOffice signs the demo's owner in. An organization without credits has no API key.
func newOffice(t *testing.T, s *harness.Server, poor bool) *office {
	t.Helper()
	o := &office{t: t, server: s, org: s.OrganizationID, key: s.APIKey}
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	o.browser.Jar = jar
	var demo struct {
		Console struct{ Email, Password string }
	}
	text, err := os.ReadFile(filepath.Join(s.Data, "demo.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &demo); err != nil {
		t.Fatal(err)
	}
	o.clickAt("/console/sign-in", "/console/sign-in", "email", demo.Console.Email, "password", demo.Console.Password)
	if !poor {
		o.siteKey, o.secret = o.keys(o.manage("POST", "/v1/integrations", map[string]any{"label": t.Name()}))
		return o
	}
	var made struct{ ID string }
	s.CLI(&made, "org", "create", "A label", "--json")
	o.org = made.ID
	var keys json.RawMessage
	s.CLI(&keys, "keys", "create", o.org, "--json")
	o.siteKey, o.secret = o.keys(keys)
	s.CLI(nil, "origins", "add", o.org, "http://localhost:3000")
	return o
}

// send makes a call, and returns its answer and the code of its refusal.
func (o *office) send(method, path string, head map[string]string, in any) (json.RawMessage, fault.Code) {
	o.t.Helper()
	var body io.Reader
	if in != nil {
		text, err := json.Marshal(in)
		if err != nil {
			o.t.Fatal(err)
		}
		body = bytes.NewReader(text)
	}
	r, err := http.NewRequestWithContext(o.t.Context(), method, o.server.URL+path, body)
	if err != nil {
		o.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	for name, value := range head {
		r.Header.Set(name, value)
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		o.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		o.t.Fatal(err)
	}
	var e struct{ Error struct{ Code fault.Code } }
	if err := json.Unmarshal(text, &e); err != nil {
		o.t.Fatalf("%s %s: %v in %s", method, path, err, text)
	}
	return text, e.Error.Code
}

// manage makes a call of the management API.
func (o *office) manage(method, path string, in any) json.RawMessage {
	o.t.Helper()
	text, code := o.send(method, path, map[string]string{"Authorization": "Bearer " + o.key}, in)
	if code != "" {
		o.t.Fatalf("%s %s: %s", method, path, text)
	}
	return text
}

// keys reads a key pair.
func (o *office) keys(text json.RawMessage) (siteKey, secret string) {
	o.t.Helper()
	var k struct {
		SiteKey   string `json:"site_key"`
		SecretKey string `json:"secret_key"`
	}
	if err := json.Unmarshal(text, &k); err != nil || k.SiteKey == "" || k.SecretKey == "" {
		o.t.Fatalf("%v: %s", err, text)
	}
	return k.SiteKey, k.SecretKey
}

// mint asks for a session, as the backend of a page does.
func (o *office) mint() (token string, code fault.Code) {
	o.t.Helper()
	text, code := o.send("POST", "/v1/sessions", map[string]string{"Origin": "http://localhost:3000"}, map[string]any{"secret_key": o.secret, "action_type": "register", "allowed_network": "testnet"})
	var out struct{ Token string }
	if err := json.Unmarshal(text, &out); err != nil {
		o.t.Fatal(err)
	}
	return out.Token, code
}

func (o *office) token() string {
	o.t.Helper()
	token, code := o.mint()
	if code != "" {
		o.t.Fatalf("no session: %s", code)
	}
	return token
}

// init begins a registration on a page of an origin; "" is one that is allowed.
func (o *office) init(origin, token string) fault.Code {
	o.t.Helper()
	if origin == "" {
		origin = "http://localhost:3000"
	}
	_, code := o.send("POST", "/v1/works/init", map[string]string{"Authorization": "Bearer " + token, "X-Site-Key": o.siteKey, "Origin": origin}, newWork(o.t.Name()))
	return code
}

// begun is an init with a session that exists already.
func (o *office) begun(origin string) func(*office) fault.Code {
	token := o.token()
	return func(o *office) fault.Code { return o.init(origin, token) }
}

func (o *office) song(title string, audio []byte) *harness.Song {
	return &harness.Song{Server: &harness.Server{URL: o.server.URL, SiteKey: o.siteKey, SecretKey: o.secret}, Title: title, Audio: audio}
}

// register goes up to the confirmation of a song, and returns the code of the refusal.
func (o *office) register(title string, audio []byte) fault.Code {
	o.t.Helper()
	s := o.song(title, audio)
	err := s.Mint(o.t.Context())
	if err == nil {
		err = s.Init(o.t.Context())
	}
	if err == nil {
		err = s.Put(o.t.Context())
	}
	if err == nil {
		err = s.Prepare(o.t.Context())
	}
	if err == nil {
		err = s.Confirm(o.t.Context())
	}
	var refused *harness.Refusal
	if errors.As(err, &refused) {
		return fault.Code(refused.Code)
	}
	if err != nil {
		o.t.Fatal(err)
	}
	return ""
}

func (o *office) registered(title string, seed int) { through(o.t, o.song(title, harness.WAV(seed))) }

// click fills a form of a page of the organization, and returns the page after it.
func (o *office) click(page, action string, pairs ...string) string {
	o.t.Helper()
	at := "/console/o/" + o.org
	return o.clickAt(at+page, at+action, pairs...)
}

func (o *office) clickAt(page, action string, pairs ...string) string {
	o.t.Helper()
	values := formOf(o.t, o.visit("GET", page, nil), action)
	for i := 0; i < len(pairs); i += 2 {
		values.Set(pairs[i], pairs[i+1])
	}
	return o.visit("POST", action, values)
}

// visit opens a page, follows its redirects, and returns it.
func (o *office) visit(method, path string, form url.Values) string {
	o.t.Helper()
	r, err := http.NewRequestWithContext(o.t.Context(), method, o.server.URL+path, strings.NewReader(form.Encode()))
	if err != nil {
		o.t.Fatal(err)
	}
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Origin", o.server.URL)
	}
	res, err := o.browser.Do(r)
	if err != nil {
		o.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		o.t.Fatal(err)
	}
	if res.StatusCode != http.StatusOK {
		o.t.Fatalf("%s %s: %d %s", method, path, res.StatusCode, text)
	}
	return string(text)
}

// formOf returns what a browser sends with the form of a page that has this action, when nothing
// is changed in it.
func formOf(t *testing.T, page, action string) url.Values {
	t.Helper()
	root, err := html.Parse(strings.NewReader(page))
	if err != nil {
		t.Fatal(err)
	}
	for form := range root.Descendants() {
		if form.Data != "form" || attribute(form, "action") != action {
			continue
		}
		values := url.Values{}
		for n := range form.Descendants() {
			name := attribute(n, "name")
			switch kind := attribute(n, "type"); {
			case n.Data == "input" && (kind == "checkbox" || kind == "radio") && !has(n, "checked"), name == "":
			case n.Data == "input":
				values.Add(name, attribute(n, "value"))
			case n.Data == "textarea" && n.FirstChild != nil:
				values.Add(name, n.FirstChild.Data)
			case n.Data == "select":
				chosen := ""
				for option := range n.Descendants() {
					if option.Data == "option" && (chosen == "" || has(option, "selected")) {
						chosen = attribute(option, "value")
					}
				}
				values.Add(name, chosen)
			}
		}
		return values
	}
	t.Fatalf("no form for %s in %s", action, page)
	return nil
}

func attribute(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

func has(n *html.Node, name string) bool {
	for _, a := range n.Attr {
		if a.Key == name {
			return true
		}
	}
	return false
}

// shownKey returns a key that a page shows once.
func shownKey(page, prefix string) string {
	return regexp.MustCompile(prefix + `(test_)?[0-9a-f]{48,64}`).FindString(page)
}
