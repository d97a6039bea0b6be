package main

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"timbre.example/internal/fault"
	"timbre.example/internal/session"
	"timbre.example/internal/store/storetest"
)

// said is the result of a command.
type said struct {
	t        *testing.T
	code     int
	out, err string
}

func timbre(t *testing.T, args ...string) said {
	t.Helper()
	var out, err bytes.Buffer
	code := run(args, &out, &err)
	return said{t, code, out.String(), err.String()}
}

// ok decodes the JSON of a successful command.
func (s said) ok(v any) {
	s.t.Helper()
	if s.code != exitDone || s.err != "" {
		s.t.Fatalf("exit %d: %s", s.code, s.err)
	}
	if err := json.Unmarshal([]byte(s.out), v); err != nil {
		s.t.Fatalf("%v in %q", err, s.out)
	}
}

func (s said) refused(code int, words string) {
	s.t.Helper()
	if s.code != code || s.out != "" || !strings.Contains(s.err, words) {
		s.t.Errorf("exit %d, stdout %q, stderr %q; want exit %d and %q", s.code, s.out, s.err, code, words)
	}
}

// inDatabase makes all commands use a new database.
func inDatabase(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	t.Setenv("TIMBRE_DATABASE_URL", "sqlite:"+filepath.Join(dir, "timbre.db"))
	var migrated struct{ Applied int }
	timbre(t, "migrate", "--json").ok(&migrated)
	if migrated.Applied < 1 {
		t.Fatalf("%v", migrated)
	}
	timbre(t, "migrate", "--json").ok(&migrated)
	if migrated.Applied != 0 {
		t.Fatalf("migrated twice: %v", migrated)
	}
	return dir
}

func TestErrors(t *testing.T) {
	t.Parallel()
	var all []map[string]any
	timbre(t, "errors", "list", "--json").ok(&all)
	list := timbre(t, "errors", "list")
	if len(all) != len(fault.All()) || list.code != exitDone || strings.Count(list.out, "\n") != len(all) {
		t.Errorf("%d as JSON, exit %d, %s", len(all), list.code, list.out)
	}
	for i, e := range fault.All() {
		var one map[string]any
		timbre(t, "errors", "explain", string(e.Code), "--json").ok(&one)
		if diff := cmp.Diff(all[i], one); diff != "" || one["code"] != string(e.Code) {
			t.Errorf("%s alone is not what the list has: %s", e.Code, diff)
		}
		words := timbre(t, "errors", "explain", string(e.Code))
		for _, want := range []string{string(e.Code), e.Message, e.Cause, e.Action, string(e.Class), "/docs/errors#" + string(e.Code)} {
			if words.code != exitDone || !strings.Contains(words.out, want) {
				t.Errorf("%s is not explained by %q: %s", e.Code, want, words.out)
			}
		}
		if len(e.Code) > 0 && !strings.Contains(list.out, string(e.Code)+" ") {
			t.Errorf("%s is not listed", e.Code)
		}
	}
	for asked, near := range map[string]string{
		"registration.duplicat_title": "registration.duplicate_title", "duplicate_title": "registration.duplicate_title", "session.rate_limit": "session.rate_limited",
		"Session.Invalid_Token": "session.invalid_token", "common.auth.expird": "common.auth.expired",
	} {
		timbre(t, "errors", "explain", asked).refused(exitRefused, "the most similar ones are "+near)
	}
	timbre(t, "errors", "explain", "").refused(exitRefused, "unknown code")
	timbre(t, "errors", "explain", strings.Repeat("é", 5000)).refused(exitRefused, "unknown code")
}

func TestUsage(t *testing.T) {
	for _, args := range [][]string{{"nope"}, {"help", "nope"}, {"version", "now"}, {"org"}, {"org", "create"}, {"keys", "create"}, {"credits", "grant", "x", "many"}, {"org", "set", "x", "--widget", "maybe"}, {"serve", "--nope"}, {"serve", "--network-block-time", "soon"}, {"serve", "--log-format", "xml"}, {"serve", "--limits-mint", "300"}, {"demo", "--limits-session", "5/1ms"}, {"serve", "--trusted-proxies", "10.0.0.1"}, {"demo", "extra"}} {
		if s := timbre(t, args...); s.code != exitUsage || s.out != "" || !strings.HasPrefix(s.err, "timbre: ") {
			t.Errorf("%v: exit %d, %q, %q", args, s.code, s.out, s.err)
		}
	}
	for _, args := range [][]string{{"org", "set", "x", "--access-code-ttl", "1y"}, {"serve", "--limits-quote", "1y"}} {
		timbre(t, args...).refused(exitUsage, args[len(args)-2]+`=1y: must be a time such as "90s", "10m" or "8760h" (a year). For example: `+args[len(args)-2]+"=")
	}
	for _, args := range [][]string{{}, {"help"}, {"help", "serve"}, {"help", "keys", "create"}, {"version"}, {"--help"}, {"org", "--help"}, {"serve", "--help"}, {"--version"}} {
		if s := timbre(t, args...); s.code != exitDone || s.out == "" || s.err != "" {
			t.Errorf("%v: exit %d, %q", args, s.code, s.err)
		}
	}
	help := timbre(t, "--help").out
	for _, name := range []string{"demo", "serve", "migrate", "doctor", "org", "keys", "origins", "credits"} {
		if !strings.Contains(help, name) {
			t.Errorf("help does not name %s", name)
		}
	}
}

// Every flag of the server can be set in the environment, as its help says.
func TestServeHelpNamesTheEnvironment(t *testing.T) {
	help := timbre(t, "serve", "--help").out
	for _, flag := range regexp.MustCompile(`--([a-z0-9-]+)`).FindAllStringSubmatch(help, -1) {
		name := "TIMBRE_" + strings.ToUpper(strings.ReplaceAll(flag[1], "-", "_"))
		if flag[1] != "help" && flag[1] != "version" && !strings.Contains(help, name) {
			t.Errorf("--%s: %s is not named", flag[1], name)
		}
	}
}

func names(t *testing.T, v map[string]any) []string {
	t.Helper()
	return slices.Sorted(maps.Keys(v))
}

func TestCommands(t *testing.T) {
	inDatabase(t)
	var list []map[string]any
	timbre(t, "org", "list", "--json").ok(&list)
	if list == nil || len(list) != 0 {
		t.Errorf("%v", list)
	}
	var org map[string]any
	timbre(t, "org", "create", " Nice <Records> ", "--json").ok(&org)
	id := org["id"].(string)
	if d := cmp.Diff([]string{"asset_storage", "created_at", "duplicate_titles", "id", "name", "revision", "suspended", "widget_enabled"}, names(t, org)); d != "" || org["name"] != "Nice <Records>" {
		t.Errorf("%v %s", org, d)
	}
	timbre(t, "org", "set", id, "--widget", "off", "--max-file-size", "1000", "--access-code-ttl", "720h", "--duplicate-titles", "allow", "--asset-storage", "none", "--quota", "5", "--json").ok(&org)
	if org["widget_enabled"] != false || org["max_file_size_bytes"] != 1000.0 || org["access_code_ttl_ns"] != 720*3600e9 || org["duplicate_titles"] != true || org["asset_storage"] != "none" || org["quota"] != 5.0 {
		t.Errorf("%v", org)
	}
	// The text output uses the words that org set accepts.
	if said := timbre(t, "org", "show", id).out; !strings.Contains(said, "widget            off\n") || !strings.Contains(said, "duplicate titles  allow\n") || !strings.Contains(said, "asset storage     none\n") {
		t.Error(said)
	}
	timbre(t, "org", "set", id, "--widget", "on", "--max-file-size", "0", "--json").ok(&org)
	timbre(t, "org", "suspend", id, "--json").ok(&org)
	var shown map[string]any
	timbre(t, "org", "show", id, "--json").ok(&shown)
	if shown["suspended"] != true || shown["widget_enabled"] != true || shown["quota"] != 5.0 || shown["max_file_size_bytes"] != nil {
		t.Errorf("%v", shown)
	}
	org = nil
	timbre(t, "org", "resume", id, "--json").ok(&org)
	if org["suspended"] != false {
		t.Errorf("%v", org)
	}
	timbre(t, "org", "set", id, "--quota=-1").refused(exitRefused, "common.validation_failed")
	timbre(t, "org", "create", " ").refused(exitRefused, "common.validation_failed")
	timbre(t, "org", "show", "nobody").refused(exitRefused, "organization.not_found")

	var pair map[string]any
	timbre(t, "keys", "create", id, "--test", "--json").ok(&pair)
	if d := cmp.Diff([]string{"created_at", "secret_key", "site_key", "status", "test"}, names(t, pair)); d != "" || pair["test"] != true {
		t.Errorf("%v %s", pair, d)
	}
	site, secret := pair["site_key"].(string), pair["secret_key"].(string)
	for _, step := range []struct{ command, status string }{{"disable", "disabled"}, {"enable", "active"}, {"delete", "deleted"}} {
		var got map[string]string
		timbre(t, "keys", step.command, site, "--json").ok(&got)
		if got["status"] != step.status || got["site_key"] != site {
			t.Errorf("%s: %v", step.command, got)
		}
		timbre(t, "keys", "list", id, "--json").ok(&list)
		if len(list) != 1 || list[0]["status"] != step.status || list[0]["secret_key"] != nil {
			t.Errorf("%s: %v", step.command, list)
		}
	}
	timbre(t, "keys", "enable", site).refused(exitRefused, "common.not_found")
	timbre(t, "keys", "disable", secret).refused(exitRefused, "common.not_found")
	timbre(t, "keys", "create", "nobody").refused(exitRefused, "organization.not_found")
	timbre(t, "keys", "list", "nobody").refused(exitRefused, "organization.not_found")

	var origins []string
	timbre(t, "origins", "list", id, "--json").ok(&origins)
	if origins == nil || len(origins) != 0 {
		t.Errorf("%v", origins)
	}
	var added map[string]string
	timbre(t, "origins", "add", id, "HTTPS://Songs.Example:443/", "--json").ok(&added)
	if added["origin"] != "https://songs.example" {
		t.Errorf("%v", added)
	}
	timbre(t, "origins", "list", id, "--json").ok(&origins)
	if len(origins) != 1 || origins[0] != "https://songs.example" {
		t.Errorf("%v", origins)
	}
	timbre(t, "origins", "add", id, "https://songs.example/page").refused(exitRefused, "remove the path")
	timbre(t, "origins", "add", id, "*").refused(exitRefused, "common.validation_failed")
	timbre(t, "origins", "remove", id, "https://songs.example:443", "--json").ok(&added)
	timbre(t, "origins", "remove", id, "https://songs.example").refused(exitRefused, "common.not_found")

	var balance, after map[string]int64
	timbre(t, "credits", "grant", id, "100", "--note", "welcome", "--json").ok(&balance)
	timbre(t, "credits", "balance", id, "--json").ok(&after)
	if d := cmp.Diff(map[string]int64{"available": 100, "held": 0, "spent": 0}, after); d != "" || !cmp.Equal(balance, after) {
		t.Errorf("%v %s", balance, d)
	}
	timbre(t, "credits", "history", id, "--json").ok(&list)
	if len(list) != 1 || list[0]["kind"] != "grant" || list[0]["amount"] != 100.0 || list[0]["note"] != "welcome" {
		t.Errorf("%v", list)
	}
	timbre(t, "credits", "history", id, "--before", list[0]["id"].(string), "--json").ok(&list)
	if list == nil || len(list) != 0 {
		t.Errorf("%v", list)
	}
	timbre(t, "credits", "grant", id, "0").refused(exitRefused, "common.validation_failed")
	timbre(t, "credits", "history", id, "--limit", "0").refused(exitRefused, "common.validation_failed")
	for _, c := range [][]string{{"grant", "nobody", "1"}, {"balance", "nobody"}, {"history", "nobody"}} {
		timbre(t, append([]string{"credits"}, c...)...).refused(exitRefused, "organization.not_found")
	}
	// Without --json no command fails, and each prints something.
	for _, c := range [][]string{{"org", "list"}, {"org", "show", id}, {"keys", "list", id}, {"origins", "add", id, "a.example"}, {"origins", "list", id}, {"origins", "remove", id, "a.example"}, {"credits", "balance", id}, {"credits", "history", id}, {"migrate"}} {
		if s := timbre(t, c...); s.code != exitDone || s.out == "" || s.err != "" {
			t.Errorf("%v: exit %d, %q, %q", c, s.code, s.out, s.err)
		}
	}
}

// A secret key is shown only once, and is not in the database's files.
func TestSecretKeyIsShownOnce(t *testing.T) {
	dir := inDatabase(t)
	id := strings.TrimSpace(timbre(t, "org", "create", "Songs").out)
	created := timbre(t, "keys", "create", id).out
	secret := regexp.MustCompile(`csk_[0-9a-f]{64}`).FindString(created)
	if secret == "" || strings.Count(created, secret) != 1 || !strings.Contains(created, "shown only now") {
		t.Fatalf("%q", created)
	}
	site := regexp.MustCompile(`cpk_[0-9a-f]{64}`).FindString(created)
	for _, c := range [][]string{{"keys", "list", id}, {"keys", "list", id, "--json"}, {"org", "show", id, "--json"}, {"keys", "disable", site, "--json"}} {
		if s := timbre(t, c...); strings.Contains(s.out+s.err, "csk_") {
			t.Errorf("%v shows the secret key", c)
		}
	}
	all := files(t, dir)
	if !bytes.Contains(all, []byte(site)) {
		t.Fatal("the site key is not where this test looks")
	}
	if raw, _ := hex.DecodeString(secret[4:]); bytes.Contains(all, []byte(secret[4:])) || bytes.Contains(all, raw) {
		t.Error("the secret key is stored")
	}
}

// files returns the content of every file below dir, joined.
func files(t *testing.T, dir string) (all []byte) {
	t.Helper()
	if err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		all = append(all, b...)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return all
}

func TestDatabaseURL(t *testing.T) {
	dir := inDatabase(t)
	file := filepath.Join(dir, "url")
	if err := os.WriteFile(file, []byte(os.Getenv("TIMBRE_DATABASE_URL")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("TIMBRE_DATABASE_URL", "postgres://nobody:opensesame@127.0.0.1:1/none?connect_timeout=2")
	if s := timbre(t, "org", "list"); s.code != exitRefused || !strings.Contains(s.err, "(or its variable): connection refused") || strings.Contains(s.err, "opensesame") {
		t.Errorf("exit %d: %s", s.code, s.err)
	}
	var list []any
	timbre(t, "org", "list", "--json", "--database-url-file", file).ok(&list)
	timbre(t, "org", "list", "--database-url-file", file+"x").refused(exitUsage, "no such file")
	timbre(t, "org", "list", "--database-url", "mysql:x").refused(exitUsage, "--database-url=mysql:…: must begin with sqlite: or postgres://")
	timbre(t, "org", "list", "--database-url", "sqlite:"+filepath.Join(dir, "new.db")).refused(exitUsage, "the database "+filepath.Join(dir, "new.db")+" does not exist")
}

func TestServeRefusesBadConfiguration(t *testing.T) {
	dir := inDatabase(t)
	short := filepath.Join(dir, "short")
	if err := os.WriteFile(short, []byte("abc"), 0o600); err != nil {
		t.Fatal(err)
	}
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for _, c := range []struct {
		args  []string
		words string
	}{
		{[]string{"--max-file-size", "0"}, "--max-file-size=0: must be more than 0"},
		{[]string{"--network-block-time=-1s"}, "--network-block-time=-1s: must be more than 0"},
		{[]string{"--limits-prepares", "0"}, "--limits-prepares=0: must be more than 0"},
		{[]string{"--limits-followers", "0"}, "--limits-followers=0: must be more than 0"},
		{[]string{"--limits-quote", "0s"}, "--limits-quote=0s: must be more than 0"},
		{[]string{"--network-mainnet", "other:ws://x"}, "--network-mainnet=other:ws://x: the URL of mainnet must begin with log: or substrate:"},
		{[]string{"--network", "mainnet=log:here"}, "--network=mainnet=log:here: the URL of mainnet must be log: and nothing else"},
		{[]string{"--network", "devnet=log:"}, "--network=devnet=log:: the name must be testnet or mainnet"},
		{[]string{"--network", "testnet=log:", "--network-mainnet", "log:"}, "--network-mainnet=log:: cannot be used together with --network"},
		{[]string{"--blob-url", "file:"}, "--blob-url=file:: must be file:DIR or s3://BUCKET?endpoint=URL"},
		{[]string{"--blob-url", "gs://bucket"}, "--blob-url=gs://bucket: must be file:DIR or s3://BUCKET?endpoint=URL"},
		{[]string{"--public-url", "songs.example"}, "--public-url=songs.example: must be http(s)://host[:port]"},
		{[]string{"--public-url", "https://songs.example/timbre"}, "--public-url=https://songs.example/timbre: must be http(s)://host[:port]"},
		{[]string{"--roles", "ats,worker"}, "--issuer-url: is required when --roles has ats without organizations"},
		{[]string{"--roles", "ats", "--issuer-url", "songs.example"}, "--issuer-url=songs.example: must be http(s)://host[:port]"},
		{[]string{"--roles", "ats", "--issuer-url", "https://a:b@songs.example"}, "--issuer-url=https://…@songs.example: must be http(s)://host[:port], without a user"},
		{[]string{"--public-url", "https://songs.example/#x"}, "must be http(s)://host[:port], without a path"},
		{[]string{"--roles", "ats", "--issuer-url", "https://songs.example", "--jwks-max-age", "1m"}, "--jwks-max-age=1m: must be more than --jwks-refresh, which is 5m0s"},
		{[]string{"--roles", "worker", "--public-url="}, "is required when --roles has worker without ats"},
		{[]string{"--network-silence", "6s"}, "--network-silence=6s: must be more than --network-block-time, which is 6s"},
		{[]string{"--prices-mainnet", "network=cheap"}, "--prices-mainnet=network=cheap: network=\"cheap\" must be a number"},
		{[]string{"--secret-file", short}, "must hold 64 hex digits"},
		{[]string{"--database-url", "mysql:x"}, "must begin with sqlite: or postgres://"},
		{[]string{"--listen", "nowhere:http:x"}, "--listen=nowhere:http:x: must be HOST:PORT"},
		{[]string{"--listen", "nowhere.invalid:0"}, "--listen=nowhere.invalid:0: cannot listen on this address: unknown host"},
	} {
		args := append([]string{"serve", "--listen", "127.0.0.1:0", "--public-url", "http://localhost", "--blob-url", "file:" + filepath.Join(dir, "blobs"), "--secret-file", filepath.Join(dir, "secret-"+strings.Trim(c.args[0], "-"))}, c.args...)
		timbre(t, args...).refused(exitUsage, c.words)
	}
	timbre(t, "serve", "--listen", taken.Addr().String(), "--public-url", "http://localhost").refused(exitRefused, "--listen "+taken.Addr().String()+": another program listens on this address")
	timbre(t, "serve", "--roles", "organizations,console").refused(exitUsage, "must be one of")
	if found, _ := filepath.Glob("s3*"); len(found) > 0 {
		t.Errorf("left behind: %v", found)
	}
}

func TestReadSecret(t *testing.T) {
	path := filepath.Join(t.TempDir(), "deep", "secret")
	if _, err := readSecret(path, false); err == nil || !strings.Contains(err.Error(), "openssl rand -hex 32") {
		t.Errorf("%v", err)
	}
	// 16 processes that start at the same time for the first time use the same secret.
	var wg sync.WaitGroup
	got := make([]secret, 16)
	for i := range got {
		wg.Go(func() {
			s, err := readSecret(path, true)
			if err != nil {
				t.Error(err)
			}
			got[i] = s
		})
	}
	wg.Wait()
	for _, s := range got {
		if len(s.root) != 32 || !bytes.Equal(s.root, got[0].root) {
			t.Fatalf("%d first starts made different secrets", len(got))
		}
	}
	st, err := os.Stat(path)
	if err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", st.Mode(), err)
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(path), ".secret-*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	if a, b := got[0].key("a"), got[0].key("b"); bytes.Equal(a, b) || len(a) != 32 || !bytes.Equal(a, got[0].key("a")) {
		t.Error("keys of two purposes")
	}
	for _, text := range []string{"", "xyz", strings.Repeat("ab", 31), strings.Repeat("ab", 33), strings.Repeat("zz", 32)} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := readSecret(path, true); err == nil {
			t.Errorf("%q was taken", text)
		}
	}
	if err := os.WriteFile(path, []byte(" "+strings.Repeat("AB", 32)+"\r\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := readSecret(path, false); err != nil {
		t.Error(err)
	}
}

// looked returns the doctor's results, by check.
func looked(t *testing.T, args ...string) (map[string]checkResult, said) {
	t.Helper()
	s := timbre(t, append([]string{"doctor", "--json"}, args...)...)
	var list []checkResult
	if err := json.Unmarshal([]byte(s.out), &list); err != nil {
		t.Fatalf("%v in %q, %q", err, s.out, s.err)
	}
	found := map[string]checkResult{}
	for _, f := range list {
		found[f.Check] = f
		if f.OK == (f.Remedy != "") || f.Found == "" {
			t.Errorf("%+v", f)
		}
	}
	return found, s
}

func TestDoctor(t *testing.T) {
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	t.Setenv("TIMBRE_DATABASE_URL", "sqlite:"+path("timbre.db"))
	t.Setenv("TIMBRE_BLOB_URL", "file:"+path("blobs"))
	t.Setenv("TIMBRE_SECRET_FILE", path("secret"))
	bad := func(what string, found map[string]checkResult, s said, checks ...string) {
		t.Helper()
		var got []string
		for name, f := range found {
			if !f.OK {
				got = append(got, name)
			}
		}
		slices.Sort(got)
		want := exitRefused
		if len(checks) == 0 {
			want = exitDone
		}
		if !slices.Equal(got, checks) || s.code != want {
			t.Errorf("%s: exit %d, not well: %q, want %q", what, s.code, got, checks)
		}
	}
	found, s := looked(t)
	bad("nothing yet", found, s, "database", "secret")
	if _, err := os.Stat(path("timbre.db")); err == nil {
		t.Error("doctor made a database")
	}
	demo := startDemo(t, dir) // the environment has the demo's file names
	demo.stop()
	found, s = looked(t)
	bad("after a first start", found, s)
	if !strings.Contains(found["network testnet"].Found, "signed with this secret") {
		t.Errorf("%+v", found["network testnet"])
	}
	if s := timbre(t, "doctor"); s.code != exitDone || strings.Contains(s.out, "FAIL") || strings.Count(s.out, "\n") != len(found) {
		t.Errorf("exit %d: %s", s.code, s.out)
	}
	found, s = looked(t, "--reserve-space", "1152921504606846976")
	bad("a reserve that is larger than the disk", found, s, "space for the database", "space for the uploads")
	found, s = looked(t, "--max-file-size", "1152921504606846976")
	bad("files that are larger than the disk", found, s, "space for the uploads")
	// Each role has different requirements.
	issuer := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		tokens, err := session.NewTokens(make([]byte, 32), "", time.Now)
		if err != nil || r.URL.Path != "/.well-known/jwks.json" {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		set, _ := tokens.JWKS()
		w.Write(set)
	}))
	defer issuer.Close()
	found, s = looked(t, "--roles", "ats", "--issuer-url", issuer.URL)
	bad("ats", found, s)
	if f, ok := found["worker for testnet"]; !ok || !found["issuer's keys"].OK {
		t.Errorf("%+v %+v", f, found["issuer's keys"])
	}
	found, s = looked(t, "--roles", "ats", "--issuer-url", issuer.URL, "--network-block-time", "1ns", "--network-silence", "2ns")
	bad("ats without a worker", found, s, "worker for mainnet", "worker for testnet")
	found, s = looked(t, "--roles", "ats", "--issuer-url", "http://127.0.0.1:1")
	bad("ats without an issuer", found, s, "issuer's keys")
	found, s = looked(t, "--roles", "organizations", "--blob-url", "file:"+path("secret"))
	bad("organizations need no store", found, s)
	os.Chmod(path("secret"), 0o644)
	found, s = looked(t)
	bad("open secret", found, s, "secret's permissions")
	os.WriteFile(path("secret"), []byte(strings.Repeat("ab", 32)), 0o600)
	os.Chmod(path("secret"), 0o600)
	found, s = looked(t)
	bad("another secret", found, s, "network mainnet", "network testnet")
	os.WriteFile(path("secret"), []byte("?"), 0o600)
	found, s = looked(t)
	bad("no secret", found, s, "secret")
	os.WriteFile(path("file"), nil, 0o600)
	found, s = looked(t, "--blob-url", "file:"+path("file"), "--secret-file", path("file"))
	bad("no directory", found, s, "object store", "secret")
	found, s = looked(t, "--blob-url", "gs://bucket")
	bad("another store", found, s, "configuration", "secret")
	if found, _ := filepath.Glob("s3*"); len(found) > 0 {
		t.Errorf("doctor made %v", found)
	}
	found, s = looked(t, "--database-url", "postgres://nobody@127.0.0.1:1/none")
	bad("no server", found, s, "database", "secret")
	old := storetest.EmptyPostgresURL(t)
	found, s = looked(t, "--database-url", old)
	bad("an empty database", found, s, "schema", "secret")
	if s := timbre(t, "migrate", "--database-url", old); s.code != exitDone {
		t.Error(s.err)
	}
	found, s = looked(t, "--database-url", old)
	bad("migrated", found, s, "secret")
	if s := timbre(t, "doctor"); s.code != exitRefused || !strings.Contains(s.out, "FAIL  secret") || !strings.Contains(s.out, "→ ") || !strings.Contains(s.err, "checks failed") {
		t.Errorf("exit %d: %s %s", s.code, s.out, s.err)
	}
}

// buffer is a buffer for several goroutines.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// A list of proxies is written as it was read; the default is this machine.
func TestProxies(t *testing.T) {
	for text, want := range map[string]string{"none": "[]", "10.0.0.0/8": "[10.0.0.0/8]", "127.0.0.0/8, ::1/128": "[127.0.0.0/8 ::1/128]"} {
		var p proxies
		if err := p.UnmarshalText([]byte(text)); err != nil || fmt.Sprint([]netip.Prefix(p)) != want {
			t.Errorf("%s is read as %v, %v", text, p, err)
		}
	}
	for _, text := range []string{"", "x", "10.0.0.1", "10.0.0.0/8,", "10.0.0.0/33"} {
		if err := new(proxies).UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is read", text)
		}
	}
}

// A server with a JSON log reports in JSON why it did not start, for every error.
func TestStartFailuresAreJSON(t *testing.T) {
	dir := t.TempDir()
	for name, args := range map[string][]string{
		"a value":         {"--log-format", "json", "--limits-mint", "many"},
		"a configuration": {"--log-format=json", "--network-silence", "1s"},
		"an address":      {"--log-format=json", "--listen", "192.0.2.1:1", "--database-url", "sqlite:" + filepath.Join(dir, "x.db")},
		"a database":      {"--log-format=json", "--listen", "127.0.0.1:0", "--database-url", "sqlite:" + dir},
		"a Postgres":      {"--log-format=json", "--listen", "127.0.0.1:0", "--database-url", "postgres://nobody@127.0.0.1:1/none"},
		"a secret":        {"--log-format=json", "--listen", "127.0.0.1:0", "--database-url", "sqlite:" + filepath.Join(dir, "y.db"), "--blob-url", "file:" + filepath.Join(dir, "b"), "--secret-file", dir},
	} {
		s := timbre(t, append([]string{"serve"}, args...)...)
		if s.code == exitDone || s.out != "" {
			t.Errorf("%s: exit %d, stdout %q", name, s.code, s.out)
		}
		var last map[string]any
		for line := range strings.Lines(s.err) {
			last = nil
			if err := json.Unmarshal([]byte(line), &last); err != nil {
				t.Errorf("%s: %q: %v", name, line, err)
			}
		}
		if last["level"] != "ERROR" || last["error"] == "" || last["error"] == nil {
			t.Errorf("%s: %v", name, last)
		}
	}
}
