package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"timbre.example/internal/account"
	"timbre.example/internal/audit"
	"timbre.example/internal/blob"
	"timbre.example/internal/credits"
	"timbre.example/internal/fault"
	"timbre.example/internal/limit"
	"timbre.example/internal/network"
	"timbre.example/internal/session"
	"timbre.example/internal/store"
	"timbre.example/internal/store/storetest"
)

// refusing is a network whose dry run refuses.
type refusing struct{ network.Network }

func (refusing) DryRun(context.Context, network.Call) error { return network.ErrRefused }

// real makes a code's real cause, and the call that receives the code.
type real struct {
	options options
	away    bool // the database is a Postgres behind a proxy, which can be cut
	do      func(w *world, cut func()) reply
}

// unreal are the codes that no real cause on this server raises on these routes.
var unreal = map[fault.Code]string{
	fault.CodeWidgetNetworkError:       "a browser raises it: no server sends it",
	fault.CodeWidgetUploadError:        "a browser raises it: no server sends it",
	fault.CodeWidgetMalformedResponse:  "a browser raises it: no server sends it",
	fault.CodeWidgetUnknownError:       "a browser raises it: no server sends it",
	fault.CodeWidgetConfigurationError: "a browser raises it: no server sends it",
}

// byMint are raised only by a mint, which has neither a session's budget nor CORS.
var byMint = []fault.Code{fault.CodeSessionInvalidExternalUserRef}

// reals has the real cause of every code that can be rehearsed.
func reals() map[fault.Code]real {
	post := func(b tab, path string, body any) reply { return b.fetch("POST", path, b.head(), asJSON(body)) }
	get := func(b tab, path string) reply { return b.fetch("GET", path, b.head(), nil) }
	start := func(b tab) reply { return post(b, "/v1/works/init", work("Real", nil)) }
	job := func(b tab, step, id string) reply { return post(b, "/v1/works/"+step, map[string]string{"job_id": id}) }
	simple := func(do func(w *world) reply) real { return real{do: func(w *world, _ func()) reply { return do(w) }} }
	// head is a valid call except for one header.
	head := func(name, value string) real {
		return simple(func(w *world) reply {
			h := w.mint(nil).head()
			if h[name] = value; value == "" {
				delete(h, name)
			}
			return w.fetch("POST", "/v1/works/init", h, asJSON(work("Real", nil)))
		})
	}
	organization := func(change func(*account.Organization)) real {
		return simple(func(w *world) reply {
			b := w.mint(nil)
			_, err := account.ChangeOrganization(w.t.Context(), w.db, audit.CommandLine(), w.org, 0, change)
			w.must(err)
			return start(b)
		})
	}
	uploaded := func(b tab, title string, body []byte) (id string) {
		id, url := b.init(title, nil)
		b.put(url, body)
		return id
	}
	ours := func(w *world, action string) tab {
		return w.mint(map[string]any{"action_type": action, "external_user_ref": "ada"})
	}
	mainnet := map[string]any{"allowed_network": "mainnet"}
	return map[fault.Code]real{
		fault.CodeSessionInvalidToken: simple(func(w *world) reply {
			b := w.mint(nil)
			b.init("First", nil)
			return start(b)
		}),
		fault.CodeSessionKeyInactive: simple(func(w *world) reply {
			b := w.mint(nil)
			w.must(account.EnableKey(w.t.Context(), w.db, audit.CommandLine(), w.org, w.keys.SiteKey, false))
			return start(b)
		}),
		fault.CodeSessionWidgetNotEnabled: organization(func(o *account.Organization) { o.WidgetEnabled = false }),
		fault.CodeSessionOriginNotAllowed: head("Origin", "https://elsewhere.example"),
		fault.CodeCommonAuthMissingToken:  head("Authorization", ""),
		fault.CodeCommonAuthInvalidToken:  head("Authorization", "Bearer x"),
		fault.CodeCommonAuthInvalidAPIKey: head("X-Site-Key", "x"),
		fault.CodeOrganizationNotFound:    head("X-Site-Key", "cpk_"+strings.Repeat("0", 64)),
		fault.CodeOrganizationInactive:    organization(func(o *account.Organization) { o.Suspended = true }),
		fault.CodeOrganizationNoIntegration: simple(func(w *world) reply {
			b := w.mint(nil)
			w.must(account.DeleteKey(w.t.Context(), w.db, audit.CommandLine(), w.org, w.keys.SiteKey))
			return start(b)
		}),
		fault.CodeSessionRateLimited: {options: options{limits: limit.Rates{Address: few(1000), Session: few(1), Organization: few(1000)}}, do: func(w *world, _ func()) reply {
			b := w.mint(nil)
			b.upload()
			return start(b)
		}},
		fault.CodeCommonRateLimited: {options: options{limits: limit.Rates{Address: few(1000), Session: few(1000), Organization: few(2)}}, do: func(w *world, _ func()) reply {
			b := w.mint(nil)
			b.upload()
			return start(b)
		}},
		fault.CodeCommonAuthExpired: simple(func(w *world) reply {
			b := w.mint(nil)
			w.ahead.Add(int64(session.DefaultLifetime))
			return start(b)
		}),
		fault.CodeCommonAuthJWKSUnavailable: simple(func(w *world) reply {
			b := w.mint(nil)
			w.sessions.Issuer = session.NewIssuer(session.IssuerConfig{Name: w.url, URL: "http://127.0.0.1:1/", Refresh: time.Minute, MaxAge: time.Hour, Now: w.db.Now, Log: slog.New(slog.DiscardHandler)})
			return start(b)
		}),
		fault.CodeCommonAuthBackendUnavailable: {away: true, do: func(w *world, cut func()) reply {
			b := w.mint(nil)
			cut()
			return start(b)
		}},
		fault.CodeTransactionStoreUnavailable: {away: true, do: func(w *world, cut func()) reply {
			id := w.registered("Real")
			cut()
			return w.fetch("GET", "/v1/transactions/"+id, nil, nil)
		}},
		fault.CodeTransactionNotFound: simple(func(w *world) reply {
			return w.fetch("GET", "/v1/transactions/0190a0e6-0000-7000-8000-000000000001", nil, nil)
		}),
		fault.CodeRegistrationDuplicateTitle: simple(func(w *world) reply {
			w.done(w.registered("Real"))
			return start(w.mint(nil))
		}),
		fault.CodeRegistrationAudioTooLarge: simple(func(w *world) reply {
			return post(w.mint(nil), "/v1/works/init", work("Real", map[string]any{"size_bytes": 1 << 40}))
		}),
		fault.CodeRegistrationInvalidAudioFormat: simple(func(w *world) reply {
			b := w.mint(nil)
			return job(b, "prepare", uploaded(b, "Real", bytes.Repeat([]byte("no audio "), 100)))
		}),
		fault.CodeRegistrationAudioEmpty: simple(func(w *world) reply {
			b := w.mint(nil)
			return job(b, "prepare", uploaded(b, "Real", nil))
		}),
		fault.CodeRegistrationUploadMissing: simple(func(w *world) reply {
			b := w.mint(nil)
			id, _ := b.init("Real", nil)
			return job(b, "prepare", id)
		}),
		fault.CodeRegistrationInsufficientCredits: simple(func(w *world) reply {
			b := w.mint(mainnet)
			id := b.prepared("Real", map[string]any{"network": "mainnet"})
			w.must(w.db.Tx(w.t.Context(), func(tx *store.Tx) error { return credits.Hold(w.t.Context(), tx, w.org, "x", 1000) }))
			return job(b, "confirm", id)
		}),
		fault.CodeRegistrationDryRunFailed: {options: options{networks: func(n network.Network) network.Network { return refusing{n} }}, do: func(w *world, _ func()) reply {
			b := w.mint(nil)
			return job(b, "prepare", uploaded(b, "Real", wav("Real", 4000)))
		}},
		fault.CodeCommonServiceUnavailable: {options: options{blobs: func(b blob.Store) blob.Store { return away{b} }}, do: func(w *world, _ func()) reply {
			b := w.mint(nil)
			return job(b, "prepare", uploaded(b, "Real", wav("Real", 4000)))
		}},
		fault.CodeWorkNotFound: simple(func(w *world) reply { return get(ours(w, "access"), "/v1/works/999") }),
		fault.CodeWorkAlreadyRegistered: simple(func(w *world) reply {
			w.done(w.registered("Real"))
			b := w.mint(nil)
			return job(b, "prepare", uploaded(b, "Again", wav("Real", 4000)))
		}),
		fault.CodeAccessCodeNotFound:      simple(func(w *world) reply { return get(w.mint(forUpdate), "/v1/access/atc_"+strings.Repeat("0", 64)+"/work") }),
		fault.CodeAccessCodeFormatInvalid: simple(func(w *world) reply { return get(w.mint(forUpdate), "/v1/access/atc_0/work") }),
		fault.CodeAccessCodeExpired: simple(func(w *world) reply {
			code := w.code("Real")
			w.mint(forUpdate).post("/v1/access/"+code+"/rotate", "")
			return get(w.mint(forUpdate), "/v1/access/"+code+"/work")
		}),
		fault.CodeTransactionAlreadyConfirmed: simple(func(w *world) reply {
			b := w.mint(nil)
			id := b.prepared("Real", nil)
			job(b, "confirm", id)
			return job(b, "confirm", id)
		}),
		fault.CodeTransactionExpired: simple(func(w *world) reply {
			b := w.mint(nil)
			id := b.prepared("Real", nil)
			w.ahead.Add(int64(6 * time.Minute))
			return job(b, "confirm", id)
		}),
		fault.CodeTransactionFailed: {options: options{networks: func(n network.Network) network.Network { return failing{n} }}, do: func(w *world, _ func()) reply {
			id := w.registered("Real")
			w.done(id)
			return w.fetch("GET", "/v1/transactions/"+id, nil, nil)
		}},
		fault.CodeCommonValidationFailed: simple(func(w *world) reply { return post(w.mint(nil), "/v1/works/init", "{}") }),
		fault.CodeCommonNotFound:         simple(func(w *world) reply { return get(w.mint(nil), "/v1/nope") }),
		fault.CodeCommonForbidden:        simple(func(w *world) reply { return get(w.mint(nil), "/v1/works") }),
		fault.CodeCommonInternal: simple(func(w *world) reply {
			checker(w.t, w.web).Ignore("/v1/panics")
			w.web.Handle("/v1/panics", http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("for the test") }))
			return get(w.mint(nil), "/v1/panics")
		}),
		fault.CodeCommonQuotaExceeded: simple(func(w *world) reply {
			w.done(w.registered("First"))
			_, err := account.ChangeOrganization(w.t.Context(), w.db, audit.CommandLine(), w.org, 0, func(o *account.Organization) { o.Quota = 1 })
			w.must(err)
			return start(w.mint(nil))
		}),
		fault.CodeVersionAlreadyInProgress: simple(func(w *world) reply {
			at := "/v1/access/" + w.code("Real") + "/versions/"
			begin := func() (tab, map[string]string) {
				b := w.mint(forUpdate)
				id := map[string]string{"job_id": b.post(at+"init", map[string]any{"creators": []any{creator()}}).get("job_id")}
				b.post(at+"prepare", id)
				return b, id
			}
			late, lost := begin()
			first, id := begin()
			w.done(first.post(at+"confirm", id).get("transaction_id"))
			return post(late, at+"confirm", lost)
		}),
		fault.CodeWorkCertificateUnavailable: simple(func(w *world) reply {
			b := ours(w, "register")
			id := w.done(b.post("/v1/works/confirm", map[string]string{"job_id": b.prepared("Real", nil)}).get("transaction_id")).Done.WorkID
			return get(b, "/v1/works/"+id+"/versions/9/download/certificate")
		}),
		fault.CodeSessionInvalidExternalUserRef: simple(func(w *world) reply {
			return w.fetch("POST", "/v1/sessions", map[string]string{"Content-Type": "application/json", "Origin": site}, asJSON(w.mintBody(map[string]any{"external_user_ref": strings.Repeat("x", 256)})))
		}),
	}
}

// shape returns what a client may depend on in an answer: its status, its headers, and the
// members of the details.
func shape(t *testing.T, r reply, code fault.Code) (status int, headers, members []string) {
	t.Helper()
	if r.err != nil {
		t.Fatal(r.err)
	}
	var body struct {
		Error struct {
			Code    fault.Code
			Details map[string]any
		}
		Result map[string]any
	}
	if err := json.Unmarshal(r.body, &body); err != nil {
		t.Fatalf("%d %s", r.status, r.body)
	}
	if body.Result != nil { // a failed transaction
		body.Error.Code, _ = fault.Code(body.Result["error_code"].(string)), 0
		body.Error.Details = body.Result
	}
	if body.Error.Code != code {
		t.Fatalf("%s, want %s", r.body, code)
	}
	return r.status, slices.Sorted(maps.Keys(r.header)), slices.Sorted(maps.Keys(body.Error.Details))
}

// Every code that can be rehearsed, by its real cause and by a rehearsal: a client cannot
// distinguish them.
func TestRehearsedAsReal(t *testing.T) {
	t.Parallel()
	causes := reals()
	for _, entry := range fault.All() {
		if entry.Rehearse == "" {
			continue
		}
		if why := unreal[entry.Code]; why != "" {
			t.Logf("%s: %s", entry.Code, why)
			continue
		}
		c, known := causes[entry.Code]
		if !known {
			t.Errorf("%s has no real cause here", entry.Code)
			continue
		}
		t.Run(string(entry.Code), func(t *testing.T) {
			world := func(o options) (*world, func()) {
				if o.limits == (limit.Rates{}) {
					o.limits = limit.Rates{Address: few(1000), Session: few(1000), Organization: few(1000)}
				}
				db, cut := (*store.DB)(nil), func() {}
				if c.away {
					p, url := newProxy(t, storetest.PostgresURL(t))
					db, cut = storetest.Open(t, url), p.cut
				} else {
					db = storetest.SQLite(t)
				}
				w := newWorld(t, db, o)
				if !c.away {
					w.work()
				}
				return w, cut
			}
			w, cut := world(c.options)
			status, headers, members := shape(t, c.do(w, cut), entry.Code)

			w, _ = world(options{})
			keys, err := account.CreateKeys(t.Context(), w.db, audit.CommandLine(), w.org, "", true)
			w.must(err)
			action, code := session.Register, ""
			if entry.Rehearse == "code" {
				action, code = session.UpdateVersion, "atc_"+strings.Repeat("0", 64)
			}
			w.keys = keys
			steps, _ := w.flow(action, w.mint(map[string]any{"action_type": action, "rehearse": entry.Code}).token, "Rehearsed", code)
			var got reply
			for _, s := range steps {
				if got = s.do(); s.stage == entry.Rehearse || entry.Rehearse == "call" {
					break
				}
			}
			gotStatus, gotHeaders, gotMembers := shape(t, got, entry.Code)
			if gotStatus != status || !slices.Equal(gotMembers, members) {
				t.Errorf("rehearsed %d %v, really %d %v", gotStatus, gotMembers, status, members)
			}
			if !slices.Equal(gotHeaders, headers) && !slices.Contains(byMint, entry.Code) {
				t.Errorf("rehearsed %v\n   really %v", gotHeaders, headers)
			}
		})
	}
}
