package works

import (
	"testing"
	"time"
)

// FuzzCursor: an accepted cursor is a place in a list, and the cursor of a place is read as
// that place.
func FuzzCursor(f *testing.F) {
	at := time.Date(2026, 3, 1, 12, 0, 0, 5000, time.UTC)
	f.Add(OwnWork{ID: "0190163d-8694-739b-aea5-966c26f8ad91", UpdatedAt: at}.Cursor())
	f.Add("LTEgMDE5MDE2M2QtODY5NC03MzliLWFlYTUtOTY2YzI2ZjhhZDkx")
	f.Add("")
	f.Fuzz(func(t *testing.T, text string) {
		at, ok := parseCursor(text)
		if !ok {
			return
		}
		again := OwnWork{ID: at.id, UpdatedAt: time.UnixMicro(at.at)}.Cursor()
		if same, ok := parseCursor(again); !ok || same != at || len(at.id) != 36 {
			t.Errorf("%q is read as %v, which is written %q and read as %v", text, at, again, same)
		}
	})
}
