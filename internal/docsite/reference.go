package docsite

import (
	"bytes"
	"cmp"
	_ "embed"
	"encoding/json"
	"fmt"
	"html"
	"html/template"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/yuin/goldmark"
)

// The reference of the HTTP API: pages made from the server's own OpenAPI document, so that
// they cannot differ from it.

// description is the part of an OpenAPI document that the pages show.
type description struct {
	Info struct{ Title, Version, Description string }
	Tags []struct{ Name, Description string }

	Servers         []struct{ URL string }
	Paths, Webhooks map[string]map[string]*operation
	Components      struct {
		Schemas         map[string]*schema
		Responses       map[string]*response
		Headers         map[string]*parameter
		SecuritySchemes map[string]struct{ Type, Scheme, Name, Description string }
	}
}

type operation struct {
	OperationID          string `json:"operationId"`
	Summary, Description string
	Tags                 []string
	Parameters           []*parameter
	RequestBody          *struct{ Content map[string]*content }
	Responses            map[string]*response
	Security             []map[string][]string

	method, path string
}

type parameter struct {
	Name, In, Description string
	Required              bool
	Schema                *schema
	Example               any
}

type response struct {
	Ref         string `json:"$ref"`
	Description string
	Headers     map[string]struct {
		Ref string `json:"$ref"`
	}
	Content map[string]*content
}

type content struct {
	Schema   *schema
	Example  json.RawMessage
	Examples map[string]struct {
		Summary string
		Value   json.RawMessage
	}
}

type schema struct {
	Ref                          string `json:"$ref"`
	Type                         any
	Format, Description, Pattern string
	Properties                   map[string]*schema
	Required                     []string
	Items                        *schema
	Enum                         []any
	Minimum, Maximum             *float64
	MinLength, MaxLength         *int
	MinItems, MaxItems           *int
	OneOf, AnyOf, AllOf          []*schema
}

// member is a line of a table of members or parameters.
type member struct {
	Name, Where, Type, Example string
	Required                   bool
	Text                       template.HTML
}

// referenced is an operation as a page shows it.
type referenced struct {
	Anchor, Method, Path, Summary string
	Text                          template.HTML
	Needs                         []string
	Parameters, Members, Answer   []member
	Request, Reply, Curl          string
	Status, StatusText            string
	Headers                       []string
	Refusals                      []refusal
	Sent                          bool // a webhook: the server sends it
}

type refusal struct {
	Status, Code, Message string
}

// group is the operations of one tag.
type group struct {
	Name, URL  string
	Text       template.HTML
	Operations []referenced
}

// reference is the data of the pages.
type reference struct {
	Version string
	Text    template.HTML
	Groups  []group
	Schemes []member
	Headers []member
}

// listing is the data of a listing in a template.
func listing(language, text string) map[string]string {
	return map[string]string{"Language": language, "Text": text}
}

//go:embed assets/reference.html
var referenceText string

var referenceLayout = template.Must(template.New("").Funcs(template.FuncMap{"slug": slug, "listing": listing}).Parse(referenceText))

// referencePages returns the pages of the reference. The first one lists all operations.
func referencePages(document []byte) ([]*page, error) {
	var d description
	if err := json.Unmarshal(document, &d); err != nil {
		return nil, fmt.Errorf("the description of the API: %w", err)
	}
	r, err := d.reference()
	if err != nil {
		return nil, err
	}
	first, err := referencePage(referenceURL, "API reference", "reference", r)
	if err != nil {
		return nil, err
	}
	pages := []*page{first}
	for _, g := range r.Groups {
		first.Contents = append(first.Contents, entry{Anchor: slug(g.Name), Text: g.Name})
		first.anchors[slug(g.Name)] = true
		p, err := referencePage(g.URL, "API: "+g.Name, "group", g)
		if err != nil {
			return nil, err
		}
		for _, o := range g.Operations {
			if p.anchors[o.Anchor] {
				return nil, fmt.Errorf("two operations with the id %q", o.Anchor)
			}
			p.anchors[o.Anchor] = true
			p.Contents = append(p.Contents, entry{Anchor: o.Anchor, Text: o.Summary})
			p.links = append(p.links, o.links()...)
			p.sections = append(p.sections, o.section(p))
		}
		pages = append(pages, p)
	}
	return pages, nil
}

// referencePage renders a page from a template.
func referencePage(url, title, name string, data any) (*page, error) {
	var b bytes.Buffer
	if err := referenceLayout.ExecuteTemplate(&b, name, data); err != nil {
		return nil, err
	}
	p := &page{
		URL: url, Title: title, Source: "/openapi.json", SourceName: "The API as OpenAPI", anchors: map[string]bool{"main": true},
		HTML: template.HTML(b.String()), // html/template has escaped it
	}
	p.sections = []section{{Page: title, Heading: title, URL: url}}
	p.sections[0].index()
	return p, nil
}

// links are those to the explanations of the codes.
func (r referenced) links() (out []string) {
	for _, f := range r.Refusals {
		out = append(out, "/docs/errors#"+f.Code)
	}
	return out
}

// section is what a search finds of an operation.
func (r referenced) section(p *page) section {
	s := section{Page: p.Title, Heading: strings.TrimSpace(r.Method + " " + r.Path), URL: p.URL + "#" + r.Anchor, text: r.Summary + ". " + plainText(r.Text)}
	for _, m := range slices.Concat(r.Parameters, r.Members, r.Answer) {
		s.text += " " + m.Name
	}
	for _, f := range r.Refusals {
		s.text += " " + f.Code
	}
	s.index()
	return s
}

func (d *description) reference() (*reference, error) {
	text, err := markdown(d.Info.Description)
	if err != nil {
		return nil, err
	}
	r := &reference{Version: d.Info.Version, Text: text}
	all := map[string][]*operation{}
	collect := func(from map[string]map[string]*operation) {
		for _, path := range slices.Sorted(maps.Keys(from)) {
			for _, method := range slices.SortedFunc(maps.Keys(from[path]), func(a, b string) int { return cmp.Compare(rank[a], rank[b]) }) {
				o := from[path][method]
				o.method, o.path = strings.ToUpper(method), path
				for _, tag := range o.Tags {
					all[tag] = append(all[tag], o)
				}
			}
		}
	}
	collect(d.Paths)
	for _, name := range slices.Sorted(maps.Keys(d.Webhooks)) {
		for _, o := range d.Webhooks[name] {
			o.path = name
			all[o.Tags[0]] = append(all[o.Tags[0]], o)
		}
	}
	for _, tag := range d.Tags {
		if len(all[tag.Name]) == 0 {
			continue
		}
		g := group{Name: tag.Name, URL: referenceURL + "/" + slug(tag.Name)}
		if g.Text, err = markdown(tag.Description); err != nil {
			return nil, err
		}
		for _, o := range all[tag.Name] {
			shown, err := d.show(o)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", o.OperationID, err)
			}
			g.Operations = append(g.Operations, shown)
		}
		r.Groups = append(r.Groups, g)
	}
	for _, name := range slices.Sorted(maps.Keys(d.Components.SecuritySchemes)) {
		one := d.Components.SecuritySchemes[name]
		m := member{Name: name, Where: cmp.Or(one.Name, "Authorization")}
		if m.Text, err = markdown(one.Description); err != nil {
			return nil, err
		}
		r.Schemes = append(r.Schemes, m)
	}
	for _, name := range slices.Sorted(maps.Keys(d.Components.Headers)) {
		h := d.Components.Headers[name]
		m := member{Name: name, Type: d.kind(h.Schema), Example: exampleOf(h.Example)}
		if m.Text, err = markdown(h.Description); err != nil {
			return nil, err
		}
		r.Headers = append(r.Headers, m)
	}
	return r, nil
}

// rank is the order of the methods of one path.
var rank = map[string]int{"get": 1, "head": 2, "post": 3, "put": 4, "patch": 5, "delete": 6}

func (d *description) show(o *operation) (r referenced, err error) {
	r = referenced{Anchor: o.OperationID, Method: o.method, Path: o.path, Summary: o.Summary, Sent: o.method == ""}
	if r.Text, err = markdown(o.Description); err != nil {
		return r, err
	}
	for _, way := range o.Security {
		r.Needs = append(r.Needs, strings.Join(slices.Sorted(maps.Keys(way)), " and "))
	}
	for _, p := range o.Parameters {
		m := member{Name: p.Name, Where: p.In, Type: d.kind(p.Schema), Required: p.Required, Example: exampleOf(p.Example)}
		if m.Text, err = markdown(p.Description); err != nil {
			return r, err
		}
		r.Parameters = append(r.Parameters, m)
	}
	if o.RequestBody != nil {
		for _, c := range o.RequestBody.Content {
			r.Request = indented(c.Example)
			if r.Members, err = d.members("", c.Schema, 0); err != nil {
				return r, err
			}
		}
	}
	for _, status := range slices.Sorted(maps.Keys(o.Responses)) {
		got := o.Responses[status]
		if name, ok := strings.CutPrefix(got.Ref, "#/components/responses/"); ok {
			got = d.Components.Responses[name]
		}
		for _, name := range slices.Sorted(maps.Keys(got.Content)) {
			c := got.Content[name]
			for _, code := range slices.Sorted(maps.Keys(c.Examples)) {
				r.Refusals = append(r.Refusals, refusal{status, code, c.Examples[code].Summary})
			}
			if status < "4" {
				r.Reply = indented(c.Example)
				if r.Answer, err = d.members("", c.Schema, 0); err != nil {
					return r, err
				}
			}
		}
		if status < "4" {
			r.Status, r.StatusText = status, got.Description
			r.Headers = slices.Sorted(maps.Keys(got.Headers))
		}
	}
	if !r.Sent {
		r.Curl = d.curl(o, r.Request)
	}
	return r, nil
}

// curl returns the call as a command.
func (d *description) curl(o *operation, body string) string {
	path, query := o.path, ""
	for _, p := range o.Parameters {
		value := exampleOf(p.Example)
		switch {
		case p.In == "path":
			path = strings.ReplaceAll(path, "{"+p.Name+"}", value)
		case p.In == "query" && p.Required:
			query += "&" + p.Name + "=" + value
		}
	}
	server := ""
	if len(d.Servers) > 0 {
		server = d.Servers[0].URL
	}
	out := "curl --fail-with-body -sS"
	if o.method != "GET" && (o.method != "POST" || body == "") {
		out += " -X " + o.method
	}
	out += " '" + server + path + strings.Replace(query, "&", "?", 1) + "'"
	if len(o.Security) > 0 {
		for _, name := range slices.Sorted(maps.Keys(o.Security[len(o.Security)-1])) {
			one := d.Components.SecuritySchemes[name]
			variable := map[string]string{"session": "TOKEN", "apiKey": "API_KEY", "siteKey": "SITE_KEY"}[name]
			switch {
			case one.Scheme == "bearer":
				out += " \\\n  -H \"Authorization: Bearer $" + cmp.Or(variable, "TOKEN") + "\""
			case one.Name != "":
				out += " \\\n  -H \"" + one.Name + ": $" + cmp.Or(variable, "KEY") + "\""
			}
		}
	}
	for _, p := range o.Parameters {
		if p.In == "header" {
			out += " \\\n  -H '" + p.Name + ": " + exampleOf(p.Example) + "'"
		}
	}
	if body != "" {
		var compact bytes.Buffer
		if json.Compact(&compact, []byte(body)) == nil {
			body = compact.String()
		}
		out += " \\\n  -H 'Content-Type: application/json' \\\n  -d '" + strings.ReplaceAll(body, "'", `'\''`) + "'"
	}
	return out
}

// deepest is how far members inside of members are shown.
const deepest = 4

// members lists the members of a schema, the required ones first.
func (d *description) members(at string, s *schema, depth int) (out []member, err error) {
	s = d.resolve(s)
	if s == nil || depth > deepest {
		return nil, nil
	}
	if s.Items != nil {
		return d.members(strings.TrimSuffix(at, ".")+"[].", s.Items, depth)
	}
	names := slices.SortedFunc(maps.Keys(s.Properties), func(a, b string) int {
		ra, rb := slices.Contains(s.Required, a), slices.Contains(s.Required, b)
		if ra != rb {
			return map[bool]int{true: -1, false: 1}[ra]
		}
		return cmp.Compare(a, b)
	})
	for _, name := range names {
		p := s.Properties[name]
		m := member{Name: at + name, Type: d.kind(p), Required: slices.Contains(s.Required, name)}
		text := p.Description
		if full := d.resolve(p); text == "" && full != nil {
			text = full.Description
		}
		if m.Text, err = markdown(text); err != nil {
			return nil, err
		}
		out = append(out, m)
		more, err := d.members(at+name+".", p, depth+1)
		if err != nil {
			return nil, err
		}
		out = append(out, more...)
	}
	return out, nil
}

// resolve follows a reference.
func (d *description) resolve(s *schema) *schema {
	for s != nil && s.Ref != "" {
		s = d.Components.Schemas[strings.TrimPrefix(s.Ref, "#/components/schemas/")]
	}
	return s
}

// kind describes the type of a schema with its limits.
func (d *description) kind(s *schema) string {
	s = d.resolve(s)
	if s == nil {
		return "any"
	}
	var types []string
	switch t := s.Type.(type) {
	case string:
		types = []string{t}
	case []any:
		for _, one := range t {
			types = append(types, fmt.Sprint(one))
		}
	}
	for i, t := range types {
		if t == "array" {
			types[i] = "list of " + d.kind(s.Items)
		}
	}
	out := strings.Join(types, " or ")
	if len(s.OneOf) > 0 {
		out = "one of several objects"
	}
	var more []string
	if s.Format != "" && s.Format != "int64" {
		more = append(more, s.Format)
	}
	limit := func(least, most any, unit string) {
		switch {
		case least != "" && most != "":
			more = append(more, fmt.Sprintf("%v to %v%s", least, most, unit))
		case least != "":
			more = append(more, fmt.Sprintf("at least %v%s", least, unit))
		case most != "":
			more = append(more, fmt.Sprintf("at most %v%s", most, unit))
		}
	}
	limit(number(s.Minimum), number(s.Maximum), "")
	limit(count(s.MinLength), count(s.MaxLength), " characters")
	limit(count(s.MinItems), count(s.MaxItems), " items")
	for _, e := range s.Enum {
		more = append(more, fmt.Sprintf("%q", e))
	}
	if len(s.Enum) > 1 {
		more = []string{strings.Join(more, " · ")}
	}
	if len(more) > 0 {
		out += " (" + strings.Join(more, ", ") + ")"
	}
	return cmp.Or(out, "any")
}

func number(n *float64) string {
	if n == nil {
		return ""
	}
	return strconv.FormatFloat(*n, 'f', -1, 64)
}

func count(n *int) string {
	if n == nil {
		return ""
	}
	return strconv.Itoa(*n)
}

func exampleOf(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return v
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	case []any:
		var all []string
		for _, one := range v {
			all = append(all, exampleOf(one))
		}
		return strings.Join(all, ",")
	}
	return fmt.Sprint(v)
}

func indented(example json.RawMessage) string {
	var b bytes.Buffer
	if len(example) == 0 || json.Indent(&b, example, "", "  ") != nil {
		return ""
	}
	return b.String()
}

// markdown renders a text of the description.
func markdown(text string) (template.HTML, error) {
	var b bytes.Buffer
	err := goldmark.Convert([]byte(text), &b)
	out := strings.TrimSpace(b.String())
	if inner, ok := strings.CutPrefix(out, "<p>"); ok && strings.Count(out, "<p>") == 1 {
		out = strings.TrimSuffix(inner, "</p>")
	}
	return template.HTML(out), err // goldmark without raw HTML escapes everything else
}

// plainText returns the text of rendered Markdown, for the search.
func plainText(text template.HTML) string {
	var b strings.Builder
	inside := false
	for _, r := range string(text) {
		switch {
		case r == '<':
			inside = true
		case r == '>':
			inside = false
		case !inside:
			b.WriteRune(r)
		}
	}
	return html.UnescapeString(b.String())
}
