package transactions

import (
	"regexp"
	"slices"
	"strings"

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
// where to do it; or "".
func advice(s story.Story) (text, page string) {
	status := story.Begun
	if s.Attempt != nil {
		status = s.Attempt.Status
	}
	switch status { //nolint:exhaustive // other states need no advice
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

// markdown matches what the catalogue's texts use: links and code.
var markdown = regexp.MustCompile("\\[([^\\]]*)\\]\\([^)]*\\)|`")

// plain returns a text of the catalogue without Markdown.
func plain(text string) string { return markdown.ReplaceAllString(text, "$1") }

var placeholder = regexp.MustCompile(`\{\w+\}`)

// general returns the message of a code for all its refusals. Their values differ, so each value
// is an ellipsis.
func general(message string) string { return placeholder.ReplaceAllString(message, "…") }
