package api

import (
	"strings"
	"testing"

	"github.com/google/uuid"
)

// FuzzID: an accepted id is a UUID in its usual form.
func FuzzID(f *testing.F) {
	for _, id := range []string{"0190163d-8694-739b-aea5-966c26f8ad91", "0190163D-8694-739B-AEA5-966C26F8AD91", "{0190163d-8694-739b-aea5-966c26f8ad91}", "0190163d8694739baea5966c26f8ad91", ""} {
		f.Add(id)
	}
	f.Fuzz(func(t *testing.T, text string) {
		id, ok := parseID(text)
		if !ok {
			return
		}
		if u, err := uuid.Parse(id); err != nil || u.String() != id || !strings.EqualFold(id, text) {
			t.Errorf("%q is read as %q, a UUID %v, %v", text, id, u, err)
		}
	})
}
