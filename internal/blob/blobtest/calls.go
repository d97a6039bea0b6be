package blobtest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"

	"timbre.example/internal/blob"
)

const mib = 1 << 20

func presignPut(t *testing.T, s blob.Store, key string, expires time.Time) string {
	t.Helper()
	u, err := s.PresignPut(t.Context(), blob.Upload{Key: key, MaxBytes: 8 * mib, Expires: expires})
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func presignGet(t *testing.T, s blob.Store, key, filename string, expires time.Time) string {
	t.Helper()
	u, err := s.PresignGet(t.Context(), key, blob.File{Name: filename}, expires)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func put(t *testing.T, s blob.Store, key string, body []byte) {
	t.Helper()
	mustPut(t, presignPut(t, s, key, time.Now().Add(time.Hour)), body)
}

// mustPut can run in any goroutine of a test.
func mustPut(t *testing.T, u string, body []byte) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, u, bytes.NewReader(body))
	if err != nil {
		t.Error(err)
		return
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Error(err)
		return
	}
	defer resp.Body.Close()
	if answer, err := io.ReadAll(resp.Body); err != nil || resp.StatusCode/100 != 2 {
		t.Errorf("PUT: %s %s (%v)", resp.Status, answer, err)
	}
}

func do(t *testing.T, method, u string, body []byte, header ...string) (*http.Response, []byte) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, u, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, got
}

func read(t *testing.T, s blob.Store, key string) []byte {
	t.Helper()
	r, info, err := s.Open(t.Context(), key)
	if err != nil {
		t.Fatalf("Open(%s): %v", key, err)
	}
	defer r.Close()
	got, err := io.ReadAll(r)
	if err != nil || int64(len(got)) != info.Size {
		t.Fatalf("Open(%s) says %d bytes, read %d (%v)", key, info.Size, len(got), err)
	}
	return got
}

func wantObject(t *testing.T, s blob.Store, key string, want []byte) {
	t.Helper()
	if got := read(t, s, key); !bytes.Equal(got, want) {
		t.Errorf("%s holds %d other bytes, want %d", key, len(got), len(want))
	}
}

func wantMissing(t *testing.T, s blob.Store, key string) {
	t.Helper()
	r, _, err := s.Open(t.Context(), key)
	if err == nil {
		r.Close()
	}
	if !errors.Is(err, blob.ErrNotFound) {
		t.Errorf("Open(%s): %v, want ErrNotFound", key, err)
	}
}

func mustCopy(t *testing.T, s blob.Store, src, dst string) {
	t.Helper()
	if err := s.Copy(t.Context(), src, dst, 1<<40); err != nil {
		t.Fatalf("Copy(%s, %s): %v", src, dst, err)
	}
}

// pattern returns n bytes that differ with seed and do not repeat with any buffer size.
func pattern(seed byte, n int) []byte {
	b := make([]byte, 0, n+16)
	for i := 0; len(b) < n; i++ {
		b = fmt.Appendf(b, "%d:%d;", seed, i)
	}
	return b[:n]
}
