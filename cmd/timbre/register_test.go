package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

// docs/register.md has every flag of register, with the text of --help. TIMBRE_UPDATE=1 writes the table.
func TestFlagsOfRegister(t *testing.T) {
	t.Parallel()
	const file, begins, ends = "../../docs/register.md", "## Every flag\n\n", "\n[The reasons]"
	var c cli
	var want strings.Builder
	want.WriteString("| flag | |\n|---|---|\n")
	for _, n := range kong.Must(&c, mappers()...).Model.Children {
		if n.Name != "register" {
			continue
		}
		for _, f := range n.Flags {
			if f.Name == "help" {
				continue
			}
			name := "--" + f.Name
			if f.PlaceHolder != "" && !f.IsBool() {
				name += " " + f.PlaceHolder
			}
			help := strings.ReplaceAll(f.Help, "<", "&lt;")
			if len(f.Envs) > 0 {
				help += " Or the variable `" + f.Envs[0] + "`."
			}
			fmt.Fprintf(&want, "| `%s` | %s |\n", name, help)
		}
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(text), begins)
	table, after, ok2 := strings.Cut(rest, ends)
	if !ok || !ok2 {
		t.Fatalf("%s has no table of flags", file)
	}
	if os.Getenv("TIMBRE_UPDATE") != "" {
		table = want.String()
		if err := os.WriteFile(file, []byte(before+begins+table+ends+after), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if table != want.String() {
		t.Errorf("%s should have this table (TIMBRE_UPDATE=1 writes it):\n%s", file, want.String())
	}
	for code := range map[int]bool{exitDone: true, exitRefused: true, exitUsage: true, exitNone: true, exitInterrupted: true} {
		if !strings.Contains(before, fmt.Sprintf("\n| %d | ", code)) || !strings.Contains(registerCmd{}.Help(), fmt.Sprintf("\n  %d ", code)) {
			t.Errorf("the exit code %d is not explained", code)
		}
	}
}

// docs/register.md has the examples of --template csv, and each role with its name on screens.
func TestRegisterDocsHaveTheTemplate(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/register.md")
	if err != nil {
		t.Fatal(err)
	}
	if s := timbre(t, "register", "--template", "csv"); !strings.Contains(string(text), "```text\n"+strings.ReplaceAll(s.out, "\r", "")+"```\n") {
		t.Errorf("docs/register.md should have:\n%s", s.out)
	}
	for role, name := range roleNames {
		if !strings.Contains(string(text), "| `"+role+"` | "+name+" |\n") {
			t.Errorf("docs/register.md does not say that %s is shown as %s", role, name)
		}
	}
}

// No call is made before the list is complete, and the key is never shown.
func TestRegisterSaysWhatIsMissing(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "a.wav"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	call := []string{"register", dir, "--url", "http://127.0.0.1:1", "--network", "testnet"}
	timbre(t, call...).refused(exitUsage, "an API key is required")
	t.Setenv("TIMBRE_API_KEY", "afo_sk_live_opensesame")
	s := timbre(t, call...)
	s.refused(exitUsage, "no title (1): a.wav")
	s.refused(exitUsage, "no creator (1): a.wav")
	s.refused(exitUsage, "These flags complete all songs: --title-from-name, --creator. Or make a list, and complete it: timbre register "+dir+" --template csv > "+filepath.Join(dir, "songs.csv"))
	call = append(call, "--title-from-name", "--creator", "Ada Example <ada@songs.example>")
	timbre(t, call...).refused(exitUsage, "creator 1 has no role")
	s = timbre(t, append(call, "--roles", "author", "--wait", "0s")...)
	if s.code != exitNone || !strings.Contains(s.err, "stopped: ") || strings.Contains(s.err+s.out, "opensesame") {
		t.Errorf("exit %d: %s%s", s.code, s.out, s.err)
	}
	for _, format := range []string{"csv", "json"} {
		if s := timbre(t, "register", "--template", format); s.code != exitDone || !strings.Contains(s.out, "Night Train") {
			t.Errorf("exit %d: %s%s", s.code, s.out, s.err)
		}
	}
}

// The bar fits the terminal: a line that is too long would be drawn again and again.
func TestBarFitsTheTerminal(t *testing.T) {
	t.Parallel()
	const short = "  5m12s left"
	const long = "  31.4/s  157.2 MB/s" + short
	for width, want := range map[int]string{
		119: "[===============               ] 5000 of 10000  31.4/s  157.2 MB/s  5m12s left",
		79:  "[===============               ] 5000 of 10000  31.4/s  157.2 MB/s  5m12s left",
		60:  "[=====     ] 5000 of 10000  31.4/s  157.2 MB/s  5m12s left",
		39:  "[=====     ] 5000 of 10000  5m12s left",
		30:  "5000 of 10000  5m12s left",
		13:  "5000 of 10000",
		4:   "5000",
		0:   "",
	} {
		if got := bar(width, 5000, 10_000, long, short); got != want {
			t.Errorf("%d: %q", width, got)
		}
	}
	if got := bar(39, 109, 120, "  the server limits how much it receives, and asks to wait 1 second", "  waiting"); got != "[========= ] 109 of 120  waiting" {
		t.Errorf("%q", got)
	}
	if got := bar(79, 0, 0, "", ""); got != "["+strings.Repeat(" ", 30)+"] 0 of 0" {
		t.Errorf("%q", got)
	}
}

// A report names every song that the list says too little of. A folder that cannot have a report is refused before anything
// is sent.
func TestRegisterReportsAnIncompleteList(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TIMBRE_API_KEY", "afo_sk_live_x")
	var list strings.Builder
	list.WriteString("file,title\n")
	for i := range 5 {
		fmt.Fprintf(&list, "%d.wav,T\n", i)
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%d.wav", i)), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "list.csv"), []byte(list.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	report := filepath.Join(dir, "report.csv")
	call := []string{"register", filepath.Join(dir, "list.csv"), "--url", "http://127.0.0.1:1", "--network", "testnet"}
	timbre(t, append(call, "--report", report)...).refused(exitUsage, "These flags complete all songs: --creator. Or complete the list\nThe report has each of them")
	text, err := os.ReadFile(report)
	if err != nil || strings.Count(string(text), ",incomplete,") != 5 || !strings.Contains(string(text), "4.wav,incomplete,T,,,,,,0,,no creator,") {
		t.Errorf("%v: %s", err, text)
	}
	timbre(t, append(call, "--report", filepath.Join(dir, "no", "report.csv"))...).refused(exitUsage, "cannot be written")
	if err := os.Remove(filepath.Join(dir, "3.wav")); err != nil { // a missing file hides nothing
		t.Fatal(err)
	}
	s := timbre(t, call...)
	s.refused(exitUsage, "the file does not exist (1): 3.wav (row 5)")
	s.refused(exitUsage, "no creator (4)")
}

// Messages name an address with a path, and one of another server.
func TestRegisterNamesTheWrongAddress(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TIMBRE_API_KEY", "afo_sk_live_x")
	if err := os.WriteFile(filepath.Join(dir, "a.wav"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	call := func(url string) said {
		return timbre(t, "register", dir, "--network", "testnet", "--title-from-name", "--creator", "Ada Example <ada@songs.example>", "--roles", "author", "--url", url)
	}
	for _, more := range []string{"/console/", "/v1", "/?a=b", "/#a"} {
		call(server.URL+more).refused(exitUsage, "must be the address of the server, without a path: "+server.URL)
	}
	if s := call(server.URL + "/"); s.code != exitNone || !strings.Contains(s.err, "--url must be the address of a Timbre server") {
		t.Errorf("exit %d: %s%s", s.code, s.out, s.err)
	}
}

// A refused key is one message, which says where the key is from.
func TestRegisterNamesTheRefusedKey(t *testing.T) {
	dir := t.TempDir()
	for i := range 8 {
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%d.wav", i)), fmt.Append(nil, i), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = io.WriteString(w, `{"error":{"code":"api_key.invalid_format","message":"The API key is malformed."}}`)
	}))
	defer server.Close()
	key := filepath.Join(dir, "key.txt")
	if err := os.WriteFile(key, []byte("afo_sk_live_opensesame"), 0o600); err != nil {
		t.Fatal(err)
	}
	call := []string{"register", dir, "--url", server.URL, "--network", "testnet", "--title-from-name", "--creator", "Ada Example <ada@songs.example>", "--roles", "author"}
	t.Setenv("TIMBRE_API_KEY", "csk_opensesame")
	timbre(t, call...).refused(exitUsage, "TIMBRE_API_KEY: has no API key: a key begins with afo_sk_")
	t.Setenv("TIMBRE_API_KEY", "afo_sk_live_opensesame")
	for words, args := range map[string][]string{"the server refuses the API key of TIMBRE_API_KEY": nil, "the server refuses the API key of the file " + key: {"--api-key-file", key}} {
		s := timbre(t, append(call, args...)...)
		if s.code != exitNone || strings.Count(s.out+s.err, "malformed") != 1 || !strings.Contains(s.err, words) || strings.Contains(s.out+s.err, "opensesame") {
			t.Errorf("exit %d: %s%s", s.code, s.out, s.err)
		}
	}
}

// A list that cannot be read says why, with all wrong columns, and with no other path as an example.
func TestRegisterSaysWhatIsWrongWithAList(t *testing.T) {
	t.Parallel()
	for text, words := range map[string]string{
		"Datei,titel,creator1_name\n": `the list has unknown columns: "Datei", "titel", "creator1_name". Columns are file, title, external_user_ref, creator_1_name and so on: timbre register --template csv prints them. For "titel", did you mean title? For "creator1_name", did you mean creator_1_name?`,
		"file,title\na.wav,A,B\n":     "row 2 of the list has 3 cells",
	} {
		path := filepath.Join(t.TempDir(), "list.csv")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		s := timbre(t, "register", path, "--url", "http://127.0.0.1:1", "--network", "testnet")
		if s.code != exitUsage || !strings.HasPrefix(s.err, "timbre: "+path+": ") || !strings.Contains(s.err, words) || strings.Contains(s.err, "For example") {
			t.Errorf("exit %d: %s", s.code, s.err)
		}
	}
}
