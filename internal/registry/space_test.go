package registry

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"strings"
	"testing"
	"time"

	"timbre.example/fault"
	"timbre.example/internal/anchoring"
	"timbre.example/internal/blob"
	"timbre.example/internal/erasing"
	"timbre.example/internal/files"
	"timbre.example/internal/intake"
	"timbre.example/internal/network"
	"timbre.example/internal/network/networktest"
	"timbre.example/internal/space"
	"timbre.example/internal/store"
)

// A job ends a day after its init, however often any session renews its upload slot and its
// quote.
func TestJobHasALifetime(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		w.stop()
		begun := w.db.Now()
		s := w.begin("For ever", 1)
		other := w.quoted("For ever, prepared", 2)
		expired := s.caller
		expired.Expired = true
		end := begun.Add(w.reg.Intake.Times.Job)
		renewals := 0
		for ; ; renewals++ {
			slot, err := w.reg.Intake.RenewUpload(t.Context(), expired, s.slot.JobID)
			if errors.Is(err, fault.CodeTransactionExpired) {
				break
			} else if err != nil {
				t.Fatal(err)
			}
			if slot.Expires.After(end) {
				t.Fatalf("after %d renewals a URL works until %s, and the job ends at %s", renewals, slot.Expires, end)
			}
			p, err := other.prepare()
			if err != nil && !errors.Is(err, fault.CodeTransactionExpired) {
				t.Fatal(err)
			} else if err == nil && p.Expires.After(end) {
				t.Fatalf("a quote until %s, and the job ends at %s", p.Expires, end)
			}
			if w.db.Now().After(end.Add(time.Hour)) {
				t.Fatal("the job does not end")
			}
			w.pass(4 * time.Minute)
		}
		if now := w.db.Now(); now.Before(end.Add(-time.Second)) || renewals < 300 {
			t.Errorf("ended %s before its time, after %d renewals", end.Sub(now), renewals)
		}
		if _, err := other.prepare(); !errors.Is(err, fault.CodeTransactionExpired) {
			t.Errorf("prepare after the end: %v", err)
		}
		if _, err := other.confirm(); !errors.Is(err, fault.CodeTransactionExpired) {
			t.Errorf("confirm after the end: %v", err)
		}
		status, text := w.tryPut(s.slot.UploadURL, wav(1))
		if status == http.StatusOK || !strings.Contains(text, "transaction.expired") {
			t.Errorf("PUT after the end: %d %s", status, text)
		}
		w.pass(2 * files.ClockSkew)
		if n, err := w.reg.Erasing.Sweep(t.Context()); n != 2 || err != nil {
			t.Errorf("%d swept, %v", n, err)
		}
		if n := w.filesBelow("uploads") + w.filesBelow("assets"); n != 0 {
			t.Errorf("%d files are left", n)
		}
	})
}

// 500 MB take 70 minutes on a slow line; then there is a review, and co-writers.
func TestSlowUploadFits(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		s := w.begin("Slow", 1)
		w.pass(75 * time.Minute)
		if _, err := s.prepare(); err != nil {
			t.Fatal(err)
		}
		w.pass(w.reg.Intake.Times.Quote - 10*time.Second)
		if _, err := s.prepare(); err != nil {
			t.Fatal(err)
		}
		if _, err := s.confirm(); err != nil {
			t.Fatal(err)
		}
	})
}

// refuseWrites makes every change of a row of the table fail, as on a full disk, until heal
// is called.
func (w *world) refuseWrites(table string) (heal func()) {
	w.t.Helper()
	run := func(statements ...string) {
		w.t.Helper()
		driver, url := "pgx", w.url
		if path, ok := strings.CutPrefix(w.url, "sqlite:"); ok {
			driver, url = "sqlite", "file:"+path+"?_pragma=busy_timeout(10000)"
		}
		db, err := sql.Open(driver, url)
		if err != nil {
			w.t.Fatal(err)
		}
		defer db.Close()
		for _, s := range statements {
			if _, err := db.ExecContext(w.t.Context(), s); err != nil {
				w.t.Fatalf("%s: %v", s, err)
			}
		}
	}
	if w.db.Dialect() == "postgres" {
		run(`CREATE FUNCTION full_disk() RETURNS trigger AS $$ BEGIN RAISE EXCEPTION 'no space left' USING ERRCODE = '53100'; END $$ LANGUAGE plpgsql`,
			`CREATE TRIGGER full_disk BEFORE UPDATE OR DELETE ON `+table+` FOR EACH ROW EXECUTE FUNCTION full_disk()`)
		return func() { run(`DROP TRIGGER full_disk ON `+table, `DROP FUNCTION full_disk()`) }
	}
	run(`CREATE TRIGGER full_update BEFORE UPDATE ON `+table+` BEGIN SELECT RAISE(ABORT, 'no space left'); END`,
		`CREATE TRIGGER full_delete BEFORE DELETE ON `+table+` BEGIN SELECT RAISE(ABORT, 'no space left'); END`)
	return func() { run(`DROP TRIGGER full_update`, `DROP TRIGGER full_delete`) }
}

// While no row can be written, the files of expired jobs are still removed, for more jobs
// than one page of rows. Confirmed jobs, and jobs that can still be confirmed, keep their
// files. Later the rows are removed too.
func TestSweepWithoutRows(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		paid := w.confirmed("Paid", 1)
		w.advance()
		paid.wantFinal()
		const many = anchoring.Batch + 3
		for range many { // creating files alone is slow
			s := &song{w: w, caller: w.caller("")}
			slot, err := w.reg.Intake.Init(t.Context(), s.caller, describing("Junk"))
			if err != nil {
				t.Fatal(err)
			}
			if err := w.blobs.Put(t.Context(), files.Uploads+slot.JobID, []byte("junk")); err != nil {
				t.Fatal(err)
			}
		}
		quoted := w.quoted("Quoted", 2)
		w.pass(3*time.Hour + erasing.Rowless)
		alive := w.quoted("Alive", 3)
		heal := w.refuseWrites("jobs")
		if _, err := w.reg.Erasing.Sweep(t.Context()); err == nil {
			t.Error("no error")
		}
		job, err := w.db.Read().GetJob(t.Context(), quoted.slot.JobID)
		if err != nil || job.State != "prepared" {
			t.Fatalf("the row was written: %s, %v", job.State, err)
		}
		for name, want := range map[string]int{"uploads": 2, "assets": 2} { // of the paid job, and of the job that still lives
			if n := w.filesBelow(name); n != want {
				t.Errorf("%d files below %s, want %d", n, name, want)
			}
		}
		_, err = quoted.confirm()
		wantCode(t, err, fault.CodeTransactionExpired)
		heal()
		if n, err := w.reg.Erasing.Sweep(t.Context()); n != many+1 || err != nil {
			t.Errorf("%d ended, %v", n, err)
		}
		if _, err := alive.confirm(); err != nil {
			t.Errorf("what could still be confirmed: %v", err)
		}
		w.advance()
		alive.wantFinal()
	})
}

// A process is killed after the files were removed and before the row was: the next sweep
// finishes.
func TestSweepKilledBetweenFileAndRow(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		s := w.quoted("Killed", 1)
		w.pass(3*time.Hour + erasing.Rowless)
		heal := w.refuseWrites("jobs")
		_, _ = w.reg.Erasing.Sweep(t.Context())
		heal()
		if n := w.filesBelow("uploads") + w.filesBelow("assets"); n != 0 {
			t.Fatalf("%d files are left", n)
		}
		again := w.another(w.db) // after a restart
		if n, err := again.Erasing.Sweep(t.Context()); n != 1 || err != nil {
			t.Errorf("%d ended, %v", n, err)
		}
		_, err := s.confirm()
		wantCode(t, err, fault.CodeTransactionExpired)
	})
}

// Confirms at the very end of a quote, during sweeps: every confirmed job keeps its file.
// The invariants check this.
func TestConfirmBesideASweep(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		for i := range 5 {
			s := w.quoted("At the end "+string(rune('A'+i)), i)
			w.pass(w.reg.Intake.Times.Quote - time.Duration(i)*time.Millisecond)
			swept := make(chan error, 1)
			go func() {
				_, err := w.reg.Erasing.Sweep(context.WithoutCancel(t.Context()))
				swept <- err
			}()
			_, err := s.confirm()
			if err != nil && !errors.Is(err, fault.CodeTransactionExpired) {
				t.Error(err)
			}
			if err := <-swept; err != nil {
				t.Error(err)
			}
			w.check(true)
		}
	})
}

// Uploads count for their organization until they are paid for or removed.
func TestStagedBytes(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		want := func(when string, want int64) {
			t.Helper()
			if got, err := w.reg.Intake.StagedBytes(t.Context()); err != nil || got != want {
				t.Errorf("%s: %d bytes are staged, %v; want %d", when, got, err, want)
			}
		}
		size := int64(len(wav(1)))
		s := w.quoted("Counted", 1)
		want("prepared", size) // one file with two names
		if _, err := w.reg.Erasing.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		want("prepared and looked through", size)
		w.put(s.slot.UploadURL, wav(2))
		want("uploaded again", 2*size)
		owner, err := w.reg.Intake.Uploading(t.Context(), files.Uploads+s.slot.JobID)
		if err != nil || owner != (blob.Owner{Group: w.org, GroupStaged: 2 * size, Staged: 2 * size}) {
			t.Errorf("%+v, %v", owner, err)
		}
		if _, err := s.prepare(); err != nil {
			t.Fatal(err)
		}
		if _, err := s.confirm(); err != nil {
			t.Fatal(err)
		}
		want("confirmed", 0)
		left := w.begin("Left", 3)
		want("begun", size)
		// A bucket receives uploads directly: they are counted when its files are listed.
		if err := w.blobs.Put(t.Context(), files.Uploads+left.slot.JobID, make([]byte, 5000)); err != nil {
			t.Fatal(err)
		}
		w.pass(erasing.StraysEvery)
		if _, err := w.reg.Erasing.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		want("looked through", 5000)
		// And a file over the size cap is removed, without a prepare.
		if err := w.blobs.Put(t.Context(), files.Uploads+left.slot.JobID, make([]byte, 1<<20+1)); err != nil {
			t.Fatal(err)
		}
		w.pass(erasing.StraysEvery)
		if _, err := w.reg.Erasing.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		if w.exists(files.Uploads + left.slot.JobID) {
			t.Error("an upload over the cap stays")
		}
		w.pass(3 * time.Hour)
		if _, err := w.reg.Erasing.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		want("expired", 0)
	})
}

// An upload without a job is removed when no job can use it any more.
func TestStrayUploads(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		stray := files.Uploads + "01890000-0000-7000-8000-000000000000"
		if err := w.blobs.Put(t.Context(), stray, []byte("whose?")); err != nil {
			t.Fatal(err)
		}
		if _, err := w.reg.Erasing.Sweep(t.Context()); err != nil || !w.exists(stray) {
			t.Errorf("gone at once, %v", err)
		}
		w.pass(8 * time.Hour)
		if _, err := w.reg.Erasing.Sweep(t.Context()); err != nil || w.exists(stray) {
			t.Errorf("it stays, %v", err)
		}
	})
}

// A job that would use the reserve is not begun; a job in progress continues.
func TestLowSpace(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		free := int64(1 << 30)
		w.reg.Intake.Space = space.New(100<<20, func(string) (space.Usage, error) { return space.Usage{Free: free, Total: 10 << 30}, nil }, space.Place{Name: "uploads", Dir: w.dir})
		s := w.begin("Begun", 1)
		full := func(what string, err error) {
			t.Helper()
			var f *fault.Error
			if !errors.As(err, &f) || f.Code != fault.CodeCommonServiceUnavailable || f.Details["reason"] != "storage_full" || f.RetryAfterSeconds() == 0 {
				t.Errorf("%s: %v", what, err)
			}
		}
		large := describing("Large")
		large.SizeBytes = 1 << 20
		free = 100<<20 + 1<<19
		_, err := w.reg.Intake.Init(t.Context(), w.caller(""), describing("No room"))
		full("init", err)
		_, err = w.reg.Intake.Init(t.Context(), w.caller(""), large)
		full("init with a size", err)
		if _, err := s.prepare(); err != nil {
			t.Fatal(err)
		}
		if _, err := s.confirm(); err != nil {
			t.Fatal(err)
		}
		w.advance()
		s.wantFinal()
		_, err = w.reg.Intake.InitUpdate(t.Context(), w.holder(s.view().Done.AccessCode), intake.UpdateRequest{Creators: describing("").Creators})
		full("update", err)
		free = 1 << 30
		if _, err := w.reg.Intake.Init(t.Context(), w.caller(""), large); err != nil {
			t.Errorf("with space: %v", err)
		}
		// A full store is reported as full, and recovers.
		full2 := w.begin("Full", 2)
		w.blobs.fail(func(op, _ string) error {
			if op == "copy" {
				return blob.ErrFull
			}
			return nil
		})
		_, err = full2.prepare()
		full("prepare", err)
		w.blobs.fail(nil)
		if _, err := full2.prepare(); err != nil {
			t.Error(err)
		}
	})
}

// While a network is stopped no file is removed: a restored database does not know what was
// paid for since.
func TestSweepWhileStopped(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		s := w.quoted("Paid for in the newest database", 1)
		w.pass(25 * time.Hour)
		w.net.Stop("the database went back")
		if n, err := w.reg.Erasing.Sweep(t.Context()); n != 0 || err != nil {
			t.Errorf("%d ended, %v", n, err)
		}
		if job, err := w.db.Read().GetJob(t.Context(), s.slot.JobID); err != nil || !w.exists(job.AssetKey) {
			t.Errorf("its file is gone, %v", err)
		}
		w.net.Stop("")
		if n, err := w.reg.Erasing.Sweep(t.Context()); n != 1 || err != nil {
			t.Errorf("%d ended, %v", n, err)
		}
	})
}

// oldList lists the sizes that objects had a while ago: over every cap.
type oldList struct{ blob.Store }

func (o oldList) List(ctx context.Context, under string) iter.Seq2[blob.Object, error] {
	return func(yield func(blob.Object, error) bool) {
		for object, err := range o.Store.List(ctx, under) {
			object.Size = 1 << 40
			if !yield(object, err) {
				return
			}
		}
	}
}

// A file that was uploaded after the list was made stays, although the one before it was too
// large.
func TestStraysAreCheckedAgain(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		s := w.begin("Again", 1)
		w.reg.Erasing.Blobs = oldList{w.reg.Erasing.Blobs}
		if _, err := w.reg.Erasing.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := s.prepare(); err != nil {
			t.Error(err)
		}
	})
}

// A process of the previous release still runs for a while, and does not know due_at. The
// copy of its prepare is not removed while it is read.
func TestOrphanOfTheReleaseBefore(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		const key = "assets/o/being-read"
		if err := w.blobs.Put(t.Context(), key, []byte("sound")); err != nil {
			t.Fatal(err)
		}
		if _, err := w.raw(t).ExecContext(t.Context(), fmt.Sprintf("INSERT INTO erasures (object_key, since, erased) VALUES ('%s', %d, TRUE)", key, store.Micros(w.db.Now()))); err != nil {
			t.Fatal(err)
		}
		if err := w.reg.Erasing.Erase(t.Context()); err != nil || !w.exists(key) {
			t.Errorf("gone at once, %v", err)
		}
		// Nor is it removed while no row can be written, when other files are.
		const due = "assets/o/of-a-redacted-work"
		if err := w.blobs.Put(t.Context(), due, []byte("sound")); err != nil {
			t.Fatal(err)
		}
		if _, err := w.raw(t).ExecContext(t.Context(), fmt.Sprintf("INSERT INTO erasures (object_key, since) VALUES ('%s', %d)", due, store.Micros(w.db.Now()))); err != nil {
			t.Fatal(err)
		}
		heal := w.refuseWrites("erasures")
		if err := w.reg.Erasing.Erase(t.Context()); err == nil || !w.exists(key) || w.exists(due) {
			t.Errorf("gone when no row can be written, %v", err)
		}
		heal()
		w.pass(8 * time.Hour)
		if err := w.reg.Erasing.Erase(t.Context()); err != nil || w.exists(key) {
			t.Errorf("it stays, %v", err)
		}
	})
}

// slowDryRun is a network with a slow dry run.
type slowDryRun struct {
	*networktest.Fake
	meanwhile func()
}

func (s slowDryRun) DryRun(ctx context.Context, call network.Call) error {
	s.meanwhile()
	return s.Fake.DryRun(ctx, call)
}

// A prepare that begins in time and ends late does not quote a file that a sweep has removed
// meanwhile without a row.
func TestPrepareBesideASweepWithoutRows(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		s := w.quoted("Late", 1)
		before := w.reg.Intake.Networks
		w.reg.Intake.Networks = map[network.Name]network.Network{network.Testnet: slowDryRun{w.net, func() {
			w.pass(3*time.Hour + erasing.Rowless)
			heal := w.refuseWrites("jobs")
			defer heal()
			if _, err := w.reg.Erasing.Sweep(t.Context()); err == nil {
				t.Error("rows were written")
			}
		}}}
		_, err := s.prepare()
		wantCode(t, err, fault.CodeTransactionExpired)
		w.reg.Intake.Networks = before
		_, err = s.confirm()
		wantCode(t, err, fault.CodeTransactionExpired)
		if n, err := w.reg.Erasing.Sweep(t.Context()); n != 1 || err != nil {
			t.Errorf("%d ended, %v", n, err)
		}
	})
}
