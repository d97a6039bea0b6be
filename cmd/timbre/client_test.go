package main

import (
	"encoding/json"
	"io"
	"maps"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// described are the operations of the server's description, as the Go client compares itself with them: the names of the
// query's parameters, and the paths of all members of the bodies. Webhooks have out alone.
type described struct {
	Query []string `json:"query,omitempty"`
	In    []string `json:"in,omitempty"`
	Out   []string `json:"out,omitempty"`
}

// client/testdata/operations.json is what the server's description says. TIMBRE_UPDATE=1 writes it. The client's own tests
// compare its types with that file, because the client knows no other module.
func TestOperationsOfTheClient(t *testing.T) {
	t.Parallel()
	f := smallServer(t.TempDir())
	s, err := newServer(t.Context(), f, f.logger(io.Discard))
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	answer := httptest.NewRecorder()
	r := httptest.NewRequest("GET", "/openapi.json", nil)
	r.Host = "127.0.0.1"
	s.web.ServeHTTP(answer, r)
	var doc map[string]any
	if err := json.Unmarshal(answer.Body.Bytes(), &doc); err != nil {
		t.Fatalf("%v: %s", err, answer.Body)
	}
	all := map[string]described{}
	add := func(kind string, list map[string]any, keep func(path, method string) bool) {
		for path, methods := range list {
			for method, o := range methods.(map[string]any) {
				if keep(path, method) {
					all[strings.ToUpper(kind+method)+" "+path] = operationOf(doc, o.(map[string]any), kind != "")
				}
			}
		}
	}
	add("", doc["paths"].(map[string]any), func(path, _ string) bool {
		return strings.HasPrefix(path, "/v1/sessions") || path == "/v1/stats" || strings.HasPrefix(path, "/v1/works") || strings.HasPrefix(path, "/v1/transactions")
	})
	add("webhook ", doc["webhooks"].(map[string]any), func(string, string) bool { return true })
	if len(all) < 25 {
		t.Fatalf("%d operations", len(all))
	}
	const file = "../../client/testdata/operations.json"
	if os.Getenv("TIMBRE_UPDATE") != "" {
		b, err := json.MarshalIndent(all, "", " ")
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, append(b, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	var kept map[string]described
	b, err := os.ReadFile(file)
	if err == nil {
		err = json.Unmarshal(b, &kept)
	}
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(kept, all); diff != "" {
		t.Errorf("%s is not what the server describes (TIMBRE_UPDATE=1 writes it):\n%s", file, diff)
	}
}

func operationOf(doc, o map[string]any, webhook bool) (d described) {
	for _, p := range list(o["parameters"]) {
		if p := p.(map[string]any); p["in"] == "query" {
			d.Query = append(d.Query, p["name"].(string))
		}
	}
	slices.Sort(d.Query)
	in := members(doc, o["requestBody"])
	if webhook {
		return described{Out: in}
	}
	d.In = in
	responses, _ := o["responses"].(map[string]any)
	for status, r := range responses {
		if strings.HasPrefix(status, "2") {
			d.Out = members(doc, r)
		}
	}
	return d
}

func list(v any) []any { all, _ := v.([]any); return all }

// members are the paths of all members of a body in JSON.
func members(doc map[string]any, body any) []string {
	b, _ := body.(map[string]any)
	content, _ := b["content"].(map[string]any)
	media, _ := content["application/json"].(map[string]any)
	found := map[string]bool{}
	walkSchema(doc, media["schema"], "", found)
	return slices.Sorted(maps.Keys(found))
}

func walkSchema(doc map[string]any, v any, at string, found map[string]bool) {
	s, ok := v.(map[string]any)
	if !ok {
		return
	}
	if ref, ok := s["$ref"].(string); ok {
		name := ref[strings.LastIndex(ref, "/")+1:]
		walkSchema(doc, doc["components"].(map[string]any)["schemas"].(map[string]any)[name], at, found)
	}
	for _, one := range slices.Concat(list(s["oneOf"]), list(s["anyOf"]), list(s["allOf"])) {
		walkSchema(doc, one, at, found)
	}
	walkSchema(doc, s["items"], at, found)
	properties, _ := s["properties"].(map[string]any)
	for name, p := range properties {
		path := strings.TrimPrefix(at+"."+name, ".")
		found[path] = true
		walkSchema(doc, p, path, found)
	}
}
