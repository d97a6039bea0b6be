package account_test

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"timbre.example/internal/account"
	"timbre.example/internal/audit"
	"timbre.example/internal/fault"
	"timbre.example/internal/store"
	"timbre.example/internal/store/storetest"
)

func newOrganization(t *testing.T, db *store.DB) account.Organization {
	t.Helper()
	o, err := account.CreateOrganization(t.Context(), db, audit.CommandLine(), "Songs")
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// actions are the recorded changes of an organization, the oldest first.
func actions(t *testing.T, db *store.DB, organization string) (all []string) {
	t.Helper()
	page, err := audit.List(t.Context(), db, audit.Filter{Organization: organization}, "", 100)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range page.Entries {
		all = append([]string{e.Action}, all...)
	}
	return all
}

// The second of two editors learns what the first one changed.
func TestEditsAtOnce(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx := t.Context()
		by := audit.Actor{Kind: audit.Person, ID: "p1", Name: "zoe@songs.example"}
		o := newOrganization(t, db)
		set := func(revision int64, change func(*account.Organization)) error {
			_, err := account.ChangeOrganization(ctx, db, by, o.ID, revision, change)
			return err
		}
		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		must(set(o.Revision, func(o *account.Organization) { o.Quota, o.Name = 100, "Songs & Co" }))
		must(set(o.Revision+1, func(o *account.Organization) { o.Quota = 200 }))
		must(set(0, func(o *account.Organization) { o.Imprint = "Street 1" }))
		must(set(0, func(o *account.Organization) { o.Imprint = "" })) // as it was
		must(set(0, func(o *account.Organization) {}))                 // no change
		err := set(o.Revision, func(o *account.Organization) { o.Quota = 300 })
		var refusal *fault.Error
		if !errors.As(err, &refusal) || refusal.Code != fault.CodeCommonConflict {
			t.Fatal(err)
		}
		if d := cmp.Diff(map[string]any{"reason": "changed", "revision": int64(5), "fields": []fault.Field{
			{Field: "name", Rule: "changed", Message: `Was "Songs", and is now "Songs & Co".`},
			{Field: "quota", Rule: "changed", Message: `Was not set, and is now "200".`},
		}}, refusal.Details); d != "" {
			t.Error(d)
		}
		if err := set(2, func(*account.Organization) {}); !errors.As(err, &refusal) || len(refusal.Details["fields"].([]fault.Field)) != 1 {
			t.Errorf("%v", err)
		}
		if err := set(99, func(*account.Organization) {}); !errors.Is(err, fault.CodeCommonConflict) {
			t.Errorf("%v", err)
		}
		if _, err := account.SetLogo(ctx, db, by, o.ID, 1, nil); !errors.Is(err, fault.CodeCommonConflict) {
			t.Errorf("%v", err)
		}
		// Of edits at the same revision, one succeeds.
		var all sync.WaitGroup
		errs := make([]error, 8)
		for i := range errs {
			all.Go(func() { errs[i] = set(5, func(o *account.Organization) { o.LowCredits = int64(i) + 1 }) })
		}
		all.Wait()
		won := 0
		for _, err := range errs {
			if err == nil {
				won++
			} else if !errors.Is(err, fault.CodeCommonConflict) {
				t.Error(err)
			}
		}
		if got, err := account.GetOrganization(ctx, db, o.ID); err != nil || won != 1 || got.Revision != 6 {
			t.Errorf("%d edits won: %+v, %v", won, got, err)
		}
	})
}

func TestSettingsAreChecked(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		o := newOrganization(t, db)
		for field, change := range map[string]func(*account.Organization){
			"name":                func(o *account.Organization) { o.Name = " \u200b " },
			"issuer_name":         func(o *account.Organization) { o.IssuerName = "a\u202eb" },
			"imprint":             func(o *account.Organization) { o.Imprint = "a\x00b" },
			"max_file_size_bytes": func(o *account.Organization) { o.MaxFileSize = 1 << 62 },
			"quota":               func(o *account.Organization) { o.Quota = -1 },
			"low_credits":         func(o *account.Organization) { o.LowCredits = 1 << 60 },
			"access_code_ttl":     func(o *account.Organization) { o.AccessCodeTTL = time.Nanosecond },
			"asset_storage":       func(o *account.Organization) { o.AssetStorage = "some" },
		} {
			_, err := account.ChangeOrganization(t.Context(), db, audit.CommandLine(), o.ID, 0, change)
			var refusal *fault.Error
			if !errors.As(err, &refusal) || refusal.Code != fault.CodeCommonValidationFailed {
				t.Errorf("%s: %v", field, err)
				continue
			}
			if bad := refusal.Details["fields"].([]fault.Field); len(bad) != 1 || bad[0].Field != field {
				t.Errorf("%s: %+v", field, bad)
			}
		}
		// Several at once are all named.
		_, err := account.ChangeOrganization(t.Context(), db, audit.CommandLine(), o.ID, 0, func(o *account.Organization) { o.Name, o.Quota, o.Imprint = "", -1, "\n" })
		var refusal *fault.Error
		if !errors.As(err, &refusal) || len(refusal.Details["fields"].([]fault.Field)) != 2 { // the imprint is trimmed
			t.Errorf("%v", err)
		}
		if got := actions(t, db, o.ID); len(got) != 1 {
			t.Errorf("refused changes are recorded: %v", got)
		}
	})
}

// A rotated secret key is valid beside the new one until the overlap ends.
func TestRotation(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx := t.Context()
		o, other := newOrganization(t, db), newOrganization(t, db)
		k, err := account.CreateKeys(ctx, db, audit.CommandLine(), o.ID, " Shop ", false)
		if err != nil || k.Label != "Shop" {
			t.Fatal(k, err)
		}
		works := func(secret string) bool {
			t.Helper()
			i, err := account.BySecretKey(ctx, db, secret)
			if err != nil && !errors.Is(err, fault.CodeCommonAuthInvalidAPIKey) {
				t.Fatal(err)
			}
			return err == nil && i.SiteKey == k.SiteKey
		}
		rotate := func(overlap time.Duration) account.KeyPair {
			t.Helper()
			next, err := account.RotateKey(ctx, db, audit.CommandLine(), o.ID, k.SiteKey, overlap)
			if err != nil || next.SiteKey != k.SiteKey || next.SecretKey == k.SecretKey || next.Label != "Shop" {
				t.Fatal(next, err)
			}
			return next
		}
		second := rotate(time.Hour)
		if !works(k.SecretKey) || !works(second.SecretKey) || second.PreviousUntil == nil {
			t.Errorf("during the overlap: %t %t %v", works(k.SecretKey), works(second.SecretKey), second.PreviousUntil)
		}
		now := db.Now()
		db.Now = func() time.Time { return now.Add(time.Hour + time.Second) }
		if works(k.SecretKey) || !works(second.SecretKey) {
			t.Error("after the overlap, the old secret key is valid, or the new one is not")
		}
		third := rotate(time.Hour)
		fourth := rotate(time.Hour) // the one before the last one ends now
		if works(second.SecretKey) || !works(third.SecretKey) || !works(fourth.SecretKey) {
			t.Error("after two rotations, the wrong secret keys are valid")
		}
		fifth := rotate(0)
		if works(fourth.SecretKey) || !works(fifth.SecretKey) || fifth.PreviousUntil != nil {
			t.Error("without an overlap, the old secret key is valid")
		}
		for _, overlap := range []time.Duration{-1, account.MaxOverlap + 1} {
			if _, err := account.RotateKey(ctx, db, audit.CommandLine(), o.ID, k.SiteKey, overlap); !errors.Is(err, fault.CodeCommonValidationFailed) {
				t.Errorf("%s: %v", overlap, err)
			}
		}
		// A key of another organization is absent.
		_, rotated := account.RotateKey(ctx, db, audit.CommandLine(), other.ID, k.SiteKey, 0)
		for _, err := range []error{rotated,
			account.EnableKey(ctx, db, audit.CommandLine(), other.ID, k.SiteKey, false),
			account.DeleteKey(ctx, db, audit.CommandLine(), other.ID, k.SiteKey),
			account.LabelKey(ctx, db, audit.CommandLine(), other.ID, k.SiteKey, "x"),
			account.DeleteKey(ctx, db, audit.CommandLine(), "nobody", k.SiteKey),
			account.DeleteKey(ctx, db, audit.CommandLine(), o.ID, "cpk_"),
			account.DeleteKey(ctx, db, audit.CommandLine(), o.ID, "\x00"),
		} {
			if !errors.Is(err, fault.CodeCommonNotFound) {
				t.Errorf("another organization's key: %v", err)
			}
		}
		if err := account.LabelKey(ctx, db, audit.CommandLine(), o.ID, k.SiteKey, "two\nlines"); !errors.Is(err, fault.CodeCommonValidationFailed) {
			t.Error(err)
		}
		for range 2 { // repeating records nothing
			for _, err := range []error{account.LabelKey(ctx, db, audit.CommandLine(), o.ID, k.SiteKey, "New"), account.EnableKey(ctx, db, audit.CommandLine(), o.ID, k.SiteKey, false)} {
				if err != nil {
					t.Error(err)
				}
			}
		}
		if err := account.DeleteKey(ctx, db, audit.CommandLine(), o.ID, k.SiteKey); err != nil {
			t.Error(err)
		}
		if d := cmp.Diff([]string{"organization.created", "key_pair.created", "key_pair.rotated", "key_pair.rotated", "key_pair.rotated", "key_pair.rotated", "key_pair.labelled", "key_pair.disabled", "key_pair.deleted"}, actions(t, db, o.ID)); d != "" {
			t.Error(d)
		}
		page, err := audit.List(ctx, db, audit.Filter{Everywhere: true}, "", 100)
		if err != nil || strings.Contains(fmt.Sprint(page), "csk_") {
			t.Error("a secret key is in the audit log")
		}
	})
}

func TestLimitsOfKeysAndOrigins(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx := t.Context()
		o := newOrganization(t, db)
		// atOnce makes four changes at the edge of a limit, and returns how many were made.
		atOnce := func(change func(i int) error) (made int) {
			t.Helper()
			results := make(chan error, 4)
			for i := range cap(results) {
				go func() { results <- change(i) }()
			}
			for range cap(results) {
				if err := <-results; err == nil {
					made++
				} else if !errors.Is(err, fault.CodeCommonValidationFailed) {
					t.Error(err)
				}
			}
			return made
		}
		for i := range account.MaxOrigins - 1 {
			if _, err := account.AddOrigin(ctx, db, audit.CommandLine(), o.ID, fmt.Sprintf("s%d.example", i)); err != nil {
				t.Fatal(err)
			}
		}
		if n := atOnce(func(i int) error {
			_, err := account.AddOrigin(ctx, db, audit.CommandLine(), o.ID, fmt.Sprintf("last%d.example", i))
			return err
		}); n != 1 {
			t.Errorf("%d origins were added in the last place", n)
		}
		if _, err := account.AddOrigin(ctx, db, audit.CommandLine(), o.ID, "one-more.example"); !errors.Is(err, fault.CodeCommonValidationFailed) {
			t.Error(err)
		}
		if _, err := account.AddOrigin(ctx, db, audit.CommandLine(), o.ID, "s1.example"); err != nil { // it is there
			t.Error(err)
		}
		if list, err := account.ListOrigins(ctx, db, o.ID); err != nil || len(list) != account.MaxOrigins {
			t.Errorf("%d, %v", len(list), err)
		}
		var last account.KeyPair
		for range account.MaxKeyPairs - 1 {
			var err error
			if last, err = account.CreateKeys(ctx, db, audit.CommandLine(), o.ID, "", true); err != nil {
				t.Fatal(err)
			}
		}
		if n := atOnce(func(int) error {
			_, err := account.CreateKeys(ctx, db, audit.CommandLine(), o.ID, "", true)
			return err
		}); n != 1 {
			t.Errorf("%d key pairs were made in the last place", n)
		}
		if _, err := account.CreateKeys(ctx, db, audit.CommandLine(), o.ID, "", true); !errors.Is(err, fault.CodeCommonValidationFailed) {
			t.Error(err)
		}
		if err := account.DeleteKey(ctx, db, audit.CommandLine(), o.ID, last.SiteKey); err != nil {
			t.Fatal(err)
		}
		if _, err := account.CreateKeys(ctx, db, audit.CommandLine(), o.ID, "", true); err != nil {
			t.Error(err)
		}
	})
}

func picture(w, h int) *image.NRGBA {
	p := image.NewNRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			p.Set(x, y, color.NRGBA{byte(x), byte(y), 90, byte(255 * (x % 2))})
		}
	}
	return p
}

func TestLogos(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx := t.Context()
		o := newOrganization(t, db)
		encoded := func(encode func(*bytes.Buffer) error) []byte {
			t.Helper()
			var b bytes.Buffer
			if err := encode(&b); err != nil {
				t.Fatal(err)
			}
			return b.Bytes()
		}
		asPNG := func(w, h int) []byte {
			return encoded(func(b *bytes.Buffer) error { return png.Encode(b, picture(w, h)) })
		}
		asJPEG := encoded(func(b *bytes.Buffer) error { return jpeg.Encode(b, picture(2000, 300), nil) })
		asGIF := encoded(func(b *bytes.Buffer) error { return gif.Encode(b, picture(50, 50), nil) })
		small := asPNG(100, 40)
		hidden := append(bytes.Clone(small), []byte("<script>alert(1)</script>")...) // after the end of the picture
		for name, c := range map[string]struct {
			upload []byte
			w, h   int
		}{"PNG": {small, 100, 40}, "with more behind it": {hidden, 100, 40}, "JPEG": {asJPEG, 880, 132}, "tall": {asPNG(100, 1000), 24, 240}} {
			got, err := account.SetLogo(ctx, db, audit.CommandLine(), o.ID, 0, c.upload)
			if err != nil || len(got.LogoSHA256) != 64 {
				t.Errorf("%s: %+v, %v", name, got, err)
				continue
			}
			l, err := account.GetLogo(ctx, db, o.ID)
			if err != nil || l.Width != c.w || l.Height != c.h || l.SHA256 != got.LogoSHA256 || bytes.Contains(l.PNG, []byte("script")) || bytes.Equal(l.PNG, c.upload) {
				t.Errorf("%s: %d × %d %s, %v", name, l.Width, l.Height, l.SHA256, err)
				continue
			}
			p, err := png.Decode(bytes.NewReader(l.PNG))
			if err != nil {
				t.Fatal(err)
			}
			if _, _, _, a := p.At(0, 0).RGBA(); a != 0xffff || p.Bounds().Dx() != c.w {
				t.Errorf("%s: is transparent, or has another size", name)
			}
		}
		before, err := account.GetOrganization(ctx, db, o.ID)
		if err != nil {
			t.Fatal(err)
		}
		bomb := bytes.Clone(small) // says that it has 65,535 pixels on each side
		copy(bomb[16:24], []byte{0, 0, 0xff, 0xff, 0, 0, 0xff, 0xff})
		scans := append(bytes.Clone(asJPEG[:len(asJPEG)-2]), bytes.Repeat([]byte{0xff, 0xda, 0, 2}, 100)...)
		for name, upload := range map[string][]byte{
			"empty": {}, "SVG": []byte(`<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>`), "GIF": asGIF, "text": []byte("logo"), "HTML": []byte("<html>"),
			"cut": small[:len(small)/2], "too wide": asPNG(4097, 16), "too small": asPNG(15, 100), "too many pixels": asPNG(4000, 2000), "bomb": bomb, "many scans": scans, "too large": make([]byte, account.MaxLogoBytes+1), "only a head": []byte("\x89PNG\r\n\x1a\n"),
		} {
			if _, err := account.SetLogo(ctx, db, audit.CommandLine(), o.ID, 0, upload); !errors.Is(err, fault.CodeCommonValidationFailed) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if after, err := account.GetOrganization(ctx, db, o.ID); err != nil || after != before {
			t.Errorf("a refused logo changes %+v to %+v, %v", before, after, err)
		}
		for range 2 {
			if got, err := account.SetLogo(ctx, db, audit.CommandLine(), o.ID, 0, nil); err != nil || got.LogoSHA256 != "" {
				t.Errorf("%+v, %v", got, err)
			}
		}
		if _, err := account.GetLogo(ctx, db, o.ID); !errors.Is(err, fault.CodeCommonNotFound) {
			t.Error(err)
		}
	})
}

func FuzzReadLogo(f *testing.F) {
	var b bytes.Buffer
	_ = png.Encode(&b, picture(20, 20))
	f.Add(b.Bytes())
	b.Reset()
	_ = jpeg.Encode(&b, picture(20, 20), nil)
	f.Add(b.Bytes())
	f.Add([]byte("<svg/>"))
	f.Fuzz(func(t *testing.T, upload []byte) {
		l, err := account.ReadLogo(upload)
		if err != nil {
			if !errors.Is(err, fault.CodeCommonValidationFailed) {
				t.Fatal(err)
			}
			return
		}
		again, err := account.ReadLogo(l.PNG)
		if err != nil && l.Width >= 16 && l.Height >= 16 {
			t.Fatalf("the stored picture is refused: %v", err)
		}
		if err == nil && (again.Width != l.Width || again.Height != l.Height) {
			t.Fatalf("%d × %d becomes %d × %d", l.Width, l.Height, again.Width, again.Height)
		}
	})
}
