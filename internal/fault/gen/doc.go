package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"timbre.example/internal/fault/internal/placeholder"
)

var classWords = map[string]string{
	"refresh":  "**Refresh.** The widget pauses, emits `allfeat:token-expired`, and waits up to 60 seconds for `setToken()`. Then it continues. Without a new token it shows FAILED and emits `allfeat:failed` with the code.",
	"disabled": "**Disabled.** The widget shows its DISABLED screen and emits `allfeat:failed`. It has no retry button, because a retry would fail again.",
	"failed":   "**Failed.** The widget shows its FAILED screen with a retry button and emits `allfeat:failed`.",
	"inline":   "**Inline.** The widget shows the message next to the field that caused it and emits `allfeat:error` only; the form stays open.",
	"client":   "**Client.** The widget raises this code itself. No server sends it, and its `requestId` is null.",
	"none":     "**Backend only.** Only the backends of organizations receive this code, never a browser.",
}

// certificate is the only code that belongs to a button. Its screen shows a finished registration and stays.
const certificate = "work.certificate_unavailable"

const certificateWords = "**Retried.** The widget retries for two minutes. Then it shows the message below the certificate's button and emits `allfeat:error` with the stage `certificate`. The screen stays, and the button tries again. For clients that use only classes, its class is `failed`."

// chapters are the parts of the page, in the order of the first published catalogue. Each lists those codes of its
// sections that were in that catalogue; the last one lists all other codes.
var chapters = []struct {
	title    string
	sections []string
	intro    string
}{
	{"Sessions and authentication", []string{"session", "common.auth"}, ""},
	{"The DISABLED screen", []string{"organization"}, "These codes show the DISABLED screen, which has no retry button. This section explains the codes about an organization; the links lead to the others."},
	{"Registration", []string{"registration"}, ""},
	{"Works and access codes", []string{"work", "access_code"}, ""},
	{"Transactions", []string{"transaction"}, ""},
	{"Common", []string{"common"}, ""},
	{"Raised by the widget", []string{"widget"}, "The widget raises these codes in the browser. No server sends them, and `requestId` is null."},
	{"Further codes", nil, "These codes were added after the first catalogue. Clients that know only the first catalogue treat them by their HTTP status."},
}

// exampleRequestID is in every example. It is well-formed and belongs to no request.
const exampleRequestID = "req_01J9Z3NDEKTSV4RRFFQ69G5FAV"

// renderDoc returns the documentation page.
func renderDoc(rows []row) ([]byte, error) {
	var b bytes.Buffer
	p := func(format string, args ...any) { fmt.Fprintf(&b, format, args...) }
	p("<!-- %s -->\n\n# Error codes\n\n", generatedNote)
	p("Every error response has the same body:\n\n")
	p("```json\n{\"error\": {\"code\": \"…\", \"message\": \"…\",\n           \"details\": {}, \"request_id\": \"req_…\"}}\n```\n\n")
	p("`details` is present only for codes that list details below. `request_id` is also the `X-Request-Id` header; quote it when you report a problem. ")
	p("The `Link` header with `rel=\"help\"` leads to the code on this page. ")
	p("Responses with status 429 or 503 carry `Retry-After` in whole seconds.\n\n")
	p("Codes are stable: a listed code is never removed, never reused, and never gets another status. ")
	p("Use the code in your program, never the message. Treat an unknown code by its HTTP status.\n\n")
	p("In messages, a megabyte is 1,048,576 bytes. Sizes have at most one decimal. The size is rounded up and its maximum down, so that they never look equal.\n\n")
	p("[Error handling](error-handling.md) shows what a page does with codes. [Rehearsal](authentication.md#rehearsal) shows how to raise each code in a test. ")
	p("This list also exists [for machines](error-handling.md#for-machines).\n\n")

	p("## How the widget reacts\n\n")
	for _, class := range []string{"refresh", "disabled", "failed", "inline", "client", "none"} {
		p("- %s\n", classWords[class])
	}
	p("\nA code with a field is shown inline while that step of the form is open. Otherwise the widget reacts as its class says.\n")

	rendered := 0
	for i, c := range chapters {
		var codes []row
		for _, r := range rows {
			if last := i == len(chapters)-1; last && !r.Seed || !last && r.Seed && slices.Contains(c.sections, r.Section) {
				codes = append(codes, r)
			}
		}
		overview := codes
		if c.title == "The DISABLED screen" {
			overview = nil
			for _, section := range []string{"session", "organization", "common.auth"} {
				for _, r := range rows {
					if r.Seed && r.Class == "disabled" && r.Section == section {
						overview = append(overview, r)
					}
				}
			}
		}
		p("\n## %s\n\n", c.title)
		if c.intro != "" {
			p("%s\n\n", c.intro)
		}
		p("| code | status | reaction | message |\n|---|---|---|---|\n")
		for _, r := range overview {
			p("| [`%s`](#%s) | %s | %s | %s |\n", r.Code, r.Code, r.statusWord(), strings.Replace(r.Class, "none", "backend only", 1), r.Message)
		}
		for _, r := range codes {
			rendered++
			if err := r.renderDoc(&b); err != nil {
				return nil, fmt.Errorf("%s: %w", r.Code, err)
			}
		}
	}
	if rendered != len(rows) {
		return nil, fmt.Errorf("the page has %d of %d codes: a section is missing in chapters", rendered, len(rows))
	}
	return b.Bytes(), nil
}

func (r row) statusWord() string {
	if r.Status == 0 {
		return "–"
	}
	return fmt.Sprint(r.Status)
}

func (r row) renderDoc(b *bytes.Buffer) error {
	p := func(format string, args ...any) { fmt.Fprintf(b, format, args...) }
	p("\n<a id=\"%s\"></a>\n\n### `%s`\n\n", r.Code, r.Code)
	if r.Status != 0 {
		p("**%d %s**", r.Status, http.StatusText(r.Status))
		if r.RetryAfter {
			p(", with `Retry-After`")
		}
		p("\n\n")
	}
	p("> %s\n\n*Cause.* %s\n\n*What to do.* %s\n\n%s", r.Message, r.Cause, r.Action, r.reaction())
	if r.Stage != "" {
		p(" The field is `%s`.", r.Stage)
	}
	p("\n\n*Rehearse it.* %s\n", r.rehearsal())
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
	message, details, err := r.example()
	if err != nil {
		return err
	}
	if r.Status != 0 {
		body, err := indent(fmt.Sprintf(`{"error":{"code":%q,"message":%s%s,"request_id":%q}}`, r.Code, message, details, exampleRequestID))
		if err != nil {
			return err
		}
		p("\nThe body:\n\n```json\n%s\n```\n", body)
	}
	if name, detail := r.event(message, details); name != "" {
		text, err := indent(detail)
		if err != nil {
			return err
		}
		p("\nThe event, `%s`, with this `detail`:\n\n```json\n%s\n```\n", name, text)
	}
	return nil
}

// reaction describes how the widget reacts to the code.
func (r row) reaction() string {
	if r.Code == certificate {
		return certificateWords
	}
	return classWords[r.Class]
}

// moments say when a rehearsed session receives its code.
var moments = map[string]string{
	"call":    "at its first call",
	"code":    "when it looks up the access code",
	"init":    "when the form is submitted (`init`)",
	"upload":  "during the upload",
	"prepare": "when the server reads the upload (`prepare`)",
	"confirm": "when the price is accepted (`confirm`)",
	"track":   "after the confirmation, while it follows the transaction",

	"certificate": "when it requests the certificate",
}

// rehearsal says how to raise the code in a test.
func (r row) rehearsal() string {
	if r.Rehearse == "" {
		return "Not possible yet: no route returns this code so far."
	}
	mode := "in every mode of the widget"
	if r.Rehearse == "code" || r.Section == "version" {
		mode = "in `mode=\"update\"`"
	}
	return fmt.Sprintf("Mint a session with a test key and `\"rehearse\": \"%s\"`. It receives the code %s, %s.", r.Code, moments[r.Rehearse], mode)
}

// event returns the event that the widget emits for the code: its name and its detail.
func (r row) event(message, details string) (name, detail string) {
	id := fmt.Sprintf("%q", exampleRequestID)
	stage := ""
	switch r.Class {
	case "none":
		return "", ""
	case "refresh":
		return "allfeat:token-expired", `{"pendingAction":"submit"}`
	case "client":
		id = "null"
	case "inline":
		stage = fmt.Sprintf(`,"stage":%q`, r.Stage)
	}
	if r.Code == certificate {
		stage = `,"stage":"certificate"`
	}
	name = "allfeat:failed"
	if stage != "" {
		name = "allfeat:error"
	}
	return name, fmt.Sprintf(`{"code":%q,"message":%s,"requestId":%s%s%s}`, r.Code, message, id, stage, details)
}

var typeWords = map[string]string{
	"int":     "integer",
	"string":  "string",
	"strings": "list of strings",
	"time":    "time",
	"fields":  "list of `{field, rule, message}`",
	"uuid":    "UUID",
}

// example returns the message as JSON, with its placeholders filled from the examples of the details. It also returns the
// details as one more member of an object, or "" when the code has no details.
func (r row) example() (message, details string, err error) {
	size, limit := int64(-1), int64(-1)
	var list []string
	for _, d := range r.Details {
		list = append(list, fmt.Sprintf("%q:%s", d.Name, d.Example))
		target := map[string]*int64{"size_bytes": &size, "max_bytes": &limit}[d.Name]
		if target == nil {
			continue
		}
		if err := json.Unmarshal(d.Example, target); err != nil {
			return "", "", fmt.Errorf("example of %s: %w", d.Name, err)
		}
	}
	if len(list) > 0 {
		details = `,"details":{` + strings.Join(list, ",") + "}"
	}
	return tsString(placeholder.Fill(r.Message, size, limit)), details, nil
}

func indent(compact string) ([]byte, error) {
	var b bytes.Buffer
	err := json.Indent(&b, []byte(compact), "", "  ")
	return b.Bytes(), err
}
