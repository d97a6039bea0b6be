package blob

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"testing"
)

// Where files cannot be linked, the bytes are copied to the same effect.
func TestCopyBytes(t *testing.T) {
	d, err := NewDisk(t.TempDir(), "http://127.0.0.1:1/blob", []byte("sixteen bytes or"),
		Options{RenderError: func(http.ResponseWriter, *http.Request, error) {}})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	want := bytes.Repeat([]byte("timbre"), 100_000)
	temp, err := d.stage(func(f *os.File) error { _, err := f.Write(want); return err })
	if err == nil {
		err = d.publish(temp, "src")
	}
	if err != nil {
		t.Fatal(err)
	}

	temp, err = d.copyBytes(t.Context(), "src")
	if err == nil {
		err = d.publish(temp, "dst")
	}
	if err != nil {
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

	if _, err := d.copyBytes(t.Context(), "none"); !errors.Is(err, ErrNotFound) {
		t.Errorf("missing: %v", err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := d.copyBytes(ended, "src"); !errors.Is(err, context.Canceled) {
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
