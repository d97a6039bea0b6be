package shell

import (
	"bytes"
	"cmp"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"timbre.example/internal/fault"
	"timbre.example/internal/permission"
	"timbre.example/internal/web"
)

//go:embed templates texts
var files embed.FS

// parts are the pieces of pages that methods of [View] return.
var parts = template.Must(template.New("parts").Funcs(functions).ParseFS(files, "templates/parts.html"))

var functions = template.FuncMap{"icon": icon, "mark": func() template.HTML { return mark }, "int64": func(n int) int64 { return int64(n) }, "inc": func(n int) int { return n + 1 }}

// View is the dot of a page's template.
type View struct {
	*Call
	// Data is what the page gave to [Call.Render].
	Data any
}

// Render answers with a page: templates/NAME.html of the area.
func (c *Call) Render(name string, data any) error {
	t := c.area.templates[name]
	if t == nil {
		return fmt.Errorf("console: area %s has no template %s", c.area.name, name)
	}
	return c.render(t, data)
}

func (c *Call) render(t *template.Template, data any) error {
	c.said = c.notice()
	var b bytes.Buffer
	if err := t.ExecuteTemplate(&b, "layout", &View{c, data}); err != nil {
		return err
	}
	h := c.W.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Language", c.words.tag)
	h.Set("Content-Security-Policy", c.contentPolicy())
	h.Set("Content-Length", strconv.Itoa(b.Len()))
	if c.status != 0 {
		c.W.WriteHeader(c.status)
	}
	if c.R.Method != http.MethodHead {
		_, _ = c.W.Write(b.Bytes()) // an error means that the browser has left
	}
	return nil
}

// directives are the Content-Security-Policy of every page.
var directives = []string{"default-src 'none'", "script-src 'self'", "style-src 'self'", "img-src 'self' data:", "connect-src 'self'", "form-action 'self'", "base-uri 'none'",
	"frame-ancestors 'none'", "require-trusted-types-for 'script'", "trusted-types 'none'"}

// contentPolicy returns the policy of this page: see [Call.Allow].
func (c *Call) contentPolicy() string {
	all := slices.Clone(directives)
	for i, d := range all {
		name, sources, _ := strings.Cut(d, " ")
		more, ok := c.policy[name]
		if !ok {
			continue
		}
		if sources == "'none'" {
			sources = ""
		}
		all[i] = strings.TrimSpace(name + " " + strings.Join(append(strings.Fields(sources), more...), " "))
	}
	for name, sources := range c.policy {
		if !slices.ContainsFunc(directives, func(d string) bool { return strings.HasPrefix(d, name+" ") }) {
			all = append(all, name+" "+strings.Join(sources, " "))
		}
	}
	slices.Sort(all[len(directives):])
	return strings.Join(all, "; ")
}

// notice takes the notice for this page, if there is one. The cookie is removed, so that no other page
// shows it again.
func (c *Call) notice() *notice {
	cookie, err := c.R.Cookie(noticeCookie)
	if err != nil || c.R.Method != http.MethodGet {
		return nil
	}
	var n notice
	if !c.shell.seal.open("notice", c.Visitor.Session.ID, cookie.Value, c.Now, &n) {
		c.shell.setCookie(c.W, noticeCookie, "", -1, Root)
		return nil
	}
	if n.To != c.R.URL.Path {
		return nil
	}
	c.shell.setCookie(c.W, noticeCookie, "", -1, Root)
	return &n
}

// part renders one of the pieces.
func part(name string, data any) (template.HTML, error) {
	var b strings.Builder
	err := parts.ExecuteTemplate(&b, name, data)
	return template.HTML(b.String()), err
}

// T returns a text.
func (v *View) T(key string, pairs ...any) string { return v.words.text(key, pairs...) }

// N returns the text for a number, which its plural forms depend on.
func (v *View) N(key string, n int64, pairs ...any) string { return v.words.count(key, n, pairs...) }

// Has reports whether there is a text.
func (v *View) Has(key string) bool { _, ok := v.words.find(key); return ok }

// Number writes a whole number.
func (v *View) Number(n int64) string { return v.words.number(n) }

// Time shows a time to the minute, and Day its date. Both are in UTC.
func (v *View) Time(t time.Time) template.HTML { return stamp(t, v.words.moment(t)) }

// Day shows a date.
func (v *View) Day(t time.Time) template.HTML { return stamp(t, v.words.day(t)) }

// Ago shows how long ago a time was, with the time itself as title.
func (v *View) Ago(t time.Time) template.HTML {
	d := v.Now.Sub(t)
	shown := v.words.moment(t)
	switch {
	case d < time.Minute:
		shown = v.T("ago.now")
	case d < time.Hour:
		shown = v.N("ago.minutes", int64(d/time.Minute))
	case d < 24*time.Hour:
		shown = v.N("ago.hours", int64(d/time.Hour))
	case d < 14*24*time.Hour:
		shown = v.N("ago.days", int64(d/(24*time.Hour)))
	}
	return stamp(t, shown, v.words.moment(t))
}

func stamp(t time.Time, shown string, title ...string) template.HTML {
	attribute := ""
	if len(title) > 0 {
		attribute = ` title="` + template.HTMLEscapeString(title[0]) + `"`
	}
	return template.HTML(`<time datetime="` + t.UTC().Format(time.RFC3339) + `"` + attribute + `>` + template.HTMLEscapeString(shown) + `</time>`)
}

// Bytes shows a number of bytes in kB or MB of 1,000 and 1,000,000 bytes.
func (v *View) Bytes(n int64) string {
	switch {
	case n < 1000:
		return v.Number(n) + " B"
	case n < 1_000_000:
		return v.Number((n+500)/1000) + " kB"
	}
	return v.Number(n/1_000_000) + v.T("number.point") + strconv.FormatInt(n/100_000%10, 10) + " MB"
}

// Hex shows bytes as hexadecimal digits.
func (v *View) Hex(b []byte) string { return hex.EncodeToString(b) }

// Link returns the address of a page: see [Call.Address].
func (v *View) Link(path string, pairs ...any) string { return v.Address(path, pairs...) }

// Can reports whether the visitor's role has a permission, by its name.
func (v *View) Can(name string) bool { return v.Visitor.May(permission.Permission(name)) }

// Icon returns an icon.
func (v *View) Icon(name string) template.HTML { return icon(name) }

// Copy shows a value that is to be copied: an id, a hash, a secret. The button works with script alone; the
// value can be selected without it.
func (v *View) Copy(value string) (template.HTML, error) {
	return part("copy", struct{ Value, Label, Done string }{value, v.T("copy"), v.T("copied")})
}

// Short shows the beginning and the end of a long value, which is copied in full.
func (v *View) Short(value string) (template.HTML, error) {
	shown := value
	if len(value) > 20 {
		shown = value[:10] + "…" + value[len(value)-6:]
	}
	return part("short", struct{ Value, Shown, Label, Done string }{value, shown, v.T("copy"), v.T("copied")})
}

// Badge shows a state: good, bad, wait, test or plain.
func (v *View) Badge(kind, text string) (template.HTML, error) {
	return part("badge", struct{ Kind, Text string }{kind, text})
}

// Network shows a network as a badge. test: of a test key.
func (v *View) Network(name any, test bool) (template.HTML, error) {
	kind, text := "plain", v.T("network."+fmt.Sprint(name))
	if fmt.Sprint(name) != "mainnet" {
		kind = "test"
	}
	if test {
		text = v.T("network.test_key")
	}
	return v.Badge(kind, text)
}

// Empty shows what to do first when a list is empty: the texts key, key.hint and, with an address, key.action.
func (v *View) Empty(key string, to ...string) (template.HTML, error) {
	data := struct{ Title, Hint, Action, To string }{Title: v.T(key)}
	if v.Has(key + ".hint") {
		data.Hint = v.T(key + ".hint")
	}
	if len(to) > 0 {
		data.Action, data.To = v.T(key+".action"), to[0]
	}
	return part("empty", data)
}

// Pager links the neighbours of a list's page.
func (v *View) Pager(l List) (template.HTML, error) {
	if l == (List{}) {
		return "", nil
	}
	return part("pager", struct {
		List
		Label, NextLabel, PreviousLabel, FirstLabel string
	}{l, v.T("pager"), v.T("pager.next"), v.T("pager.previous"), v.T("pager.first")})
}

// Bars draws a chart as stacked bars, with its table.
func (v *View) Bars(c Chart) (template.HTML, error) { return v.chart(c, c.bars(v.words.number)) }

// Line draws a chart as lines, with its table.
func (v *View) Line(c Chart) (template.HTML, error) { return v.chart(c, c.line(v.words.number)) }

func (v *View) chart(c Chart, picture string) (template.HTML, error) {
	type row struct {
		Label  string
		Values []string
	}
	var rows []row
	for i, label := range c.Labels {
		one := row{Label: label}
		for _, s := range c.Series {
			one.Values = append(one.Values, v.words.number(s.Values[i]))
		}
		rows = append(rows, one)
	}
	return part("chart", struct {
		Chart
		Picture        template.HTML
		Rows           []row
		AsTable, First string
	}{c, template.HTML(picture), rows, v.T("chart.table"), v.T("chart.day")})
}

// Problems lists what is wrong with the form that was sent.
func (v *View) Problems() []shownProblem {
	var all []shownProblem
	if f := v.Call.Form.refused; f != nil {
		all = append(all, shownProblem{Text: v.refusal(f), Code: string(f.Code)})
	}
	for _, f := range v.Call.Form.fields {
		if p, ok := v.Call.Form.problems[f.Name]; ok {
			all = append(all, shownProblem{To: id(v.formName(), f.Name), Label: v.T(v.formName() + "." + f.Name), Text: v.problem(p)})
		}
	}
	return all
}

type shownProblem struct{ To, Label, Text, Code string }

func (v *View) formName() string {
	if v.page.Method == http.MethodGet {
		return "filter"
	}
	return v.page.Name
}

// refusal returns the words of an error.
func (v *View) refusal(f *fault.Error) string {
	said, ok := v.words.find("code." + string(f.Code))
	if !ok {
		said = f.Message()
	}
	if reason, ok := f.Details["reason"].(string); ok && v.page.Method == http.MethodPost && v.Has("reason."+reason) {
		said += " " + v.T("reason."+reason)
	}
	return said
}

func (v *View) problem(p Problem) string {
	if _, ok := v.words.find("rule." + p.Rule); ok && !(p.Message != "" && len(placeholders.FindAllString(v.T("rule."+p.Rule), -1)) > 0) {
		return v.T("rule."+p.Rule, p.Pairs...)
	}
	if p.Message != "" {
		return p.Message
	}
	return v.T("rule.invalid")
}

// Said is the message of the last change, or "".
func (v *View) Said() string {
	if v.said == nil || v.said.Text == "" {
		return ""
	}
	var pairs []any
	for _, p := range v.said.Pairs {
		pairs = append(pairs, p)
	}
	return v.shell.lexicon(v.shell.areas[v.said.Area], v.words.tag).text(v.said.Text, pairs...)
}

// Secrets are what the page shows this once.
func (v *View) Secrets() []revealed {
	if v.said == nil {
		return nil
	}
	all := slices.Clone(v.said.Secrets)
	for i := range all {
		all[i].Label = v.shell.lexicon(v.shell.areas[v.said.Area], v.words.tag).text(all[i].Label)
	}
	return all
}

// Gone reports whether the page has shown a secret before.
func (v *View) Gone() bool {
	return v.R.URL.Query().Get(revealedQuery) != "" && (v.said == nil || len(v.said.Secrets) == 0)
}

// RequestID is the id of this request.
func (v *View) RequestID() string { return web.RequestID(v.R.Context()) }

// Lang, Dir, Style, Script and Favicon are for the layout.
func (v *View) Lang() string    { return v.words.tag }
func (v *View) Dir() string     { return Direction(v.words.tag) }
func (v *View) Style() string   { return v.shell.assets.style }
func (v *View) Script() string  { return v.shell.assets.script }
func (v *View) Favicon() string { return v.shell.assets.icon }

// Entry is a line of the navigation.
type Entry struct {
	To, Text, Icon string
	Here           bool
}

// Navigation lists the pages that the visitor may open: those of the organization inside of one, and the
// person's and the operator's elsewhere.
func (v *View) Navigation() []Entry {
	if !v.Visitor.SignedIn() {
		return nil
	}
	inside := v.Organization() != ""
	var all []Entry
	for _, n := range v.shell.navigation {
		switch {
		case n.page.Needs.kind == members && (!inside || !v.May(n.page.Needs.permission)):
			continue
		case n.page.Needs.kind != members && inside:
			continue
		case n.page.Needs.kind == operators && !v.Visitor.Person.Operator:
			continue
		}
		key := "nav"
		if n.page.Name != "" {
			key += "." + n.page.Name
		}
		to := v.Address(n.page.Path)
		here := v.R.URL.Path == to || strings.HasPrefix(v.R.URL.Path, to+"/")
		all = append(all, Entry{to, v.shell.lexicon(n.area, v.words.tag).text(key), n.page.Nav.Icon, here})
	}
	return all
}

// Query is the form of a page's own fields: searches and filters. Its texts begin with "filter.".
func (v *View) Query() *FormView {
	p := v.shown()
	f := &FormView{v: v, name: "filter", fields: p.Fields, action: v.Address(p.Path)}
	if p == v.page {
		f.in = v.Call.Form
	}
	return f
}

// Filtered reports whether a search or a filter is set.
func (v *View) Filtered() bool {
	return v.page.Method == http.MethodGet && slices.ContainsFunc(v.page.Fields, func(f Field) bool { return v.Call.Form.Text(f.Name) != "" })
}

// Form is the form of the area's POST page with this name. Pairs fill the parts of its path.
func (v *View) Form(name string, pairs ...any) (*FormView, error) {
	for i := range v.area.pages {
		p := &v.area.pages[i]
		if p.Method != http.MethodPost || p.Name != name {
			continue
		}
		f := &FormView{v: v, name: name, fields: p.Fields, action: v.Address(p.Path, pairs...), post: true}
		if v.page == p && f.action == v.R.URL.EscapedPath() {
			f.in = v.Call.Form
		}
		return f, nil
	}
	return nil, errors.New("console: no form " + name)
}

// FormView draws a form.
type FormView struct {
	v      *View
	name   string
	fields []Field
	in     *Input // nil: nothing was typed
	action string
	post   bool
}

// Open begins the form.
func (f *FormView) Open(class ...string) template.HTML {
	method, more := "get", ""
	if f.post {
		method = "post"
		more = `<input type="hidden" name="` + tokenField + `" value="` + f.v.shell.token(f.v.Call) + `">`
	}
	kind := ""
	if slices.ContainsFunc(f.fields, func(x Field) bool { return x.Kind == kindFile }) {
		kind = ` enctype="multipart/form-data"`
	}
	return template.HTML(`<form method="` + method + `" action="` + template.HTMLEscapeString(f.action) + `" class="` + template.HTMLEscapeString(strings.Join(append([]string{"form"}, class...), " ")) +
		`"` + kind + ` novalidate>` + more)
}

// Close ends the form.
func (f *FormView) Close() template.HTML { return "</form>" }

// Submit is the button: the text NAME.submit. kind is "danger" or "quiet"; without it the button is the main one.
func (f *FormView) Submit(kind ...string) (template.HTML, error) {
	return part("submit", struct{ Text, Kind string }{f.v.T(f.name + ".submit"), strings.Join(kind, " ")})
}

// id is the id of a field's element.
func id(form, field string) string { return form + "-" + field }

type option struct {
	Value, Text, Hint, ID string
	Set                   bool
}

type shownField struct {
	Field
	ID, Label, Hint, Value, Problem, Stored string
	Describes                               string
	Options                                 []option
	Optional                                string
	Now                                     string
	Checked                                 bool
}

// Field draws a field with its label, hint and problem.
func (f *FormView) Field(name string) (template.HTML, error) {
	at := slices.IndexFunc(f.fields, func(x Field) bool { return x.Name == name })
	if at < 0 {
		return "", errors.New("console: the form " + f.name + " has no field " + name)
	}
	field := f.fields[at]
	key := f.name + "." + name
	s := shownField{Field: field, ID: id(f.name, name), Label: f.v.T(key)}
	if hint := cmp.Or(field.Hint, key+".hint"); f.v.Has(hint) {
		s.Hint = f.v.T(hint)
	}
	stored, known := f.v.Call.Form.stored[f.name+"\x00"+name]
	values := stored
	if f.in != nil {
		if field.Kind != kindHidden || !known {
			values = f.in.All(name)
		}
		if p, ok := f.in.problems[name]; ok {
			s.Problem = f.v.problem(p)
		}
		if f.v.conflict && known && field.Kind != kindHidden && field.Kind != kindSecret && !slices.Equal(values, stored) {
			s.Stored, s.Now = f.shown(field, key, stored), f.v.T("conflict.now")
		}
	}
	if len(values) > 0 && field.Kind != kindSecret {
		s.Value = values[0]
	}
	s.Checked = field.Kind == kindCheck && len(values) > 0 && values[0] == "yes"
	for i, o := range field.Options {
		one := option{Value: o, Text: f.v.T(key + "." + o), ID: s.ID, Set: slices.Contains(values, o)}
		if o == "" {
			one.Text = f.v.T(key + ".any")
		}
		if i > 0 {
			one.ID += "-" + strconv.Itoa(i)
		}
		if f.v.Has(key + "." + o + ".hint") {
			one.Hint = f.v.T(key + "." + o + ".hint")
		}
		s.Options = append(s.Options, one)
	}
	var describes []string
	if s.Hint != "" {
		describes = append(describes, s.ID+"-hint")
	}
	if s.Problem != "" {
		describes = append(describes, s.ID+"-problem")
	}
	if s.Now != "" {
		describes = append(describes, s.ID+"-now")
	}
	s.Describes = strings.Join(describes, " ")
	if !field.Required && f.post && field.Kind != kindCheck && field.Kind != kindMany && field.Kind != kindChoice {
		s.Optional = f.v.T("optional")
	}
	return part("field", s)
}

// shown returns stored values as people read them.
func (f *FormView) shown(field Field, key string, values []string) string {
	var all []string
	for _, v := range values {
		if len(field.Options) > 0 {
			v = f.v.T(key + "." + v)
		}
		all = append(all, v)
	}
	switch {
	case field.Kind == kindCheck && len(values) > 0:
		return f.v.T("yes")
	case field.Kind == kindCheck:
		return f.v.T("no")
	case len(all) == 0:
		return f.v.T("none")
	}
	return strings.Join(all, ", ")
}

// Clear is the address of the page without searches and filters.
func (f *FormView) Clear() string { return f.action }

// ShellTexts returns the texts that all areas share.
func ShellTexts() (Texts, error) { return ReadTexts(files) }

// Sub returns the files of a folder. The folder must be there: it is embedded.
func Sub(files fs.FS, dir string) fs.FS {
	sub, err := fs.Sub(files, dir)
	if err != nil {
		panic(err)
	}
	return sub
}
