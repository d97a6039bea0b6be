package registry

import (
	"crypto/sha256"
	"errors"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"timbre.example/internal/account"
	"timbre.example/internal/audit"
	"timbre.example/internal/fault"
	"timbre.example/internal/intake"
	"timbre.example/internal/record"
	"timbre.example/internal/session"
	"timbre.example/internal/works"
)

// storing sets whether the organization stores recordings.
func (w *world) storing(what string) {
	w.t.Helper()
	if _, err := account.ChangeOrganization(w.t.Context(), w.db, audit.CommandLine(), w.org, 0, func(o *account.Organization) { o.AssetStorage = what }); err != nil {
		w.t.Fatal(err)
	}
}

// said returns an honest client's description of its file.
func said(seed int) intake.Announced {
	h := sha256.Sum256(wav(seed))
	return intake.Announced{SizeBytes: int64(len(wav(seed))), SHA256: record.Hex(h[:])}
}

// filesBelow counts the objects with a prefix.
func (w *world) filesBelow(prefix string) (n int) {
	w.t.Helper()
	err := filepath.WalkDir(filepath.Join(w.dir, "objects", prefix), func(_ string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			n++
		}
		return err
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		w.t.Fatal(err)
	}
	return n
}

func (w *world) wantNoFiles() {
	w.t.Helper()
	for _, prefix := range []string{"uploads", "assets"} {
		if n := w.filesBelow(prefix); n != 0 {
			w.t.Errorf("%d files below %s", n, prefix)
		}
	}
}

// hashed registers a recording by its hash and returns the song.
func (w *world) hashed(c session.Caller, title string, seed int) *song {
	w.t.Helper()
	in := describing(title)
	in.Announced = said(seed)
	slot, err := w.initAs(c, in)
	if err != nil {
		w.t.Fatal(err)
	}
	if !slot.HashOnly || slot.UploadURL != "" {
		w.t.Fatalf("slot %+v", slot)
	}
	s := &song{w: w, caller: c, slot: slot}
	if _, err := s.prepare(); err != nil {
		w.t.Fatal(err)
	}
	if _, err := s.confirm(); err != nil {
		w.t.Fatal(err)
	}
	w.advance()
	s.wantFinal()
	return s
}

// A hash-only recording is registered with the same commitment as any other, and nothing is
// stored. The hash may come with init or with prepare.
func TestHashOnly(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		uploaded := w.quoted("The Same", 1)
		want, err := uploaded.prepare()
		if err != nil {
			t.Fatal(err)
		}
		w.storing(account.StoreNone)
		c := w.caller("ann")
		slot, err := w.initAs(c, describing("The Same"))
		if err != nil || !slot.HashOnly || slot.UploadURL != "" {
			t.Fatalf("%+v, %v", slot, err)
		}
		s := &song{w: w, caller: c, slot: slot}
		_, err = s.prepare()
		wantFields(t, err, "media_sha256", "size_bytes")
		wantCode(t, w.declare(s, intake.Announced{SHA256: said(1).SHA256}), fault.CodeCommonValidationFailed)
		if err := w.declare(s, said(2)); err != nil { // another file, declared later
			t.Fatal(err)
		}
		if _, err := s.prepare(); err != nil {
			t.Fatal(err)
		}
		if err := w.declare(s, said(1)); err != nil {
			t.Fatal(err)
		}
		_, err = s.confirm() // the price was for another file
		wantCode(t, err, fault.CodeRegistrationUploadMissing)
		got, err := s.prepare()
		if err != nil {
			t.Fatal(err)
		}
		if string(got.Commitment) != string(want.Commitment) || got.Media != (record.Media{Size: want.Media.Size}) {
			t.Errorf("%+v, want the commitment of %+v and no format", got, want)
		}
		if got.Price.StorageFee != 0 || got.Price.NetworkFee != want.Price.NetworkFee {
			t.Errorf("price %+v", got.Price)
		}
		if _, err := s.confirm(); err != nil {
			t.Fatal(err)
		}
		w.advance()
		s.wantFinal()
		// The first song is too late now, although it was quoted earlier.
		_, err = uploaded.confirm()
		wantCode(t, err, fault.CodeWorkAlreadyRegistered)

		reader := w.callerFor(session.Access, w.keys, "ann")
		_, err = w.recording(reader, got.WorkID, 0)
		wantCode(t, err, fault.CodeCommonNotFound)
		var refused *fault.Error
		if errors.As(err, &refused); refused.Details["reason"] != "hash_only" {
			t.Errorf("details %v", refused.Details)
		}
		page, err := w.ownWorks(reader, works.OwnWorksRequest{First: 1})
		if err != nil || len(page.Works) != 1 || page.Works[0].Latest().HasFile {
			t.Errorf("%+v, %v", page, err)
		}
	})
}

func (w *world) declare(s *song, a intake.Announced) error {
	return w.reg.Intake.Declare(w.t.Context(), s.by(), s.slot.JobID, a)
}

func wantFields(t *testing.T, err error, names ...string) {
	t.Helper()
	var refused *fault.Error
	if !errors.As(err, &refused) || refused.Code != fault.CodeCommonValidationFailed {
		t.Fatalf("got %v, want %s", err, fault.CodeCommonValidationFailed)
	}
	var got []string
	for _, f := range refused.Details["fields"].([]fault.Field) {
		got = append(got, f.Field)
	}
	if strings.Join(got, " ") != strings.Join(names, " ") {
		t.Errorf("fields %v, want %v", got, names)
	}
}

// Every invalid input of a hash-only job.
func TestHashOnlyRefusals(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		w.storing(account.StoreNone)
		w.hashed(w.caller(""), "First", 1)
		empty := sha256.Sum256(nil)
		for name, c := range map[string]struct {
			said intake.Announced
			code fault.Code
		}{
			"short":      {intake.Announced{SizeBytes: 1, SHA256: "0xabcd"}, fault.CodeCommonValidationFailed},
			"long":       {intake.Announced{SizeBytes: 1, SHA256: said(2).SHA256 + "00"}, fault.CodeCommonValidationFailed},
			"no hex":     {intake.Announced{SizeBytes: 1, SHA256: strings.Repeat("z", 64)}, fault.CodeCommonValidationFailed},
			"no size":    {intake.Announced{SizeBytes: 0, SHA256: said(2).SHA256}, fault.CodeCommonValidationFailed},
			"negative":   {intake.Announced{SizeBytes: -1, SHA256: said(2).SHA256}, fault.CodeCommonValidationFailed},
			"too large":  {intake.Announced{SizeBytes: 1<<20 + 1, SHA256: said(2).SHA256}, fault.CodeRegistrationAudioTooLarge},
			"large only": {intake.Announced{SizeBytes: 1<<20 + 1, SHA256: ""}, fault.CodeRegistrationAudioTooLarge},
			"empty":      {intake.Announced{SizeBytes: 1, SHA256: record.Hex(empty[:])}, fault.CodeRegistrationAudioEmpty},
			"registered": {said(1), fault.CodeWorkAlreadyRegistered},
		} {
			caller := w.caller("")
			in := describing("Second " + name)
			in.Announced = c.said
			if _, err := w.initAs(caller, in); !errors.Is(err, c.code) {
				t.Errorf("init, %s: %v, want %s", name, err, c.code)
			}
			slot, err := w.initAs(caller, describing("Second "+name)) // a refused init does not spend the session
			if err != nil {
				t.Fatal(err)
			}
			s := &song{w: w, caller: caller, slot: slot}
			if err = w.declare(s, c.said); err == nil {
				_, err = s.prepare()
			}
			if c.said.SHA256 == "" {
				c.code = fault.CodeCommonValidationFailed
			}
			if !errors.Is(err, c.code) {
				t.Errorf("prepare, %s: %v, want %s", name, err, c.code)
			}
			_, err = w.reg.Intake.RenewUpload(ctx, continues(caller), slot.JobID)
			wantFields(t, err, "job_id")
		}
		w.wantNoFiles()
	})
}

// A hash-only update keeps a stored recording, and stores no other.
func TestHashOnlyUpdates(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		code := w.registered("Kept", 1)
		before := w.filesBelow("assets")
		w.storing(account.StoreNone)

		kept := w.updating(code, -1, "Bo")
		_, err := w.reg.Intake.RenewUpload(ctx, kept.by(), kept.slot.JobID)
		wantFields(t, err, "job_id")
		w.finishes(kept)

		for i, with := range []intake.Announced{said(2), {}} {
			s := &song{w: w, editor: w.holder(code)}
			in := intake.UpdateRequest{Creators: describing("").Creators, NewFile: true, Filename: "new.wav", Announced: with}
			if s.slot, err = w.reg.Intake.InitUpdate(ctx, s.editor, in); err != nil || !s.slot.HashOnly {
				t.Fatalf("%+v, %v", s.slot, err)
			}
			if with == (intake.Announced{}) {
				if err := w.declare(s, said(3)); err != nil {
					t.Fatal(err)
				}
			}
			if p, err := s.prepare(); err != nil || p.Price.StorageFee != 0 {
				t.Fatalf("%d: %+v, %v", i, p, err)
			}
			if _, err := s.confirm(); err != nil {
				t.Fatal(err)
			}
			w.advance()
			s.wantFinal()
		}
		w.finishes(w.updating(code, -1, "Cy")) // keeps a recording that is not stored
		var stored []bool
		for v := int64(1); v <= 5; v++ {
			row, err := w.reg.Works.Version(ctx, kept.editor.Reader(), v)
			if err != nil {
				t.Fatal(err)
			}
			stored = append(stored, row.HasFile)
		}
		if want := []bool{true, true, false, false, false}; !slices.Equal(stored, want) {
			t.Errorf("stored %v, want %v", stored, want)
		}
		if n := w.filesBelow("assets"); n != before {
			t.Errorf("%d files, want %d", n, before)
		}
		// And back: from now on uploads are stored.
		w.storing(account.StoreKeep)
		w.finishes(w.updating(code, 4, "Di"))
		if n := w.filesBelow("assets"); n != before+1 {
			t.Errorf("%d files, want %d", n, before+1)
		}
	})
}

// finishes takes an update in progress to its end.
func (w *world) finishes(s *song) {
	w.t.Helper()
	if _, err := s.prepare(); err != nil {
		w.t.Fatal(err)
	}
	if _, err := s.confirm(); err != nil {
		w.t.Fatal(err)
	}
	w.advance()
	s.wantFinal()
}

// Where files are stored, the upload must match an announced hash, and the hash never
// replaces the upload.
func TestAnnouncedHash(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		w.registered("First", 1)
		in := describing("Second")
		in.Announced = said(1)
		_, err := w.initAs(w.caller(""), in) // refused before anything is uploaded
		wantCode(t, err, fault.CodeWorkAlreadyRegistered)

		in.Announced = said(2)
		c := w.caller("")
		slot, err := w.initAs(c, in)
		if err != nil || slot.HashOnly || slot.UploadURL == "" {
			t.Fatalf("%+v, %v", slot, err)
		}
		s := &song{w: w, caller: c, slot: slot}
		_, err = s.prepare()
		wantCode(t, err, fault.CodeRegistrationUploadMissing)
		w.put(slot.UploadURL, wav(3))
		_, err = s.prepare()
		wantCode(t, err, fault.CodeRegistrationUploadMissing)
		var refused *fault.Error
		if errors.As(err, &refused); refused.Details["announced"] != said(2).SHA256 || refused.Details["uploaded"] != said(3).SHA256 {
			t.Errorf("details %v", refused.Details)
		}
		w.put(slot.UploadURL, wav(2))
		w.finishes(s)
	})
}

// A session may be hash-only in an organization that stores files, but not the other way
// round. A job keeps the mode in which it began.
func TestHashOnlySession(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		mint := func(what string) (session.Caller, error) {
			backend, err := w.sessions.Minter(ctx, w.keys.SecretKey, origin)
			if err != nil {
				return session.Caller{}, err
			}
			token, err := w.sessions.Mint(ctx, backend, session.MintRequest{Action: session.Register, Network: "testnet", AssetStorage: &what})
			if err != nil {
				return session.Caller{}, err
			}
			return w.sessions.Authorize(ctx, "Bearer "+token, w.keys.SiteKey, origin)
		}
		_, err := mint(account.StoreKeep)
		wantFields(t, err, "asset_storage")
		c, err := mint(account.StoreNone)
		if err != nil {
			t.Fatal(err)
		}
		w.hashed(c, "Mine", 1)
		w.wantNoFiles()

		begun := w.begin("Before", 2)
		w.storing(account.StoreNone)
		w.finishes(begun)
	})
}
