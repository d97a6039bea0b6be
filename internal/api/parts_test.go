package api_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"slices"
	"testing"
	"time"

	"timbre.example/internal/blob"
	"timbre.example/internal/fault"
	"timbre.example/internal/store"
	"timbre.example/internal/store/storetest"
)

// slots is the answer of the parts of a job.
type slots struct {
	SizeBytes int64 `json:"size_bytes"`
	PartBytes int64 `json:"part_size_bytes"`
	Count     int   `json:"part_count"`
	Complete  bool
	Stored    []struct {
		Number int
		Size   int64 `json:"size_bytes"`
	}
	URLs []struct {
		Number int
		Size   int64 `json:"size_bytes"`
		URL    string
	}
	ExpiresAt *time.Time `json:"urls_expire_at"`
}

func (b tab) parts(job string, body map[string]any) slots {
	b.t.Helper()
	all := map[string]any{"job_id": job}
	for k, v := range body {
		all[k] = v
	}
	a := b.post("/v1/works/parts", all)
	if a.code != "" {
		b.t.Fatalf("parts: %s\n%s", a.body, b.logged.String())
	}
	var s slots
	a.into(&s)
	return s
}

// sendParts uploads the parts with these URLs, the last one first.
func (b tab) sendParts(s slots, song []byte) {
	b.t.Helper()
	for i := len(s.URLs) - 1; i >= 0; i-- {
		u := s.URLs[i]
		from := int64(u.Number-1) * s.PartBytes
		if a := b.put(u.URL, song[from:from+u.Size]); a.code != "" {
			b.t.Fatalf("part %d: %s", u.Number, a.body)
		}
	}
}

func (b tab) completeParts(job string) answer {
	return b.post("/v1/works/parts/complete", map[string]string{"job_id": job})
}

// A file in parts is registered like one of a single PUT. The file is read while its parts
// arrive, so that prepare does not open it.
func TestUploadInParts(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		opened := &opens{}
		w := newWorld(t, db, options{partBytes: 1000, blobs: func(s blob.Store) blob.Store { opened.Store = s; return opened }})
		w.work()
		b := w.mint(nil)
		song := wav("parts", 5000)
		job, _ := b.init("Parts", map[string]any{"size_bytes": len(song)})

		if a := b.post("/v1/works/parts", map[string]any{"job_id": job}); a.code != fault.CodeRegistrationUploadMissing || a.err.Details["reason"] != "not_begun" {
			t.Errorf("before the begin: %s", a.body)
		}
		if a := b.completeParts(job); a.code != fault.CodeRegistrationUploadMissing {
			t.Errorf("complete before the begin: %s", a.body)
		}
		s := b.parts(job, map[string]any{"size_bytes": len(song), "numbers": []int{6, 1, 1, 3}})
		if s.SizeBytes != 5044 || s.PartBytes != 1000 || s.Count != 6 || s.Complete || len(s.Stored) > 0 || len(s.URLs) != 3 || s.URLs[2].Size != 44 || s.ExpiresAt == nil {
			t.Fatalf("%+v", s)
		}
		for what, body := range map[string]map[string]any{
			"size_bytes other_size": {"size_bytes": 5045}, "numbers range": {"numbers": []int{7}}, "numbers max": {"numbers": make([]int, 33)},
		} {
			body["job_id"] = job
			if a := b.post("/v1/works/parts", body); what != "numbers max" && a.rules() != what || a.code != fault.CodeCommonValidationFailed {
				t.Errorf("%s: %s", what, a.body)
			}
		}
		if a := b.put(s.URLs[0].URL, song[:1001]); a.code != fault.CodeRegistrationAudioTooLarge || a.err.Details["max_bytes"] != 1000.0 || a.err.Details["part"] != 1.0 {
			t.Errorf("a part that is too large: %s", a.body)
		}
		if a := b.put(s.URLs[0].URL, song[:999]); a.code != fault.CodeRegistrationUploadMissing {
			t.Errorf("a part that is too small: %s", a.body)
		}
		b.sendParts(s, song)
		if a := b.completeParts(job); a.code != fault.CodeRegistrationUploadMissing || a.err.Details["reason"] != "parts_missing" {
			t.Errorf("complete without all parts: %s", a.body)
		}
		// Another tab continues with what is stored.
		s = b.parts(job, map[string]any{"size_bytes": len(song), "numbers": []int{2, 4, 5}})
		if len(s.Stored) != 3 || s.Stored[1].Number != 3 || s.Stored[1].Size != 1000 {
			t.Errorf("%+v", s)
		}
		if row, err := db.Read().GetJob(t.Context(), job); err != nil || row.UploadBytes != 2044 {
			t.Errorf("%d bytes are counted (%v)", row.UploadBytes, err)
		}
		b.sendParts(s, song)
		for range 2 { // the answer was lost
			if a := b.completeParts(job); a.code != "" || a.get("job_id") != job {
				t.Fatalf("complete: %s", a.body)
			}
		}
		if s := b.parts(job, nil); !s.Complete || len(s.URLs) > 0 {
			t.Errorf("after the end: %+v", s)
		}
		if a := b.put(s.URLs[0].URL, song[1000:2000]); a.code != fault.CodeTransactionExpired {
			t.Errorf("a late part: %s", a.body)
		}
		a := b.post("/v1/works/prepare", map[string]string{"job_id": job})
		if want := fmt.Sprintf("0x%x", sha256.Sum256(song)); a.code != "" || a.get("media_hash") != want || a.get("format") != "WAV" {
			t.Fatalf("prepare: %s", a.body)
		}
		if n := opened.count; n > 0 {
			t.Errorf("prepare opened the file %d times", n)
		}
		a = b.post("/v1/works/confirm", map[string]string{"job_id": job})
		if a.code != "" {
			t.Fatalf("confirm: %s", a.body)
		}
		w.done(a.get("transaction_id"))
	})
}

// opens counts the reads of whole objects.
type opens struct {
	blob.Store
	count int
}

func (o *opens) Open(ctx context.Context, key string) (io.ReadCloser, blob.Info, error) {
	o.count++
	return o.Store.Open(ctx, key)
}

// Nothing is uploaded for a job that has ended, and an aborted upload begins again.
func TestPartsEnd(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db, options{partBytes: 1000})
		b := w.mint(map[string]any{"max_file_size_bytes": 6000})
		song := wav("end", 5000)
		job, url := b.init("End", nil)
		if a := b.post("/v1/works/parts", map[string]any{"job_id": job, "size_bytes": 6001}); a.code != fault.CodeRegistrationAudioTooLarge {
			t.Errorf("a file that is too large: %s", a.body)
		}
		s := b.parts(job, map[string]any{"size_bytes": 3000, "numbers": []int{1}})
		b.sendParts(s, song)
		for range 2 {
			if a := b.post("/v1/works/parts/abort", map[string]string{"job_id": job}); a.code != "" {
				t.Fatalf("abort: %s", a.body)
			}
		}
		if a := b.put(s.URLs[0].URL, song[:1000]); a.code != fault.CodeTransactionExpired {
			t.Errorf("a part after the abort: %s", a.body)
		}
		// Another file takes its place.
		s = b.parts(job, map[string]any{"size_bytes": len(song), "numbers": []int{1, 2, 3, 4, 5, 6}})
		if len(s.Stored) > 0 || s.SizeBytes != 5044 {
			t.Errorf("after the abort: %+v", s)
		}
		b.sendParts(s, song)
		// The plain PUT is still there, and the last file counts.
		if a := b.put(url, wav("plain", 4000)); a.code != "" {
			t.Fatalf("PUT: %s", a.body)
		}
		if a := b.completeParts(job); a.code != "" {
			t.Fatalf("complete: %s", a.body)
		}
		if a := b.post("/v1/works/prepare", map[string]string{"job_id": job}); a.get("media_hash") != fmt.Sprintf("0x%x", sha256.Sum256(song)) {
			t.Errorf("prepare: %s", a.body)
		}

		b = w.mint(nil)
		job, _ = b.init("Late", nil)
		s = b.parts(job, map[string]any{"size_bytes": len(song), "numbers": []int{1, 2}})
		b.sendParts(slots{PartBytes: s.PartBytes, URLs: s.URLs[:1]}, song)
		w.ahead.Add(int64(9 * time.Minute))
		if a := b.put(s.URLs[1].URL, song[1000:2000]); a.code != "" {
			t.Errorf("before the URL expires: %s", a.body)
		}
		w.ahead.Add(int64(2 * time.Minute))
		if a := b.put(s.URLs[1].URL, song[1000:2000]); a.code != fault.CodeTransactionExpired {
			t.Errorf("an expired URL: %s", a.body)
		}
		w.ahead.Add(int64(3 * time.Hour))
		for path, body := range map[string]any{"/v1/works/parts": map[string]any{"job_id": job, "numbers": []int{3}}, "/v1/works/parts/complete": map[string]any{"job_id": job}, "/v1/works/parts/abort": map[string]any{"job_id": job}} {
			if a := b.post(path, body); a.code != fault.CodeTransactionExpired {
				t.Errorf("%s of an expired job: %s", path, a.body)
			}
		}
		if _, err := w.registry.Erasing.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		for u, err := range w.blobs.UnfinishedParts(t.Context(), "uploads") {
			t.Errorf("left is %+v, %v", u, err)
		}
	})
}

// An upload in parts that no row names may have begun a moment ago: a kill came before its row.
// An hour later it goes. The upload that the row names stays.
func TestPartsWithoutARow(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db, options{partBytes: 1000})
		b := w.mint(nil)
		song := wav("orphan", 5000)
		job, _ := b.init("Orphan", nil)
		orphan, err := w.blobs.BeginParts(t.Context(), "uploads/"+job)
		w.must(err)
		s := b.parts(job, map[string]any{"size_bytes": len(song), "numbers": []int{1, 2, 3, 4, 5, 6}})
		b.sendParts(s, song)
		unnamed, err := w.blobs.BeginParts(t.Context(), "uploads/01980000-0000-7000-8000-000000000000") // of no job
		w.must(err)
		swept := func() (left []string) {
			t.Helper()
			_, err := w.registry.Erasing.Sweep(t.Context())
			w.must(err)
			for u, err := range w.blobs.UnfinishedParts(t.Context(), "uploads") {
				w.must(err)
				left = append(left, u.ID)
			}
			return left
		}
		w.ahead.Add(int64(time.Hour - time.Minute))
		if left := swept(); len(left) != 3 || !slices.Contains(left, orphan) {
			t.Errorf("after 59 minutes: %q", left)
		}
		_, before, _ := w.registry.Erasing.Swept()
		w.ahead.Add(int64(11 * time.Minute)) // the sweeper looks every ten minutes
		if left := swept(); len(left) != 2 || slices.Contains(left, orphan) {
			t.Errorf("after 70 minutes: %q", left)
		}
		if left, aborted, _ := w.registry.Erasing.Swept(); aborted != before+1 || left.Uploads != 2 || left.Bytes != int64(len(song)) {
			t.Errorf("counted as %d aborted, left %+v", aborted-before, left)
		}
		if a := b.completeParts(job); a.code != "" {
			t.Errorf("the upload that the row names: %s", a.body)
		}
		w.ahead.Add(int64(24 * time.Hour)) // longer than any upload could run
		if left := swept(); len(left) > 0 {
			t.Errorf("after a day %q is left, of which %q has no job", left, unnamed)
		}
	})
}

// A store may keep other bytes than were sent. A client that states the hash of its file is
// refused before anything is registered; it removes the parts, and sends the file again.
func TestPartsThatTheStoreChanged(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db, options{partBytes: 1000})
		w.work()
		b := w.mint(nil)
		song := wav("changed", 5000)
		other := slices.Clone(song)
		clear(other[3500:4000]) // the connection broke, and the store filled the part up
		hash := fmt.Sprintf("0x%x", sha256.Sum256(song))
		job, _ := b.init("Changed", nil)
		for try, bytes := range [][]byte{other, song} {
			b.sendParts(b.parts(job, map[string]any{"size_bytes": len(song), "numbers": []int{1, 2, 3, 4, 5, 6}}), bytes)
			if a := b.completeParts(job); a.code != "" {
				t.Fatalf("complete: %s", a.body)
			}
			a := b.post("/v1/works/prepare", map[string]string{"job_id": job, "media_sha256": hash})
			if try == 1 {
				if a.get("media_hash") != hash {
					t.Errorf("sent again: %s", a.body)
				}
				break
			}
			if a.code != fault.CodeRegistrationUploadMissing || a.err.Details["reason"] != "other_file" {
				t.Fatalf("other bytes: %s", a.body)
			}
			if a := b.post("/v1/works/confirm", map[string]string{"job_id": job}); a.code == "" {
				t.Fatalf("other bytes are confirmed: %s", a.body)
			}
			if a := b.post("/v1/works/parts/abort", map[string]string{"job_id": job}); a.code != "" {
				t.Fatalf("abort: %s", a.body)
			}
		}
		w.done(b.post("/v1/works/confirm", map[string]string{"job_id": job}).get("transaction_id"))
	})
}

// In a bucket the parts go to the store directly.
func TestPartsInBucket(t *testing.T) {
	t.Parallel()
	w, _, _ := inBucket(t, options{})
	w.work()
	b := w.mint(nil)
	song := wav("bucket", 17<<20)
	job, _ := b.init("Bucket", nil)
	s := b.parts(job, map[string]any{"size_bytes": len(song), "numbers": []int{1, 2, 3}})
	if s.PartBytes != 8<<20 || len(s.URLs) != 3 {
		t.Fatalf("%+v", s)
	}
	for _, u := range s.URLs {
		from := int64(u.Number-1) * s.PartBytes
		w.send(u.URL, song[from:from+u.Size])
	}
	if got := b.parts(job, nil); len(got.Stored) != 3 {
		t.Errorf("%+v", got)
	}
	if row, err := w.db.Read().GetJob(t.Context(), job); err != nil || row.UploadBytes != int64(len(song)) {
		t.Errorf("%d bytes are counted (%v)", row.UploadBytes, err)
	}
	for range 2 {
		if a := b.completeParts(job); a.code != "" {
			t.Fatalf("complete: %s", a.body)
		}
	}
	a := b.post("/v1/works/prepare", map[string]string{"job_id": job})
	if want := fmt.Sprintf("0x%x", sha256.Sum256(song)); a.get("media_hash") != want {
		t.Fatalf("prepare: %s", a.body)
	}
	a = b.post("/v1/works/confirm", map[string]string{"job_id": job})
	w.done(a.get("transaction_id"))
}
