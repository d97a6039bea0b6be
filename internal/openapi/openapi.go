// Package openapi makes the one description of a server's HTTP API (OpenAPI 3.1). It has three
// sources: the types of the operations, the [Description] beside each operation, and the error
// catalogue, which gives each refusal its status, its members and its example.
//
// The package serves nothing, and knows no route: the faces add theirs.
package openapi

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"timbre.example/internal/fault"
)

// Description is the part of an operation's documentation that its types cannot tell.
type Description struct {
	// Tag names the group of the operation; it is one of [Tags].
	Tag string
	// Text explains the operation in whole sentences, as Markdown.
	Text string
	// Codes are the refusals of the operation itself. Those of its guard, of its body and of
	// every operation are added.
	Codes []fault.Code
	// Headers are the headers of a success besides those of every answer; see [Document].
	Headers []string
	// Parameters have an example for each parameter of path, query and header, by name.
	Parameters map[string]any
	// Request and Response are examples of the bodies, as JSON; "": there is no such body, or
	// it is not JSON.
	Request, Response string
}

// Document is the description while it is made. Faces add to it, and then [Document.Complete]
// is called once.
type Document struct {
	*huma.OpenAPI
	described map[string]Description
	refusals  map[string]string // names of components, by status and codes
}

// New begins a description.
func New(title, version, url string) *Document {
	c := huma.DefaultConfig(title, version)
	o := c.OpenAPI
	o.Components.Schemas = huma.NewMapRegistry("#/components/schemas/", namer())
	o.Components.SecuritySchemes = map[string]*huma.SecurityScheme{}
	o.Components.Responses = map[string]*huma.Response{}
	o.Components.Headers = headers()
	o.Servers = []*huma.Server{{URL: url}}
	o.Info.Description = intro
	o.Tags = Tags
	return &Document{OpenAPI: o, described: map[string]Description{}, refusals: map[string]string{}}
}

// namer returns the names of schemas: those of their Go types. The second type with the same
// name, of another package, receives a number.
func namer() func(reflect.Type, string) string {
	names, taken := map[reflect.Type]string{}, map[string]bool{}
	return func(t reflect.Type, hint string) string {
		if t.Kind() == reflect.Pointer {
			t = t.Elem()
		}
		if known, ok := names[t]; ok {
			return known
		}
		plain := strings.TrimPrefix(huma.DefaultSchemaNamer(t, hint), "Wire")
		name := plain
		for i := 2; taken[name]; i++ {
			name = plain + strconv.Itoa(i)
		}
		if t.Kind() == reflect.Struct {
			names[t], taken[name] = name, true
		}
		return name
	}
}

// Lists of answers are never null. huma has one such setting for the whole process.
func init() { huma.DefaultArrayNullable = false }

// Describe adds what a face says about its operations, by their ids.
func (d *Document) Describe(operations map[string]Description) { maps.Copy(d.described, operations) }

// Alias ends the id of an operation whose path names the organization. It has the description
// of the operation without it.
const Alias = "-of-organization"

// Operations returns every operation with its path, sorted by path and method.
func (d *Document) Operations() []*huma.Operation {
	var out []*huma.Operation
	for _, path := range slices.Sorted(maps.Keys(d.Paths)) {
		p := d.Paths[path]
		for _, one := range []*huma.Operation{p.Get, p.Head, p.Post, p.Put, p.Patch, p.Delete} {
			if one != nil {
				out = append(out, one)
			}
		}
	}
	return out
}

// Complete adds descriptions, examples, refusals and headers to every operation. general
// returns the codes that every call of a path can receive, and the headers of every answer.
// Its result lists what is missing from the descriptions: a test demands that nothing is.
func (d *Document) Complete(general func(o *huma.Operation) (codes []fault.Code, heads []string)) (missing []string) {
	for _, o := range d.Operations() {
		at := o.Method + " " + o.Path
		id, alias := strings.CutSuffix(o.OperationID, Alias)
		say, ok := d.described[id]
		if !ok {
			missing = append(missing, at+": no description of "+o.OperationID)
		}
		if o.Tags = []string{say.Tag}; !slices.ContainsFunc(d.Tags, func(t *huma.Tag) bool { return t.Name == say.Tag }) {
			missing = append(missing, at+": unknown tag "+strconv.Quote(say.Tag))
		}
		if o.Description = say.Text; alias {
			o.Description += " The path names the organization, which must be the caller's."
			say.Codes = append(slices.Clone(say.Codes), fault.CodeAPIKeyOrgMismatch)
		}
		missing = append(missing, examples(at, o, say)...)
		codes, heads := general(o)
		codes = append(codes, say.Codes...)
		for i, way := range o.Security {
			for name := range maps.Clone(way) {
				codes = append(codes, schemes[name].Codes...)
				for _, one := range append([]string{name}, schemes[name].With...) {
					o.Security[i][one] = []string{}
					scheme := schemes[one].SecurityScheme
					d.Components.SecuritySchemes[one] = &scheme
				}
			}
		}
		for status, r := range o.Responses {
			if status == "default" || status >= "4" {
				delete(o.Responses, status)
			} else {
				r.Headers = refer(refer(r.Headers, heads), say.Headers)
			}
		}
		d.refuse(o, codes, heads)
	}
	return missing
}

// refer adds references to the documented headers.
func refer(to map[string]*huma.Param, names []string) map[string]*huma.Param {
	if to == nil {
		to = map[string]*huma.Param{}
	}
	for _, name := range names {
		to[name] = &huma.Param{Ref: "#/components/headers/" + name}
	}
	return to
}

// examples adds the examples of an operation, and returns the missing ones.
func examples(at string, o *huma.Operation, say Description) (missing []string) {
	use := func(what, text string, content map[string]*huma.MediaType) {
		m := content["application/json"]
		switch {
		case m == nil && text != "":
			missing = append(missing, at+": an example of a "+what+" that is not JSON")
		case m == nil || m.Schema == nil:
		case !json.Valid([]byte(text)):
			missing = append(missing, at+": no example of its "+what)
		default:
			m.Example = json.RawMessage(text)
		}
	}
	if o.RequestBody != nil {
		use("request", say.Request, o.RequestBody.Content)
	}
	for status, r := range o.Responses {
		if status < "3" {
			use("response", say.Response, r.Content)
		}
	}
	var once []*huma.Param
	for _, p := range o.Parameters {
		if slices.ContainsFunc(once, func(q *huma.Param) bool { return q.Name == p.Name && q.In == p.In }) {
			continue // of the guard and of the handler
		}
		own := *p // several operations and documents share one of a guard
		p = &own
		once = append(once, p)
		if p.Example = say.Parameters[p.Name]; p.Example == nil {
			p.Example = usual[p.Name]
		}
		if p.Example == nil {
			missing = append(missing, at+": no example of the parameter "+p.Name)
		}
	}
	o.Parameters = once
	return missing
}

// Webhook describes an event that the server sends. payload is a value of the type of its body.
func (d *Document) Webhook(event, summary, text, example string, payload any) {
	if d.Webhooks == nil {
		d.Webhooks = map[string]*huma.PathItem{}
	}
	head := func(name, description string) *huma.Param {
		return &huma.Param{Name: name, In: "header", Required: true, Description: description, Schema: &huma.Schema{Type: huma.TypeString}}
	}
	d.Webhooks[event] = &huma.PathItem{Post: &huma.Operation{
		OperationID: "webhook-" + strings.ReplaceAll(event, "_", "-"), Summary: summary, Description: text, Tags: []string{Webhooks},
		Parameters: []*huma.Param{
			head("webhook-id", "The id of the delivery, the same for all of its attempts"), head("webhook-timestamp", "The time of the attempt, in seconds since 1970"),
			head("webhook-signature", "v1 and the HMAC-SHA256 of id, timestamp and body, in base64; one for each valid secret, with a space in between"),
			head("X-Allfeat-Timestamp", "As webhook-timestamp"), head("X-Allfeat-Signature", "t, the time, and v1, the HMAC-SHA256 of time and body, in hex"),
		},
		RequestBody: &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{"application/json": {
			Schema: d.Components.Schemas.Schema(reflect.TypeOf(payload), true, ""), Example: json.RawMessage(example),
		}}},
		Responses: map[string]*huma.Response{"2XX": {Description: "The receiver has the event. 408, 429 and 5xx are tried again, 410 disables the endpoint, and any other answer ends the delivery."}},
	}}
}

// refuse adds the refusals with these codes, by status.
func (d *Document) refuse(o *huma.Operation, codes []fault.Code, heads []string) {
	by := map[int][]fault.Entry{}
	for _, entry := range fault.All() { // in the catalogue's order, each once
		if slices.Contains(codes, entry.Code) {
			by[entry.Status] = append(by[entry.Status], entry)
		}
	}
	if o.Responses == nil {
		o.Responses = map[string]*huma.Response{}
	}
	for _, status := range slices.Sorted(maps.Keys(by)) { // the names of components have this order
		entries := by[status]
		o.Responses[strconv.Itoa(status)] = &huma.Response{Ref: "#/components/responses/" + d.refusal(o.Method, status, entries, heads)}
	}
}

// refusal returns the name of the component that describes refusals with these codes.
func (d *Document) refusal(method string, status int, entries []fault.Entry, heads []string) string {
	head := method == "HEAD"
	var names []string
	waits := 0
	for _, entry := range entries {
		names = append(names, "`"+string(entry.Code)+"`")
		if entry.RetryAfter {
			waits++
		}
	}
	key := fmt.Sprint(status, head, names, heads)
	if known, ok := d.refusals[key]; ok {
		return known
	}
	name := fmt.Sprintf("Refusal%d", status)
	for i := 1; d.Components.Responses[name] != nil; i++ {
		name = fmt.Sprintf("Refusal%d%s", status, letters(i))
	}
	d.refusals[key] = name
	r := &huma.Response{Description: "The call is refused with " + strings.Join(names, " or ") + ".", Headers: refer(nil, append(slices.Clone(heads), "Link"))}
	if waits > 0 {
		r.Headers = refer(r.Headers, []string{"Retry-After"})
	}
	if !head {
		schemas := d.Components.Schemas.Map()
		schemas[name] = d.envelope(entries) // by its name, so that generated clients have one type for it
		m := &huma.MediaType{Schema: &huma.Schema{Ref: "#/components/schemas/" + name}, Examples: map[string]*huma.Example{}}
		for _, entry := range entries {
			m.Examples[string(entry.Code)] = &huma.Example{Summary: entry.Message, Value: json.RawMessage(fault.Example(entry.Code).MarshalEnvelope(exampleID))}
		}
		r.Content = map[string]*huma.MediaType{"application/json": m}
	}
	d.Components.Responses[name] = r
	return name
}

// letters counts B to Z, then AA, AB and so on: a component's name has letters and digits only.
func letters(i int) string {
	if i < 26 {
		return string(rune('A' + i))
	}
	return letters(i/26-1) + string(rune('A'+i%26))
}

// envelope returns the schema of a refusal with one of these codes.
func (d *Document) envelope(entries []fault.Entry) *huma.Schema {
	one := &huma.Schema{}
	for _, entry := range entries {
		ref := d.body(entry)
		one.OneOf = append(one.OneOf, &huma.Schema{Ref: ref})
		if one.Discriminator == nil {
			one.Discriminator = &huma.Discriminator{PropertyName: "code", Mapping: map[string]string{}}
		}
		one.Discriminator.Mapping[string(entry.Code)] = ref
	}
	if len(one.OneOf) == 1 {
		one = one.OneOf[0]
	}
	return closed(map[string]*huma.Schema{"error": one}, "error")
}

// closed is an object without further members.
func closed(properties map[string]*huma.Schema, required ...string) *huma.Schema {
	return &huma.Schema{Type: huma.TypeObject, Properties: properties, Required: required, AdditionalProperties: false}
}

// body adds the schema of a refusal's content, and returns the reference to it.
func (d *Document) body(entry fault.Entry) string {
	name := ""
	for word := range strings.FieldsFuncSeq(string(entry.Code), func(r rune) bool { return r == '.' || r == '_' }) {
		name += strings.ToUpper(word[:1]) + word[1:]
	}
	name += "Error"
	schemas := d.Components.Schemas.Map()
	if schemas[name] == nil {
		s := closed(map[string]*huma.Schema{
			"code":       {Type: huma.TypeString, Enum: []any{string(entry.Code)}},
			"message":    {Type: huma.TypeString, Description: "One sentence for people, in English", Examples: []any{entry.Message}},
			"request_id": {Type: huma.TypeString, Pattern: requestID, Description: "The value of the header X-Request-Id"},
		}, "code", "message", "request_id")
		s.Description = entry.Cause
		if len(entry.Details) > 0 {
			details := closed(map[string]*huma.Schema{})
			for _, one := range entry.Details {
				details.Properties[one.Name] = d.detail(one)
				if !one.Optional {
					details.Required = append(details.Required, one.Name)
				}
			}
			if s.Properties["details"] = details; len(details.Required) > 0 {
				s.Required = append(s.Required, "details")
			}
		}
		schemas[name] = s
	}
	return "#/components/schemas/" + name
}

func (d *Document) detail(one fault.Detail) *huma.Schema {
	var s *huma.Schema
	switch one.Type {
	case "int":
		s = &huma.Schema{Type: huma.TypeInteger, Format: "int64"}
	case "strings":
		s = &huma.Schema{Type: huma.TypeArray, Items: &huma.Schema{Type: huma.TypeString}}
	case "time":
		s = &huma.Schema{Type: huma.TypeString, Format: "date-time"}
	case "uuid":
		s = &huma.Schema{Type: huma.TypeString, Format: "uuid"}
	case "fields":
		s = &huma.Schema{Type: huma.TypeArray, Items: d.Components.Schemas.Schema(reflect.TypeFor[fault.Field](), true, "")}
	default:
		s = &huma.Schema{Type: huma.TypeString}
	}
	s.Description = one.Meaning
	return s
}
