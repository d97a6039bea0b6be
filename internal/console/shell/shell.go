// Package shell is the frame of the console: it finds the page of a request, checks who may
// open the page, reads its form, and renders its answer. It has the layout, forms, paging,
// charts, texts and errors that all pages share. It knows no organization's data, and no page
// reads or changes anything through it.
//
// # How to write a page
//
// A group of pages is a package below internal/console. Its function returns one [Area]: the
// files templates/*.html and texts/{en,fr,de,es,pt,ja,ar}.json, and the table of its pages.
//
//	//go:embed templates texts
//	var files embed.FS
//
//	func Area(keys *apikey.Service) shell.Area {
//		p := pages{keys}
//		return shell.Area{Name: "apikeys", Files: files, Pages: []shell.Page{
//			{Method: "GET", Path: "/o/{org}/api-keys", Needs: shell.To(permission.KeysRead), Handle: p.list,
//				Fields: []shell.Field{shell.Text("q", 100)}, Nav: shell.Nav{Order: 60, Icon: "key"}},
//			{Method: "POST", Path: "/o/{org}/api-keys", Needs: shell.To(permission.KeysManage), Name: "create",
//				Fields: []shell.Field{shell.Text("name", 100).Must(), shell.Many("scopes", scopes...)},
//				Handle: p.create, Again: p.list},
//		}}
//	}
//
//	func (p pages) list(c *shell.Call) error {
//		keys, err := p.keys.List(c.Context(), c.Organization(), c.Form.Text("q"), c.After(), 51)
//		if err != nil {
//			return err
//		}
//		rows, list := shell.Window(c, keys, 50, func(k apikey.Key) string { return k.ID })
//		return c.Render("list", struct { // templates/list.html
//			Keys []apikey.Key
//			shell.List
//		}{rows, list})
//	}
//
//	func (p pages) create(c *shell.Call) error {
//		key, err := p.keys.Create(c.Context(), c.Actor(), c.Organization(), c.Form.Text("name"), c.Form.All("scopes"))
//		if err != nil {
//			return err // a refusal of the catalogue returns to the form, with everything that was typed
//		}
//		return c.Redirect("/o/{org}/api-keys", shell.Say("created", "name", key.Name), shell.Reveal("secret", key.Secret))
//	}
//
// The path, the permission, the fields and the CSRF token are checked before Handle runs.
// Another organization's id in the path is answered as not found; an id further on is checked by
// the query of the page, which takes [Call.Organization].
//
// A template file defines "title" and "main". Its dot is a [View]: the page's own data is .Data.
//
//	{{define "title"}}{{.T "title"}}{{end}}
//	{{define "main"}}
//	{{range .Data.Keys}}<p>{{.Name}} {{$.Time .CreatedAt}}</p>{{else}}{{$.Empty "empty"}}{{end}}
//	{{$.Pager .Data.List}}
//	{{with .Form "create"}}{{.Open}}{{.Field "name"}}{{.Field "scopes"}}{{.Submit}}{{.Close}}{{end}}
//	{{end}}
//
// Texts are looked up in the area, then in the shell. {name} is a placeholder. The test of the area calls
// shelltest.Area, which checks the texts in all languages. These keys follow from the table:
//
//	nav                       the line of the navigation
//	create.name               the label of a field; create.name.hint is its hint
//	create.scopes.works:read  an option
//	create.submit             the button
//	filter.q, filter.submit   the same for the fields of a GET page
//	empty, empty.hint         an empty list
package shell

import (
	"cmp"
	"crypto/sha256"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"
	"time"

	"timbre.example/internal/console/dist"
	"timbre.example/internal/fault"
	"timbre.example/internal/limit"
	"timbre.example/internal/requestlog"
	"timbre.example/internal/web"
)

// CookieName is the name of the session's cookie. secure: the console is served by HTTPS.
func CookieName(secure bool) string {
	if secure {
		return "__Host-timbre_session"
	}
	return "timbre_session"
}

// New builds the console from its areas. Its errors are mistakes in the areas.
func New(c Config, areas ...Area) (*Shell, error) {
	u, err := url.Parse(c.PublicURL)
	if err != nil {
		return nil, err
	}
	s := &Shell{Config: c, areas: map[string]*area{}, mux: http.NewServeMux(), origin: u.Scheme + "://" + u.Host, secure: u.Scheme == "https", bodies: limit.NewBytes(64<<20, 8<<20)}
	s.sessionCookie = CookieName(s.secure)
	if s.seal, err = newSealer(c.Key); err != nil {
		return nil, err
	}
	if s.own, err = readArea(Area{Name: "shell", Files: files}); err != nil {
		return nil, err
	}
	s.areas["shell"] = s.own
	for _, a := range areas {
		read, err := readArea(a)
		if err != nil {
			return nil, fmt.Errorf("console: area %s: %w", a.Name, err)
		}
		if s.areas[a.Name] != nil {
			return nil, fmt.Errorf("console: two areas are named %s", a.Name)
		}
		s.areas[a.Name] = read
		for i := range read.pages {
			p := &read.pages[i]
			if err := p.check(); err != nil {
				return nil, fmt.Errorf("console: area %s: %s %s: %w", a.Name, p.Method, p.Path, err)
			}
			if p.Nav.Order != 0 {
				s.navigation = append(s.navigation, navigated{p, read})
			}
			s.pages = append(s.pages, *p)
			pattern := p.Path
			if strings.HasSuffix(pattern, "/") {
				pattern += "{$}"
			}
			s.mux.HandleFunc(p.Method+" "+Root+pattern, func(w http.ResponseWriter, r *http.Request) { s.serve(w, r, read, p) })
		}
	}
	slices.SortStableFunc(s.navigation, func(a, b navigated) int { return cmp.Compare(a.page.Nav.Order, b.page.Nav.Order) })
	s.mux.HandleFunc("GET "+Root+"/assets/{file}", s.asset)
	if err := s.hashAssets(); err != nil {
		return nil, err
	}
	s.mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		to := strings.TrimRight(r.URL.Path, "/")
		if r.Method == http.MethodGet && to != r.URL.Path && !strings.Contains(to, "//") && strings.HasPrefix(to, Root+"/") { // people add a slash
			http.Redirect(w, r, to, http.StatusSeeOther)
			return
		}
		s.serve(w, r, s.own, &Page{Method: http.MethodGet, Path: "/", Needs: Anyone(), Handle: func(*Call) error { return fault.CommonNotFound() }})
	})
	return s, nil
}

// readArea reads the texts and templates of an area.
func readArea(a Area) (*area, error) {
	read := &area{name: a.Name, pages: slices.Clone(a.Pages), templates: map[string]*template.Template{}}
	var err error
	if read.texts, err = ReadTexts(a.Files); err != nil {
		return nil, err
	}
	names, err := fs.Glob(a.Files, "templates/*.html")
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		base := strings.TrimSuffix(path.Base(name), ".html")
		if strings.HasPrefix(base, "_") || a.Name == "shell" && (base == "layout" || base == "parts") {
			continue
		}
		t, err := template.New(base).Funcs(functions).ParseFS(files, "templates/layout.html")
		if err == nil {
			t, err = t.ParseFS(a.Files, name)
		}
		// Files that begin with _ define what several pages of the area use.
		if shared, _ := fs.Glob(a.Files, "templates/_*.html"); err == nil && len(shared) > 0 {
			t, err = t.ParseFS(a.Files, shared...)
		}
		if err != nil {
			return nil, err
		}
		read.templates[base] = t
	}
	return read, nil
}

// check refuses a row of the table that would open a page by mistake.
func (p *Page) check() error {
	inside, operator := strings.HasPrefix(p.Path, "/o/{org}/"), strings.HasPrefix(p.Path, "/operator/") || p.Path == "/operator"
	switch {
	case p.Method != http.MethodGet && p.Method != http.MethodPost:
		return errors.New("the method is neither GET nor POST")
	case !strings.HasPrefix(p.Path, "/") || p.Handle == nil:
		return errors.New("the path or the handler is missing")
	case p.Needs.kind == 0 || p.Needs.kind == members && p.Needs.permission == "":
		return errors.New("it does not say who may open the page")
	case inside != (p.Needs.kind == members) || operator != (p.Needs.kind == operators):
		return errors.New("pages below /o/{org}/ need To, pages below /operator/ need Operators, and others neither")
	case p.Method == http.MethodPost && p.Name == "":
		return errors.New("a POST page needs a name")
	}
	return nil
}

// Pages returns the table of all pages.
func (s *Shell) Pages() []Page { return slices.Clone(s.pages) }

func (s *Shell) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.mux.ServeHTTP(w, r) }

// serve answers a request of one page.
func (s *Shell) serve(w http.ResponseWriter, r *http.Request, a *area, p *Page) {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "same-origin") // with no-referrer, browsers send forms with the origin "null"
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Add("Vary", "Cookie, Accept-Language")
	c := &Call{W: w, R: r, Form: newInput(p.Fields), Now: s.Now(), page: p, area: a, shell: s}
	c.words = s.lexicon(a, negotiate(r.Header.Get("Accept-Language")))
	if err := s.answer(c); err != nil {
		s.refuse(c, err)
	}
}

// answer checks the visitor and the form, then calls the page.
func (s *Shell) answer(c *Call) error {
	if err := s.identify(c); err != nil {
		return err
	}
	if done, err := s.admit(c); done || err != nil {
		return err
	}
	if c.R.Method != http.MethodPost {
		c.Form.query(c.R.URL.Query())
		return c.page.Handle(c)
	}
	if err := s.receive(c); err != nil {
		return err
	}
	if !c.Form.OK() {
		return s.again(c, fault.CommonValidationFailed(nil), http.StatusUnprocessableEntity)
	}
	err := c.page.Handle(c)
	if err == nil && !c.Form.OK() { // the handler has found a problem itself
		return s.again(c, fault.CommonValidationFailed(nil), http.StatusUnprocessableEntity)
	}
	if err != nil && c.page.Again != nil {
		if status, shown := c.Form.refuse(err); shown {
			return s.again(c, err, status)
		}
	}
	return err
}

// again shows the page of a form with its problems.
func (s *Shell) again(c *Call, err error, status int) error {
	if c.page.Again == nil {
		return err
	}
	web.Refusal(c.Context(), err) // for the log
	var f *fault.Error
	c.conflict = errors.As(err, &f) && f.Code == fault.CodeCommonConflict
	c.status = status
	return c.page.Again(c)
}

// identify finds the visitor. Somebody without a session receives a name for the tokens of forms.
func (s *Shell) identify(c *Call) error {
	if cookie, err := c.R.Cookie(s.sessionCookie); err == nil {
		session, err := s.Session(c.Context(), cookie.Value)
		switch {
		case err == nil:
			c.Visitor.Session = session
			if tag := session.Person.Language; slices.Contains(languages, tag) {
				c.words = s.lexicon(c.area, tag)
			}
			return nil
		case !errors.Is(err, fault.CodeCommonAuthExpired):
			return err
		}
	}
	if cookie, err := c.R.Cookie(visitCookie); err == nil && len(cookie.Value) == len(newVisit()) {
		c.visit = cookie.Value
	}
	return nil
}

// admit checks that the visitor may open the page. A visitor who must sign in first is sent there.
func (s *Shell) admit(c *Call) (done bool, err error) {
	needs := c.page.Needs
	if needs.kind == anyone {
		return false, nil
	}
	if !c.Visitor.SignedIn() {
		if c.R.Method == http.MethodPost {
			return false, fault.CommonAuthExpired()
		}
		to := Root + "/sign-in"
		if c.R.URL.RequestURI() != Root+"/" {
			to += "?" + url.Values{"next": {c.R.URL.RequestURI()}}.Encode()
		}
		c.W.Header().Set("Location", to)
		c.W.WriteHeader(http.StatusSeeOther)
		return true, nil
	}
	switch needs.kind {
	case operators:
		if !c.Visitor.Person.Operator {
			return false, fault.CommonNotFound()
		}
	case members:
		id := c.R.PathValue("org")
		if len(id) > 64 || badText(id, false) != "" {
			return false, fault.CommonNotFound()
		}
		member, err := s.Member(c.Context(), c.Visitor.Person.ID, id)
		if err != nil {
			return false, err
		}
		if member.OrganizationID != id || !member.Role.Known() {
			return false, fault.CommonNotFound()
		}
		c.Visitor.Member = member
		web.Identify(c.Context(), id)
		web.Caller(c.Context(), id, requestlog.Caller{Kind: requestlog.Console})
		switch {
		case c.Visitor.Halted() && !needs.permission.Reads():
			return false, fault.OrganizationInactive()
		case !member.Role.May(needs.permission):
			return false, fault.CommonForbidden("role")
		}
	}
	return false, nil
}

// Still checks again that the visitor's session has not ended, and that the visitor may open the page.
// A stream calls it from time to time.
func (c *Call) Still() error {
	again := &Call{W: c.W, R: c.R, Form: newInput(nil), Now: c.shell.Now(), page: c.page, area: c.area, shell: c.shell}
	if err := c.shell.identify(again); err != nil {
		return err
	}
	if again.Visitor.Session.ID != c.Visitor.Session.ID {
		return fault.CommonAuthExpired()
	}
	_, err := c.shell.admit(again)
	return err
}

// bodyWait is how long a form waits for space.
const bodyWait = 2 * time.Second

// receive checks where a form comes from, and reads it.
func (s *Shell) receive(c *Call) error {
	if site := c.R.Header.Get("Sec-Fetch-Site"); site != "" && site != "same-origin" && site != "none" {
		return fault.CommonForbidden("origin")
	}
	if origin := c.R.Header.Get("Origin"); origin != "" && origin != s.origin {
		return fault.CommonForbidden("origin")
	}
	most := int64(maxForm + 16<<10)
	for _, f := range c.page.Fields {
		if f.Kind == kindFile {
			most += 5 * f.Max // a file that is too large is read up to this, so that the browser receives the answer
		}
	}
	if c.R.ContentLength > most {
		c.W.Header().Set("Connection", "close")
		return fault.CommonBadRequest("too_large")
	}
	key, size := "person "+c.Visitor.Person.ID, c.R.ContentLength
	if !c.Visitor.SignedIn() {
		key = "address " + web.Address(c.Context())
	}
	if size < 0 {
		size = most
	}
	release, err := s.bodies.Hold(c.Context(), key, size, bodyWait)
	if err != nil {
		return fault.CommonServiceUnavailable(bodyWait).Because(err)
	}
	defer release()
	c.R.Body = http.MaxBytesReader(c.W, c.R.Body, most)
	if err := c.Form.body(c.R); err != nil {
		return err
	}
	_ = http.NewResponseController(c.W).SetReadDeadline(time.Time{}) // the body has arrived
	session := c.Visitor.Session.ID
	if !c.Visitor.SignedIn() {
		if c.visit == "" {
			return fault.CommonForbidden("form_token")
		}
		session = "visit " + c.visit
	}
	if !s.seal.sameToken(session, c.Form.token) {
		return fault.CommonForbidden("form_token")
	}
	return nil
}

// refuse answers with an error as a page in words.
func (s *Shell) refuse(c *Call, err error) {
	body := web.Refusal(c.Context(), err)
	f := fault.Example(body.Code)
	if own := (*fault.Error)(nil); errors.As(err, &own) {
		f = own
	}
	if seconds := f.RetryAfterSeconds(); seconds > 0 {
		c.W.Header().Set("Retry-After", fmt.Sprint(seconds))
	}
	c.W.Header().Del("Content-Disposition")
	c.status, c.Form, c.policy = f.Status(), newInput(nil), nil
	c.page = &Page{Method: http.MethodGet, Path: c.page.Path, Needs: c.page.Needs}
	data := struct {
		Status  int
		Code    string
		Text    string
		SignIn  bool
		Reason  string
		HelpURL string
	}{f.Status(), string(f.Code), "", f.Status() == http.StatusUnauthorized, "", "/docs/errors#" + string(f.Code)}
	v := &View{Call: c}
	data.Text = v.refusal(f)
	if reason, ok := f.Details["reason"].(string); ok && v.Has("reason."+reason) {
		data.Reason = v.T("reason." + reason)
	}
	if err := c.render(s.own.templates["error"], data); err != nil {
		web.RenderError(c.W, c.R, err)
	}
}

// hashAssets gives each file an address with its hash, so that browsers keep the file for ever.
func (s *Shell) hashAssets() error {
	for name, to := range map[string]*string{"console.css": &s.assets.style, "console.js": &s.assets.script, "icon.svg": &s.assets.icon} {
		data, err := dist.Files.ReadFile(name)
		if err != nil {
			return err
		}
		sum := sha256.Sum256(data)
		base, ext, _ := strings.Cut(name, ".")
		*to = fmt.Sprintf(Root+"/assets/%s-%x.%s", base, sum[:8], ext)
	}
	return nil
}

// asset serves a file of the console's own. Its address has the hash of its content.
func (s *Shell) asset(w http.ResponseWriter, r *http.Request) {
	for name, at := range map[string]string{"console.css": s.assets.style, "console.js": s.assets.script, "icon.svg": s.assets.icon} {
		if r.URL.Path != at {
			continue
		}
		data, err := dist.Files.ReadFile(name)
		if err != nil {
			break
		}
		h := w.Header()
		h.Set("Content-Type", map[string]string{".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}[path.Ext(name)])
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
		h.Set("X-Content-Type-Options", "nosniff")
		if r.Method != http.MethodHead {
			_, _ = w.Write(data) // an error means that the browser has left
		}
		return
	}
	s.refuse(&Call{W: w, R: r, Form: newInput(nil), Now: s.Now(), page: &Page{Method: http.MethodGet, Path: "/"}, area: s.own, shell: s, words: s.lexicon(s.own, languages[0])}, fault.CommonNotFound())
}

// FormToken returns the CSRF token of a session's forms, by the session's id.
func (s *Shell) FormToken(session string) string { return s.seal.formToken(session) }
