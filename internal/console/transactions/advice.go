package transactions

import (
	"regexp"
	"slices"
	"strings"

	"timbre.example/internal/requestlog"
	"timbre.example/internal/story"
)

// remedies says what a person must do about a code: the key of the text, and the page of the console
// where to do it. A code that is not listed has the remedy of its section, or of the catalogue.
var remedies = []struct {
	codes, text, page string // codes: separated by spaces; one with a final point is a section
}{
	{"registration.insufficient_credits", "credits", "/o/{org}/credits"},
	{"session.origin_not_allowed", "origin", "/o/{org}/integration"},
	{"session.key_inactive organization.no_integration common.auth.invalid_api_key", "keys", "/o/{org}/integration"},
	{"session.widget_not_enabled", "widget", "/o/{org}/integration"},
	{"organization.inactive api_key.org_inactive", "contact", ""},
	{"api_key.", "api_keys", "/o/{org}/api-keys"},
	{"registration.duplicate_title work.already_registered", "duplicate", "/o/{org}/works"},
	{"registration.audio_too_large registration.audio_empty registration.invalid_audio_format registration.upload_missing", "file", ""},
	{"common.validation_failed common.bad_request session.invalid_external_user_ref idempotency.key_reused access_code.", "input", ""},
	{"common.quota_exceeded", "quota", "/o/{org}/settings"},
	{"session.rate_limited common.rate_limited idempotency.in_progress version.already_in_progress", "wait", ""},
	{"session.invalid_token common.auth.missing_token common.auth.expired common.auth.invalid_token", "token", ""},
	{"common.service_unavailable common.auth.jwks_unavailable common.auth.backend_unavailable transaction.store_unavailable common.internal", "server", ""},
	{"transaction.expired", "again", ""},
	{"transaction.failed registration.dry_run_failed", "failed", ""},
}

// advice returns the key of what a person must do next about a story, and the path of the page
// where to do it; "" if there is none.
func advice(s story.Story) (text, page string) {
	status := story.Begun
	if s.Attempt != nil {
		status = s.Attempt.Status
	}
	switch status {
	case story.Registered, story.Running:
		return string(status), ""
	}
	code := string(s.Refused())
	for _, r := range remedies {
		if slices.ContainsFunc(strings.Fields(r.codes), func(c string) bool { return c == code || strings.HasSuffix(c, ".") && strings.HasPrefix(code, c) }) {
			return r.text, r.page
		}
	}
	if code != "" {
		return "read", ""
	}
	return string(status), ""
}

// kindOf returns what a call does in a registration.
func kindOf(c requestlog.Call) string {
	last := c.Route[strings.LastIndexByte(c.Route, '/')+1:]
	switch {
	case c.Caller.Kind == requestlog.Upload || c.Method == "PUT":
		return "upload"
	case c.Route == "/v1/sessions":
		return "mint"
	case last == "init" || last == "init-upload":
		return "init"
	case last == "upload":
		return "slot"
	case last == "prepare" || last == "confirm":
		return last
	case c.Method == "GET":
		return "read"
	}
	return "call"
}

// curl returns the command that repeats a call of an API key. The key is a variable of the shell, and the
// body has only what the request log knows. full: the reader may see the id of the job.
func curl(c requestlog.Call, publicURL string, full bool) string {
	b := "curl -i"
	if c.Method != "GET" {
		b += " -X " + c.Method
	}
	b += ` -H "Authorization: Bearer $TIMBRE_API_KEY"`
	if c.Method == "POST" {
		body := "{}"
		switch kindOf(c) {
		case "prepare", "confirm", "slot":
			job := "JOB_ID"
			if full && c.Job != "" {
				job = c.Job
			}
			body = `{"job_id":"` + job + `"}`
		case "init":
			body = `{"title":"TITLE","creators":[{"full_name":"NAME","email":"EMAIL","roles":{"author":true}}],"filename":"song.wav","network":"testnet"}`
		}
		b += ` -H "Content-Type: application/json" -d '` + body + `'`
	}
	return b + " '" + publicURL + c.Route + "'"
}

// markdown matches what the catalogue's texts use: links and code.
var markdown = regexp.MustCompile("\\[([^\\]]*)\\]\\([^)]*\\)|`")

// plain returns a text of the catalogue without Markdown.
func plain(text string) string { return markdown.ReplaceAllString(text, "$1") }

func sortLines(all []line) {
	slices.SortStableFunc(all, func(a, b line) int { return a.At.Compare(b.At) })
}
