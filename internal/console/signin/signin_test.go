package signin_test

import (
	"testing"

	"timbre.example/internal/console/shell/shelltest"
	"timbre.example/internal/console/signin"
	"timbre.example/internal/people"
)

func TestTexts(t *testing.T) {
	t.Parallel()
	shelltest.Area(t, signin.Area(&people.Service{}), ".")
}

// No address of another site is followed after a sign-in.
func TestNext(t *testing.T) {
	t.Parallel()
	for given, want := range map[string]string{
		"/console/account":                 "/console/account",
		"/console/o/x/works?q=a%2Fb":       "/console/o/x/works?q=a%2Fb",
		"":                                 "/console/",
		"/":                                "/console/",
		"//evil.example/console/":          "/console/",
		"/console//evil.example":           "/console/",
		"/console/\\evil.example":          "/console/",
		"https://evil.example/console/":    "/console/",
		"javascript:alert(1)//console/":    "/console/",
		"/console/../demo":                 "/console/",
		"/console/\r\nSet-Cookie: a=b":     "/console/",
		"/console/sign-in":                 "/console/",
		"/consoleevil":                     "/console/",
		"http:/console/":                   "/console/",
		"/console/%2e%2e/%2e%2e/x":         "/console/",
		"/console/account?next=//evil.exa": "/console/",
	} {
		if got := signin.Next(given); got != want {
			t.Errorf("%q: %q, want %q", given, got, want)
		}
	}
}
