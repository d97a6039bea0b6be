package e2e_test

import (
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"timbre.example/internal/e2e/harness"
)

// label is one of two registries that guard each other.
type label struct {
	*harness.Server
	t       *testing.T
	dir     string // where its operator works
	addr    string // of its witness
	options harness.Options
	run     func(command string) string
}

// start runs the server with more flags.
func (l *label) start(args ...string) {
	l.t.Helper()
	before := l.Server
	o := l.options
	o.Args = append(o.Args, args...)
	if before != nil {
		before.Stop() // it gives its lease back
	}
	l.Server = harness.Start(l.t, o)
	if before != nil {
		l.SiteKey, l.SecretKey, l.OrganizationID = before.SiteKey, before.SecretKey, before.OrganizationID
	}
}

// background runs a command of the binary until the end of the test, or until stop.
func (l *label) background(args ...string) (stop func()) {
	l.t.Helper()
	cmd := exec.Command(harness.Binary(l.t, ""), args...)
	cmd.Dir = l.dir
	if err := cmd.Start(); err != nil {
		l.t.Fatal(err)
	}
	stopped := false
	stop = func() {
		if !stopped {
			stopped = true
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		}
	}
	l.t.Cleanup(stop)
	if !harness.Eventually(func() bool {
		res, err := http.Get("http://" + l.addr + "/")
		if err == nil {
			res.Body.Close()
		}
		return err == nil
	}) {
		l.t.Fatalf("%v does not answer", args)
	}
	return stop
}

func newLabel(t *testing.T, databaseURL string) *label {
	t.Helper()
	l := &label{t: t, dir: t.TempDir(), addr: harness.FreeAddress(t)}
	data := t.TempDir()
	l.options = harness.Options{Roles: "organizations,ats,worker", Addr: harness.FreeAddress(t), Data: data, DatabaseURL: databaseURL,
		Args: []string{"--limits-address", "off", "--log-witness-allow", "127.0.0.0/8", "--log-checkpoint", "file:" + filepath.Join(data, "checkpoints")}}
	l.start()
	l.NewOrganization()
	l.run = func(command string) string {
		t.Helper()
		if rest, ok := strings.CutPrefix(command, "timbre doctor"); ok {
			command = "timbre doctor" + rest + " --log-witness-allow 127.0.0.0/8 --log-checkpoint file:" + data + "/checkpoints --secret-file " + data + "/secret --blob-url file:" + data + "/blobs --public-url " + l.URL + " --database-url '" + l.DatabaseURL + "'"
		}
		sh := exec.Command("bash", "-ec", "timbre() { "+harness.Binary(t, "")+" \"$@\"; }; "+command)
		sh.Dir = l.dir
		out, err := sh.CombinedOutput()
		if err != nil {
			return "failed: " + string(out)
		}
		return string(out)
	}
	return l
}

// register registers a song, and returns its certificate.
func (l *label) register(n int) (certificate string) {
	l.t.Helper()
	before := len(certificates(l.t, l.Server))
	song := &harness.Song{Server: l.Server, Title: "Song " + string(rune('A'+n)), Audio: harness.WAV(n)}
	walk(l.t, song, func(step string, err error) { l.t.Fatalf("%s: %v", step, err) })
	if !harness.Eventually(func() bool { return len(certificates(l.t, l.Server)) == before+1 }) {
		l.t.Fatal("no certificate")
	}
	for _, f := range certificates(l.t, l.Server) {
		if path := filepath.Join(l.Data, "blobs", "objects", f); !strings.Contains(certificate, path) {
			certificate = newer(certificate, path)
		}
	}
	return certificate
}

// newer returns the path of the newer one of two files.
func newer(a, b string) string {
	one, err := os.Stat(a)
	other, err2 := os.Stat(b)
	if err != nil || err2 == nil && other.ModTime().After(one.ModTime()) {
		return b
	}
	return a
}

// Two labels guard each other, by the commands of docs/operating.md in their order. Then one
// witness is down, and comes back; and at last one registry runs twice.
func TestTwoLabels(t *testing.T) {
	t.Parallel()
	databases(t, func(t *testing.T, databaseURL func(*testing.T) string) {
		ada, ben := newLabel(t, databaseURL(t)), newLabel(t, databaseURL(t))
		stops := map[*label]func(){}
		var verified string
		for _, command := range operatingCommands(t, "Witnesses of the log") {
			for _, l := range []*label{ada, ben} {
				other := map[*label]*label{ada: ben, ben: ada}[l]
				command := strings.NewReplacer("https://songs.ada.example", l.URL, "https://songs.ben.example", other.URL, "https://witness.ben.example", "http://"+other.addr, "mainnet", "testnet").Replace(command)
				if l == ben {
					command = strings.NewReplacer("witness.ada.example", "witness.ben.example", "ben", "ada").Replace(command)
				}
				words := strings.Fields(command)
				switch {
				case strings.HasPrefix(command, "timbre witness serve"):
					stops[l] = l.background(append(words[1:], "--listen", l.addr)...)
				case strings.HasPrefix(command, "timbre serve"):
					for i, w := range words {
						words[i] = strings.Replace(w, "=witnesses.policy", "="+filepath.Join(l.dir, "witnesses.policy"), 1)
					}
					l.start(words[2:]...)
					l.register(1)
				case strings.HasPrefix(command, "timbre verify"):
					if said := l.run("timbre works evidence 1 --network testnet -o evidence.json --database-url '" + l.DatabaseURL + "' --secret-file " + l.Data + "/secret"); strings.HasPrefix(said, "failed") {
						t.Fatal(said)
					}
					verified = command
					if said := l.run(command); !strings.Contains(said, "passed       Enough of the witnesses") {
						t.Errorf("%s: %s", command, said)
					}
				default:
					said := l.run(command)
					switch {
					case strings.HasPrefix(command, "timbre doctor"):
						if !strings.Contains(said, "cosigned 1 of 1 entries") {
							t.Errorf("the doctor says %s", said)
						}
					case strings.HasPrefix(said, "failed"):
						t.Fatalf("%s: %s", command, said)
					case strings.HasSuffix(command, "checkpoint") && strings.Count(said, "\n— ") != 2:
						t.Errorf("the checkpoint is %s", said)
					case strings.HasPrefix(command, "timbre witness key"):
						copyFile(t, filepath.Join(l.dir, "witness.pub"), filepath.Join(other.dir, "other-witness.pub"))
					}
				}
			}
		}
		if verified == "" || len(stops) != 2 {
			t.Fatal("the page lacks commands")
		}
		policy := filepath.Join(ada.dir, "witnesses.policy")
		proves := func(file string) string {
			return ada.run("timbre verify " + file + " --witness-policy witnesses.policy")
		}
		for _, f := range certificates(t, ada.Server) {
			if said := proves(filepath.Join(ada.Data, "blobs", "objects", f)); !strings.Contains(said, "passed       Enough of the witnesses") {
				t.Errorf("the certificate: %s", said)
			}
		}

		// Ben's witness is down: the registration is final, and the certificate says what it lacks.
		stops[ben]()
		ada.start("--log-witnesses", "testnet="+policy, "--log-witness-timeout", "1s")
		lacks := ada.register(2)
		if said := proves(lacks); strings.Contains(said, "passed       Enough of the witnesses") {
			t.Errorf("without the witness: %s", said)
		}
		if out, err := exec.Command("pdftotext", lacks, "-").CombinedOutput(); err != nil || !strings.Contains(strings.Join(strings.Fields(string(out)), " "), "too few witnesses of the log") {
			t.Errorf("the certificate says %s", out)
		}
		if !harness.Eventually(func() bool {
			return strings.Contains(ada.run("timbre doctor --log-witnesses testnet=witnesses.policy"), "fails since")
		}) {
			t.Errorf("the doctor says %s", ada.run("timbre doctor --log-witnesses testnet=witnesses.policy"))
		}
		// Back again, it cosigns the newest block: the evidence leads there.
		ben.background("witness", "serve", "--name", "witness.ben.example/w", "--secret-file", "witness/secret", "--log-key", "other-log.pub", "--dir", "witness/kept", "--listen", ben.addr)
		ada.register(3)
		evidence := func() string {
			ada.run("timbre works evidence 2 --network testnet -o later.json --database-url '" + ada.DatabaseURL + "' --secret-file " + ada.Data + "/secret")
			return proves("later.json")
		}
		if !harness.Eventually(func() bool { return strings.Contains(evidence(), "passed       Enough of the witnesses") }) {
			t.Errorf("after the witness came back: %s", evidence())
		}

		// The registry is copied, and runs twice.
		if !strings.HasPrefix(ada.DatabaseURL, "sqlite:") {
			return // the copy of a database server is its operator's; the log's tests have both engines
		}
		ada.Stop()
		twin := t.TempDir()
		if out, err := exec.Command("cp", "-a", ada.Data+"/.", twin).CombinedOutput(); err != nil {
			t.Fatalf("%s", out)
		}
		ada.Restart()
		ada.register(4)
		if !harness.Eventually(func() bool {
			return strings.Contains(get(t, ada.URL+"/metrics"), `timbre_log_witness_behind_entries{network="testnet",witness="ben"} 0`)
		}) {
			t.Error("the witness does not cosign the first")
		}
		second := &label{t: t, options: ada.options}
		second.options.Data, second.options.DatabaseURL, second.options.Addr = twin, "sqlite:"+filepath.Join(twin, "timbre.db"), harness.FreeAddress(t)
		second.options.Args = []string{"--limits-address", "off", "--log-witness-allow", "127.0.0.0/8", "--log-checkpoint", "file:" + filepath.Join(twin, "checkpoints"), "--log-witnesses", "testnet=" + policy, "--log-witness-timeout", "0s"}
		second.start()
		second.SiteKey, second.SecretKey, second.OrganizationID = ada.SiteKey, ada.SecretKey, ada.OrganizationID
		second.register(5)
		if !harness.Eventually(func() bool {
			res, err := http.Get(second.URL + "/readyz")
			if err != nil {
				return false
			}
			defer res.Body.Close()
			body, _ := io.ReadAll(res.Body)
			return res.StatusCode == http.StatusServiceUnavailable && strings.Contains(string(body), "log_forked")
		}) {
			t.Error("the copy is ready")
		}
		if text := get(t, second.URL+"/metrics"); !strings.Contains(text, `timbre_log_witness_alarm{network="testnet",witness="ben"} 1`) {
			t.Error("the copy has no alarm")
		}
		if text := get(t, ada.URL+"/metrics"); !strings.Contains(text, `timbre_log_witness_alarm{network="testnet",witness="ben"} 0`) {
			t.Error("the first has an alarm")
		}
	})
}

// The worker dies after the answer of a witness, before and after the commit. The next start
// asks again, and nothing is missing.
func TestKilledWhileCosigning(t *testing.T) {
	t.Parallel()
	databases(t, func(t *testing.T, databaseURL func(*testing.T) string) {
		for _, point := range []string{"log.cosigned", "log.cosignature.kept"} {
			t.Run(point, func(t *testing.T) {
				t.Parallel()
				l := newLabel(t, databaseURL(t))
				l.options.Tags = "crashpoints"
				l.run("timbre witness key --name w.example/w --secret-file witness/secret > witness.pub && curl -sSf -o log.pub " + l.URL + "/log/testnet/key")
				l.background("witness", "serve", "--name", "w.example/w", "--secret-file", "witness/secret", "--log-key", "log.pub", "--dir", "witness/kept", "--listen", l.addr)
				l.run("printf 'witness w %s http://" + l.addr + "/\\nquorum w\\n' \"$(cat witness.pub)\" > witnesses.policy")
				l.options.Env = []string{"TIMBRE_CRASH_AT=" + point}
				l.start("--log-witnesses", "testnet="+filepath.Join(l.dir, "witnesses.policy"))
				song := &harness.Song{Server: l.Server, Title: "Killed at " + point, Audio: harness.WAV(1)}
				restarted := false
				walk(t, song, func(step string, err error) {
					if restarted || !l.WasKilled() {
						t.Fatalf("%s: %v", step, err)
					}
					restarted = true
					l.Restart()
				})
				if !restarted {
					<-l.Exited()
					if !l.WasKilled() {
						t.Fatal("the server was not killed at the point")
					}
					l.Restart()
				}
				if !harness.Eventually(func() bool { return strings.Count(get(t, l.URL+"/log/testnet/checkpoint"), "\n— ") == 2 }) {
					t.Errorf("the checkpoint is %s", get(t, l.URL+"/log/testnet/checkpoint"))
				}
				if !harness.Eventually(func() bool { return len(certificates(t, l.Server)) == 1 }) {
					t.Error("no certificate")
				}
			})
		}
	})
}
