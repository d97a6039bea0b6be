package settings

import (
	"bytes"
	"image"
	"image/png"
	"mime/multipart"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"timbre.example/internal/account"
	"timbre.example/internal/audit"
	"timbre.example/internal/console/shell/shelltest"
	"timbre.example/internal/store/storetest"
)

func TestTexts(t *testing.T) {
	t.Parallel()
	shelltest.Area(t, Area(nil), ".")
}

func open(t *testing.T) *shelltest.Site {
	db := storetest.SQLite(t)
	return shelltest.Open(t, db, Area(db))
}

func organization(t *testing.T, s *shelltest.Site) account.Organization {
	t.Helper()
	o, err := account.GetOrganization(t.Context(), s.DB, s.Organization)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// typed is the form as the browser sends it without a change.
func typed(revision string) url.Values {
	return url.Values{"name": {"Blue Note & Söhne"}, "widget_enabled": {"yes"}, "asset_storage": {"keep"}, "revision": {revision}}
}

func TestSave(t *testing.T) {
	t.Parallel()
	s := open(t)
	owner := s.As("owner")
	if page := owner.Get("/o/{org}/settings"); page.Status != http.StatusOK || !strings.Contains(page.Body, `value="Blue Note &amp; Söhne"`) || !strings.Contains(page.Body, `name="revision" value="1"`) || len(page.Body) > 50_000 {
		t.Fatalf("%d, %d bytes: %s", page.Status, len(page.Body), page.Body)
	}
	form := typed("1")
	form.Set("quota", "100")
	form.Set("max_file_size_bytes", "20")
	form.Set("access_code_ttl", "30")
	form.Set("imprint", "Street 1")
	done := owner.Post("/o/{org}/settings", form)
	if page := owner.Follow(done); !strings.Contains(page.Body, "The settings are saved.") || !strings.Contains(page.Body, `value="100"`) {
		t.Errorf("%d: %s", page.Status, page.Body)
	}
	o := organization(t, s)
	if o.Quota != 100 || o.MaxFileSize != 20<<20 || o.AccessCodeTTL != 30*day || o.Imprint != "Street 1" || !o.WidgetEnabled || o.Revision != 2 {
		t.Errorf("%+v", o)
	}
	// A second editor, who read revision 1, sees both values.
	form = typed("1")
	form.Set("quota", "500")
	page := s.As("admin").Post("/o/{org}/settings", form)
	if page.Status != http.StatusConflict || !strings.Contains(page.Body, `value="500"`) || !strings.Contains(page.Body, "<bdi>100</bdi>") || !strings.Contains(page.Body, "Somebody changed this value in the meantime.") || !strings.Contains(page.Body, `name="revision" value="2"`) {
		t.Errorf("%d: %s", page.Status, page.Body)
	}
	if got := organization(t, s); got != o {
		t.Errorf("a conflict changes %+v", got)
	}
	// A form without a revision changes nothing.
	for _, revision := range []string{"", "0", "-1", "x", "99"} {
		if page := s.As("admin").Post("/o/{org}/settings", typed(revision)); page.Status != http.StatusConflict {
			t.Errorf("revision %q: %d", revision, page.Status)
		}
	}
	// A rounded value stays as it is, unless somebody changes it.
	if _, err := account.ChangeOrganization(t.Context(), s.DB, audit.CommandLine(), s.Organization, 0, func(o *account.Organization) { o.MaxFileSize, o.AccessCodeTTL = 1234567, 90*time.Minute }); err != nil {
		t.Fatal(err)
	}
	form = typed("3")
	form.Set("max_file_size_bytes", "2")
	form.Set("access_code_ttl", "1")
	owner.Follow(owner.Post("/o/{org}/settings", form))
	if o := organization(t, s); o.MaxFileSize != 1234567 || o.AccessCodeTTL != 90*time.Minute || o.Quota != 0 {
		t.Errorf("%+v", o)
	}
	for field, value := range map[string]string{"name": "", "quota": "-1", "max_file_size_bytes": "x", "imprint": strings.Repeat("x", 201), "issuer_name": "a\u202eb", "asset_storage": "some"} {
		form := typed("4")
		form.Set(field, value)
		if page := owner.Post("/o/{org}/settings", form); page.Status != http.StatusUnprocessableEntity || !strings.Contains(page.Body, `aria-invalid="true"`) {
			t.Errorf("%s %q: %d", field, value, page.Status)
		}
	}
	// A name that is invisible, which only the account refuses.
	form = typed("4")
	form.Set("name", "\u200b\u2060")
	if page := owner.Post("/o/{org}/settings", form); page.Status != http.StatusUnprocessableEntity || !strings.Contains(page.Body, "It has no visible character.") {
		t.Errorf("%d: %s", page.Status, page.Body)
	}
}

func TestRoles(t *testing.T) {
	t.Parallel()
	s := open(t)
	for who, want := range map[string][2]int{"owner": {200, 303}, "admin": {200, 409}, "developer": {200, 403}, "viewer": {200, 403}, shelltest.Outsider: {404, 404}} {
		b := s.As(who)
		if page := b.Get("/o/{org}/settings"); page.Status != want[0] || strings.Contains(page.Body, `name="imprint"`) != (who == "owner" || who == "admin") {
			t.Errorf("%s: %d", who, page.Status)
		}
		form := typed("1")
		form.Set("quota", "7")
		if who != "admin" {
			if page := b.Post("/o/{org}/settings", form); page.Status != want[1] {
				t.Errorf("%s changes: %d", who, page.Status)
			}
		}
		if page := b.Get("/o/{org}/settings/logo"); page.Status != http.StatusNotFound {
			t.Errorf("%s, without a logo: %d", who, page.Status)
		}
	}
}

// upload sends a file as a browser without script does.
func upload(t *testing.T, s *shelltest.Site, b *shelltest.Browser, token, revision string, data []byte) shelltest.Answer {
	t.Helper()
	var body bytes.Buffer
	w := multipart.NewWriter(&body)
	_ = w.WriteField("csrf", token) // to memory
	_ = w.WriteField("revision", revision)
	part, err := w.CreateFormFile("logo", "../logo.png")
	if err != nil {
		t.Fatal(err)
	}
	_, _ = part.Write(data)
	_ = w.Close()
	return b.Send(http.MethodPost, "/o/{org}/settings/logo", &body, "Content-Type", w.FormDataContentType(), "Origin", shelltest.PublicURL)
}

func TestLogo(t *testing.T) {
	t.Parallel()
	s := open(t)
	owner := s.As("owner")
	page := owner.Get("/o/{org}/settings")
	_, token, _ := strings.Cut(page.Body, `name="csrf" value="`)
	token, _, _ = strings.Cut(token, `"`)
	var picture bytes.Buffer
	if err := png.Encode(&picture, image.NewNRGBA(image.Rect(0, 0, 64, 32))); err != nil {
		t.Fatal(err)
	}
	for name, bad := range map[string][]byte{"SVG": []byte(`<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>`), "empty": {}, "too large": make([]byte, account.MaxLogoBytes+1)} {
		if page := upload(t, s, owner, token, "1", bad); page.Status != http.StatusUnprocessableEntity {
			t.Errorf("%s: %d %s", name, page.Status, page.Body)
		}
	}
	if page := owner.Follow(upload(t, s, owner, token, "1", picture.Bytes())); !strings.Contains(page.Body, `alt="Logo of Blue Note &amp; Söhne"`) || !strings.Contains(page.Body, "The logo is saved.") {
		t.Errorf("%s", page.Body)
	}
	got := s.As("viewer").Get("/o/{org}/settings/logo")
	if got.Status != http.StatusOK || got.Header.Get("Content-Type") != "image/png" || got.Header.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("%d %v", got.Status, got.Header)
	}
	if p, err := png.Decode(strings.NewReader(got.Body)); err != nil || p.Bounds().Dx() != 64 {
		t.Error(err)
	}
	if page := upload(t, s, owner, token, "1", picture.Bytes()); page.Status != http.StatusConflict {
		t.Errorf("a stale revision: %d", page.Status)
	}
	if page := owner.Follow(owner.Post("/o/{org}/settings/logo/remove", url.Values{"revision": {"2"}})); !strings.Contains(page.Body, "The logo is removed.") {
		t.Errorf("%s", page.Body)
	}
	if page := owner.Get("/o/{org}/settings/logo"); page.Status != http.StatusNotFound {
		t.Errorf("%d", page.Status)
	}
}
