package e2e_test

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	_ "modernc.org/sqlite"

	"timbre.example/internal/e2e/browser"
	"timbre.example/internal/e2e/harness"
	"timbre.example/internal/fault"
	"timbre.example/internal/store/storetest"
)

// row says how to raise one code by its real cause, and which text a person then reads.
// The code's class in the catalogue determines the answer, the event and the screen.
type row struct {
	code fault.Code
	// ask brings a server to answer with the code, where no widget can meet it or
	// besides the widget.
	ask func(t *testing.T, x *site) answered
	// scene is how a widget meets it.
	scene *scene
	// text is what the screen says; rehearsed what it says at a rehearsal, where
	// that is something else: the examples of the catalogue have other values.
	text, rehearsed string
}

// answered is a refusal as a program gets it.
type answered struct {
	status int
	header http.Header
	body   harness.Refusal
}

// scene is one flow of a widget up to the code.
type scene struct {
	// server is another one than the shared.
	server func(*testing.T) *harness.Server
	site   func(*testing.T, *harness.Server) *site
	// apart: the roles are processes of their own, with proxies to their database.
	apart bool
	// update: with a registered song and its access code, or with typed.
	update bool
	typed  string
	// element is the tag; that of the site when nil.
	element func(*site) string
	// tokens are returned first; then new ones.
	tokens func(*testing.T, *site) []string
	// at is the request that waits while do happens: init, upload, prepare,
	// confirm; "": do happens before the page is opened.
	at string
	do func(t *testing.T, x *site, f *flow)
	// after happens once the order is confirmed.
	after func(t *testing.T, x *site, f *flow)
	// page is a script that runs before the widget's.
	page func(*site) string
	// file and title of the song.
	file  func(*testing.T) string
	title string
	// ends says that the flow goes on to its end: the widget mends this itself.
	ends bool
	// unseen says that the code comes from the widget, not in an answer.
	unseen bool
}

// flow is a scene being played.
type flow struct {
	page  *browser.Page
	job   func() string
	code  string // the access code of an update
	apart *apart
}

// stage is where a request of the flow goes.
var stages = map[string][2]string{"init": {"POST", "/init"}, "upload": {"PUT", "/blob/"}, "prepare": {"POST", "/prepare"}, "confirm": {"POST", "/confirm"}}

// recorder records every answer to the page's fetch calls, and returns tokens.
const recorder = `globalThis.answers = [];
const plain = globalThis.fetch;
globalThis.fetch = async (...args) => {
  const r = await plain(...args);
  const text = await r.clone().text();
  let code = '';
  try { code = JSON.parse(text).error.code; } catch {}
  answers.push({ URL: r.url, Status: r.status, Code: code, RequestID: r.headers.get('X-Request-Id') ?? '', RetryAfter: r.headers.get('Retry-After') ?? '', Link: r.headers.get('Link') ?? '' });
  return r;
};
`

const tokenScript = `const tokens = %s;
const fresh = async (mode) => (await import('/token.js?' + new URLSearchParams({ mode, once: crypto.randomUUID() }))).default;
for (const name of ['ready', 'token-expired']) {
  document.addEventListener('allfeat:' + name, async (e) => {
    const widget = e.composedPath()[0];
    widget.setToken(tokens.length ? tokens.shift() : await fresh(widget.mode));
  });
}
`

// quick lets the page's time pass twenty times as fast.
const quick = `const began = Date.now(), now = Date.now, later = setTimeout;
Date.now = () => began + (now() - began) * 20;
globalThis.setTimeout = (f, ms = 0, ...args) => later(f, ms / 20, ...args);
`

// song is a registration, or an update, beside the browser: by the same site.
func (x *site) song(title string, seed int) *harness.Song {
	return &harness.Song{Server: &harness.Server{URL: x.server.URL, SiteKey: x.siteKey, SecretKey: x.secret}, Title: title, Audio: harness.WAV(seed)}
}

// through takes a song to its end.
func through(t *testing.T, s *harness.Song) *harness.Song {
	t.Helper()
	walk(t, s, func(step string, err error) { t.Fatalf("%s: %v", step, err) })
	return s
}

// token mints one for the site.
func (x *site) token(t *testing.T, change map[string]any) string {
	t.Helper()
	ask := map[string]any{"secret_key": x.secret, "action_type": "register", "allowed_network": "testnet"}
	for k, v := range change {
		ask[k] = v
	}
	at := *x
	at.server = &harness.Server{URL: x.host.API()}
	a, out := at.send(t, "POST", "/v1/sessions", "", ask)
	if a.status != 200 {
		t.Fatalf("mint: %+v", a)
	}
	return out["token"].(string)
}

// send makes one request as the site's page would, or its backend.
func (x *site) send(t *testing.T, method, path, token string, body any) (answered, map[string]any) {
	t.Helper()
	b, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), method, x.server.URL+path, bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	req.Header = http.Header{"X-Site-Key": {x.siteKey}, "Content-Type": {"application/json"}, "Origin": {x.host.URL}}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	a := answered{status: res.StatusCode, header: res.Header}
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	var out map[string]any
	if err := json.Unmarshal(text, &out); err != nil {
		t.Fatalf("%s %s: %v in %s", method, path, err, text)
	}
	var e struct{ Error harness.Refusal }
	_ = json.Unmarshal(text, &e)
	a.body = e.Error
	return a, out
}

// refused is send for what only its refusal is wanted of.
func (x *site) refused(t *testing.T, method, path, token string, body any) answered {
	t.Helper()
	a, _ := x.send(t, method, path, token, body)
	return a
}

// tamper changes rows of the shared server's database behind its back.
func (x *site) tamper(t *testing.T, statement string, args ...any) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+strings.TrimPrefix(x.server.DatabaseURL, "sqlite:")+"?_pragma=busy_timeout(10000)")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.ExecContext(t.Context(), statement, args...); err != nil {
		t.Fatal(err)
	}
}

// with starts a server of its own kind.
func with(args ...string) func(*testing.T) *harness.Server {
	return func(t *testing.T) *harness.Server { return harness.Start(t, harness.Options{Args: args}) }
}

var noKey = "cpk_" + strings.Repeat("0", 64)

func element(siteKey, url, more string) string {
	return fmt.Sprintf("<ats-widget site-key=%q ats-url=%q network=\"testnet\" %s></ats-widget>", siteKey, url, more)
}

// admin is a command that changes the site's organization before the page opens.
func admin(args ...string) func(*testing.T, *site, *flow) {
	return func(_ *testing.T, x *site, _ *flow) {
		full := append([]string(nil), args...)
		for i, a := range full {
			full[i] = strings.NewReplacer("ORG", x.org, "KEY", x.siteKey, "ORIGIN", x.host.URL).Replace(a)
		}
		x.server.CLI(nil, full...)
	}
}

// good is a token that was minted before anything was changed.
func good(t *testing.T, x *site) []string { return []string{x.token(t, nil)} }

var table = []row{
	{code: fault.CodeSessionInvalidToken, scene: &scene{tokens: func(t *testing.T, x *site) []string {
		s := x.song("Spent elsewhere", 1)
		s.Token = x.token(t, nil)
		if err := s.Init(t.Context()); err != nil {
			t.Fatal(err)
		}
		return []string{s.Token}
	}}},
	{code: fault.CodeSessionKeyInactive, text: "Songs cannot be registered on this site right now. Please tell its owner.", scene: &scene{tokens: good, do: admin("keys", "disable", "KEY")}},
	{code: fault.CodeSessionWidgetNotEnabled, text: "Songs cannot be registered on this site right now. Please tell its owner.", scene: &scene{tokens: good, do: admin("org", "set", "ORG", "--widget", "off")}},
	{code: fault.CodeSessionOriginNotAllowed, text: "Songs cannot be registered on this site right now. Please tell its owner.", scene: &scene{tokens: good, do: func(t *testing.T, x *site, _ *flow) {
		x.server.CLI(nil, "origins", "remove", x.org, x.host.URL) // no list has it any more
	}}},
	{code: fault.CodeSessionRateLimited, text: "Too many requests. Please try again after …", scene: &scene{server: with("--limits-session", "1/1h,burst=1")}},
	{code: fault.CodeCommonAuthMissingToken, scene: &scene{unseen: true, tokens: func(*testing.T, *site) []string { return []string{""} }},
		ask: func(t *testing.T, x *site) answered {
			return x.refused(t, "POST", "/v1/works/init", "", map[string]any{})
		}},
	{code: fault.CodeCommonAuthExpired, scene: &scene{server: with("--limits-token", "2s"), tokens: good, do: func(t *testing.T, _ *site, _ *flow) {
		until := time.Now().Add(2 * time.Second)
		harness.Eventually(func() bool { return time.Now().After(until) })
	}}},
	{code: fault.CodeCommonAuthInvalidToken, scene: &scene{tokens: func(*testing.T, *site) []string { return []string{"no.token.ofOurs"} }}},
	{code: fault.CodeCommonAuthInvalidAPIKey, text: "Songs cannot be registered on this site right now. Please tell its owner.", scene: &scene{element: func(x *site) string { return element("cpk_12", x.server.URL, "") }},
		ask: func(t *testing.T, x *site) answered {
			return x.refused(t, "POST", "/v1/sessions", "", map[string]any{"secret_key": "csk_" + strings.Repeat("0", 64)})
		}},
	{code: fault.CodeCommonAuthJWKSUnavailable, text: "The service is busy right now. Please try again shortly.", scene: &scene{apart: true, tokens: good, do: func(t *testing.T, x *site, f *flow) {
		other := f.apart.song("Somebody else's", 6)
		f.apart.do(other.Mint, other.Init, other.Put)
		f.apart.organizations.Kill()
		f.apart.until("common.auth.jwks_unavailable", other.Prepare) // once the copy is too old
	}}},
	{code: fault.CodeCommonAuthBackendUnavailable, text: "The service is busy right now. Please try again shortly.", scene: &scene{apart: true, at: "init", do: func(_ *testing.T, _ *site, f *flow) {
		f.apart.front.Refuse()
		f.apart.front.Cut()
	}}},
	{code: fault.CodeOrganizationNotFound, text: "Songs cannot be registered on this site right now. Please tell its owner.", scene: &scene{element: func(x *site) string { return element(noKey, x.server.URL, "") }}},
	{code: fault.CodeOrganizationInactive, text: "Songs cannot be registered on this site right now. Please tell its owner.", scene: &scene{tokens: good, do: admin("org", "suspend", "ORG")}},
	{code: fault.CodeOrganizationNoIntegration, text: "Songs cannot be registered on this site right now. Please tell its owner.", scene: &scene{tokens: good, do: admin("keys", "delete", "KEY")}},
	{code: fault.CodeRegistrationDuplicateTitle, text: "A song with this title already exists. Please choose another title.", scene: &scene{title: " Same  SONG ", do: func(t *testing.T, x *site, _ *flow) {
		through(t, x.song("same song", 2))
	}}},
	{code: fault.CodeRegistrationAudioTooLarge, text: "This file is too large: 20 kB, at most 9 kB.", rehearsed: "This file is too large: 600 MB, at most 500 MB.", scene: &scene{do: admin("org", "set", "ORG", "--max-file-size", "10000")}},
	{code: fault.CodeRegistrationInvalidAudioFormat, text: "This file is damaged. Export the song again from your music program.", rehearsed: "Part of the sound is missing from this file. Upload the whole file, or export the song again from your music program.", scene: &scene{file: func(t *testing.T) string {
		// A letter would be refused by the widget: this one begins as a song does.
		return write(t, "song.wav", []byte("RIFF\x24\x00\x00\x00WAVEDear label, this is a letter."))
	}}},
	{code: fault.CodeRegistrationInsufficientCredits, text: "This site has no credits left. Nothing was charged.", scene: &scene{site: newPoorSite, file: func(t *testing.T) string {
		return noise(t, "long.wav", 11<<20) // beyond what a testnet stores for nothing
	}}},
	{code: fault.CodeWorkNotFound, rehearsed: "This song could not be found.", ask: func(t *testing.T, x *site) answered {
		token := x.token(t, map[string]any{"action_type": "access", "external_user_ref": "somebody"})
		return x.refused(t, "GET", "/v1/works/1/versions", token, nil)
	}},
	{code: fault.CodeWorkAlreadyRegistered, text: "This recording is already registered.", scene: &scene{
		file: func(t *testing.T) string { return write(t, "again.wav", harness.WAV(3)) },
		do:   func(t *testing.T, x *site, _ *flow) { through(t, x.song("The same recording", 3)) },
	}},
	{code: fault.CodeAccessCodeNotFound, text: "No song has this access code. Please check it.", scene: &scene{update: true, typed: "atc_" + strings.Repeat("0", 64)}},
	{code: fault.CodeAccessCodeExpired, text: "This access code is no longer valid.", scene: &scene{update: true, do: func(t *testing.T, x *site, f *flow) {
		token := x.token(t, map[string]any{"action_type": "update_version"})
		if a := x.refused(t, "POST", "/v1/access/"+f.code+"/rotate", token, map[string]any{}); a.status != 200 {
			t.Fatalf("rotate: %+v", a)
		}
	}}},
	{code: fault.CodeTransactionNotFound, text: "We cannot find this registration any more.", scene: &scene{page: func(x *site) string {
		// A page that was reloaded, after the server had lost the transaction.
		const id = "01890000-0000-7000-8000-000000000000"
		v, _ := json.Marshal(map[string]string{"transactionId": id, "wsUrl": "/v1/ws/transactions/" + id, "statusUrl": "/v1/transactions/" + id})
		return fmt.Sprintf("sessionStorage.setItem(%q, %q);\n", "ats-widget "+strings.Join([]string{x.server.URL, x.siteKey, "testnet", "", ""}, " "), v)
	}}},
	{code: fault.CodeTransactionStoreUnavailable, text: "The service is busy right now. Please try again shortly.", scene: &scene{apart: true, page: func(*site) string { return quick }, at: "confirm",
		do: func(_ *testing.T, _ *site, f *flow) { f.apart.worker.Kill() }, // nothing becomes final
		after: func(_ *testing.T, _ *site, f *flow) {
			f.apart.front.Refuse()
			f.apart.front.Cut()
		},
	}},
	{code: fault.CodeTransactionAlreadyConfirmed, scene: &scene{ends: true, at: "confirm", do: func(t *testing.T, x *site, f *flow) {
		if a := x.refused(t, "POST", "/v1/works/confirm", x.token(t, nil), map[string]any{"job_id": f.job()}); a.status != 202 {
			t.Fatalf("the first confirm: %+v", a)
		}
	}}},
	{code: fault.CodeTransactionExpired, text: "This took too long. Nothing was charged.", scene: &scene{server: with("--limits-upload-slot", "500ms"), at: "prepare", do: func(*testing.T, *site, *flow) {
		until := time.Now().Add(12 * 500 * time.Millisecond)
		harness.Eventually(func() bool { return time.Now().After(until) })
	}}},
	{code: fault.CodeCommonRateLimited, text: "Too many requests. Please try again after …", scene: &scene{server: with("--limits-address", "1/1h,burst=40"), at: "init", do: func(t *testing.T, x *site, _ *flow) {
		for range 40 {
			if a := x.refused(t, "GET", "/v1/stats", "", nil); a.status == 429 {
				return
			}
		}
		t.Error("the address has a budget without end")
	}}},
	{code: fault.CodeCommonValidationFailed, text: "Please check this field.", rehearsed: "This email address is not complete.", scene: &scene{file: func(t *testing.T) string {
		return noise(t, "\u200b\u2060", 20_000) // the server sees that nothing of the name is to be seen
	}}},
	{code: fault.CodeCommonServiceUnavailable, text: "The service is busy right now. Please try again shortly.", scene: &scene{apart: true, at: "prepare", do: func(_ *testing.T, _ *site, f *flow) {
		other := f.apart.song("Somebody else's", 6)
		f.apart.do(other.Mint, other.Init, other.Put)
		f.apart.worker.Kill() // with it the sequencer, which is the chain here
		f.apart.until("common.service_unavailable", other.Prepare)
	}}},
	{code: fault.CodeCommonNotFound, text: "The service gave an invalid answer. Please tell this site’s owner.", scene: &scene{element: func(x *site) string { return element(x.siteKey, x.server.URL+"/v1", "") }}},
	{code: fault.CodeWidgetNetworkError, text: "The connection was lost.", scene: &scene{unseen: true, element: func(x *site) string { return element(x.siteKey, "http://127.0.0.1:1", "") }}},
	{code: fault.CodeWidgetUploadError, text: "The file could not be uploaded.", scene: &scene{server: with(), unseen: true, at: "upload", do: func(_ *testing.T, x *site, _ *flow) { x.server.Kill() }}},
	{code: fault.CodeWidgetMalformedResponse, text: "The service gave an invalid answer. Please tell this site’s owner.", scene: &scene{unseen: true, element: func(x *site) string { return element(x.siteKey, x.host.URL, "") }}},
	{code: fault.CodeWidgetUnknownError, text: "Something went wrong on our side.", scene: &scene{unseen: true, element: func(x *site) string { return element(x.siteKey, tomorrow.URL(), "") }}},
	{code: fault.CodeWidgetConfigurationError, text: "Songs cannot be registered on this site right now. Please tell its owner.", scene: &scene{unseen: true, element: func(x *site) string {
		return strings.Replace(element(x.siteKey, x.server.URL, ""), "testnet", "moonnet", 1)
	}}},

	{code: fault.CodeSessionInvalidExternalUserRef, rehearsed: "Something went wrong on our side.", ask: func(t *testing.T, x *site) answered {
		return x.refused(t, "POST", "/v1/sessions", "", map[string]any{"secret_key": x.secret, "action_type": "register", "allowed_network": "testnet", "external_user_ref": ""})
	}},
	{code: fault.CodeAccessCodeFormatInvalid, text: "This is not a complete access code: atc_ and 64 more characters, 0–9 and a–f.", scene: &scene{update: true, typed: "atc_1234", unseen: true},
		ask: func(t *testing.T, x *site) answered {
			return x.refused(t, "GET", "/v1/access/atc_1234/work", x.token(t, map[string]any{"action_type": "update_version"}), nil)
		}},
	{code: fault.CodeCommonForbidden, text: "You do not have permission to do this here.", scene: &scene{element: func(x *site) string { return element(x.siteKey, x.server.URL, `external-user-id="somebody"`) }}},
	{code: fault.CodeCommonQuotaExceeded, text: "No more songs can be registered here until …", scene: &scene{do: func(t *testing.T, x *site, f *flow) {
		through(t, x.song("The only one", 4))
		admin("org", "set", "ORG", "--quota", "1")(t, x, f)
	}}},
	{code: fault.CodeCommonInternal, text: "Something went wrong on our side.", scene: &scene{at: "prepare", do: func(t *testing.T, x *site, f *flow) {
		x.tamper(t, "UPDATE jobs SET creators = 'no longer JSON' WHERE id = ?", f.job())
	}}},
	{code: fault.CodeRegistrationAudioEmpty, text: "This file is empty. Please choose another.", scene: &scene{unseen: true, file: func(t *testing.T) string { return write(t, "empty.wav", nil) }},
		ask: func(t *testing.T, x *site) answered {
			s := x.song("Nothing", 0)
			s.Audio = []byte{}
			if err := s.Mint(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := s.Init(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := s.Put(t.Context()); err != nil {
				t.Fatal(err)
			}
			return x.refused(t, "POST", "/v1/works/prepare", s.Token, map[string]any{"job_id": s.JobID})
		}},
	{code: fault.CodeRegistrationUploadMissing, text: "The file could not be uploaded.", scene: &scene{at: "prepare", do: func(t *testing.T, x *site, f *flow) {
		x.tamper(t, "UPDATE jobs SET upload_key = upload_key || '-elsewhere' WHERE id = ?", f.job())
	}}},
	{code: fault.CodeRegistrationDryRunFailed, text: "The registration was refused. Nothing was charged.", scene: &scene{update: true, at: "prepare", do: func(t *testing.T, x *site, f *flow) {
		x.tamper(t, "UPDATE jobs SET ats_id = 999999 WHERE id = ?", f.job()) // a work that the log does not have
	}}},
	{code: fault.CodeVersionAlreadyInProgress, text: "Another update of this song came first. Try again to see the newest version.", scene: &scene{update: true, at: "confirm", do: func(t *testing.T, x *site, f *flow) {
		other := x.song("", 5)
		other.Code, other.Audio = f.code, nil
		through(t, other)
	}}},
	{code: fault.CodeWorkCertificateUnavailable, ask: func(t *testing.T, x *site) answered {
		s := x.song("Not final yet", 7)
		for _, step := range []func(context.Context) error{s.Mint, s.Init, s.Put, s.Prepare} {
			if err := step(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		return x.refused(t, "GET", "/v1/works/"+s.WorkID+"/download/certificate", s.Token, nil)
	}, text: "The certificate is not ready yet. Please try again a little later.", scene: &scene{
		server: func(t *testing.T) *harness.Server { // whose certificates wait for an authority that is away
			return harness.Start(t, harness.Options{Settings: []string{"TSA_URL=http://127.0.0.1:1/"}})
		},
		page: func(*site) string { return quick },
		after: func(t *testing.T, x *site, f *flow) {
			f.page.Wait(onScreen(0, "COMPLETE"))
			f.page.Click(browser.Hook("certificate"))
		},
	}},
	{code: fault.CodeTransactionFailed, text: "The registration was refused. Nothing was charged.", scene: &scene{update: true, at: "confirm", do: func(t *testing.T, x *site, f *flow) {
		x.tamper(t, "UPDATE jobs SET ats_id = 999999 WHERE id = ?", f.job()) // lost by the log between quote and confirm
	}}},
	{code: fault.CodeAPIKeyInvalidFormat, ask: func(t *testing.T, x *site) answered {
		return x.refused(t, "GET", "/v1/works", "afo_sk_live_"+strings.Repeat("0", 48), map[string]any{})
	}},
	{code: fault.CodeAPIKeyRevoked, ask: func(t *testing.T, x *site) answered {
		k := x.apiKey("works:read")
		x.server.CLI(nil, "apikeys", "revoke", k.ID)
		return x.refused(t, "GET", "/v1/works", k.Token, map[string]any{})
	}},
	{code: fault.CodeAPIKeyOrgMismatch, ask: func(t *testing.T, x *site) answered {
		var other struct{ ID string }
		x.server.CLI(&other, "org", "create", "Another label", "--json")
		return x.refused(t, "GET", "/v1/organizations/"+other.ID+"/works", x.apiKey("works:read").Token, map[string]any{})
	}},
	{code: fault.CodeAPIKeyScopeDenied, ask: func(t *testing.T, x *site) answered {
		return x.refused(t, "POST", "/v1/works/init", x.apiKey("works:read").Token, map[string]any{})
	}},
	{code: fault.CodeAPIKeyLimitReached, ask: func(t *testing.T, x *site) answered {
		k := x.apiKey("keys:manage")
		for range 20 {
			if a := x.backend(t, k, "POST", "/v1/api-keys", nil, newKey); a.status != 201 {
				return a
			}
		}
		return answered{}
	}},
	{code: fault.CodeIdempotencyKeyReused, ask: func(t *testing.T, x *site) answered {
		k, once := x.apiKey("works:register"), http.Header{"Idempotency-Key": {"import-1"}}
		if a := x.backend(t, k, "POST", "/v1/works/init", once, newWork("The first")); a.status != 200 {
			t.Fatalf("init: %+v", a)
		}
		return x.backend(t, k, "POST", "/v1/works/init", once, newWork("The second"))
	}},
	{code: fault.CodeAPIKeyNotFound, ask: func(t *testing.T, x *site) answered {
		return x.refused(t, "GET", "/v1/works", "afo_sk_live_"+strings.Repeat("0", 40)+"963fbb8e", map[string]any{})
	}},
	{code: fault.CodeAPIKeyExpired, ask: func(t *testing.T, x *site) answered {
		k := x.apiKey("works:read")
		x.tamper(t, "UPDATE api_keys SET expires_at = 1 WHERE id = ?", k.ID)
		return x.refused(t, "GET", "/v1/works", k.Token, map[string]any{})
	}},
	{code: fault.CodeAPIKeyOrgInactive, ask: func(t *testing.T, x *site) answered {
		k := x.apiKey("works:read")
		x.server.CLI(nil, "org", "suspend", x.org)
		defer x.server.CLI(nil, "org", "resume", x.org)
		return x.refused(t, "GET", "/v1/works", k.Token, map[string]any{})
	}},
	{code: fault.CodeAPIKeyInvalidName, ask: creating(map[string]any{"name": "two\nlines", "scopes": []string{"works:read"}})},
	{code: fault.CodeAPIKeyScopesRequired, ask: creating(map[string]any{"name": "Backend", "scopes": []string{}})},
	{code: fault.CodeAPIKeyUnknownScope, ask: creating(map[string]any{"name": "Backend", "scopes": []string{"works:everything"}})},
	{code: fault.CodeAPIKeyWebhookURLInvalid, ask: creating(map[string]any{"name": "Backend", "scopes": []string{"works:read"}, "webhook_url": "https://10.0.0.1/hooks"})},
	{code: fault.CodeCommonBadRequest, ask: func(t *testing.T, x *site) answered {
		return x.backend(t, x.apiKey("works:register"), "POST", "/v1/works/init", http.Header{"Idempotency-Key": {""}}, newWork("Without a name"))
	}},
	{code: fault.CodeCommonConflict, ask: func(t *testing.T, x *site) answered {
		k := x.apiKey("organization:manage")
		read := http.Header{"If-Match": x.backend(t, k, "GET", "/v1/settings", nil, nil).header["Etag"]}
		if a := x.backend(t, k, "PATCH", "/v1/settings", read, map[string]any{"quota": 5}); a.status != 200 {
			t.Fatalf("the first change: %+v", a)
		}
		return x.backend(t, k, "PATCH", "/v1/settings", read, map[string]any{"quota": 7})
	}},
	{code: fault.CodeIdempotencyInProgress, ask: whileItRuns},
}

// apiKey is a key of the site's organization, as the command line prints it.
type apiKey struct{ ID, Token string }

// apiKey creates a key with one scope.
func (x *site) apiKey(scope string) (k apiKey) {
	x.server.CLI(&k, "apikeys", "create", x.org, "--name", "Backend", "--scope", scope, "--json")
	return k
}

// newKey and newWork are bodies of calls by a backend.
var newKey = map[string]any{"name": "Backend", "scopes": []string{"works:read"}}

func newWork(title string) map[string]any {
	creator := map[string]any{"full_name": "Ada Example", "email": "ada@songs.example", "roles": map[string]bool{"author": true, "composer": true}}
	return map[string]any{"title": title, "filename": "take.wav", "network": "testnet", "creators": []any{creator}}
}

// creating is a request for an API key that is refused.
func creating(body map[string]any) func(*testing.T, *site) answered {
	return func(t *testing.T, x *site) answered {
		return x.backend(t, x.apiKey("keys:manage"), "POST", "/v1/api-keys", nil, body)
	}
}

// backend makes one call with an API key.
func (x *site) backend(t *testing.T, k apiKey, method, path string, header http.Header, in any) answered {
	t.Helper()
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			t.Fatal(err)
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(t.Context(), method, x.server.URL+path, body)
	if err != nil {
		t.Fatal(err)
	}
	req.Header = http.Header{"Authorization": {"Bearer " + k.Token}, "Content-Type": {"application/json"}}
	maps.Copy(req.Header, header)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var out struct{ Error harness.Refusal }
	if err := json.NewDecoder(res.Body).Decode(&out); err != nil {
		t.Fatalf("%s %s: %d: %v", method, path, res.StatusCode, err)
	}
	return answered{res.StatusCode, res.Header, out.Error}
}

// whileItRuns repeats an init while the first one waits for the database.
func whileItRuns(t *testing.T, _ *site) answered {
	x := newSite(t, harness.Start(t, harness.Options{DatabaseURL: storetest.PostgresURL(t)}))
	k, once := x.apiKey("works:register"), http.Header{"Idempotency-Key": {"import-1"}}
	db, err := sql.Open("pgx", x.server.DatabaseURL)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	tx, err := db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.ExecContext(t.Context(), "LOCK TABLE jobs IN EXCLUSIVE MODE"); err != nil {
		t.Fatal(err)
	}
	first := make(chan int, 1)
	go func() { first <- x.backend(t, k, "POST", "/v1/works/init", once, newWork("Once")).status }()
	if !harness.Eventually(func() bool {
		n := 0
		if err := db.QueryRowContext(t.Context(), "SELECT count(*) FROM idempotent_requests").Scan(&n); err != nil {
			t.Error(err)
		}
		return n > 0
	}) {
		t.Error("the first request is not claimed")
	}
	a := x.backend(t, k, "POST", "/v1/works/init", once, newWork("Once"))
	if err := tx.Rollback(); err != nil {
		t.Error(err)
	}
	if status := <-first; status != 200 {
		t.Errorf("the first request ends with %d", status)
	}
	return a
}

// newPoorSite is a site whose organization has no credits.
func newPoorSite(t *testing.T, s *harness.Server) *site {
	t.Helper()
	x := newSite(t, s)
	var org struct{ ID string }
	s.CLI(&org, "org", "create", "A poor label", "--json")
	var keys struct {
		SiteKey   string `json:"site_key"`
		SecretKey string `json:"secret_key"`
	}
	s.CLI(&keys, "keys", "create", org.ID, "--json")
	s.CLI(nil, "origins", "add", org.ID, x.host.URL)
	x.org, x.siteKey, x.secret = org.ID, keys.SiteKey, keys.SecretKey
	x.host.Connect(s.URL, x.secret)
	return x
}

// tomorrow is a server of a later release, which knows a code that this build
// of the widget does not.
var tomorrow later

type later struct {
	once sync.Once
	s    *httptest.Server
}

func (l *later) URL() string {
	l.once.Do(func() {
		l.s = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			h := w.Header()
			h.Set("Access-Control-Allow-Origin", "*")
			h.Set("Access-Control-Allow-Headers", "authorization, content-type, x-site-key")
			h.Set("Content-Type", "application/json")
			if r.Method == http.MethodOptions {
				w.Write([]byte("{}"))
				return
			}
			w.WriteHeader(http.StatusConflict)
			w.Write([]byte(`{"error":{"code":"registration.of_tomorrow","message":"Not known yet.","request_id":"req_01J9Z3NDEKTSV4RRFFQ69G5FAV"}}`))
		}))
	})
	return l.s.URL
}

// Every code of the catalogue has a row, and every row is a code.
func TestEachCodeHasItsRow(t *testing.T) {
	t.Parallel()
	rows := map[fault.Code]bool{}
	for _, r := range table {
		if rows[r.code] {
			t.Errorf("%s has two rows", r.code)
		}
		rows[r.code] = true
		if r.ask == nil && r.scene == nil {
			t.Errorf("%s is not raised", r.code)
		}
	}
	for _, e := range fault.All() {
		if !rows[e.Code] {
			t.Errorf("%s has no row: raise it by its real cause", e.Code)
		}
	}
	if len(rows) != len(fault.All()) {
		t.Errorf("%d rows, %d codes", len(rows), len(fault.All()))
	}
}

// Each code is raised by its real cause, through the real binary and, where a
// widget can meet it, in a real browser: with its status, its body, its event,
// its screen and its text.
func TestEachCodeByItsCause(t *testing.T) {
	t.Parallel()
	shared := harness.Start(t, harness.Options{})
	p := browser.Open(t)
	for _, r := range table {
		t.Run(string(r.code), func(t *testing.T) {
			if r.ask != nil {
				x := newSite(t, shared)
				shared.CLI(nil, "origins", "add", x.org, "localhost:3000")
				checkAnswer(t, r, r.ask(t, x))
			}
			if r.scene != nil {
				s := shared
				if r.scene.server != nil {
					s = r.scene.server(t)
				}
				play(t, s, p.In(t), r)
			}
		})
	}
}

// And each is raised by a rehearsal: the same answer, event, screen and text,
// with nothing wrong.
func TestEachCodeRehearsed(t *testing.T) {
	t.Parallel()
	shared := harness.Start(t, harness.Options{})
	p := browser.Open(t)
	for _, r := range table {
		e, _ := fault.Lookup(r.code)
		if e.Rehearse == "" {
			if r.scene != nil {
				t.Errorf("a widget can meet %s, and nobody can rehearse it", r.code)
			}
			continue
		}
		t.Run(string(r.code), func(t *testing.T) {
			if r.rehearsed != "" {
				r.text = r.rehearsed
			}
			sc := scene{site: newTestSite, unseen: e.Class == fault.ClassClient}
			if r.scene != nil {
				sc.update, sc.ends = r.scene.update, r.scene.ends
			}
			sc.update = sc.update || e.Rehearse == "code"
			if e.Rehearse == "certificate" {
				sc.after = r.scene.after
			}
			if e.Rehearse == "track" || e.Rehearse == "certificate" {
				sc.page = func(*site) string { return quick }
			}
			sc.tokens = func(t *testing.T, x *site) []string {
				action := "register"
				if sc.update {
					action = "update_version"
				}
				return []string{x.token(t, map[string]any{"action_type": action, "rehearse": string(r.code)})}
			}
			r.scene = &sc
			play(t, shared, p.In(t), r)
		})
	}
}

// newTestSite is a site with a test key.
func newTestSite(t *testing.T, s *harness.Server) *site {
	t.Helper()
	x := newSite(t, s)
	var keys struct {
		SiteKey   string `json:"site_key"`
		SecretKey string `json:"secret_key"`
	}
	s.CLI(&keys, "keys", "create", x.org, "--test", "--json")
	x.siteKey, x.secret = keys.SiteKey, keys.SecretKey
	x.host.Connect(s.URL, x.secret)
	return x
}

func checkAnswer(t *testing.T, r row, a answered) {
	t.Helper()
	e, _ := fault.Lookup(r.code)
	if a.status != e.Status || a.body.Code != string(r.code) || a.body.RequestID == "" || a.body.RequestID != a.header.Get("X-Request-Id") {
		t.Errorf("answered %d %+v", a.status, a.body)
	}
	if link := a.header.Get("Link"); !strings.Contains(link, "/docs/errors#"+string(r.code)+`>; rel="help"`) {
		t.Errorf("Link %q", link)
	}
	if (a.header.Get("Retry-After") != "") != e.RetryAfter {
		t.Errorf("Retry-After %q", a.header.Get("Retry-After"))
	}
	for _, d := range e.Details {
		if _, ok := a.body.Details[d.Name]; !ok && !d.Optional {
			t.Errorf("details lack %s: %v", d.Name, a.body.Details)
		}
	}
}

// play takes a widget through the scene, up to the code, and checks what is
// seen and heard.
func play(t *testing.T, s *harness.Server, p *browser.Page, r row) {
	sc := r.scene
	build := newSite
	if sc.site != nil {
		build = sc.site
	}
	f := &flow{page: p, code: sc.typed, job: func() string { return stateOf(p, 0).JobID }}
	var x *site
	if sc.apart {
		host := browser.NewHost(t)
		f.apart = newApart(t, storetest.PostgresURL(t), host.URL)
		host.Connect(f.apart.organizations.URL, f.apart.organizations.SecretKey)
		x = &site{f.apart.ats, host, "", f.apart.ats.SiteKey, f.apart.ats.SecretKey}
	} else {
		x = build(t, s)
		s.CLI(nil, "origins", "add", x.org, "localhost:3000")
	}
	if sc.update && f.code == "" {
		f.code = through(t, x.song("To be updated", 9)).AccessCode
	}
	tokens := []string{}
	if sc.tokens != nil {
		tokens = sc.tokens(t, x)
	}
	if sc.do != nil && sc.at == "" {
		sc.do(t, x, f)
	}
	tag := x.element("")
	if sc.update {
		tag = x.element(`mode="update"`)
	}
	if sc.element != nil {
		tag = sc.element(x)
	}
	list, err := json.Marshal(tokens)
	if err != nil {
		t.Fatal(err)
	}
	before := recorder
	if sc.page != nil {
		before += sc.page(x)
	}
	x.host.Page("record.js", before)
	x.host.Page("tokens.js", fmt.Sprintf(tokenScript, list))
	p.Goto(x.host.Page("code.html", tag+`<script src="/record.js"></script><script type="module" src="/tokens.js"></script><script type="module" src="/ats-widget.esm.js"></script>`))

	entry, _ := fault.Lookup(r.code)
	until := map[fault.Class]string{fault.ClassInline: "error", fault.ClassRefresh: "token-expired"}[entry.Class]
	switch {
	case r.code == fault.CodeWorkCertificateUnavailable:
		until = "error" // about a button
	case until == "" && r.code != fault.CodeCommonValidationFailed:
		until = "failed"
	case until == "":
		until = "error" // about a field of the form
	}
	arrived := fmt.Sprintf("e2e.events.some((e) => e.name === %q)", until)
	if sc.ends {
		arrived = onScreen(0, "COMPLETE")
	}
	var hold *browser.Hold
	if sc.at != "" {
		hold = p.Hold(stages[sc.at][0], stages[sc.at][1])
	}
	act := func() {
		if hold == nil {
			return
		}
		h := hold
		hold = nil
		held := h.Await()
		sc.do(t, x, f)
		held.Go()
		h.Release()
	}
	walkWidget(t, p, sc, f, arrived, act)
	if sc.after != nil {
		p.Wait("e2e.events.some((e) => e.name === 'confirmed')")
		sc.after(t, x, f)
	}
	p.WaitFor(arrived, 60*time.Second)
	checkReaction(t, p, r, entry)
}

// walkWidget does what a person does, until the code has arrived.
func walkWidget(t *testing.T, p *browser.Page, sc *scene, f *flow, arrived string, act func()) {
	t.Helper()
	there := func(hook string) bool {
		p.WaitFor(arrived+" || "+browser.Hook(hook), 60*time.Second)
		return browser.Eval[bool](p, "!("+arrived+") && !!"+browser.Hook(hook))
	}
	file := noise
	path := ""
	if sc.file != nil {
		path = sc.file(t)
	} else {
		path = file(t, "song.wav", 20_000)
	}
	title := sc.title
	if title == "" {
		title = "A song of " + filepath.Base(t.Name())
	}
	if sc.update {
		if !there("access_code") {
			return
		}
		open(p, f.code)
		if !there("work") {
			return
		}
		p.Click(browser.Hook("next"))
	} else {
		if !there("file") {
			return
		}
		p.SetFile(browser.Hook("file"), path)
		if sc.unseen && sc.file != nil {
			// The widget refuses this file by itself, and its message moves the fields below:
			// a click on one of them meanwhile would hit the page beside the field.
			p.WaitFor(arrived, 60*time.Second)
			return
		}
		p.Type(browser.Hook("title"), title)
		if !there("next") {
			return
		}
		p.Click(browser.Hook("next"))
	}
	if !there("submit") {
		return
	}
	if sc.update {
		p.Click(browser.Hook("add-creator"))
		p.Type(browser.Hook("creator-1-fullName"), "Cy Arranger")
		p.Type(browser.Hook("creator-1-email"), "cy@writers.example")
		p.Click(browser.Hook("creator-1-arranger"))
		p.Click(browser.Hook("submit"))
	} else {
		fillCreator(p, 0)
	}
	if sc.at != "" && sc.at != "confirm" {
		act()
	}
	if !there("confirm") {
		return
	}
	p.Click(browser.Hook("confirm"))
	if sc.at == "confirm" {
		act()
	}
}

// checkReaction holds what the page saw and heard to the code's class.
func checkReaction(t *testing.T, p *browser.Page, r row, e fault.Entry) {
	t.Helper()
	sc := r.scene
	type seen struct {
		URL, Code, RequestID, RetryAfter, Link string
		Status                                 int
	}
	var of *seen
	for _, a := range browser.Eval[[]seen](p, "globalThis.answers") {
		if a.Code == string(r.code) {
			of = &a
		}
	}
	switch {
	case sc.unseen && of != nil && r.code != fault.CodeWidgetConfigurationError: // whose rehearsal is an answer
		t.Errorf("a server answered with it: %+v", of)
	case sc.unseen:
		of = nil
	case !sc.unseen && of == nil && e.Status != 0 && r.code != fault.CodeTransactionFailed:
		t.Errorf("no answer has the code: %+v", browser.Eval[[]seen](p, "globalThis.answers"))
	case of != nil && (of.Status != e.Status || (of.RetryAfter != "") != e.RetryAfter || !strings.Contains(of.Link, "#"+string(r.code))):
		t.Errorf("answered %+v", of)
	}
	events := p.Events()
	checkShapes(t, events)
	failed, inline, expired := named(events, "failed"), named(events, "error"), named(events, "token-expired")
	screen := stateOf(p, 0).Screen
	text := func(hook string) string { return browser.Eval[string](p, fmt.Sprintf("e2e.text(%q)", hook)) }
	told := func(e browser.Event) {
		t.Helper()
		entry, _ := fault.Lookup(r.code)
		if code := member[string](t, e, "code"); code != string(r.code) {
			t.Errorf("the event has the code %s: %s", code, e.Detail)
		}
		message := member[string](t, e, "message")
		if want := entry.Message; message != want && !strings.Contains(want, "{") || strings.Contains(message, "{") || strings.Contains(message, "?") {
			t.Errorf("the event's message is %q, the catalogue's %q", message, want)
		}
		id := member[*string](t, e, "requestId")
		switch {
		case of != nil && (id == nil || *id != of.RequestID):
			t.Errorf("the event's request is %v, the answer's %s", id, of.RequestID)
		case sc.unseen && id != nil:
			t.Errorf("the event names the request %s, and there was none", *id)
		}
	}
	said := ""
	switch {
	case sc.ends:
		if len(failed)+len(inline) != 0 || screen != "COMPLETE" {
			t.Errorf("what the widget mends by itself ended on %s, with %v %v", screen, failed, inline)
		}
		return
	case e.Class == fault.ClassRefresh:
		if len(expired) == 0 || len(failed)+len(inline) != 0 {
			t.Fatalf("asked %d times for a token; failed %v, error %v", len(expired), failed, inline)
		}
		if a := member[string](t, expired[0], "pendingAction"); a != "submit" {
			t.Errorf("pendingAction %s", a)
		}
		p.Wait(browser.Hook("confirm")) // and goes on
		return
	case r.code == fault.CodeWorkCertificateUnavailable:
		if len(inline) != 1 || len(failed) != 0 || screen != "COMPLETE" {
			t.Fatalf("on %s, error %v, failed %v", screen, inline, failed)
		}
		told(inline[0])
		if stage := member[string](t, inline[0], "stage"); stage != "certificate" || text("code") != string(r.code) || text("request-id") != of.RequestID || text("certificate") != "Try again" {
			t.Errorf("stage %s; beside the button stand %q and %q", stage, text("code"), text("request-id"))
		}
		said = text("told-certificate")
	case e.Class == fault.ClassInline || r.code == fault.CodeCommonValidationFailed:
		if len(inline) != 1 || len(failed) != 0 || screen != "FORM" {
			t.Fatalf("on %s, error %v, failed %v", screen, inline, failed)
		}
		told(inline[0])
		field := member[string](t, inline[0], "stage")
		if e.Stage != "" && field != e.Stage {
			t.Errorf("stage %s, want %s", field, e.Stage)
		}
		wrong := browser.Eval[string](p, `e2e.all('[aria-invalid=true]')[0]?.dataset.ats ?? ''`)
		if field != "creators" && wrong != field {
			t.Errorf("stage %s, and what is marked is %q", field, wrong)
		}
		p.Wait(fmt.Sprintf("e2e.focus() === %q", wrong))
		checkField(t, p, string(r.code), wrong)
		said = browser.Eval[string](p, fmt.Sprintf("e2e.text('error-' + e2e.hook(%q).id)", wrong))
	default:
		if len(failed) != 1 || len(inline) != 0 {
			t.Fatalf("failed %v, error %v", failed, inline)
		}
		told(failed[0])
		want := "FAILED"
		if e.Class == fault.ClassDisabled {
			want = "DISABLED"
		}
		retry := browser.Eval[bool](p, "!!e2e.hook('retry') || !!e2e.hook('edit')")
		if off := e.Class == fault.ClassDisabled || r.code == fault.CodeWidgetConfigurationError; screen != want || retry == off {
			t.Errorf("on %s, with a way on: %t", screen, retry)
		}
		if code := text("code"); code != string(r.code) {
			t.Errorf("the screen names %q", code)
		}
		if of != nil && text("request-id") != of.RequestID {
			t.Errorf("the screen names the request %q, want %s", text("request-id"), of.RequestID)
		}
		said = text("message")
	}
	if until, dated := strings.CutSuffix(r.text, "…"); dated && strings.HasPrefix(said, until) && len(said) > len(until) {
		return // and the time
	}
	if said != r.text {
		t.Errorf("the screen says %q, not %q", said, r.text)
	}
}
