package web

import (
	"encoding/json"
	"net/http"
	"slices"
	"sync"

	"github.com/danielgtaylor/huma/v2"

	"timbre.example/internal/fault"
	"timbre.example/internal/openapi"
)

// described is the description of all faces in its forms, by the end of their path.
type described struct {
	forms   map[string][]byte
	missing []string
}

// description collects the operations of all faces, and is completed at the first use.
type description struct {
	*openapi.Document
	made func() (described, error)
}

func newDescription(version, url string) *description {
	d := &description{Document: openapi.New("Timbre", version, url)}
	d.made = sync.OnceValues(d.complete)
	return d
}

// complete makes the description. It is called once, after all faces have added their routes.
func (d *description) complete() (out described, err error) {
	out.missing, out.forms = d.Complete(general), map[string][]byte{}
	for name, form := range map[string]func() ([]byte, error){
		".json": func() ([]byte, error) { return json.Marshal(d.OpenAPI) }, ".yaml": d.YAML,
		"-3.0.json": d.Downgrade, "-3.0.yaml": d.DowngradeYAML,
	} {
		if out.forms[name], err = form(); err != nil {
			return out, err
		}
	}
	return out, nil
}

// general returns the codes with which this package itself refuses calls of an operation, and
// the headers that it adds to all answers.
func general(o *huma.Operation) (codes []fault.Code, heads []string) {
	a := areaOf(o.Path)
	codes = []fault.Code{fault.CodeCommonValidationFailed, fault.CodeCommonInternal, fault.CodeCommonServiceUnavailable} // see limitHead, recover, catalogued
	heads = []string{"X-Request-Id", "X-Content-Type-Options"}
	if a.counted || o.RequestBody != nil {
		codes = append(codes, fault.CodeCommonRateLimited)
	}
	if a.counted {
		heads = append(heads, "RateLimit", "RateLimit-Policy")
	}
	if a.unstored {
		heads = append(heads, "Cache-Control")
	}
	switch a.readers { //nolint:exhaustive // noPage adds no header
	case apiPages:
		heads = append(heads, "Vary", "Access-Control-Allow-Origin", "Access-Control-Expose-Headers")
	case anyPage:
		heads = append(heads, "Access-Control-Allow-Origin", "Access-Control-Expose-Headers")
	}
	if o.RequestBody != nil {
		heads = append(heads, "Connection")
	}
	if slices.ContainsFunc(o.Parameters, func(p *huma.Param) bool { return p.Name == headerIdempotency }) {
		codes = append(codes, fault.CodeCommonBadRequest, fault.CodeIdempotencyKeyReused, fault.CodeIdempotencyInProgress)
		heads = append(heads, "Idempotent-Replayed")
	}
	return codes, heads
}

// process adds the routes of the process itself to the description, and serves it through get.
func (d *description) process(get func(pattern string, h http.HandlerFunc)) {
	answer := func(description, kind, schema string) map[string]*huma.Response {
		out := &huma.Response{Description: description}
		if kind != "" {
			out.Content = map[string]*huma.MediaType{kind: {Schema: &huma.Schema{Type: schema}}}
		}
		return map[string]*huma.Response{"200": out}
	}
	exclude := []*huma.Param{{Name: "exclude", In: "query", Description: "A check that is left out; it may be repeated", Schema: &huma.Schema{Type: huma.TypeArray, Items: &huma.Schema{Type: huma.TypeString, Enum: []any{"storage", "log", "schema"}}}}}
	health := answer("The server can serve", "application/json", huma.TypeObject)
	health["200"].Content["application/json"].Schema = &huma.Schema{
		Type: huma.TypeObject, AdditionalProperties: false, Required: []string{"status", "version"},
		Properties: map[string]*huma.Schema{"status": {Type: huma.TypeString, Enum: []any{"ok"}}, "version": {Type: huma.TypeString, Description: "The release of this server"}},
	}
	operations := []huma.Operation{
		{Method: "GET", Path: "/healthz", OperationID: "health", Summary: "Health of this server", Responses: health},
		{Method: "HEAD", Path: "/healthz", OperationID: "health-head", Summary: "Health of this server, without a body", Responses: answer("The server can serve", "", "")},
		{Method: "GET", Path: "/readyz", OperationID: "ready", Summary: "Readiness of this server", Parameters: exclude, Responses: map[string]*huma.Response{"200": {Description: "The server can serve", Content: health["200"].Content}}},
		{Method: "HEAD", Path: "/readyz", OperationID: "ready-head", Summary: "Readiness of this server, without a body", Parameters: []*huma.Param{{Name: "exclude", In: "query", Description: exclude[0].Description, Schema: exclude[0].Schema}}, Responses: answer("The server can serve", "", "")},
		{Method: "GET", Path: "/metrics", OperationID: "metrics", Summary: "Metrics, for programs on this machine", Responses: answer("Prometheus' text format", "text/plain", huma.TypeString)},
	}
	said := map[string]openapi.Description{
		"health":      {Tag: openapi.Server, Text: "Answers whether the process and its database work.", Response: exampleHealth},
		"health-head": {Tag: openapi.Server, Text: "Answers as GET does, without a body."},
		"ready":       {Tag: openapi.Server, Text: "A ready server is healthy and migrated, has space for uploads, and its logs are neither stopped nor silent. The refusal names the failed check in `details.reason`.", Parameters: map[string]any{"exclude": []string{"storage"}}, Response: exampleHealth},
		"ready-head":  {Tag: openapi.Server, Text: "Answers as GET does, without a body.", Parameters: map[string]any{"exclude": []string{"storage"}}},
		"metrics":     {Tag: openapi.Server, Text: "Programs on this machine alone may read the metrics here. Every other caller is answered with `common.not_found`.", Codes: []fault.Code{fault.CodeCommonNotFound}, Headers: []string{"Vary"}},
	}
	for path, forms := range map[string][]string{"/openapi": {".json", ".yaml"}, "/v1/openapi": {".json", ".yaml", "-3.0.json", "-3.0.yaml"}} {
		for _, form := range forms {
			kind := "application/openapi+json"
			if form[len(form)-4:] == "yaml" {
				kind = "application/openapi+yaml"
			}
			get(path+form, func(w http.ResponseWriter, q *http.Request) {
				made, err := d.made()
				if err != nil {
					RenderError(w, q, err)
					return
				}
				w.Header().Set("Content-Type", kind)
				w.Write(made.forms[form])
			})
			id := "description" + map[string]string{"/openapi": "", "/v1/openapi": "-v1"}[path] + map[string]string{".json": "", ".yaml": "-yaml", "-3.0.json": "-3.0", "-3.0.yaml": "-3.0-yaml"}[form]
			operations = append(operations, huma.Operation{Method: "GET", Path: path + form, OperationID: id, Summary: "This description", Responses: map[string]*huma.Response{"200": {Description: "OpenAPI " + map[bool]string{true: "3.0", false: "3.1"}[form[0] == '-'], Content: map[string]*huma.MediaType{kind: {}}}}})
			said[id] = openapi.Description{Tag: openapi.Server, Text: "The description of the whole API for programs.", Headers: []string{"ETag", "Vary"}}
		}
	}
	for _, o := range operations {
		d.AddOperation(&o)
	}
	d.Describe(said)
}

const exampleHealth = `{"status":"ok","version":"1.0.0"}`
