package files_test

import (
	"errors"
	"testing"
	"time"

	"timbre.example/internal/blob"
	"timbre.example/internal/fault"
	"timbre.example/internal/files"
	"timbre.example/internal/record"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
	"timbre.example/internal/store/storetest"
)

func TestKeys(t *testing.T) {
	t.Parallel()
	if id, ok := files.JobOf(files.Upload("j1")); id != "j1" || !ok {
		t.Errorf("%q, %v", id, ok)
	}
	if _, ok := files.JobOf(files.NewAsset("o", "j1")); ok {
		t.Error("a copy is taken for an upload")
	}
	if a, b := files.NewAsset("o", "j1"), files.NewAsset("o", "j1"); a == b {
		t.Errorf("two copies are %s", a)
	}
	if a, b := files.Certificate("w", 1), files.Certificate("w", 1); a != b || a == files.Certificate("w", 2) {
		t.Errorf("%s, %s", a, b)
	}
	if got := files.SettledAt(0, time.Minute); got <= (time.Minute + blob.LongestUpload).Microseconds() {
		t.Errorf("settled after %d µs", got)
	}
}

// A reading is used only for the version of the upload that was read.
func TestReadingOf(t *testing.T) {
	t.Parallel()
	job := query.Job{Reading: record.Encode(files.Reading{Upload: "v1", Hash: []byte{1}})}
	if r, ok := files.ReadingOf(job, "v1"); !ok || len(r.Hash) != 1 {
		t.Errorf("%+v, %v", r, ok)
	}
	for _, upload := range []string{"v2", ""} {
		if _, ok := files.ReadingOf(job, upload); ok {
			t.Errorf("used for %q", upload)
		}
	}
	job.Reading = `{"cut`
	if _, ok := files.ReadingOf(job, "v1"); ok {
		t.Error("a corrupt reading is used")
	}
}

// The bytes of a job are those of its upload and of the copy of the upload before it.
func TestCount(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx := t.Context()
		deadline := store.Micros(db.Now().Add(time.Hour))
		if err := db.Tx(ctx, func(tx *store.Tx) error {
			return tx.InsertJob(ctx, query.InsertJobParams{ID: "j", OrganizationID: "o", SessionJti: "s", Kind: record.KindRegister, Network: "testnet", WorkID: "w", Creators: "[]", Media: "{}", MaxBytes: 100, Deadline: deadline})
		}); err != nil {
			t.Fatal(err)
		}
		job, err := db.Read().GetJob(ctx, "j")
		if err != nil {
			t.Fatal(err)
		}
		copied := job
		copied.AssetKey, copied.Media = "assets/x", `{"size":30}`
		for _, c := range []struct {
			job        query.Job
			size, want int64
		}{{job, 40, 40}, {copied, 40, 70}, {job, 101, 1}} {
			if err := files.Count(ctx, db, c.job, c.size); err != nil {
				t.Fatal(err)
			}
			if sum, err := db.Read().StagedBytes(ctx, "j"); err != nil || sum.Own != c.want || sum.Staged != c.want {
				t.Errorf("an upload of %d bytes counts %+v, want %d; %v", c.size, sum, c.want, err)
			}
		}
		db.Now = func() time.Time { return time.Now().Add(2 * time.Hour) }
		if err := files.Count(ctx, db, job, 40); !errors.Is(err, fault.CodeTransactionExpired) {
			t.Errorf("after the deadline: %v", err)
		}
	})
}
