package manage_test

import (
	"flag"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"timbre.example/internal/account"
	"timbre.example/internal/apikey"
	"timbre.example/internal/audit"
	"timbre.example/internal/fault"
	"timbre.example/internal/manage"
	"timbre.example/internal/permission"
	"timbre.example/internal/store"
	"timbre.example/internal/store/storetest"
)

var accept = flag.Bool("accept", false, "write the table of docs/authentication.md")

const document = "../../docs/authentication.md"

// opens lists the scopes and the roles that have a permission.
func opens(p permission.Permission) (scopes, roles []string) {
	for _, s := range permission.Scopes() {
		if s.May(p) {
			scopes = append(scopes, "`"+string(s)+"`")
		}
	}
	for _, r := range permission.Roles() {
		if r.May(p) {
			roles = append(roles, string(r))
		}
	}
	return scopes, roles
}

// docs/authentication.md has the table of the face.
func TestRoutesAreDocumented(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t))
	var want strings.Builder
	for _, r := range w.face.Routes() {
		scopes, roles := opens(r.Needs)
		fmt.Fprintf(&want, "| `%s %s` | %s | %s |\n", r.Method, r.Path, strings.Join(scopes, ", "), strings.Join(roles, ", "))
	}
	b, err := os.ReadFile(document)
	w.must(err)
	const head = "| route | scopes | roles |\n|---|---|---|\n"
	before, rest, found := strings.Cut(string(b), head)
	got, after, ended := strings.Cut(rest, "\n\n")
	if !found || !ended {
		t.Fatal("docs/authentication.md has no table of the management API")
	}
	if got+"\n" == want.String() {
		return
	}
	if *accept {
		w.must(os.WriteFile(document, []byte(before+head+want.String()+"\n"+after), 0o644))
		return
	}
	t.Errorf("docs/authentication.md should have (go test ./internal/manage -run RoutesAreDocumented -accept)\n%s", want.String())
}

// refusals are the codes that a caller receives because of what it is.
var refusals = []fault.Code{
	fault.CodeCommonAuthMissingToken, fault.CodeCommonAuthInvalidToken, fault.CodeCommonAuthExpired, fault.CodeAPIKeyInvalidFormat, fault.CodeAPIKeyNotFound,
	fault.CodeAPIKeyRevoked, fault.CodeAPIKeyExpired, fault.CodeAPIKeyOrgInactive, fault.CodeAPIKeyScopeDenied, fault.CodeAPIKeyOrgMismatch,
	fault.CodeOrganizationNotFound, fault.CodeOrganizationInactive, fault.CodeCommonForbidden,
}

// Every route answers every kind of caller as the section of docs/authentication.md says.
func TestCallers(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		b, err := os.ReadFile(document)
		w.must(err)
		_, section, _ := strings.Cut(string(b), "## Callers of the management API\n")
		section, _, _ = strings.Cut(section, "\n## ")
		documented := map[string]string{}
		for line := range strings.Lines(section) {
			if cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|"); len(cells) == 3 {
				documented[strings.TrimSpace(cells[0])] = strings.Trim(strings.TrimSpace(cells[1]), "`")
			}
		}

		other := w.organization("Other")
		suspended := w.organization("Suspended")
		atSuspended, inSuspended := bearer(w.key(suspended, nil, permission.Scopes()...).Token), w.member(suspended, permission.Owner)
		_, err = account.ChangeOrganization(t.Context(), db, audit.CommandLine(), suspended, 0, func(o *account.Organization) { o.Suspended = true })
		w.must(err)
		until := time.Now().Add(time.Minute)
		expired := w.key(w.org, func(r *apikey.Request) { r.ExpiresAt = &until }, permission.Scopes()...)
		revoked := w.key(w.org, nil, permission.Scopes()...)
		_, err = w.keys.Revoke(t.Context(), audit.CommandLine(), w.org, revoked.ID)
		w.must(err)
		owner := w.member(w.org, permission.Owner)
		w.ahead.Store(int64(2 * time.Minute))

		type visitor struct {
			name string // in the document; "" for a caller that the tables of permissions decide
			by   caller
			at   string // the organization in the path; "" is the canonical path
			may  func(permission.Permission) bool
			// changes says that only changes are refused.
			changes bool
			code    fault.Code
		}
		visitors := []visitor{
			{name: "with a malformed API key", by: bearer("afo_sk_live_x"), at: w.org},
			{name: "with an unknown API key", by: bearer("afo_sk_live_0000000000000000000000000000000000000000963fbb8e")},
			{name: "with a token of the widget", by: bearer("eyJhbGciOiJFZERTQSJ9.e30.x")},
			{name: "with an expired API key", by: bearer(expired.Token)},
			{name: "with a revoked API key", by: bearer(revoked.Token)},
			{name: "with an API key of a suspended organization", by: atSuspended},
			{name: "with an API key of another organization", by: bearer(w.key(other, nil, permission.Scopes()...).Token), at: w.org},
			{name: "with a session of the console, without the organization in the path", by: owner},
			{name: "with an unknown or ended session of the console", by: caller(nobody).with("Cookie", cookie+"="+strings.Repeat("x", 43)), at: w.org},
			{name: "a person who is not a member", by: w.member(other, permission.Owner), at: w.org},
			{name: "a member, for an unknown organization", by: owner, at: "01890000-0000-7000-8000-0000000000ff"},
			{name: "a member, for an organization whose id is malformed", by: owner, at: "x"},
			{name: "a member of a suspended organization", by: inSuspended, at: suspended, changes: true},
			{name: "a member, from a page of another origin", by: owner.with("Origin", "https://evil.example"), at: w.org, changes: true},
			{name: "a member, from a request without an `Origin`", by: owner.with("Origin", ""), at: w.org, changes: true},
		}
		for _, at := range []string{"", w.org} {
			visitors = append(visitors, visitor{name: "without an API key or a session", by: nobody, at: at})
		}
		for _, s := range permission.Scopes() {
			k := w.key(other, nil, s)
			for _, at := range []string{"", other} {
				visitors = append(visitors, visitor{by: bearer(k.Token), at: at, may: s.May, code: fault.CodeAPIKeyScopeDenied})
			}
		}
		for _, r := range permission.Roles() {
			visitors = append(visitors, visitor{by: w.member(other, r), at: other, may: r.May, code: fault.CodeCommonForbidden})
		}
		for i, v := range visitors {
			want := v.code
			if v.name != "" {
				if want = fault.Code(documented[v.name]); want == "" {
					t.Errorf("docs/authentication.md does not say what is answered to a caller %s", v.name)
				}
			}
			for _, route := range w.face.Routes() {
				code := w.ask(v.by, route, v.at)
				allowed := v.may != nil && v.may(route.Needs) || v.changes && route.Method == http.MethodGet
				switch {
				case allowed && slices.Contains(refusals, code):
					t.Errorf("%d %s at %q: %s %s is refused with %s", i, v.name, v.at, route.Method, route.Path, code)
				case !allowed && code != want:
					t.Errorf("%d %s at %q: %s %s is %q, want %s", i, v.name, v.at, route.Method, route.Path, code, want)
				}
			}
		}
	})
}

// ask calls a route for a thing that does not exist, with an empty body.
func (w *world) ask(by caller, r manage.Route, organization string) fault.Code {
	w.t.Helper()
	path := r.Path
	if organization != "" {
		path = "/v1/organizations/" + organization + strings.TrimPrefix(path, "/v1")
	}
	for _, p := range []string{"{id}", "{delivery}"} {
		path = strings.ReplaceAll(path, p, "01890000-0000-7000-8000-0000000000ff")
	}
	path = strings.ReplaceAll(path, "{site_key}", "cpk_"+strings.Repeat("0", 64))
	var body any
	if r.Method != http.MethodGet && r.Method != http.MethodDelete {
		body = "{}"
	}
	return w.call(by, r.Method, path, body).code
}
