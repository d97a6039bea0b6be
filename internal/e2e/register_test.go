package e2e_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"timbre.example/internal/e2e/harness"
	"timbre.example/internal/registry/registrytest"
)

// songLabel is an organization with a folder of songs, and the command that registers them.
type songLabel struct {
	*harness.Server
	t       *testing.T
	folder  string
	journal string
	key     string
}

// without limits: a label with ten thousand files has its operator's consent.
var unlimited = []string{"TIMBRE_LIMITS_KEY=off", "TIMBRE_LIMITS_ADDRESS=off", "TIMBRE_LIMITS_ORGANIZATION=off"}

func newSongLabel(t *testing.T, songs int) *songLabel {
	t.Helper()
	l := &songLabel{Server: harness.Start(t, harness.Options{Settings: unlimited}), t: t, folder: t.TempDir()}
	l.key, l.journal = l.APIKey, filepath.Join(l.folder, "timbre-register.testnet.journal")
	for i := range songs {
		dir := filepath.Join(l.folder, fmt.Sprintf("album %d", i/50))
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("song %d.wav", i)), harness.WAV(i), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return l
}

// command is timbre register of the folder. It takes the key from the environment.
func (l *songLabel) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, harness.Binary(l.t, ""), append([]string{
		"register", l.folder, "--url", l.URL, "--network", "testnet", "--title-from-name", "--creator", "Ada Example <ada@songs.example>", "--roles", "author,composer",
	}, args...)...)
	cmd.Env = append(os.Environ(), "TIMBRE_API_KEY="+l.key)
	return cmd
}

// run runs the command to its end.
func (l *songLabel) run(args ...string) (code int, said string) {
	l.t.Helper()
	ctx, cancel := context.WithTimeout(l.t.Context(), harness.Timeout)
	defer cancel()
	out, err := l.command(ctx, args...).CombinedOutput()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		l.t.Fatal(err)
	}
	return exitCode(err), string(out)
}

func exitCode(err error) int {
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exit.ExitCode()
	}
	return 0
}

// until runs the command until the journal has so many lines, and then does something to it. It returns the command's end.
func (l *songLabel) until(lines int, act func(*os.Process), args ...string) (code int, said string) {
	l.t.Helper()
	ctx, cancel := context.WithTimeout(l.t.Context(), harness.Timeout)
	defer cancel()
	cmd := l.command(ctx, args...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		l.t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	early := false
	harness.Eventually(func() bool {
		select {
		case err := <-ended:
			ended <- err
			early = true
			return true
		default:
		}
		text, err := os.ReadFile(l.journal)
		return err == nil && bytes.Count(text, []byte("\n")) >= lines
	})
	if early {
		l.t.Fatalf("the command ended before the journal had %d lines: %s", lines, out.String())
	}
	act(cmd.Process)
	return exitCode(<-ended), out.String()
}

// stopped does something while a process stands still: a busy machine may need longer for it than the process for its songs.
func stopped(t *testing.T, act func()) func(*os.Process) {
	return func(p *os.Process) {
		t.Helper()
		if err := p.Signal(syscall.SIGSTOP); err != nil {
			t.Error(err)
		}
		act()
		if err := p.Signal(syscall.SIGCONT); err != nil {
			t.Error(err)
		}
	}
}

// reported is a row of the report in JSON.
type reported struct {
	File, Status, Code string
	AtsID              int64  `json:"ats_id"`
	TxHash             string `json:"tx_hash"`
	ToDo               string `json:"to_do"`
}

func (l *songLabel) report(path string) (rows []reported) {
	l.t.Helper()
	text, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(text, &rows)
	}
	if err != nil {
		l.t.Fatal(err)
	}
	return rows
}

// registered demands that each of the songs is one work, in the report and in the database.
func (l *songLabel) registered(songs int, report string) {
	l.t.Helper()
	ids, files := map[int64]bool{}, map[string]bool{}
	for _, r := range l.report(report) {
		if r.Status != "registered" || r.AtsID == 0 || len(r.TxHash) != 66 {
			l.t.Errorf("%+v", r)
		}
		ids[r.AtsID], files[r.File] = true, true
	}
	if len(ids) != songs || len(files) != songs {
		l.t.Errorf("%d works and %d files in the report, want %d", len(ids), len(files), songs)
	}
	db, err := registrytest.Open(l.DatabaseURL)
	if err != nil {
		l.t.Fatal(err)
	}
	defer db.Close()
	var works, transactions, confirmed int
	if err := db.QueryRowContext(l.t.Context(), "SELECT (SELECT COUNT(*) FROM works), (SELECT COUNT(*) FROM transactions), (SELECT COUNT(*) FROM jobs WHERE state = 'confirmed')").Scan(&works, &transactions, &confirmed); err != nil {
		l.t.Fatal(err)
	}
	if works != songs || transactions != songs || confirmed != songs {
		l.t.Errorf("%d works, %d transactions, %d confirmed jobs; want %d of each", works, transactions, confirmed, songs)
	}
	registrytest.Check(l.t, registrytest.World{DatabaseURL: l.DatabaseURL})
}

// A label registers a folder of 500 songs. The command is killed five times, and started again each time: each song is
// registered once, and the report has all of them.
func TestRegisterFolderKilledFiveTimes(t *testing.T) {
	const songs = 500
	l := newSongLabel(t, songs)
	report := filepath.Join(t.TempDir(), "report.json")
	for _, lines := range []int{3, 120, 500, 1000, 1600} {
		l.until(lines, func(p *os.Process) {
			if err := p.Kill(); err != nil {
				t.Error(err)
			}
		})
		if _, err := os.Stat(report); err == nil {
			t.Error("a killed command wrote a report")
		}
	}
	if code, said := l.run("--report", report); code != 0 {
		t.Fatalf("exit %d: %s", code, said)
	}
	l.registered(songs, report)
	// Once more: nothing is sent.
	before := len(l.Log())
	code, said := l.run("--report", report, "--wait", "0s")
	if code != 0 || !strings.Contains(said, "500 registered (500 before)") {
		t.Errorf("exit %d: %s", code, said)
	}
	if strings.Contains(l.Log()[before:], "/v1/works/init") {
		t.Error("the command registered something again")
	}
}

// Everything else that ends a run: Ctrl-C, a server that goes away and comes back, a key that is revoked, and a journal
// that another process uses.
func TestRegisterFolderInterrupted(t *testing.T) {
	t.Parallel()
	const songs = 50
	l := newSongLabel(t, songs)
	report, proofs := filepath.Join(t.TempDir(), "report.json"), filepath.Join(t.TempDir(), "proofs")

	code, said := l.until(20, func(p *os.Process) {
		if err := p.Signal(syscall.SIGINT); err != nil {
			t.Error(err)
		}
	}, "--parallel", "2", "--report", report)
	if code != 130 || !strings.Contains(said, "Run the same command again: it continues") || len(l.report(report)) != songs {
		t.Errorf("exit %d: %s", code, said)
	}

	var key struct{ ID, Token string }
	l.CLI(&key, "apikeys", "create", l.OrganizationID, "--name", "revoked soon", "--scope", "works:register", "--json")
	l.key = key.Token
	code, said = l.until(60, stopped(t, func() { l.CLI(nil, "apikeys", "revoke", key.ID, "--json") }), "--parallel", "2", "--report", report)
	if code != 1 || !strings.Contains(said, "api_key.revoked") || strings.Contains(said, key.Token) {
		t.Errorf("exit %d: %s", code, said)
	}
	statuses := map[string]int{}
	for _, r := range l.report(report) {
		if statuses[r.Status]++; r.Status != "registered" && r.ToDo == "" {
			t.Errorf("%+v does not say what to do", r)
		}
	}
	if statuses["registered"] == 0 || statuses["waiting"] == 0 {
		t.Errorf("%v", statuses)
	}

	l.key = l.APIKey
	code, said = l.until(120, stopped(t, func() {
		if second, text := l.run(); second != 2 || !strings.Contains(text, "another process uses the journal") {
			t.Errorf("a second command: exit %d: %s", second, text)
		}
		l.Kill()
		l.Restart()
	}), "--parallel", "2", "--report", report, "--save", proofs)
	if code != 0 {
		t.Errorf("exit %d: %s", code, said)
	}
	l.registered(songs, report)
	for _, kind := range []string{"evidence.json", "certificate.pdf"} {
		if found, err := filepath.Glob(filepath.Join(proofs, "album *", "*.ats-*-v1."+kind)); err != nil || len(found) != songs {
			t.Errorf("%d files %s (%v)", len(found), kind, err)
		}
	}
}

// A journal on a full disk ends the run. With room again, the next run continues.
func TestRegisterWithAFullDisk(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "size=16k"); err != nil {
		t.Skipf("this test mounts a small disk, as root alone can: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	const songs = 40
	l := newSongLabel(t, songs)
	l.journal = filepath.Join(dir, "journal")
	report := filepath.Join(t.TempDir(), "report.json")
	code, said := l.run("--journal", l.journal, "--report", report)
	if code != 1 && code != 11 || !strings.Contains(said, "write the journal") || !strings.Contains(said, "no space left on device") {
		t.Errorf("exit %d: %s", code, said)
	}
	if err := unix.Mount("tmpfs", dir, "tmpfs", unix.MS_REMOUNT|unix.MS_NOSUID|unix.MS_NODEV, "size=4m"); err != nil {
		t.Fatal(err)
	}
	if code, said := l.run("--journal", l.journal, "--report", report); code != 0 {
		t.Errorf("exit %d: %s", code, said)
	}
	l.registered(songs, report)
}
