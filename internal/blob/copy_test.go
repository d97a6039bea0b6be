package blob

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"testing"
)

// If files cannot be linked, the bytes are copied, with the same result.
func TestCopyBytes(t *testing.T) {
	d, err := NewDisk(t.TempDir(), "http://127.0.0.1:1/blob", []byte("sixteen bytes or"),
		Options{RenderError: func(http.ResponseWriter, *http.Request, error) {}})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	want := bytes.Repeat([]byte("timbre"), 100_000)
	if err := d.Put(t.Context(), "src", want); err != nil {
		t.Fatal(err)
	}
	if err := d.copyBytes(t.Context(), "src", "dst", int64(len(want))); err != nil {
		t.Fatal(err)
	}
	r, _, err := d.Open(t.Context(), "dst")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, want) {
		t.Errorf("%d bytes (%v), want %d", len(got), err, len(want))
	}

	if err := d.copyBytes(t.Context(), "src", "larger", int64(len(want))-1); !errors.Is(err, TooLarge{int64(len(want))}) {
		t.Errorf("too large: %v", err)
	}
	if err := d.copyBytes(t.Context(), "none", "dst", 1<<20); !errors.Is(err, ErrNotFound) {
		t.Errorf("missing: %v", err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := d.copyBytes(ended, "src", "dst", 1<<20); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	left, err := d.root.Open(tempDir)
	if err != nil {
		t.Fatal(err)
	}
	defer left.Close()
	if names, err := left.Readdirnames(-1); err != nil || len(names) > 0 {
		t.Errorf("temporary files left: %v (%v)", names, err)
	}
}
