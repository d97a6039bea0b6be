package openapitest_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"timbre.example/internal/openapi/openapitest"
)

const description = `{"openapi":"3.1.0","info":{"title":"t","version":"1"},"paths":{"/v1/songs/{id}":{"post":{"operationId":"song",
"parameters":[{"name":"id","in":"path","required":true,"schema":{"type":"integer"}}],
"requestBody":{"required":true,"content":{"application/json":{"schema":{"type":"object","required":["title"],"properties":{"title":{"type":"string","maxLength":5}}}}}},
"responses":{"200":{"description":"ok","headers":{"X-Request-Id":{"required":true,"schema":{"type":"string"}}},"content":{"application/json":{"schema":{"type":"object","required":["id"],"properties":{"id":{"type":"integer"}}}}}},
"404":{"description":"no","content":{"application/json":{"schema":{"type":"object","properties":{"error":{"type":"object","properties":{"code":{"enum":["work.not_found"]}}}}},"examples":{"work.not_found":{"value":{}},"common.internal":{"value":{}}}}}}}}}}}`

// Each kind of difference is reported, and an exchange as described is not.
func TestDifferences(t *testing.T) {
	t.Parallel()
	c, err := openapitest.New([]byte(description))
	if err != nil {
		t.Fatal(err)
	}
	for name, x := range map[string]struct {
		path, sent  string
		status      int
		head        string
		body        string
		differences bool
	}{
		"as described":           {"/v1/songs/1", `{"title":"a"}`, 200, "", `{"id":1}`, false},
		"a page":                 {"/docs/", "", 500, "X-Other", "x", false},
		"an undeclared status":   {"/v1/songs/1", `{"title":"a"}`, 409, "", `{"error":{"code":"work.not_found"}}`, true},
		"an undeclared code":     {"/v1/songs/1", `{"title":"a"}`, 404, "", `{"error":{"code":"common.forbidden"}}`, true},
		"a declared code":        {"/v1/songs/1", `{"title":"too long"}`, 404, "", `{"error":{"code":"work.not_found"}}`, false},
		"an undeclared member":   {"/v1/songs/1", `{"title":"a"}`, 200, "", `{"id":1,"more":2}`, true},
		"a missing member":       {"/v1/songs/1", `{"title":"a"}`, 200, "", `{}`, true},
		"a wrong type":           {"/v1/songs/1", `{"title":"a"}`, 200, "", `{"id":"1"}`, true},
		"an undeclared header":   {"/v1/songs/1", `{"title":"a"}`, 200, "X-Other", `{"id":1}`, true},
		"an accepted wrong body": {"/v1/songs/1", `{"title":"too long"}`, 200, "", `{"id":1}`, true},
		"a wrong parameter":      {"/v1/songs/x", `{"title":"a"}`, 200, "", `{"id":1}`, true},
		"an unknown operation":   {"/v1/other", ``, 200, "", `{}`, true},
		"an unknown route":       {"/v1/other", ``, 404, "", `{"error":{"code":"common.not_found","details":{"reason":"route"}}}`, false},
	} {
		req := httptest.NewRequest("POST", x.path, strings.NewReader(x.sent))
		req.Header.Set("Content-Type", "application/json")
		res := &http.Response{StatusCode: x.status, Header: http.Header{"Content-Type": {"application/json"}, "X-Request-Id": {"req_1"}}}
		if x.head != "" {
			res.Header.Set(x.head, "1")
		}
		if got := c.Check(req, []byte(x.sent), res, []byte(x.body)); (len(got) > 0) != x.differences {
			t.Errorf("%s: %q", name, got)
		}
	}
}
