package bulk

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/google/go-cmp/cmp"

	"timbre.example/client"
)

func folder(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func names(l *List) (all []string) {
	for _, it := range l.Items {
		all = append(all, it.Name)
	}
	return all
}

func TestReadsFolders(t *testing.T) {
	dir := folder(t, map[string]string{"b.wav": "x", "a/one.FLAC": "x", "a/b/two.mp3": "x", "cover.jpg": "x", ".hidden.wav": "x", ".git/x.wav": "x", "timbre-register.testnet.journal": "x"})
	l, err := Read(dir)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"a/b/two.mp3", "a/one.FLAC", "b.wav"}, names(l)); diff != "" || l.Skipped != 2 {
		t.Errorf("%s, %d skipped", diff, l.Skipped)
	}
	one, err := Read(filepath.Join(dir, "b.wav"))
	if err != nil || len(one.Items) != 1 || one.Items[0].Name != "b.wav" || one.Folder != dir || one.Items[0].Size != 1 {
		t.Errorf("%+v %v", one, err)
	}
}

// The templates of both kinds are lists of the same songs.
func TestTemplates(t *testing.T) {
	var read []*List
	for _, format := range []string{"csv", "json"} {
		dir := folder(t, map[string]string{"albums/one/night-train.wav": "x", "albums/one/porch-light.flac": "x"})
		var b bytes.Buffer
		if err := Template(&b, format, nil); err != nil {
			t.Fatal(err)
		}
		for _, text := range []string{b.String(), "\ufeff" + b.String()} {
			path := filepath.Join(dir, "list."+format)
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			l, err := Read(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := Complete(l.Items, Defaults{}, func(*Item) bool { return false }); err != nil {
				t.Error(err)
			}
			for i := range l.Items {
				l.Items[i].Path, l.Items[i].Row, l.Items[i].Modified = "", 0, l.Items[0].Modified
			}
			read = append(read, l)
		}
	}
	if len(read[0].Items) != 2 || len(read[0].Items[0].Creators) != 2 {
		t.Fatalf("%+v", read[0])
	}
	for _, l := range read[1:] {
		for i := range l.Items {
			l.Items[i].Modified = read[0].Items[0].Modified
		}
		if diff := cmp.Diff(read[0].Items, l.Items); diff != "" {
			t.Error(diff)
		}
	}
}

// The list of a folder is read back as it was.
func TestTemplateOfAFolder(t *testing.T) {
	dir := folder(t, map[string]string{"-rf.mp3": "x", "a, b.wav": "x", "قصائد/\"🎵\".flac": "x", " space.wav": "x", "line\nbreak.wav": "x"})
	l, err := Read(dir)
	if err != nil {
		t.Fatal(err)
	}
	for i := range l.Items {
		l.Items[i].Title = "=1+1 & <b>"
	}
	for _, format := range []string{"csv", "json"} {
		var b bytes.Buffer
		if err := Template(&b, format, l.Items); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, "list."+format)
		if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
		again, err := Read(path)
		if err != nil {
			t.Fatalf("%s: %v", format, err)
		}
		if diff := cmp.Diff(names(l), names(again)); diff != "" || again.Items[0].Title != "=1+1 & <b>" {
			t.Errorf("%s: %s", format, diff)
		}
	}
}

func TestReadsLists(t *testing.T) {
	dir := folder(t, map[string]string{"a.wav": "x", "b.wav": "x"})
	read := func(name, text string) (*List, error) {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return Read(path)
	}
	l, err := read("l.csv", "File;Title;creator_2_name;creator_2_email;creator_2_roles\r\na.wav;'=1+1;Ada;ada@songs.example;Author, composer\r\n./b.wav;B;;;\r\n")
	if err != nil {
		t.Fatal(err)
	}
	if l.Items[0].Title != "=1+1" || l.Items[1].Name != "b.wav" || len(l.Items[1].Creators) != 0 {
		t.Errorf("%+v", l.Items)
	}
	if diff := cmp.Diff([]client.Creator{{FullName: "Ada", Email: "ada@songs.example", Roles: []client.Role{"author", "composer"}}}, l.Items[0].Creators); diff != "" {
		t.Error(diff)
	}
	for text, words := range map[string]string{
		"":                              "first line",
		"title\nx\n":                    "no column file",
		"Datei,file,titel\na.wav,x,y\n": `unknown columns: "Datei", "titel". Columns are file, title`,
		"file,file\na.wav,x\n":          "twice",
		"file\n\nc.wav\nd.wav\n":        "does not exist (2): c.wav (row 3), d.wav (row 4)",
		"file\na.wav\n./a.wav\n":        "listed twice: first in row 2 (1): a.wav (row 3)",
		"file,title\na.wav,A\nb.wav\n":  "row 3 of the list has 1 cells, and the first one has 2",
		"file,title\na.wav,A\n,B\n":     "no file (1): row 3",
		"file,title\na.wav,A\nb.wav,\"": "row 3 of the list, character 8: extraneous or missing",
		"file,title\na.wav,Caf\xe9\n":   "line 2 of the list is not UTF-8",
	} {
		if _, err := read("bad.csv", text); err == nil || !strings.Contains(err.Error(), words) {
			t.Errorf("%q: %v", text, err)
		}
	}
	for text, words := range map[string]string{
		"{}":                             "an array",
		`[{"file":"a.wav","titel":"x"}]`: `song 1 of the list: unknown field "titel"`,
		`[{"file":"a.wav"},{"title":7}]`: "song 2 of the list: title has a number",
		`[{"file":"a.wav"}`:              "",
		`[{"file":"a.wav"}] x`:           "follows",
		`[{"file":"c.wav"}]`:             "does not exist",
	} {
		if _, err := read("bad.json", text); err == nil || !strings.Contains(err.Error(), words) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// Spreadsheet programs write marks, UTF-16, tabs, empty rows, and accents in the other spelling. A folder has songs that the
// list lacks.
func TestListsOfSpreadsheets(t *testing.T) {
	decomposed := "Cafe\u0301.wav"
	dir := folder(t, map[string]string{"a.wav": "x", decomposed: "x", "b/forgotten.mp3": "x", "b/c.wav": "x", "far/away.mp3": "x", "b/.hidden.wav": "x", "b/cover.jpg": "x"})
	text := "file\ttitle\tcreator_1_name\tcreator_2_roles\r\na.wav\t\"Say \"\"hi\"\"\"\tAda\t\r\nCaf\u00e9.wav\tC\tAda\tauthor\r\n\t\t\t\r\nb/c.wav\tD\tAda\t\r\n\t\t\t\r\n"
	wide := []byte{0xff, 0xfe}
	for _, unit := range utf16.Encode([]rune(text)) {
		wide = binary.LittleEndian.AppendUint16(wide, unit)
	}
	for name, list := range map[string]string{"UTF-8": text, "UTF-8 with a mark": "\ufeff" + text, "UTF-16": string(wide)} {
		path := filepath.Join(dir, "list.csv")
		if err := os.WriteFile(path, []byte(list), 0o600); err != nil {
			t.Fatal(err)
		}
		l, err := Read(path)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if len(l.Items) != 3 || l.Items[0].Title != `Say "hi"` || l.Items[1].Size != 1 || l.Items[2].Row != 5 {
			t.Errorf("%s: %+v", name, l.Items)
		}
		if diff := cmp.Diff([]string{"b/forgotten.mp3"}, l.Unlisted); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		err = Complete(l.Items, Defaults{Email: "x@songs.example", Roles: []client.Role{client.Author}}, func(*Item) bool { return false })
		if err == nil || !strings.Contains(err.Error(), "creator 2 has no name (1): Cafe\u0301.wav (row 3)") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A folder has names of any kind. Links to folders are not followed, so a loop ends.
func TestNamesOfFolders(t *testing.T) {
	dir := folder(t, map[string]string{
		"-rf.mp3": "1", "قصائد/🎵.mp3": "2", "line\nbreak/a.mp3": "3", "Caf\u00e9.mp3": "4", "Cafe\u0301.mp3": "5", "latin\xe9.mp3": "6", strings.Repeat("n", 240) + ".mp3": "7",
		"desktop.ini": "x", ".DS_Store": "x", "._a.mp3": "x",
	})
	for name, to := range map[string]string{"loop": ".", "link.mp3": "-rf.mp3"} {
		if err := os.Symlink(to, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	l, err := Read(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(l.Items) != 8 || l.Skipped != 2 {
		t.Errorf("%q, %d skipped", names(l), l.Skipped)
	}
	if !slices.Contains(names(l), `latin\xE9.mp3`) {
		t.Errorf("%q", names(l))
	}
	if err := Complete(l.Items, Defaults{TitleFromName: true, Creators: []client.Creator{{FullName: "Ada", Email: "a@songs.example", Roles: []client.Role{client.Author}}}}, func(*Item) bool { return false }); err != nil {
		t.Error(err)
	}
	// A file that cannot be read is a problem before anything is sent, and its name breaks no line.
	if err := os.Symlink("nowhere", filepath.Join(dir, "line\nbreak", "b.mp3")); err != nil {
		t.Fatal(err)
	}
	l, err = Read(dir)
	if err == nil || !strings.Contains(err.Error(), "the file does not exist (1): \"line\\nbreak/b.mp3\"") {
		t.Errorf("%v", err)
	}
	var m *Missing
	if !errors.As(err, &m) {
		t.Fatal(err)
	}
	statuses := map[Status]int{}
	for _, o := range m.Outcomes(l.Items) {
		statuses[o.Status]++
	}
	if statuses[Incomplete] != 1 || statuses[Waiting] != 8 {
		t.Errorf("%v", statuses)
	}
}

// One error says everything that is missing, for all songs.
func TestMissing(t *testing.T) {
	file := filepath.Join(folder(t, map[string]string{"x": "x"}), "x")
	items := []Item{{Name: "a.wav", Path: file, Size: 1}, {Name: "b.wav", Path: file}, {Name: "locked.wav", Path: file + "/no"}, {Name: "c.wav", Path: file, Size: 1, Title: "C", Creators: []client.Creator{{Email: "x@songs.example", Roles: []client.Role{"singer"}}}}, {Name: "done.wav"}}
	err := Complete(items, Defaults{}, func(it *Item) bool { return it.Name == "done.wav" })
	var m *Missing
	if !errors.As(err, &m) {
		t.Fatal(err)
	}
	for _, words := range []string{"nothing was sent", "no title (2): a.wav, b.wav", "no creator (2)", "the file is empty (1): b.wav", "the file cannot be read (1): locked.wav", "creator 1 has no name (1): c.wav", `unknown role "singer"`} {
		if !strings.Contains(err.Error(), words) {
			t.Errorf("%q is not in %s", words, err)
		}
	}
	if flags := strings.Join(m.Flags(), " "); flags != "--title-from-name --creator" {
		t.Error(flags)
	}
	if strings.Contains(err.Error(), "done.wav") {
		t.Error(err)
	}
}

// Tags are defaults: their title, and their composers before the artist.
func TestTags(t *testing.T) { // alone: a program that starts holds the locks of other tests for a moment
	ffmpeg, err := exec.LookPath("ffmpeg")
	if err != nil {
		if os.Getenv("TIMBRE_TEST_ALL") != "" {
			t.Fatal(err)
		}
		t.Skip("no ffmpeg in PATH: apt-get install ffmpeg")
	}
	dir := t.TempDir()
	for name, wanted := range map[string][]string{"a.mp3": {"Com Poser", "Second"}, "b.flac": {"Art Ist"}, "c.ogg": {"Com Poser"}, "d.m4a": {"Art Ist"}, "e.wav": {"Art Ist"}, "f.aiff": {"Com Poser", "Second"}} {
		path := filepath.Join(dir, name)
		args := []string{"-v", "error", "-f", "lavfi", "-i", "sine=440:duration=0.3", "-metadata", "title=Ünïcode Song", "-metadata", "artist=Art Ist"}
		if wanted[0] != "Art Ist" {
			args = append(args, "-metadata", "composer="+strings.Join(wanted, "; "))
		}
		if filepath.Ext(name) == ".aiff" {
			args = append(args, "-write_id3v2", "1")
		}
		if out, err := exec.Command(ffmpeg, append(args, path)...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		got := readTags(path)
		if diff := cmp.Diff(wanted, got.creators); diff != "" || got.title != "Ünïcode Song" {
			t.Errorf("%s: %q %s", name, got.title, diff)
		}
	}
	if got := readTags(filepath.Join(dir, "none")); got.title != "" {
		t.Errorf("%+v", got)
	}
}

// part is a chunk of WAV or AIFF.
func part(order binary.AppendByteOrder, id, text string) string {
	return id + string(order.AppendUint32(nil, uint32(len(text)))) + text + strings.Repeat("\x00", len(text)%2)
}

// WAV and AIFF have their tags in chunks before or behind the sound: ID3 first, then their own texts.
func TestTagsOfChunks(t *testing.T) {
	id3 := "ID3\x03\x00\x00\x00\x00\x00\x1eTIT2\x00\x00\x00\x06\x00\x00\x00NightTCOM\x00\x00\x00\x04\x00\x00\x00Ada"
	little, big := binary.LittleEndian, binary.BigEndian
	sound := part(little, "fmt ", strings.Repeat("x", 16)) + part(little, "data", "odd")
	info := part(little, "LIST", "INFO"+part(little, "INAM", "Caf\xe9\x00")+part(little, "IART", "Gr\u00e4ce; Ada\x00"))
	for name, x := range map[string]struct{ file, title, creators string }{
		"info behind the sound": {"RIFF\x00\x00\x00\x00WAVE" + sound + info, "Café", "Gräce,Ada"},
		"info before the sound": {"RIFF\x00\x00\x00\x00WAVE" + info + sound, "Café", "Gräce,Ada"},
		"ID3 before info":       {"RIFF\x00\x00\x00\x00WAVE" + sound + info + part(little, "id3 ", id3), "Night", "Ada"},
		"a damaged ID3":         {"RIFF\x00\x00\x00\x00WAVE" + sound + part(little, "id3 ", "ID3") + info, "Café", "Gräce,Ada"},
		"64-bit sizes":          {"RF64\xff\xff\xff\xffWAVE" + part(little, "ds64", strings.Repeat("\x00", 8)+string(little.AppendUint64(nil, 4))+strings.Repeat("\x00", 12)) + "data\xff\xff\xff\xff1234" + info, "Café", "Gräce,Ada"},
		"AIFF":                  {"FORM\x00\x00\x00\x00AIFF" + part(big, "SSND", "123") + part(big, "ID3 ", id3), "Night", "Ada"},
		"AIFF without ID3":      {"FORM\x00\x00\x00\x00AIFC" + part(big, "NAME", "Porch") + part(big, "AUTH", "Grace"), "Porch", "Grace"},
		"no tags":               {"RIFF\x00\x00\x00\x00WAVE" + sound, "", ""},
		"a chunk of 4 GiB":      {"RIFF\x00\x00\x00\x00WAVE" + "LIST\xff\xff\xff\xffINFOINAM\xff\xff\xff\xff", "", ""},
	} {
		path := filepath.Join(t.TempDir(), "f")
		if err := os.WriteFile(path, []byte(x.file), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := readTags(path); got.title != x.title || strings.Join(got.creators, ",") != x.creators {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// Damaged files have no tags, and end nothing.
func FuzzFileTags(f *testing.F) {
	f.Add([]byte("ID3\x03\x00\x00\x00\x00\x00\x1eTIT2\x00\x00\x00\x06\x00\x00\x00Night"))
	f.Add([]byte("fLaC\x84\x00\x00\x28"))
	f.Add([]byte("OggS\x00\x02"))
	f.Add([]byte("\x00\x00\x00\x18ftypM4A "))
	f.Add([]byte("DSD \x1c"))
	f.Add([]byte("RIFF\x00\x00\x00\x00WAVELIST\x10\x00\x00\x00INFOINAM\x04\x00\x00\x00Song"))
	f.Add([]byte("FORM\x00\x00\x00\x00AIFFNAME\x00\x00\x00\x04Song"))
	path := filepath.Join(f.TempDir(), "f")
	f.Fuzz(func(t *testing.T, b []byte) {
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		got := readTags(path)
		for _, text := range append(got.creators, got.title) {
			if strings.ContainsAny(text, "\r\n") || len([]rune(text)) > maxTagText {
				t.Errorf("%q", text)
			}
		}
	})
}

func TestInside(t *testing.T) {
	for name, want := range map[string]string{"a/b.wav": "a/b.wav", "../../etc/x": "_/_/etc/x", "/etc/x": "_/etc/x", "C:/x": "C_/x", "a/./b": "a/_/b"} {
		if got := inside(name); got != want {
			t.Errorf("%s: %s", name, got)
		}
	}
}

func TestReports(t *testing.T) {
	journal := open(t, filepath.Join(t.TempDir(), "j"))
	add(t, journal, line{Name: "=cmd.wav", State: &client.State{TransactionID: "tx", AccessCode: "atc_1"}})
	add(t, journal, line{Name: "=cmd.wav", Final: &finalResult{"tx", client.Result{AtsID: 7, TxHash: "0xab", AccessCode: "atc_1"}}})
	all := []Outcome{
		{Item: &Item{Name: "=cmd.wav", Title: "+1"}, Status: Registered, Cost: 3, AtsID: 7},
		{Item: &Item{Name: "b.wav"}, Status: Refused, Fault: &Fault{Code: "registration.duplicate_title", Message: "No.", RequestID: "req_1"}},
		{Item: &Item{Name: "c.wav"}, Status: Waiting},
	}
	var c, j bytes.Buffer
	if err := errors.Join(journal.WriteCSV(&c, all), journal.WriteJSON(&j, all)); err != nil {
		t.Fatal(err)
	}
	for _, words := range []string{"'=cmd.wav,registered,'+1,7,1,0xab,", "registration.duplicate_title,No.,", "Run the same command again."} {
		if !strings.Contains(c.String(), words) {
			t.Errorf("%q is not in %s", words, c.String())
		}
	}
	if strings.Contains(c.String()+j.String(), "atc_1") {
		t.Error("a report has an access code")
	}
}

// One answer has what every row lacks, also beside files that do not exist. Creators have the numbers of their columns.
func TestMissingIsToldAtOnce(t *testing.T) {
	dir := folder(t, map[string]string{"a.wav": "x", "b.wav": "x", "list.csv": "file,title,creator_1_name,creator_1_email,creator_1_roles,creator_3_name,creator_3_email,creator_3_roles\n" +
		"none.wav,A,Ada,ada at songs,singer,,,\n" +
		"a.wav,A,Ada,ada@songs.example,author,Grace,grace@,author\n" +
		"b.wav,,Ada,ada@songs.example,drums,,,\n"})
	l, err := Read(filepath.Join(dir, "list.csv"))
	err = Together(err, Complete(l.Items, Defaults{}, func(*Item) bool { return false }))
	if err == nil {
		t.Fatal("no error")
	}
	for _, words := range []string{
		"the file does not exist (1): none.wav (row 2)", `creator 1 has "ada at songs", which is not an e-mail address (1): none.wav (row 2)`, `creator 1 has the unknown role "singer"`,
		`creator 3 has "grace@", which is not an e-mail address (1): a.wav (row 3)`, "no title (1): b.wav (row 4)", `creator 1 has the unknown role "drums"`,
	} {
		if !strings.Contains(err.Error(), words) {
			t.Errorf("%q is not in %s", words, err)
		}
	}
	if Together(nil, nil) != nil {
		t.Error("an error of nothing")
	}
	for field, want := range map[string]string{"creators[1].email": "creator_3_email", "creators[0].full_name": "creator_1_name", "creators[1].roles[0]": "creator_3_roles", "creators": "creators", "title": "title"} {
		if got := l.Items[1].column(field); got != want {
			t.Errorf("%s is %s, want %s", field, got, want)
		}
	}
	refused := Outcome{Item: &l.Items[1], Status: Refused, Fault: &Fault{Code: "common.validation_failed", Message: "creator_3_email: no."}}
	if strings.Contains(refused.ToDo(), "details") || refused.ToDo() == "" {
		t.Error(refused.ToDo())
	}
}
