package blobtest

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"timbre.example/internal/blob"
)

// song is a file of three parts of the smallest size that S3 accepts, the last one shorter.
const songSize = 2*blob.MinPart + 1000

func begin(t *testing.T, s blob.Store, key string) blob.Multipart {
	t.Helper()
	id, err := s.BeginParts(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	return blob.Multipart{Key: key, ID: id, Size: songSize, PartSize: blob.MinPart}
}

func partURL(t *testing.T, s blob.Store, m blob.Multipart, number int) string {
	t.Helper()
	u, err := s.PresignPart(t.Context(), m, number, time.Now().Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// piece returns the bytes of a part.
func piece(m blob.Multipart, song []byte, number int) []byte {
	from := int64(number-1) * m.PartSize
	return song[from : from+m.SizeOf(number)]
}

func putParts(t *testing.T, s blob.Store, m blob.Multipart, song []byte, numbers ...int) {
	t.Helper()
	for _, n := range numbers {
		mustPut(t, partURL(t, s, m, n), piece(m, song, n))
	}
}

// taken reports whether the store took a part. A store may refuse it by ending the
// connection.
func taken(t *testing.T, u string, body []byte) bool {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, u, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	return resp.StatusCode/100 == 2
}

func stored(t *testing.T, s blob.Store, m blob.Multipart) (numbers []int) {
	t.Helper()
	parts, err := s.ListParts(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range parts {
		numbers = append(numbers, p.Number)
		if p.Size != m.SizeOf(p.Number) || p.Version == "" {
			t.Errorf("the store lists %+v, want %d bytes", p, m.SizeOf(p.Number))
		}
	}
	return numbers
}

// Parts may come in any order and at the same time. No reader sees them before the end.
func partsInAnyOrder(t *testing.T, s blob.Store) {
	song, m := pattern(1, songSize), begin(t, s, "uploads/one")
	if got := stored(t, s, m); len(got) > 0 {
		t.Errorf("a new upload has the parts %v", got)
	}
	var bad blob.BadParts
	if _, err := s.CompleteParts(t.Context(), m); !errors.As(err, &bad) || !slices.Equal(bad.Missing, []int{1, 2, 3}) || len(bad.Wrong) > 0 {
		t.Errorf("completed without parts: %v", err)
	}
	var all sync.WaitGroup
	for _, n := range []int{3, 2} {
		all.Go(func() { mustPut(t, partURL(t, s, m, n), piece(m, song, n)) })
	}
	all.Wait()
	if got := stored(t, s, m); !slices.Equal(got, []int{2, 3}) {
		t.Errorf("stored are %v", got)
	}
	if _, err := s.CompleteParts(t.Context(), m); !errors.As(err, &bad) || !slices.Equal(bad.Missing, []int{1}) {
		t.Errorf("completed without part 1: %v", err)
	}
	wantMissing(t, s, m.Key)
	for o := range s.List(t.Context(), "uploads") {
		t.Errorf("listed %+v before the end", o)
	}
	putParts(t, s, m, song, 1)
	parts, err := s.CompleteParts(t.Context(), m)
	if err != nil || len(parts) != 3 {
		t.Fatalf("%v, %v", parts, err)
	}
	wantObject(t, s, m.Key, song)
	mustCopy(t, s, m.Key, "assets/one")
	if _, err := s.ListParts(t.Context(), m); !errors.Is(err, blob.ErrNotFound) {
		t.Errorf("the parts after the end: %v", err)
	}
	// The answer was lost.
	if parts, err := s.CompleteParts(t.Context(), m); err != nil || len(parts) > 0 {
		t.Errorf("completed again: %v, %v", parts, err)
	}
	// A late part changes nothing.
	if taken(t, partURL(t, s, m, 1), pattern(9, blob.MinPart)) {
		t.Errorf("a part after the end is taken")
	}
	wantObject(t, s, m.Key, song)
	wantObject(t, s, "assets/one", song)
}

// A part that is sent again replaces the part before.
func partsSentAgain(t *testing.T, s blob.Store) {
	song, m := pattern(1, songSize), begin(t, s, "uploads/again")
	other := pattern(2, songSize)
	putParts(t, s, m, other, 2, 1)
	before, err := s.ListParts(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	putParts(t, s, m, song, 2, 1, 3)
	after, err := s.ListParts(t.Context(), m)
	if err != nil || len(after) != 3 {
		t.Fatalf("%v, %v", after, err)
	}
	for i := range before {
		if before[i].Version == after[i].Version {
			t.Errorf("part %d has other bytes and the same version", i+1)
		}
	}
	if _, err := s.CompleteParts(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	wantObject(t, s, m.Key, song)
}

// A part takes no more and no fewer bytes than it has.
func partsOfAnotherSize(t *testing.T, s blob.Store) {
	song, m := pattern(1, songSize), begin(t, s, "uploads/size")
	putParts(t, s, m, song, 1, 2)
	for what, n := range map[string]int{"longer": 1001, "shorter": 999, "empty": 0} {
		if taken(t, partURL(t, s, m, 3), pattern(1, n)) {
			t.Errorf("a %s part is taken", what)
		}
	}
	if got := stored(t, s, m); !slices.Equal(got, []int{1, 2}) {
		t.Errorf("stored are %v", got)
	}
	if _, err := s.PresignPart(t.Context(), m, 4, time.Now().Add(time.Hour)); err == nil {
		t.Error("a part that the upload does not have is signed")
	}
	if _, err := s.PresignPart(t.Context(), blob.Multipart{Key: "../x", ID: m.ID, Size: 1, PartSize: 1}, 1, time.Now()); err == nil {
		t.Error("a key that leaves its folder is signed")
	}
}

// A URL is for its own part, and its time.
func partURLs(t *testing.T, s blob.Store) {
	song, m := pattern(1, songSize), begin(t, s, "uploads/urls")
	expired, err := s.PresignPart(t.Context(), m, 1, time.Now().Add(-time.Hour))
	if err == nil { // S3 signs no URL that is expired
		if taken(t, expired, piece(m, song, 1)) {
			t.Error("an expired URL is taken")
		}
	}
	u := partURL(t, s, m, 1)
	for what, forged := range map[string]string{
		"another part":   strings.Replace(strings.Replace(u, "part=1", "part=2", 1), "partNumber=1", "partNumber=2", 1),
		"another object": strings.Replace(u, "uploads/urls", "uploads/other", 1),
		"a longer time":  strings.Replace(strings.Replace(u, "expires=", "expires=9", 1), "X-Amz-Expires=", "X-Amz-Expires=9", 1),
	} {
		if forged == u {
			t.Fatal(what, "is the same URL", u)
		}
		if taken(t, forged, piece(m, song, 1)) {
			t.Errorf("the URL of %s is taken", what)
		}
	}
	if got := stored(t, s, m); len(got) > 0 {
		t.Errorf("stored are %v", got)
	}
}

// An abort removes the parts, and no late part brings them back.
func partsAborted(t *testing.T, s blob.Store) {
	song, m, kept := pattern(1, songSize), begin(t, s, "uploads/gone"), begin(t, s, "uploads/kept")
	putParts(t, s, m, song, 1, 2, 3)
	putParts(t, s, kept, song, 2)
	found := map[string]blob.Unfinished{}
	for u, err := range s.UnfinishedParts(t.Context(), "uploads") {
		if err != nil {
			t.Fatal(err)
		}
		found[u.ID] = u
	}
	if u := found[m.ID]; len(found) != 2 || u.Key != m.Key || u.Bytes != songSize || found[kept.ID].Bytes != blob.MinPart || time.Since(u.Begun).Abs() > time.Hour {
		t.Errorf("unfinished are %+v", found)
	}
	if _, err := s.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := s.AbortParts(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	if taken(t, partURL(t, s, m, 1), piece(m, song, 1)) {
		t.Errorf("a part after the abort is taken")
	}
	for _, err := range []error{
		func() error { _, err := s.ListParts(t.Context(), m); return err }(),
		func() error { _, err := s.CompleteParts(t.Context(), m); return err }(),
	} {
		if !errors.Is(err, blob.ErrNotFound) {
			t.Errorf("%v, want ErrNotFound", err)
		}
	}
	for u, err := range s.UnfinishedParts(t.Context(), "uploads") {
		if err != nil || u.ID != kept.ID {
			t.Errorf("unfinished is %+v, %v", u, err)
		}
	}
	if got := stored(t, s, kept); !slices.Equal(got, []int{2}) {
		t.Errorf("the other upload has %v", got)
	}
}

// Two uploads of one key do not share their parts; the one that is completed last is the
// object.
func partsOfTwoUploads(t *testing.T, s blob.Store) {
	one, two := pattern(1, songSize), pattern(2, songSize)
	a, b := begin(t, s, "uploads/both"), begin(t, s, "uploads/both")
	putParts(t, s, a, one, 1, 2)
	putParts(t, s, b, two, 1, 2, 3)
	if _, err := s.CompleteParts(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	wantObject(t, s, "uploads/both", two)
	r, _, err := s.Open(t.Context(), "uploads/both")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	putParts(t, s, a, one, 3)
	if _, err := s.CompleteParts(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	wantObject(t, s, "uploads/both", one)
	if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, two) {
		t.Errorf("an open reader got %d other bytes (%v)", len(got), err)
	}
}

// A store may show the parts before the end.
func partsOpened(t *testing.T, s blob.Store) {
	song, m := pattern(1, songSize), begin(t, s, "uploads/open")
	putParts(t, s, m, song, 2, 3)
	if _, _, err := s.OpenPart(t.Context(), m, 1); !errors.Is(err, blob.ErrNotFound) {
		t.Errorf("a part that is not there: %v", err)
	}
	for _, n := range []int{2, 3} {
		r, p, err := s.OpenPart(t.Context(), m, n)
		if errors.Is(err, blob.ErrNotFound) { // the store shows no part
			continue
		} else if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(r)
		r.Close()
		if err != nil || !bytes.Equal(got, piece(m, song, n)) || p.Number != n || p.Size != m.SizeOf(n) {
			t.Errorf("part %d: %+v, %d other bytes (%v)", n, p, len(got), err)
		}
	}
}
