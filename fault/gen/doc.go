package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"timbre.example/fault/internal/placeholder"
)

var classWords = map[string]string{
	"refresh":  "**Refresh.** The widget pauses, emits `allfeat:token-expired`, waits up to 60 seconds for `setToken()`, and goes on where it was. Without one it shows FAILED and emits `allfeat:failed` with the code.",
	"disabled": "**Disabled.** The widget shows its DISABLED screen and emits `allfeat:failed`. There is no retry button, because a retry cannot help.",
	"failed":   "**Failed.** The widget shows its FAILED screen with a retry button and emits `allfeat:failed`.",
	"inline":   "**Inline.** The widget shows the message next to the field that caused it and emits `allfeat:error` only; the form stays open.",
	"client":   "**Client.** The widget raises this itself; no server sends it, and its `requestId` is null.",
	"none":     "**Backend only.** No browser meets this code: it answers organization backends.",
}

// certificate is the one code that belongs to a button: its screen has ended, and nothing takes that away.
const certificate = "work.certificate_unavailable"

const certificateWords = "**Waited for.** The widget asks again for two minutes. Then it says so below the certificate's button and emits `allfeat:error`, with the stage `certificate`; the screen stays, and the button tries again. Its class is `failed` to whoever knows only classes."

// chapters are the parts of the page, in the order of the first published catalogue. Each has the codes of its sections that
// were in that catalogue; the last has all others.
var chapters = []struct {
	title    string
	sections []string
	intro    string
}{
	{"Sessions and authentication", []string{"session", "common.auth"}, ""},
	{"The DISABLED screen", []string{"organization"}, "These codes show the DISABLED screen, which has no retry button. Those that are about an organization are explained here, the others where their links lead."},
	{"Registration", []string{"registration"}, ""},
	{"Works and access codes", []string{"work", "access_code"}, ""},
	{"Transactions", []string{"transaction"}, ""},
	{"Common", []string{"common"}, ""},
	{"Raised by the widget", []string{"widget"}, "These are raised in the browser. No server sends them, and `requestId` is null."},
	{"Further codes", nil, "Codes that were added to the first catalogue. Clients that were written for that one treat them by their HTTP status."},
}

// exampleRequestID stands in every example; it is well-formed and belongs to no request.
const exampleRequestID = "req_01J9Z3NDEKTSV4RRFFQ69G5FAV"

// renderDoc returns the documentation page.
func renderDoc(rows []row) ([]byte, error) {
	var b bytes.Buffer
	p := func(format string, args ...any) { fmt.Fprintf(&b, format, args...) }
	p("<!-- %s -->\n\n# Error codes\n\n", generatedNote)
	p("Every response that is not a success has the same body, whatever part of the system refused the request:\n\n")
	p("```json\n{\"error\": {\"code\": \"…\", \"message\": \"…\",\n           \"details\": {}, \"request_id\": \"req_…\"}}\n```\n\n")
	p("`details` is present only where it is described below. `request_id` is also the `X-Request-Id` header; quote it when you report a problem. ")
	p("The `Link` header, `rel=\"help\"`, leads to the code on this page. ")
	p("Responses with status 429 or 503 carry `Retry-After` in whole seconds.\n\n")
	p("Codes are stable: one that is listed here is never removed, reused for something else or moved to another status. ")
	p("Act on the code, never on the message. Treat a code you do not know by its HTTP status.\n\n")
	p("Messages that name a size count a megabyte as 1,048,576 bytes and show at most one decimal, the size rounded up and its maximum down, so that they never look equal.\n\n")
	p("[Error handling](error-handling.md) shows what a page does with codes, [rehearsal](authentication.md#rehearsal) how to make any of them happen, ")
	p("and this list is there [for machines](error-handling.md#for-machines), too.\n\n")

	p("## How the widget reacts\n\n")
	for _, class := range []string{"refresh", "disabled", "failed", "inline", "client", "none"} {
		p("- %s\n", classWords[class])
	}
	p("\nA code that belongs to a field of the form is shown inline while that step of the form is open, and as its class otherwise.\n")

	told := 0
	for i, c := range chapters {
		var mine []row
		for _, r := range rows {
			if last := i == len(chapters)-1; last && !r.Seed || !last && r.Seed && slices.Contains(c.sections, r.Section) {
				mine = append(mine, r)
			}
		}
		overview := mine
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
		for _, r := range mine {
			told++
			if err := r.renderDoc(&b); err != nil {
				return nil, fmt.Errorf("%s: %w", r.Code, err)
			}
		}
	}
	if told != len(rows) {
		return nil, fmt.Errorf("%d of %d codes have their place on the page: a section is missing in chapters", told, len(rows))
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

// reaction says what the widget makes of the code.
func (r row) reaction() string {
	if r.Code == certificate {
		return certificateWords
	}
	return classWords[r.Class]
}

// moments say when a rehearsed session meets its code.
var moments = map[string]string{
	"call":    "at its first call, whatever that is",
	"code":    "when the access code is looked up",
	"init":    "when the form is handed in (`init`)",
	"upload":  "while the file is being sent",
	"prepare": "when the upload is read (`prepare`)",
	"confirm": "when the price is agreed to (`confirm`)",
	"track":   "after the order was taken, while it is followed",

	"certificate": "when the certificate is asked for",
}

// rehearsal says how to make the code happen.
func (r row) rehearsal() string {
	if r.Rehearse == "" {
		return "Not yet: the routes that answer with it are still to come."
	}
	mode := "in every mode of the widget"
	if r.Rehearse == "code" || r.Section == "version" {
		mode = "in `mode=\"update\"`"
	}
	return fmt.Sprintf("A session that was minted with a test key and `\"rehearse\": \"%s\"` meets it %s, %s.", r.Code, moments[r.Rehearse], mode)
}

// event returns what the page hears of the code: the name of the event and its detail.
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

// example returns the message with its placeholders filled from the examples of the details, as JSON, and the details as one
// more member of an object, or nothing when there are none.
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
