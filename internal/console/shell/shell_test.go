package shell_test

import (
	"embed"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"timbre.example/internal/console/shell"
	"timbre.example/internal/console/shell/shelltest"
	"timbre.example/internal/fault"
	"timbre.example/internal/permission"
	"timbre.example/internal/store"
	"timbre.example/internal/store/storetest"
)

//go:embed testdata
var testdata embed.FS

// songs is an area as a page package writes it: a list with a search, and a form.
type songs struct{ titles []string }

func (p *songs) list(c *shell.Call) error {
	c.Store("add", "title", "stored title")
	c.Store("add", "revision", "2")
	var found []string
	for _, t := range p.titles {
		if strings.Contains(t, c.Form.Text("q")) && (c.After() == "" || t > c.After()) && len(found) < 3 {
			found = append(found, t)
		}
	}
	found, list := shell.Window(c, found, 2, func(t string) string { return t })
	return c.Render("songs", struct {
		Titles []string
		shell.List
	}{found, list})
}

func (p *songs) add(c *shell.Call) error {
	switch c.Form.Text("title") {
	case "conflict":
		return fault.CommonConflict("changed")
	case "crash":
		return fault.CommonInternal()
	}
	p.titles = append(p.titles, c.Form.Text("title"))
	return c.Redirect("/o/{org}/songs", shell.Say("added", "title", c.Form.Text("title")), shell.Reveal("code", "open-sesame"))
}

func area(p *songs) shell.Area {
	return shell.Area{Name: "songs", Files: shell.Sub(testdata, "testdata"), Pages: []shell.Page{
		{Method: "GET", Path: "/o/{org}/songs", Needs: shell.To(permission.WorksRead), Fields: []shell.Field{shell.Text("q", 20)}, Nav: shell.Nav{Order: 1, Icon: "works"}, Handle: p.list},
		{Method: "POST", Path: "/o/{org}/songs", Name: "add", Needs: shell.To(permission.WorksRegister), Handle: p.add, Again: p.list, Fields: []shell.Field{
			shell.Text("title", 20).Must(), shell.Number("year", 1900, 2100), shell.Choice("genre", "folk", "jazz"), shell.Many("roles", "lyrics", "music"),
			shell.Check("public"), shell.Lines("notes", 50), shell.Secret("password", 20), shell.Hidden("revision", 9),
		}},
	}}
}

func site(t *testing.T) (*songs, *shelltest.Site) {
	t.Helper()
	p := &songs{}
	return p, shelltest.Open(t, storetest.SQLite(t), area(p))
}

func TestTexts(t *testing.T) {
	t.Parallel()
	shelltest.Area(t, area(&songs{}), "testdata")
	own, err := shell.ShellTexts()
	if err != nil {
		t.Fatal(err)
	}
	for _, wrong := range own.Differences() {
		t.Error(wrong)
	}
}

// A form goes the whole way: to the list, with its message and its secret, which a reload does not show again.
func TestForm(t *testing.T) {
	t.Parallel()
	p, s := site(t)
	b := s.As("developer")
	page := b.Get("/o/{org}/songs")
	if page.Status != http.StatusOK || !strings.Contains(page.Body, "Add the first song") || !strings.Contains(page.Body, "Blue Note &amp; Söhne") {
		t.Fatalf("%d %s", page.Status, page.Body)
	}
	posted := b.Post("/o/{org}/songs", url.Values{"title": {" Lullaby <b> "}, "genre": {"jazz"}})
	if posted.Status != http.StatusSeeOther || strings.Contains(posted.Location, "sesame") || strings.Contains(posted.Header.Get("Set-Cookie"), "sesame") {
		t.Fatalf("%d %v", posted.Status, posted.Header)
	}
	page = b.Follow(posted)
	if !strings.Contains(page.Body, "“Lullaby &lt;b&gt;” was added") || !strings.Contains(page.Body, "open-sesame") || len(p.titles) != 1 {
		t.Fatal(page.Body)
	}
	page = b.Get(posted.Location)
	if strings.Contains(page.Body, "open-sesame") || strings.Contains(page.Body, "was added") || !strings.Contains(page.Body, "was shown once") {
		t.Fatal(page.Body)
	}
}

// Everything that was typed stays, except passwords, and each problem is at its field.
func TestRefusedForm(t *testing.T) {
	t.Parallel()
	p, s := site(t)
	long := strings.Repeat("é", 21)
	for name, one := range map[string]struct {
		form  url.Values
		field string
		says  string
	}{
		"missing":    {url.Values{"title": {"  "}}, "title", "Enter a value."},
		"long":       {url.Values{"title": {long}}, "title", "At most 20 characters; this has 21."},
		"twice":      {url.Values{"title": {"a", "b"}}, "title", "sent twice"},
		"nul":        {url.Values{"title": {"a\x00b"}}, "title", "control character"},
		"lines":      {url.Values{"title": {"a\nb"}}, "title", "control character"},
		"bidi":       {url.Values{"title": {"a\u202eb"}}, "title", "direction of the text"},
		"utf8":       {url.Values{"title": {"a\xffb"}}, "title", "not valid UTF-8"},
		"letters":    {url.Values{"title": {"a"}, "year": {"19a0"}}, "year", "Enter a whole number."},
		"small":      {url.Values{"title": {"a"}, "year": {"1899"}}, "year", "from 1900 to 2100"},
		"huge":       {url.Values{"title": {"a"}, "year": {"99999999999999999999"}}, "year", "Enter a whole number."},
		"option":     {url.Values{"title": {"a"}, "genre": {"metal"}}, "genre", "Choose one"},
		"many":       {url.Values{"title": {"a"}, "roles": {"lyrics", "drums"}}, "roles", "Choose one"},
		"many twice": {url.Values{"title": {"a"}, "roles": {"lyrics", "lyrics"}}, "roles", "sent twice"},
	} {
		t.Run(name, func(t *testing.T) {
			one.form.Set("notes", "kept <notes>")
			one.form.Set("password", "hunter2")
			page := s.As("owner").Post("/o/{org}/songs", one.form)
			if page.Status != http.StatusUnprocessableEntity || len(p.titles) != 0 {
				t.Fatalf("%d, %d songs: %s", page.Status, len(p.titles), page.Body)
			}
			if !strings.Contains(page.Body, one.says) || !strings.Contains(page.Body, `id="add-`+one.field+`-problem"`) || !strings.Contains(page.Body, `href="#add-`+one.field+`"`) {
				t.Fatalf("no %q at %s: %s", one.says, one.field, page.Body)
			}
			if !regexp.MustCompile(`aria-describedby="[^"]*add-` + one.field + `-problem`).MatchString(page.Body) {
				t.Errorf("the problem does not describe its field: %s", page.Body)
			}
			if !strings.Contains(page.Body, "kept &lt;notes&gt;") || strings.Contains(page.Body, "hunter2") || (strings.ContainsAny(page.Body, "\x00\u202e") || strings.Contains(page.Body, "\xff")) && name != "utf8" {
				t.Errorf("what was typed: %s", page.Body)
			}
		})
	}
}

// Forms that no page of the console sends change nothing.
func TestForgedForm(t *testing.T) {
	t.Parallel()
	p, s := site(t)
	b := s.As("owner")
	good := func() url.Values { return url.Values{"title": {"a"}} }
	with := func(name, value string) url.Values { f := good(); f.Set(name, value); return f }
	encoded := with("csrf", s.Shell.FormToken("another session")).Encode()
	const kind = "application/x-www-form-urlencoded"
	for name, a := range map[string]shelltest.Answer{
		"an unknown field":    b.Post("/o/{org}/songs", with("admin", "yes")),
		"no token":            b.Post("/o/{org}/songs", with("csrf", "")),
		"two tokens":          b.Post("/o/{org}/songs", url.Values{"title": {"a"}, "csrf": {"a", "b"}}),
		"another session's":   b.Send("POST", "/o/{org}/songs", strings.NewReader(encoded), "Content-Type", kind),
		"another site":        b.Send("POST", "/o/{org}/songs", strings.NewReader(good().Encode()), "Content-Type", kind, "Origin", "https://evil.example"),
		"the origin null":     b.Send("POST", "/o/{org}/songs", strings.NewReader(good().Encode()), "Content-Type", kind, "Origin", "null"),
		"a sibling site":      b.Send("POST", "/o/{org}/songs", strings.NewReader(good().Encode()), "Content-Type", kind, "Sec-Fetch-Site", "same-site"),
		"JSON":                b.Send("POST", "/o/{org}/songs", strings.NewReader(`{"title":"a"}`), "Content-Type", "application/json"),
		"too many bytes":      b.Post("/o/{org}/songs", with("notes", strings.Repeat("x", 300<<10))),
		"percent without hex": b.Send("POST", "/o/{org}/songs", strings.NewReader("title=%zz"), "Content-Type", kind),
	} {
		if a.Status != http.StatusBadRequest && a.Status != http.StatusForbidden || !strings.Contains(a.Body, "req_") {
			t.Errorf("%s: %d %s", name, a.Status, a.Body)
		}
	}
	if len(p.titles) != 0 {
		t.Errorf("they changed something: %q", p.titles)
	}
}

// After a change of somebody else, the page shows both values, and the next save counts.
func TestConflict(t *testing.T) {
	t.Parallel()
	_, s := site(t)
	page := s.As("owner").Post("/o/{org}/songs", url.Values{"title": {"conflict"}, "revision": {"1"}})
	if page.Status != http.StatusConflict || !strings.Contains(page.Body, `value="conflict"`) || !strings.Contains(page.Body, "<bdi>stored title</bdi>") || !strings.Contains(page.Body, `name="revision" value="2"`) {
		t.Fatalf("%d %s", page.Status, page.Body)
	}
	page = s.As("owner").Post("/o/{org}/songs", url.Values{"title": {"crash"}})
	if page.Status != http.StatusInternalServerError || !strings.Contains(page.Body, "common.internal") || !strings.Contains(page.Body, "req_") {
		t.Fatalf("%d %s", page.Status, page.Body)
	}
}

// A visitor who may not open a page receives the right answer, whatever the page would do.
func TestAdmission(t *testing.T) {
	t.Parallel()
	p, s := site(t)
	form := url.Values{"title": {"a"}}
	for _, one := range []struct {
		who       string
		get, post int
	}{
		{"owner", 200, 303}, {"admin", 200, 303}, {"developer", 200, 303}, {"viewer", 200, 403}, {shelltest.Outsider, 404, 404}, {shelltest.Operator, 404, 404}, {"", 303, 401},
	} {
		b := s.As(one.who)
		if a := b.Get("/o/{org}/songs"); a.Status != one.get {
			t.Errorf("%q: GET %d", one.who, a.Status)
		}
		if a := b.Post("/o/{org}/songs", form); a.Status != one.post {
			t.Errorf("%q: POST %d", one.who, a.Status)
		}
	}
	if len(p.titles) != 3 {
		t.Errorf("%q", p.titles)
	}
	if a := s.As("").Get("/o/{org}/songs?q=a%26b"); a.Location != "/console/sign-in?next=%2Fconsole%2Fo%2F"+s.Organization+"%2Fsongs%3Fq%3Da%2526b" {
		t.Error(a.Location)
	}
	for _, path := range []string{"/o/other/songs", "/o/%00/songs", "/o/" + strings.Repeat("x", 100) + "/songs", "/nothing", "/o/{org}/songs/x"} {
		if a := s.As("owner").Get(path); a.Status != http.StatusNotFound || !strings.Contains(a.Body, "common.not_found") {
			t.Errorf("%s: %d", path, a.Status)
		}
	}
}

// Every answer has the headers that protect it.
func TestHeaders(t *testing.T) {
	t.Parallel()
	_, s := site(t)
	for _, a := range []shelltest.Answer{s.As("owner").Get("/o/{org}/songs"), s.As("owner").Get("/nothing"), s.As("viewer").Post("/o/{org}/songs", url.Values{"title": {"a"}})} {
		policy := a.Header.Get("Content-Security-Policy")
		for _, want := range []string{"default-src 'none'", "frame-ancestors 'none'", "require-trusted-types-for 'script'", "form-action 'self'"} {
			if !strings.Contains(policy, want) {
				t.Errorf("no %s in %q", want, policy)
			}
		}
		if a.Header.Get("Cache-Control") != "no-store" || a.Header.Get("Referrer-Policy") != "same-origin" || a.Header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%v", a.Header)
		}
	}
	page := s.As("owner").Get("/o/{org}/songs")
	for _, m := range regexp.MustCompile(`(?:href|src)="(/console/assets/[^"]+)"`).FindAllStringSubmatch(page.Body, -1) {
		if a := s.As("").Get(m[1]); a.Status != http.StatusOK || a.Body == "" || !strings.Contains(a.Header.Get("Cache-Control"), "immutable") {
			t.Errorf("%s: %d %v", m[1], a.Status, a.Header)
		}
	}
}

// A list has next and previous pages, whose addresses keep the search.
func TestPaging(t *testing.T) {
	t.Parallel()
	p, s := site(t)
	p.titles = []string{"air one", "air three", "air two", "blues"}
	page := s.As("viewer").Get("/o/{org}/songs?q=air")
	next := regexp.MustCompile(`rel="next" href="([^"]+)"`).FindStringSubmatch(page.Body)
	if next == nil || !strings.Contains(page.Body, "air three") || strings.Contains(page.Body, "air two") {
		t.Fatal(page.Body)
	}
	page = s.As("viewer").Get(html.UnescapeString(next[1]))
	if !strings.Contains(page.Body, "air two") || strings.Contains(page.Body, "air three") || !strings.Contains(page.Body, `rel="prev"`) || strings.Contains(page.Body, `rel="next"`) {
		t.Fatal(page.Body)
	}
}

// The language of the browser counts, and the texts run in its direction.
func TestLanguages(t *testing.T) {
	t.Parallel()
	_, s := site(t)
	for header, want := range map[string]string{
		"fr-CH, fr;q=0.9, en;q=0.8": `lang="fr" dir="ltr"`, "ar": `lang="ar" dir="rtl"`, "xx, ja;q=0.5": `lang="ja"`, "": `lang="en"`, "*": `lang="en"`, "de;q=0, es;q=0.1": `lang="es"`,
	} {
		b := s.As("viewer")
		b.Language = header
		if a := b.Get("/o/{org}/songs"); !strings.Contains(a.Body, want) {
			t.Errorf("%q has no %s", header, want)
		}
	}
}

// A row of the table that would open a page by mistake does not start.
func TestTable(t *testing.T) {
	t.Parallel()
	nothing := func(*shell.Call) error { return nil }
	for name, p := range map[string]shell.Page{
		"nobody named":             {Method: "GET", Path: "/o/{org}/x", Handle: nothing},
		"anyone in organizations":  {Method: "GET", Path: "/o/{org}/x", Needs: shell.Anyone(), Handle: nothing},
		"an empty permission":      {Method: "GET", Path: "/o/{org}/x", Needs: shell.To(""), Handle: nothing},
		"members of no one":        {Method: "GET", Path: "/x", Needs: shell.To(permission.WorksRead), Handle: nothing},
		"everybody as an operator": {Method: "GET", Path: "/operator/x", Needs: shell.SignedIn(), Handle: nothing},
		"a change without a name":  {Method: "POST", Path: "/x", Needs: shell.SignedIn(), Handle: nothing},
		"another method":           {Method: "DELETE", Path: "/x", Name: "x", Needs: shell.SignedIn(), Handle: nothing},
	} {
		a := area(&songs{})
		a.Pages = []shell.Page{p}
		if _, err := shell.New(shell.Config{PublicURL: shelltest.PublicURL, Key: make([]byte, 32), Now: store.Time(0).Local}, a); err == nil {
			t.Errorf("%s: it starts", name)
		}
	}
}
