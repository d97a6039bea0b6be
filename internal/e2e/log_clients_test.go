package e2e_test

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"filippo.io/torchwood"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"timbre.example/internal/e2e/harness"
)

// foreign returns a program of tools/tlog, which the go command builds. Without it the test is
// skipped, or fails if TIMBRE_TEST_ALL is set.
func foreign(t *testing.T, name string) string {
	t.Helper()
	cmd := exec.Command("go", "-C", filepath.Join("..", "..", "tools", "tlog"), "tool", "-n", name)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	var complaint bytes.Buffer
	cmd.Stderr = &complaint
	path, err := cmd.Output()
	if err != nil {
		if os.Getenv("TIMBRE_TEST_ALL") != "" {
			t.Fatalf("%s: %v\n%s", name, err, complaint.String())
		}
		t.Skipf("skipped: %s cannot be built: %v", name, err)
	}
	return strings.TrimSpace(string(path))
}

// Programs that others wrote for transparency logs read the log of a running server: fsck and
// the mirror of Tessera, the client of torchwood, and Go's own tlog and note. fsck also
// accepts the copies that Tessera and Timbre made of it, and refuses a changed copy.
func TestForeignLogClients(t *testing.T) {
	t.Parallel()
	fsck, posix := foreign(t, "fsck"), foreign(t, "posix")
	s := harness.Start(t, harness.Options{})
	url, dir := s.URL+"/log/testnet/", t.TempDir()
	key := filepath.Join(dir, "key.txt")
	vkey := bytes.TrimSpace(download(t, url+"key"))
	if err := os.WriteFile(key, vkey, 0o600); err != nil {
		t.Fatal(err)
	}
	songs := 0
	register := func(n int) {
		t.Helper()
		for range n {
			songs++
			certified(t, &harness.Song{Server: s, Title: fmt.Sprint("Song ", songs), Audio: harness.WAV(90 + songs)})
		}
	}
	register(2)
	older := download(t, url+"checkpoint")
	register(1)
	newer := download(t, url+"checkpoint")

	check := func(source string) (string, bool) {
		out, err := exec.CommandContext(t.Context(), fsck, "--storage_url", source, "--public_key", key, "--ui=false").CombinedOutput()
		return string(out), err == nil && !bytes.Contains(out, []byte("fsck failed")) // it ends with 0 then, too
	}
	if out, ok := check(url); !ok {
		t.Errorf("fsck: %s", out)
	}
	theirs, ours := filepath.Join(dir, "theirs"), filepath.Join(dir, "ours")
	if out, err := exec.CommandContext(t.Context(), posix, "--storage_dir", theirs, "--source_url", url, "--num_workers", "2").CombinedOutput(); err != nil {
		t.Errorf("the mirror of Tessera: %v\n%s", err, out)
	}
	if out, err := exec.CommandContext(t.Context(), harness.Binary(t, ""), "log", "mirror", strings.TrimSuffix(url, "/"), "--log-key", key, "--dir", ours, "--once").CombinedOutput(); err != nil {
		t.Errorf("our mirror: %v\n%s", err, out)
	}
	for _, copied := range []string{theirs, ours} {
		if out, ok := check("file://" + copied + "/"); !ok {
			t.Errorf("fsck of %s: %s", filepath.Base(copied), out)
		}
	}
	bundle := filepath.Join(ours, "tile", "entries", "000.p", "3")
	text, err := os.ReadFile(bundle)
	if err != nil {
		t.Fatal(err)
	}
	text[len(text)-5] ^= 1
	if err := os.WriteFile(bundle, text, 0o600); err != nil {
		t.Fatal(err)
	}
	if out, ok := check("file://" + ours + "/"); ok {
		t.Errorf("fsck accepts a changed entry: %s", out)
	}

	// Go's own packages, and torchwood.
	v, err := note.NewVerifier(string(vkey))
	if err != nil {
		t.Fatal(err)
	}
	trees := [2]tlog.Tree{}
	for i, signed := range [][]byte{older, newer} {
		opened, err := note.Open(signed, note.VerifierList(v))
		if err != nil {
			t.Fatal(err)
		}
		parsed, err := torchwood.ParseCheckpoint(opened.Text)
		if err != nil || parsed.Origin != v.Name() {
			t.Fatalf("%+v, %v", parsed, err)
		}
		trees[i] = parsed.Tree
	}
	if trees[0].N != 2 || trees[1].N != 3 {
		t.Fatalf("%+v", trees)
	}
	fetcher, err := torchwood.NewTileFetcher(url, torchwood.WithHTTPClient(http.DefaultClient))
	if err != nil {
		t.Fatal(err)
	}
	client, err := torchwood.NewClient(fetcher)
	if err != nil {
		t.Fatal(err)
	}
	policy := torchwood.ThresholdPolicy(2, torchwood.OriginPolicy(v.Name()), torchwood.SingleVerifierPolicy(v))
	read := 0
	for i, entry := range client.AllEntries(t.Context(), trees[1], 0) {
		read++
		_, proof, err := client.Entry(t.Context(), trees[1], i)
		if err != nil {
			t.Fatal(err)
		}
		if err := tlog.CheckRecord(proof, trees[1].N, trees[1].Hash, i, tlog.RecordHash(entry)); err != nil {
			t.Errorf("entry %d: %v", i, err)
		}
		if err := torchwood.VerifyProof(policy, tlog.RecordHash(entry), torchwood.FormatProof(i, proof, newer)); err != nil {
			t.Errorf("the proof of entry %d: %v", i, err)
		}
	}
	if err := client.Err(); err != nil || read != 3 {
		t.Errorf("%d entries, %v", read, err)
	}
	proof, err := tlog.ProveTree(trees[1].N, trees[0].N, torchwood.TileHashReaderWithContext(t.Context(), trees[1], fetcher))
	if err != nil {
		t.Fatal(err)
	}
	if err := tlog.CheckTree(proof, trees[1].N, trees[1].Hash, trees[0].N, trees[0].Hash); err != nil {
		t.Error(err)
	}
}
