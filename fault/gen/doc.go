package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"

	"timbre.example/fault/internal/placeholder"
)

var classWords = map[string]string{
	"refresh":  "**Refresh.** The widget pauses, emits `allfeat:token-expired`, waits up to 60 seconds for `setToken()`, and goes on where it was.",
	"disabled": "**Disabled.** The widget shows its DISABLED screen and emits `allfeat:failed`. There is no retry button, because a retry cannot help.",
	"failed":   "**Failed.** The widget shows its FAILED screen with a retry button and emits `allfeat:failed`.",
	"inline":   "**Inline.** The widget shows the message next to the field that caused it and emits `allfeat:error` only; the form stays open.",
	"client":   "**Client.** The widget raises this itself; no server sends it, and its `requestId` is null.",
	"none":     "**Backend only.** No browser meets this code: it answers organization backends.",
}

var sectionTitles = map[string]string{
	"session":      "Sessions",
	"common.auth":  "Authentication",
	"organization": "Organizations",
	"registration": "Registration",
	"work":         "Works",
	"access_code":  "Access codes",
	"transaction":  "Transactions",
	"common":       "Common",
	"widget":       "The widget",
	"version":      "Versions",
	"api_key":      "Organization API keys",
	"idempotency":  "Idempotency",
}

// exampleRequestID stands in every example; it is well-formed and belongs to no request.
const exampleRequestID = "req_01J9Z3NDEKTSV4RRFFQ69G5FAV"

// renderDoc returns the documentation page, grouped by section in the order in which sections first appear.
func renderDoc(rows []row) ([]byte, error) {
	var sections []string
	bySection := make(map[string][]row)
	for _, r := range rows {
		if sectionTitles[r.Section] == "" {
			return nil, fmt.Errorf("section %q has no title", r.Section)
		}
		if bySection[r.Section] == nil {
			sections = append(sections, r.Section)
		}
		bySection[r.Section] = append(bySection[r.Section], r)
	}

	var b bytes.Buffer
	p := func(format string, args ...any) { fmt.Fprintf(&b, format, args...) }
	p("<!-- %s -->\n\n# Error codes\n\n", generatedNote)
	p("Every response that is not a success has the same body, whatever part of the system refused the request:\n\n")
	p("```json\n{\"error\": {\"code\": \"…\", \"message\": \"…\", \"details\": {}, \"request_id\": \"req_…\"}}\n```\n\n")
	p("`details` is present only where it is described below. `request_id` is also the `X-Request-Id` header; quote it when you report a problem. ")
	p("Responses with status 429 or 503 carry `Retry-After` in whole seconds.\n\n")
	p("Codes are stable: one that is listed here is never removed, reused for something else or moved to another status. ")
	p("Act on the code, never on the message. Treat a code you do not know by its HTTP status.\n\n")
	p("Messages that name a size count a megabyte as 1,048,576 bytes and show at most one decimal, the size rounded up and its maximum down, so that they never look equal.\n\n")

	p("## How the widget reacts\n\n")
	for _, class := range []string{"refresh", "disabled", "failed", "inline", "client", "none"} {
		p("- %s\n", classWords[class])
	}
	p("\nA code that belongs to a field of the form is shown inline while that step of the form is open, and as its class otherwise.\n\n")

	p("## All codes\n\n| code | status | reaction | message |\n|---|---|---|---|\n")
	for _, section := range sections {
		for _, r := range bySection[section] {
			status := "–"
			if r.Status != 0 {
				status = fmt.Sprint(r.Status)
			}
			class := r.Class
			if class == "none" {
				class = "backend only"
			}
			p("| [`%s`](#%s) | %s | %s | %s |\n", r.Code, r.Code, status, class, r.Message)
		}
	}
	for _, section := range sections {
		p("\n## %s\n", sectionTitles[section])
		for _, r := range bySection[section] {
			if err := r.renderDoc(&b); err != nil {
				return nil, fmt.Errorf("%s: %w", r.Code, err)
			}
		}
	}
	return b.Bytes(), nil
}

func (r row) renderDoc(b *bytes.Buffer) error {
	p := func(format string, args ...any) { fmt.Fprintf(b, format, args...) }
	p("\n<a id=\"%s\"></a>\n\n### `%s`\n\n", r.Code, r.Code)
	if r.Status == 0 {
		p("> %s\n\n", r.Message)
	} else {
		p("**%d %s**", r.Status, http.StatusText(r.Status))
		if r.RetryAfter {
			p(", with `Retry-After`")
		}
		p("\n\n> %s\n\n", r.Message)
	}
	p("*Why.* %s\n\n*What to do.* %s\n\n%s", r.Cause, r.Action, classWords[r.Class])
	if r.Stage != "" {
		p(" The field is `%s`.", r.Stage)
	}
	p("\n")
	if len(r.Details) > 0 {
		p("\n| detail | type | meaning |\n|---|---|---|\n")
		for _, d := range r.Details {
			optional := ""
			if d.Optional {
				optional = ", optional"
			}
			p("| `%s` | %s%s | %s |\n", d.Name, typeWords[d.Type], optional, d.Meaning)
		}
	}
	if r.Status == 0 {
		return nil
	}
	body, err := r.exampleBody()
	if err != nil {
		return err
	}
	p("\n```json\n%s\n```\n", body)
	return nil
}

var typeWords = map[string]string{
	"int":     "integer",
	"string":  "string",
	"strings": "list of strings",
	"time":    "time",
	"fields":  "list of `{field, rule, message}`",
	"uuid":    "UUID",
}

// exampleBody returns an indented envelope whose details are the catalogue's examples.
func (r row) exampleBody() ([]byte, error) {
	size, limit := int64(-1), int64(-1)
	var details bytes.Buffer
	for i, d := range r.Details {
		if i > 0 {
			details.WriteByte(',')
		}
		fmt.Fprintf(&details, "%q:%s", d.Name, d.Example)
		target := map[string]*int64{"size_bytes": &size, "max_bytes": &limit}[d.Name]
		if target == nil {
			continue
		}
		if err := json.Unmarshal(d.Example, target); err != nil {
			return nil, fmt.Errorf("example of %s: %w", d.Name, err)
		}
	}
	member := ""
	if len(r.Details) > 0 {
		member = `,"details":{` + details.String() + "}"
	}
	compact := fmt.Sprintf(`{"error":{"code":%q,"message":%s%s,"request_id":%q}}`,
		r.Code, tsString(placeholder.Fill(r.Message, size, limit)), member, exampleRequestID)
	var b bytes.Buffer
	if err := json.Indent(&b, []byte(compact), "", "  "); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}
