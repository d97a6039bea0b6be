package main

import (
	"database/sql"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

// inside lists words that only appear in messages of libraries.
var inside = regexp.MustCompile(`strconv|netip|slog|parse "|invalid syntax|panic|goroutine|nil pointer|runtime error|%!|\.go:|\bEOF\b|bit int|unmarshal|lookup |dial |listen tcp|open /|stat /|mkdir |permission denied:|cannot parse|sqlite:? .*\([0-9]+\)|note:|blob:|store:|timestamp:`)

// wrongValues has one or more invalid values for each flag and argument of each command.
// A plain name is the same flag of every command; "command name" is the flag of one
// command. If every text is valid, the list is nil, and a comment says why.
var wrongValues = map[string][]string{
	"addr":                             {"nowhere", "127.0.0.1:http", "127.0.0.1:70000"},
	"data":                             {"FILE/below"},
	"widget-dir":                       {"DIR/none", "DIR"},
	"block-time":                       {"soon", "0s"},
	"block-time of devnet":             {"soon", "1ms", "-1s"},
	"spec":                             {"DIR/none", "DIR", "FILE"},
	"fund":                             {"x", "x=1", strings.Repeat("0", 64), strings.Repeat("0", 64) + "=-1", strings.Repeat("0", 64) + "=0.0000001", strings.Repeat("0", 64) + "=99999999999999"},
	"network-block-time":               {"soon", "0s", "6"},
	"database-url":                     {"mysql:x", "sqlite:", "nonsense", "sqlite:FILE/below.db", "sqlite:DIR", "sqlite:FILE", "postgres://u:opensesame@h:port/x"},
	"database-url-file":                {"DIR/none", "DIR"},
	"blob-url":                         {"file:", "gs://bucket", "file:FILE/below", "s3://songs?endpoint=%zz", "s3://a;b", "s3://songs?acl=public"},
	"s3-access-key":                    {"only"},
	"s3-secret-key":                    {"only"},
	"s3-secret-key-file":               {"DIR/none"},
	"max-file-size":                    {"500MB", "0", "99999999999999999999"},
	"limits-mint":                      {"300", "5/1ms", "0/1m", "x/1m"},
	"limits-session":                   {"300", "120/2h"},
	"limits-address":                   {"fast", "120/1m,burst=0"},
	"limits-organization":              {"-1/1m", ""},
	"limits-token":                     {"1y", "0s", "5"},
	"limits-upload-slot":               {"ten minutes", "0s"},
	"limits-quote":                     {"1y", "0s"},
	"limits-result":                    {"1h30", "0s"},
	"limits-job":                       {"a day", "1s", "10m"},
	"limits-prepares":                  {"four", "0"},
	"limits-uploads":                   {"many", "0"},
	"limits-uploads-organization":      {"many", "0"},
	"limits-upload-bytes":              {"100GB", "0"},
	"limits-upload-bytes-organization": {"20GB", "0"},
	"limits-upload-rate":               {"8K", "0"},
	"upload-parts-from":                {"32M", "-1"},
	"reserve-space":                    {"1GB", "-1"},
	"limits-followers":                 {"1e4", "0"},
	"limits-connections":               {"many", "-1"},
	"memory-limit":                     {"1GiB", "1000", "-1"},
	"trusted-proxies":                  {"10.0.0.0", "x", "10.0.0.0/33", ""},
	"webhooks-allow":                   {"10.0.0.0", "x", "10.0.0.0/33", ""},
	"certificate-cert-file":            {"DIR/none"},
	"certificate-key-file":             {"DIR/none"},
	"cert-file":                        {"DIR/none"},
	"key-file":                         {"DIR/none"},
	"tsa-url":                          {"tsa.example", "ftp://u:opensesame@tsa.example", "http://[::1"},
	"listen":                           {"nowhere", "127.0.0.1:http", "127.0.0.1:70000", "nowhere.invalid:0"},
	"listen of health":                 {"nowhere", "127.0.0.1:http", "127.0.0.1:70000"},
	"drain-time":                       {"soon", "5", "-1s", "11m"},
	"settings-max-age":                 {"soon", "5", "-1s", "61s"},
	"metrics-listen":                   {"nowhere", "127.0.0.1:-1"},
	"metrics-host":                     {"http://timbre.example", "timbre.example:9090", "a b"},
	"traces-endpoint":                  {"collector:4318", "ftp://collector/v1/traces"},
	"request-log":                      {"-1", "367", "14d"},
	"traces-ratio":                     {"half", "1.1", "-1"},
	"token":                            {"x", "a.b.c"},
	"registry-name":                    {"a\nb", strings.Repeat("x", 201)},
	"imprint":                          {"a\nb", strings.Repeat("x", 201)},
	"public-url":                       {"songs.example", "https://songs.example/timbre", "https://u:opensesame@songs.example", "http://[::1", "http://%zz"},
	"roles":                            {"console", "ats,console"},
	"issuer-url":                       {"songs.example", "https://songs.example/x"},
	"jwks-refresh":                     {"often", "0s"},
	"jwks-max-age":                     {"old", "1m"},
	"secret-file":                      {"FILE", "DIR", "FILE/below"},
	"network":                          {"devnet"},
	"network of serve":                 {"testnet", "devnet=log:", "testnet=", "testnet=other:ws://x", "testnet=substrate:", "testnet=substrate:http://x", "testnet=substrate:ws:x", "testnet=log", "mainnet=log:x", "testnet=log:,testnet=log:"},
	"network-explorer":                 {"mainnet", "mainnet=chain.example", "devnet=https://chain.example/{block}", "mainnet=ftp://chain.example/{block}", "mainnet=https://chain.example/", "mainnet=https://chain.example/{number}", "mainnet=https://u:opensesame@chain.example/{block}", "mainnet=https://chain.example/{block}"},
	"network-url":                      {"testnet", "devnet=log:", "testnet=other:ws://x"},
	"network-testnet":                  {"other:ws://x"},
	"network-mainnet":                  {"log"},
	"network-silence":                  {"long", "1s"},
	"network-clock-tolerance":          {"long", "-1s", "0s"},
	"log-checkpoint":                   {"data/checkpoints", "file:", "blobs:", "sqlite:x.db", "postgres://host:port/x"},
	"log-witnesses":                    {"mainnet", "mainnet=DIR/none", "devnet=FILE", "mainnet=FILE", "mainnet=DIR"},
	"log-witness-timeout":              {"long", "-1s", "2h"},
	"log-witness-allow":                {"10.0.0.0", "x", "10.0.0.0/33", ""},
	"substrate-seed-file":              {"DIR/none", "DIR", "FILE"},
	"substrate-accounts":               {"many", "-1", "257"},
	"substrate-batch":                  {"many", "-1", "201"},
	"substrate-signer":                 {"signer:9000", "ftp://signer.example", "https://u:opensesame@signer.example", "unix:signer.sock"},
	"substrate-signer-token-file":      {"DIR/none", "DIR", "FILE"},
	"certificate-allow":                {"10.0.0.0", "x", "10.0.0.0/33", ""},
	"allow":                            {"10.0.0.0", "x", "10.0.0.0/33", ""},
	"log-token-timeout":                {"long", "-1s", "2h"},
	"log-anchors":                      {"mainnet", "moon=substrate:wss://node.example", "mainnet=", "mainnet=ftp://node.example", "mainnet=log:"},
	"log-anchor-every":                 {"1s", "200h", "soon"},
	"log-calendars":                    {"calendar.example", "ftp://calendar.example", "https://u:opensesame@calendar.example", "https://calendar.example/?x"},
	"log-calendar-allow":               {"10.0.0.0", "x", "10.0.0.0/33", ""},
	"tsa-renew-before":                 {"long", "-1s", "1m"},
	"prices-testnet":                   {"network=cheap", "free", "token=25", "network-most=5"},
	"prices-mainnet":                   {"network=-1", "storage=10", "storage=x:1/:2", "token=25,network-most=11", "token=-1,network-most=20", "token=25,network-most=20"},
	"log-level":                        {"debgu", ""},
	"log-format":                       {"xml"},
	"log-key":                          {"DIR/none", "a+b+c"},
	"log-keys":                         {"DIR/none", "DIR", "FILE"},
	"log-key-number":                   {"mainnet", "mainnet=1", "mainnet=x", "mainnet=64"},
	"to":                               {"two", "-1", "64"},
	"tsa-ca":                           {"DIR/none", "DIR", "FILE"},
	"witness-policy":                   {"DIR/none", "DIR", "FILE"},
	"chain-checkpoint":                 {"DIR/none", "DIR", "FILE"},
	"bitcoin-headers":                  {"DIR/none", "DIR", "FILE"},
	"dir":                              {"FILE/below"},
	"every":                            {"soon", "0s"},
	"checkpoint-from":                  {"songs.example", "https://songs.example/?x", "FILE"},
	"online-from":                      {"songs.example", "https://songs.example/?x", "FILE"},
	"online-max":                       {"many", "0", "-1"},
	"rpc":                              {"songs.example", "https://songs.example", "ws://one.example,ws://two.example", "ws://one.example|", "ws://one.example|https://two.example", strings.Repeat("ws://one.example|", 8) + "ws://one.example"},
	"ots":                              {"DIR/none", "DIR"},
	"token of evidence":                {"DIR/none", "DIR"},
	"name of witness":                  {"a b", "a+b"},
	"media":                            {"DIR/none", "DIR"},
	"save":                             {"DIR"},
	"only-creator":                     {"first"},
	"out":                              nil, // every name is valid until the file is written: see TestFilesThatCannotBeWritten
	"work-version":                     {"latest"},
	"max-file-size of org":             {"many"},
	"max-file-size of apikeys":         {"many"},
	"expires":                          {"soon", "2031-05-01"},
	"scope":                            nil, // refused with a code
	"widget":                           {"maybe"},
	"access-code-ttl":                  {"1y"},
	"duplicate-titles":                 {"maybe"},
	"asset-storage":                    {"some"},
	"quota":                            {"unlimited"},
	"limit":                            {"all"},
	"name":                             nil, // refused with a code
	"note":                             nil, // any text
	"key":                              nil, // an unknown key pair has no sessions; the same holds for the next two
	"external-user-ref":                nil,
	"id":                               nil,
	"before":                           nil, // an unknown id is not found
	"<amount>":                         {"many", "1.5"},
	"<ats-id>":                         {"first"},
	"<evidence>":                       {"DIR/none", "DIR"},
	"<url>":                            {"songs.example", "ftp://songs.example/log/mainnet", "https://songs.example/?x"},
	"<source>":                         {"DIR/none"},
	"limits-key":                       {"300", "0/1m"},
	"url":                              {"ats.example", "ftp://ats.example", "https://u:opensesame@ats.example", ""},
	"api-key-file":                     {"DIR/none", "DIR", "FILE"},
	"creator":                          {"Ada Example", "ada@songs.example"},
	"email":                            {"ada", "Ada <ada@songs.example>"},
	"roles of register":                {"singer", "author,producer"},
	"ref":                              {strings.Repeat("x", 256)},
	"language":                         {"a\nb", strings.Repeat("x", 101)},
	"parallel":                         {"many", "0", "65"},
	"max-cost":                         {"free", "-1"},
	"journal":                          {"DIR", "FILE/below", "FILE"},
	"report":                           {"report.pdf", "DIR/none/report.csv"},
	"save of register":                 {"FILE", "FILE/below"},
	"access-codes":                     {"DIR", "DIR/none/codes.csv"},
	"wait":                             {"long", "-1s", "25h"},
	"template":                         {"xml"},
	"<path>":                           {"DIR/none", "DIR"},
	"session-life":                     {"soon", "1y"},
	"session-idle":                     {"soon", "1y"},
	"smtp-address":                     {"nowhere"},
	"smtp-security":                    {"some"},
	"smtp-password-file":               {"DIR/none"},
	"oidc-client-secret-file":          {"DIR/none"},
	"low-credits":                      {"many"},
	"revision":                         {"newest"},
	"overlap":                          {"soon", "1d"},
	"kind":                             {"gift"},
	"role":                             {"guest"},
	"logo":                             {"DIR/none", "DIR"},
	"heads":                            {"DIR/none", "DIR"},
	"since":                            {"yesterday"},
	"until":                            {"tomorrow"},
	// Any text, or a text that is checked with others: see the tests of mail and sign-in.
	"smtp-user": nil, "smtp-password": nil, "smtp-from": nil, "oidc-issuer": nil, "oidc-client-id": nil, "oidc-client-secret": nil, "oidc-name": nil,
	"label": nil, "issuer-name": nil, "org": nil, "search": nil, "after": nil, "transaction": nil, "actor": nil, "action": nil, "subject": nil,
	"webhook-url": nil, "secret-file of apikeys": nil, // read after the organization
	"<email>": nil, "<new>": nil, "<label>": nil,
	// Looked up in the database or the catalogue, and refused with a code.
	"<org>": nil, "<id>": nil, "<name>": nil, "<origin>": nil, "<site-key>": nil, "<code>": nil, "<command>": nil,
}

// Each flag and argument of each command (and its variable) refuses an invalid value. The
// error has the name, the value and a valid example, in words for people. None panics,
// and none creates a file.
func TestWrongValues(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	file, folder := write("file", "neither a secret nor a database"), filepath.Join(dir, "folder")
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	song := write("song.wav", "a recording that is not sent")
	t.Setenv("TIMBRE_API_KEY", "afo_sk_test_0") // of the command register
	secret := write("secret", strings.Repeat("ab", 32))
	database := filepath.Join(dir, "timbre.db")
	if s := timbre(t, "migrate", "--database-url", "sqlite:"+database); s.code != exitDone {
		t.Fatal(s.err)
	}
	evidence, err := filepath.Abs("../../proof/evidence/testdata/v1/full.json")
	if err != nil {
		t.Fatal(err)
	}
	// A valid call of each command, to which the invalid value is added. If a flag is
	// given twice, the last one counts.
	right := map[string][]string{
		"--database-url": {"sqlite:" + database}, "--blob-url": {"file:" + filepath.Join(folder, "blobs")}, "--secret-file": {secret}, "--listen": {"127.0.0.1:0"},
		"--spec": {tinySpec(t)}, "--log-key": {filepath.Join(filepath.Dir(evidence), "key.txt")}, "--dir": {filepath.Join(folder, "kept")},
		"--public-url": {"https://songs.example"}, "--url": {"https://ats.example"}, "--addr": {"127.0.0.1:0"}, "--data": {filepath.Join(folder, "demo")}, "--out": {filepath.Join(folder, "out")}, "--network": {"testnet"}, "--id": {"x"}, "--name": {"x"}, "--org": {"x"},
	}
	arguments := map[string]string{"path": song, "org": "x", "id": "x", "name": "x", "origin": "x", "site-key": "x", "code": "x", "amount": "1", "ats-id": "1", "evidence": evidence, "source": evidence, "command": "serve", "email": "x@songs.example", "label": "x", "url": "https://songs.example/log/testnet"}
	// Flags that must be given too, or the invalid value is not read.
	beside := map[string][]string{
		"smtp-address": {"--smtp-from=timbre@songs.example"}, "smtp-password-file": {"--smtp-address=mail.songs.example:587", "--smtp-from=timbre@songs.example", "--smtp-user=x"},
		"oidc-client-secret-file": {"--oidc-issuer=https://songs.example", "--oidc-client-id=x"},
		"s3-access-key":           {"--blob-url=s3://songs"}, "s3-secret-key": {"--blob-url=s3://songs"}, "s3-secret-key-file": {"--blob-url=s3://songs"},
		"jwks-refresh": {"--roles=ats", "--issuer-url=https://songs.example"}, "jwks-max-age": {"--roles=ats", "--issuer-url=https://songs.example"},
		"certificate-cert-file": {"--certificate-key-file=" + secret}, "certificate-key-file": {"--certificate-cert-file=" + secret},
		"cert-file": {"--key-file=" + secret}, "key-file": {"--cert-file=" + secret},
	}
	// These errors name another flag, which has to be corrected: the missing half of a
	// key pair, or the file with the database URL.
	elsewhere := map[string]string{"s3-access-key": "--s3-secret-key", "s3-secret-key": "--s3-access-key"}
	var tried, commands int
	seen := map[string]bool{}
	var visit func(n *kong.Node)
	visit = func(n *kong.Node) {
		for _, child := range n.Children {
			visit(child)
		}
		if len(n.Children) > 0 || n.Type == kong.ApplicationNode {
			return
		}
		commands++
		command := strings.Fields(n.Path())
		flags := slices.Concat(n.AllFlags(true)...)
		base := slices.Clone(command)
		for _, flag := range flags {
			if flag.IsSlice() { // further values would be added to those that are tried
				continue
			}
			for _, value := range right["--"+flag.Name] {
				base = append(base, "--"+flag.Name+"="+value)
			}
		}
		if command[0] == "secret" { // required there; a server with them would be another one
			base = append(base, "--roles=ats")
		}
		if command[0] == "witness" && command[1] == "serve" || command[0] == "log" && slices.Contains([]string{"check", "follow", "mirror"}, command[1]) {
			base = append(base, "--log-key="+right["--log-key"][0])
		}
		if command[0] == "evidence" { // without a statement to add, nothing else is read
			base = append(base, "--ots="+file)
		}
		if command[0] == "apikeys" {
			base = append(base, map[string][]string{"create": {"--scope=works:read"}}[command[1]]...)
		}
		check := func(name, value string, s said, shown string) {
			t.Helper()
			tried++
			label := strings.Join(command, " ") + " " + name + " " + value
			if s.code != exitUsage || s.out != "" {
				t.Errorf("%s: exit %d, %q, %q", label, s.code, s.out, s.err)
				return
			}
			if !strings.HasPrefix(s.err, "timbre: "+shown) || !strings.Contains(s.err, "For example: ") {
				t.Errorf("%s: names no flag, or no example: %s", label, s.err)
			}
			if bad := inside.FindString(s.err); bad != "" || strings.Contains(s.err, "opensesame") {
				t.Errorf("%s: has %q: %s", label, bad, s.err)
			}
		}
		real := strings.NewReplacer("FILE", file, "DIR", folder)
		for _, flag := range flags {
			if flag.IsBool() {
				if flag.Name != "help" && flag.Name != "version" {
					check(flag.Name, "maybe", timbre(t, slices.Concat(base, positionals(n, arguments), []string{"--" + flag.Name + "=maybe"})...), "--"+flag.Name+"=maybe: ")
				}
				continue
			}
			values, ok := wrongValues[flag.Name]
			if own, has := wrongValues[flag.Name+" of "+command[0]]; has {
				values, ok = own, true
				seen[flag.Name+" of "+command[0]] = true
			}
			seen[flag.Name] = true
			if !ok {
				t.Errorf("%s --%s: there is no wrong value for it here", n.Path(), flag.Name)
			}
			if flag.Tag.Get("example") == "" {
				t.Errorf("%s --%s has no example", n.Path(), flag.Name)
			}
			for _, value := range values {
				if n.Name == "doctor" {
					continue // it checks everything and reports each error: see TestDoctorOnWrongValues
				}
				value = real.Replace(value)
				args := slices.Concat(base, positionals(n, arguments), beside[flag.Name])
				named := "--" + flag.Name
				if other := elsewhere[flag.Name]; other != "" {
					named = other
				}
				check(flag.Name, value, timbre(t, append(args, "--"+flag.Name+"="+value)...), named)
				for _, env := range flag.Tag.Envs {
					// A flag overrides its variable.
					args := slices.DeleteFunc(slices.Clone(args), func(a string) bool { return strings.HasPrefix(a, "--"+flag.Name+"=") })
					old, had := os.LookupEnv(env)
					if err := os.Setenv(env, value); err != nil {
						t.Fatal(err)
					}
					if elsewhere[flag.Name] == "" {
						named = env
					}
					check(env, value, timbre(t, args...), named)
					if had {
						os.Setenv(env, old)
					} else {
						os.Unsetenv(env)
					}
				}
			}
		}
		for _, arg := range n.Positional {
			name := "<" + arg.Name + ">"
			seen[name] = true
			values, ok := wrongValues[name]
			if !ok || arg.Tag.Get("example") == "" {
				t.Errorf("%s %s: there is no wrong value, or no example", n.Path(), name)
			}
			for _, value := range values {
				with := map[string]string{}
				for k, v := range arguments {
					with[k] = v
				}
				with[arg.Name] = real.Replace(value)
				check(name, value, timbre(t, slices.Concat(base, positionals(n, with))...), name+" "+with[arg.Name]+": ")
			}
		}
	}
	var c cli
	visit(kong.Must(&c, mappers()...).Model.Node)
	for name := range wrongValues {
		if !seen[name] {
			t.Errorf("no command has %s", name)
		}
	}
	if commands < 25 || tried < 200 {
		t.Errorf("%d values of %d commands", tried, commands)
	}
	if err := filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && !strings.Contains(path, filepath.Join("folder", "demo")) {
			t.Errorf("left behind: %s", path)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
}

// A release does not run on a database that a much newer one has migrated: after a
// roll-back by more than one release, the backup has to be restored too.
func TestDatabaseOfANewerRelease(t *testing.T) {
	dir := inDatabase(t)
	db, err := sql.Open("sqlite", filepath.Join(dir, "timbre.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.ExecContext(t.Context(), "INSERT INTO goose_db_version (version_id, is_applied) VALUES (90001, 1), (90002, 1)"); err != nil {
		t.Fatal(err)
	}
	for _, command := range [][]string{{"org", "list"}, {"migrate"}, {"serve", "--listen", "127.0.0.1:0", "--public-url", "http://localhost", "--secret-file", filepath.Join(dir, "secret")}} {
		timbre(t, command...).refused(exitRefused, "the database is 2 migrations ahead of this release")
	}
	if _, err := os.Stat(filepath.Join(dir, "secret")); err == nil {
		t.Error("a secret was made")
	}
}

// positionals returns a command's arguments.
func positionals(n *kong.Node, values map[string]string) (args []string) {
	for _, arg := range n.Positional {
		args = append(args, values[arg.Name])
	}
	return args
}

// A file that cannot be written is an error, after all other checks succeeded.
func TestFilesThatCannotBeWritten(t *testing.T) {
	dir := t.TempDir()
	timbre(t, "verify", "../../proof/evidence/testdata/v1/full.json", "--save", dir).refused(exitUsage, "--save="+dir+": cannot write this file: is a directory")
}

// An unknown variable is refused, and the error names the variable that was probably
// meant.
func TestUnknownVariables(t *testing.T) {
	inDatabase(t)
	for name, words := range map[string]string{
		"TIMBRE_LISTN":             "Did you mean TIMBRE_LISTEN?",
		"TIMBRE_ROLE":              "Did you mean TIMBRE_ROLES?",
		"TIMBRE_SECRETFILE":        "Did you mean TIMBRE_SECRET_FILE?",
		"TIMBRE_PUBLIC_URL_FILE":   "TIMBRE_PUBLIC_URL cannot be read from a file",
		"TIMBRE_S3_SECRET_KEYFILE": "Did you mean TIMBRE_S3_SECRET_KEY_FILE?",
	} {
		t.Setenv(name, "x")
		for _, command := range [][]string{{"serve"}, {"org", "list"}, {"doctor"}, {"migrate"}} {
			timbre(t, command...).refused(exitUsage, name+" is not a variable of timbre")
			timbre(t, command...).refused(exitUsage, words)
		}
		os.Unsetenv(name)
	}
	// Unknown variables that are not similar to a known one give a warning and do not
	// stop a server.
	t.Setenv("TIMBRE_DEPLOYMENT_COLOUR", "blue")
	if s := timbre(t, "org", "list"); s.code != exitDone || !strings.Contains(s.err, "warning: TIMBRE_DEPLOYMENT_COLOUR is not a variable of timbre and is ignored. The most similar one is TIMBRE_") {
		t.Errorf("exit %d: %s", s.code, s.err)
	}
	os.Unsetenv("TIMBRE_DEPLOYMENT_COLOUR")
	// Kubernetes sets these next to a service with this name.
	for _, name := range []string{"TIMBRE_PORT", "TIMBRE_PORT_8080_TCP_ADDR", "TIMBRE_SERVICE_HOST", "TIMBRE_SERVICE_PORT"} {
		t.Setenv(name, "tcp://10.0.0.1:8080")
	}
	if s := timbre(t, "org", "list"); s.code != exitDone || s.err != "" {
		t.Errorf("exit %d: %s", s.code, s.err)
	}
}

// Only serve, migrate and demo create a database; other commands create no file.
func TestNothingIsMadeByAccident(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	for _, command := range [][]string{
		{"org", "list"}, {"org", "create", "Songs"}, {"keys", "create", "x"}, {"origins", "list", "x"}, {"credits", "balance", "x"}, {"doctor"},
		{"works", "redact", "1", "--network", "testnet"}, {"works", "evidence", "1", "-o", "e.json", "--secret-file", "none"},
	} {
		s := timbre(t, command...)
		if said := s.out + s.err; s.code == exitDone || !strings.Contains(said, "the database data/timbre.db does not exist") && !strings.Contains(said, "the secret file "+filepath.Join(dir, "none")+" is missing") {
			t.Errorf("%v: exit %d, %s", command, s.code, said)
		}
		if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
			t.Fatalf("%v made %v, %v", command, left, err)
		}
	}
	// Nor does serve, if it has no name for the log or cannot listen.
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	timbre(t, "serve", "--listen", "127.0.0.1:0").refused(exitUsage, "--public-url: is required at the first start of a registry")
	timbre(t, "serve", "--listen", taken.Addr().String(), "--public-url", "http://localhost").refused(exitRefused, "another program listens")
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Fatalf("serve made %v, %v", left, err)
	}
}

// A registry starts only with its own secret, and only if other users cannot read the
// file.
func TestSecretOfAnotherRegistry(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	startDemo(t, dir).stop()
	serve := func(args ...string) said {
		return timbre(t, append([]string{"serve", "--listen", "127.0.0.1:0", "--public-url", "http://localhost", "--database-url", "sqlite:" + at("timbre.db"), "--blob-url", "file:" + at("blobs")}, args...)...)
	}
	serve("--secret-file", at("none")).refused(exitUsage, "the secret file "+at("none")+" is missing. Restore it")
	if _, err := os.Stat(at("none")); err == nil {
		t.Error("a second secret was made")
	}
	if err := os.WriteFile(at("other"), []byte(strings.Repeat("cd", 32)), 0o600); err != nil {
		t.Fatal(err)
	}
	serve("--secret-file", at("other")).refused(exitUsage, "the secret file "+at("other")+" did not sign the log 127.0.0.1:")
	timbre(t, "works", "evidence", "1", "--network", "testnet", "-o", at("e.json"), "--database-url", "sqlite:"+at("timbre.db"), "--secret-file", at("other")).refused(exitRefused, "work.not_found")
	for mode, words := range map[fs.FileMode]string{0o644: "(mode 0644). Run: chmod 600 " + at("secret"), 0o660: "(mode 0660)", 0o604: "(mode 0604)"} {
		if err := os.Chmod(at("secret"), mode); err != nil {
			t.Fatal(err)
		}
		serve("--secret-file", at("secret")).refused(exitUsage, words)
		found, _ := looked(t, "--database-url", "sqlite:"+at("timbre.db"), "--secret-file", at("secret"), "--blob-url", "file:"+at("blobs"))
		if f := found["secret's permissions"]; f.OK || !strings.Contains(f.Found, words) {
			t.Errorf("%o: %+v", mode, f)
		}
	}
	for _, mode := range []fs.FileMode{0o400, 0o440, 0o640} {
		if err := os.Chmod(at("secret"), mode); err != nil {
			t.Fatal(err)
		}
		if warning, err := guarded("secret-file", "secret file", at("secret")); warning != "" || err != nil {
			t.Errorf("%o: %s, %v", mode, warning, err)
		}
	}
	// This process cannot change a file of another user.
	if os.Geteuid() == 0 {
		if err := os.Chown(at("secret"), 12345, -1); err != nil {
			t.Fatal(err)
		}
		for mode, refused := range map[fs.FileMode]bool{0o444: false, 0o644: false, 0o666: true, 0o464: true} {
			if err := os.Chmod(at("secret"), mode); err != nil {
				t.Fatal(err)
			}
			if warning, err := guarded("secret-file", "secret file", at("secret")); (err != nil) != refused || refused == strings.Contains(warning, "other users can read") {
				t.Errorf("%o of another user: %q, %v", mode, warning, err)
			}
		}
		if err := os.Chmod(at("secret"), 0o400); err != nil {
			t.Fatal(err)
		}
	} else {
		t.Log("not root: a secret of another user was not tried")
	}
	// The doctor explains what follows if the public URL differs from the log's name.
	found, _ := looked(t, "--database-url", "sqlite:"+at("timbre.db"), "--secret-file", at("secret"), "--blob-url", "file:"+at("blobs"), "--public-url", "https://songs.example")
	if f := found["network mainnet"]; !f.OK || !strings.Contains(f.Found, "the log keeps its name") {
		t.Errorf("%+v", f)
	}
}
