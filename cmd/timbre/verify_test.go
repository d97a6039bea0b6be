package main

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"

	"timbre.example/internal/certificate"
	"timbre.example/proof/evidence"
	"timbre.example/proof/pdf/pdftest"
)

// A file that is not evidence is refused with a clear message.
func TestVerifyRefuses(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]struct {
		code            int
		words, in, json string
	}{
		`{"evidence":3}`:                     {exitUnreadable, "This evidence has an unknown form.", "unreadable", "otherVersion"},
		`{"evidence":1}`:                     {exitRefused, "This evidence is damaged, or somebody changed it.", "refused", "damaged"},
		`{"evidence":1`:                      {exitRefused, "This evidence is damaged, or somebody changed it.", "refused", "damaged"},
		`{"\u0065vidence":3}`:                {exitUnreadable, "This evidence has an unknown form.", "unreadable", "otherVersion"},
		`{"\u0065vidence":1}`:                {exitRefused, "This evidence is damaged, or somebody changed it.", "refused", "damaged"},
		`{"a":[{"evidence":1}],"evidence":1`: {exitRefused, "This evidence is damaged, or somebody changed it.", "refused", "damaged"},
		`{"evidence":"3"}`:                   {exitRefused, "This evidence is damaged, or somebody changed it.", "refused", "damaged"},
		`{"evidence":null}`:                  {exitRefused, "This evidence is damaged, or somebody changed it.", "refused", "damaged"},
		`{"a":"evidence"}`:                   {exitNotEvidence, "This file is neither a certificate (PDF) nor evidence (JSON).", "not_evidence", "neither"},
		`{"a":{"evidence":1}}`:               {exitNotEvidence, "This file is neither a certificate (PDF) nor evidence (JSON).", "not_evidence", "neither"},
		`{"a":1}{"evidence":1}`:              {exitNotEvidence, "This file is neither a certificate (PDF) nor evidence (JSON).", "not_evidence", "neither"},
		`["evidence"]`:                       {exitNotEvidence, "This file is neither a certificate (PDF) nor evidence (JSON).", "not_evidence", "neither"},
		`{"invoice":1}`:                      {exitNotEvidence, "This file is neither a certificate (PDF) nor evidence (JSON).", "not_evidence", "neither"},
		"RIFF....WAVEfmt ":                   {exitNotEvidence, "and the recording with --media", "not_evidence", "neither"},
		"# Read me":                          {exitNotEvidence, "This file is neither a certificate (PDF) nor evidence (JSON).", "not_evidence", "neither"},
		"":                                   {exitNotEvidence, "This file is neither a certificate (PDF) nor evidence (JSON).", "not_evidence", "neither"},
		"%PDF-1.7\n":                         {exitUnreadable, "This PDF is damaged, or a program wrote it wrongly.", "unreadable", "broken"},
	} {
		path := filepath.Join(t.TempDir(), "evidence.json")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		var out, errs bytes.Buffer
		if code := run([]string{"verify", path}, &out, &errs); code != want.code || !strings.Contains(errs.String(), path+": ") || !strings.Contains(errs.String(), want.words) {
			t.Errorf("%s: exit %d, %s%s", text, code, out.String(), errs.String())
		}
		// A program receives JSON for each of them.
		out.Reset()
		var said struct {
			Result, Trouble, Verdict string
			Checks                   []struct{ Name, Status string }
		}
		if code := run([]string{"verify", "--json", path}, &out, &errs); code != want.code || json.Unmarshal(out.Bytes(), &said) != nil || said.Result != want.in || said.Trouble != want.json {
			t.Errorf("%s: exit %d, %s", text, code, out.String())
		}
		if damaged := said.Trouble == "damaged"; damaged != (said.Verdict == "fails") || damaged != (len(said.Checks) == 1 && said.Checks[0].Name == "form" && said.Checks[0].Status == "failed") {
			t.Errorf("%s: %s", text, out.String())
		}
	}
}

func TestVerify(t *testing.T) {
	t.Parallel()
	const dir = "../../proof/evidence/testdata/v1/"
	text, err := os.ReadFile(dir + "key.txt")
	if err != nil {
		t.Fatal(err)
	}
	key := strings.TrimSpace(string(text))
	_, other, err := note.GenerateKey(rand.Reader, "timbre.example/log/testnet")
	if err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(dir + "full.json")
	if err != nil {
		t.Fatal(err)
	}
	made := t.TempDir() + "/"
	write := func(name string, data []byte) {
		if err := os.WriteFile(made+name, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, attached := range map[string][]byte{"certificate.pdf": whole, "bare.pdf": nil, "other.pdf": []byte(`{"evidence": 1}`)} {
		pdf, err := certificate.Render(certificate.Input{Title: "Porch Light", Evidence: attached, PublicURL: "https://timbre.example", Creators: []certificate.Creator{{Name: "Ada"}}}, nil)
		if err != nil {
			t.Fatal(err)
		}
		write(name, pdf)
	}
	issued, err := os.ReadFile(made + "certificate.pdf")
	if err != nil {
		t.Fatal(err)
	}
	objects := pdftest.Parse(issued)
	note := pdftest.Objects{len(objects) + 1: "<</Type/Annot/Subtype/FreeText/Rect[0 0 99 99]/Contents(Mallory)>>"}
	for n, o := range objects {
		if strings.HasPrefix(o, "<</Type/Page/") {
			note[n] = strings.Replace(o, "/Annots[", fmt.Sprintf("/Annots[%d 0 R ", len(objects)+1), 1)
		}
	}
	write("changed.pdf", pdftest.Update(issued, note, ""))
	write("front.pdf", append([]byte("junk\n"), issued...))
	write("unsure.pdf", bytes.Replace(issued, []byte("/UF(evidence.json)"), []byte("/UF(Evidence.json)"), 1))
	write("twins.pdf", pdftest.Certificate(string(whole)).Swap(1, "/AF[5 0 R]", "/AF[8 0 R]").With(7, pdftest.Stream("", "{}")).
		With(8, "<</F(evidence.json)/EF<</F 7 0 R>>>>").File())
	write("secret.pdf", pdftest.Certificate(string(whole)).EncryptedFile("AES 256", "user", false))
	write("open.pdf", pdftest.Certificate(string(whole)).EncryptedFile("AES 256", "", true))
	write("behind.pdf", append(bytes.Clone(issued), "6 0 obj\n"...))
	write("other-title.pdf", bytes.Replace(pdftest.Update(issued, note, ""), []byte(`"title": "Porch`), []byte(`"title": "Perch`), 1))
	write("line.json", []byte(strings.Replace(string(whole), "Porch Light", `\u001b[2J\u202e\nok           The log is one that you trust.`, 1)))
	const v2 = "../../proof/evidence/testdata/v2/"
	checkpoint, err := os.ReadFile(v2 + "checkpoint.txt")
	if err != nil {
		t.Fatal(err)
	}
	write("other-chain.txt", bytes.Replace(checkpoint, []byte("genesis 45"), []byte("genesis 46"), 1))
	write("twice.txt", []byte(key+key))
	write("escaped.json", bytes.Replace(whole, []byte(`"evidence"`), []byte(`"\u0065vidence"`), 1))
	for _, c := range []struct {
		args []string
		exit int
		out  string
		err  string
	}{
		{[]string{dir + "full.json"}, exitNotProved, "not checked  The log is one that you trust.", "not proved: Not trusted; give the key of a log that you trust with --log-key"},
		{[]string{dir + "substrate.json", "--log-key", key}, exitNotProved, "not checked  The block is final", "not proved: Cannot say; ask a node of the chain"},
		{[]string{v2 + "chain.json"}, exitNotProved, "not checked  The block is final", "not proved: Not trusted; give a checkpoint of the chain that you trust with --chain-checkpoint"},
		{[]string{v2 + "chain.json", "--chain-checkpoint", v2 + "checkpoint.txt"}, exitDone, "dates        On 2026-03-01 12:00:06.250000 UTC, by the authorities of the chain.\n", ""},
		{[]string{v2 + "chain.json", "--chain-checkpoint", v2 + "checkpoint.txt"}, exitDone, "On a chain. A block of a public chain holds it", ""},
		{[]string{v2 + "chain.json", "--chain-checkpoint", v2 + "checkpoint.txt"}, exitDone, "owner        a7a7a7a7", ""},
		{[]string{v2 + "substrate.json", "--chain-checkpoint", v2 + "checkpoint.txt"}, exitNotProved, "", "not proved: Cannot say; ask a node of the chain"},
		{[]string{v2 + "chain.json", "--chain-checkpoint", made + "other-chain.txt"}, exitNotProved, "failed       The block is final", "not proved: Not trusted"},
		{[]string{v2 + "chain.json", "--chain-checkpoint", made + "twice.txt"}, exitUsage, "", "line 1: not a line of a chain's checkpoint here"},
		{[]string{dir + "full.json", "--log-key", key, "--media", dir + "media.bin"}, exitDone, "creator      3. \"<Ben> & \\\"Söhne\\\"\", \"ben@songs.example\": arrangement, adaptation\n", ""},
		{[]string{made + "escaped.json", "--log-key", key}, exitDone, "verdict      The registration is proved", ""},
		{[]string{dir + "full.json", "--log-key", key, "--media", dir + "media.bin"}, exitDone, "\n\nverdict      Verified\n             This recording is registered, with", ""},
		{[]string{dir + "full.json", "--log-key", key, "--media", dir + "media.bin"}, exitDone, "\nwarning      Test network. This is a test registration.", ""},
		{[]string{dir + "full.json", "--log-key", key}, exitDone, "verdict      The registration is proved\n             This registration is proved.", ""},
		{[]string{dir + "full.json", "--log-key", other, "--log-key", key}, exitDone, "verdict      The registration is proved\n", ""},
		{[]string{dir + "redacted.json", "--media", dir + "media.bin", "--log-key", dir + "key.txt"}, exitDone, "Some creators are not shown.", ""},
		{[]string{dir + "full.json", "--media", dir + "key.txt"}, exitRefused, "The file hash (SHA-256) or the size differs.", "not proved: This is another recording; give the registered recording with --media"},
		{[]string{dir + "full.json", "--media", dir + "key.txt", "--log-key", key}, exitRefused, "verdict      This is another recording\n", "not proved: This is another recording"},
		{[]string{dir + "full.json", "--log-key", other, "--json"}, exitNotProved, `"verdict": "untrusted"`, "not proved: Not trusted"},
		{[]string{dir + "full.json", "--log-key", made + "none.txt"}, exitUsage, "", "must be a verifier key (NAME+HASH+BASE64), or a file with one"},
		{[]string{dir + "full.json", "--log-key", made + "twice.txt"}, exitUsage, "", "this file contains no verifier key"},
		{[]string{made + "none.json"}, exitUsage, "", "none.json"},
		{[]string{made + "certificate.pdf", "--log-key", key}, exitDone, "not checked  The certificate’s page matches its evidence.", ""},
		{[]string{made + "certificate.pdf", "--log-key", key}, exitDone, "\nwarning      The page of this PDF was not checked: anyone can put another page around real evidence.", ""},
		{[]string{made + "changed.pdf", "--log-key", key}, exitPageChanged, "verdict      The page was changed\n             This PDF was changed after it was issued", "not proved: The page was changed; use the certificate as it was issued"},
		{[]string{made + "changed.pdf", "--log-key", key}, exitPageChanged, "failed       The certificate’s page matches its evidence.\n             (Something other than a signature was added", ""},
		{[]string{made + "changed.pdf", "--log-key", key, "--json"}, exitPageChanged, `"result": "page_changed",`, ""},
		{[]string{made + "changed.pdf", "--log-key", key, "--media", dir + "key.txt"}, exitRefused, `failed       The recording is the one`, ""},
		{[]string{made + "changed.pdf"}, exitRefused, "verdict      The page was changed", ""},
		{[]string{made + "other-title.pdf", "--log-key", key}, exitRefused, "verdict      Does not match", ""},
		{[]string{made + "front.pdf", "--log-key", key}, exitDone, "verdict      The registration is proved", ""},
		{[]string{made + "open.pdf", "--log-key", key}, exitDone, "verdict      The registration is proved", ""},
		{[]string{made + "secret.pdf", "--log-key", key}, exitUnreadable, "", "This PDF opens only with a password or a key. Save it without them, or use the evidence file.\n  xref "},
		{[]string{made + "secret.pdf", "--json"}, exitUnreadable, `"trouble": "encrypted"`, "the file opens only with a password"},
		{[]string{made + "twins.pdf", "--json"}, exitUnreadable, `"trouble": "manyAttachments"`, "object 7, object 6: more than one attachment"},
		{[]string{made + "unsure.pdf", "--log-key", key}, exitUnreadable, "", "This PDF cannot be read with certainty: another program may show another attachment. Use the evidence file.\n  object "},
		{[]string{made + "unsure.pdf", "--json"}, exitUnreadable, `"result": "unreadable",` + "\n  " + `"trouble": "unsure",` + "\n  " + `"why": "name"`, "cannot be read with certainty"},
		{[]string{made + "bare.pdf", "--json"}, exitNotEvidence, `"trouble": "noAttachment"`, "No evidence is attached"},
		{[]string{made + "other.pdf", "--json"}, exitRefused, `"trouble": "damaged"`, "This evidence is damaged"},
		{[]string{dir + "media.bin", dir + "media.bin"}, exitNotEvidence, "evidence (JSON).\n             give the certificate or the evidence here", "neither a certificate"},
		{[]string{dir + "media.bin", "--json"}, exitNotEvidence, `"trouble": "neither"`, "neither a certificate"},
		{[]string{made + "behind.pdf", "--log-key", key}, exitUnreadable, "", "the file does not end with startxref and %%EOF"},
		{[]string{made + "bare.pdf", "--log-key", key}, exitNotEvidence, "", "No evidence is attached to this PDF."},
		{[]string{made + "other.pdf", "--log-key", key}, exitRefused, "", "This evidence is damaged"},
		// A title cannot start a line of its own, and cannot clear the screen.
		{[]string{made + "line.json"}, exitRefused, `title        "\x1b[2J\u202e\nok  `, "not proved: Does not match\n"},
	} {
		var out, errs bytes.Buffer
		if code := run(append([]string{"verify"}, c.args...), &out, &errs); code != c.exit || !strings.Contains(out.String(), c.out) || !strings.Contains(errs.String(), c.err) {
			t.Errorf("%v: exit %d\n%s%s", c.args, code, out.String(), errs.String())
		}
	}

	// The saved file equals the attached one; with only some creators, it is redacted.
	redacted, err := os.ReadFile(dir + "redacted.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args []string
		exit int
		want []byte
	}{
		{[]string{"certificate.pdf"}, exitDone, whole},
		{[]string{"changed.pdf"}, exitPageChanged, whole},
		{[]string{"certificate.pdf", "--only-creator", "2"}, exitDone, redacted},
		{[]string{"certificate.pdf", "--only-creator", "4"}, exitRefused, nil},
		{[]string{"line.json"}, exitRefused, nil},
	} {
		saved := filepath.Join(t.TempDir(), "saved.json")
		var out, errs bytes.Buffer
		code := run(append([]string{"verify", "--log-key", key, "--save", saved, made + c.args[0]}, c.args[1:]...), &out, &errs)
		if got, _ := os.ReadFile(saved); code != c.exit || !bytes.Equal(got, c.want) {
			t.Errorf("%v: exit %d, %d bytes\n%s", c.args, code, len(got), errs.String())
		}
	}
	if code := run([]string{"verify", made + "certificate.pdf", "--only-creator", "1"}, io.Discard, io.Discard); code != exitUsage {
		t.Errorf("--only-creator without --save: exit %d", code)
	}

	var out, errs bytes.Buffer
	run([]string{"verify", made + "certificate.pdf", "--log-key", key, "--json"}, &out, &errs)
	var said struct {
		Result   string
		Checks   evidence.Report
		Evidence json.RawMessage
	}
	if err := json.Unmarshal(out.Bytes(), &said); err != nil {
		t.Fatalf("%v: %s", err, out.String())
	}
	e, err := evidence.Decode(bytes.NewReader(said.Evidence))
	if err != nil || said.Result != "proved" || said.Checks[0].Name != "page" || !said.Checks.Anchored() || e.AtsID != 17 {
		t.Errorf("%v: %s", err, out.String())
	}
}

// Two files of one log are compared. A log that shows two histories is found out.
func TestVerifySeveral(t *testing.T) {
	t.Parallel()
	const dir = "../../proof/evidence/testdata/"
	made := t.TempDir() + "/"
	// The fork's log has the same key, and another work in the same place.
	text, err := os.ReadFile(dir + "fork.json")
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{"fork.json": text, "text.json": []byte("text")} {
		if err := os.WriteFile(made+name, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	one, same, fork, key := dir+"v2/full.json", dir+"v2/redacted.json", made+"fork.json", dir+"v2/key.txt"
	for _, c := range []struct {
		args             []string
		exit             int
		result, relation string
	}{
		{[]string{one, same, "--log-key", key}, exitDone, "proved", "same_history"},
		{[]string{one, same}, exitNotProved, "not_proved", "same_history"},
		{[]string{one, fork, "--log-key", key}, exitForked, "forked", "contradiction"},
		{[]string{one, fork}, exitForked, "forked", "contradiction"},
		{[]string{one, dir + "v2/substrate.json", "--log-key", key}, exitNotProved, "not_proved", "other_logs"},
		{[]string{one, made + "text.json", "--log-key", key}, exitNotEvidence, "not_evidence", ""},
		{[]string{one, one, fork, "--log-key", key}, exitForked, "forked", "same_history"},
	} {
		s := timbre(t, append([]string{"verify", "--json"}, c.args...)...)
		var said struct {
			Result      string
			Documents   []struct{ File, Result string }
			Comparisons []struct {
				Relation    string
				Checkpoints []string
			}
		}
		if err := json.Unmarshal([]byte(s.out), &said); err != nil || s.code != c.exit || said.Result != c.result || filepath.Base(said.Documents[1].File) != filepath.Base(c.args[1]) {
			t.Fatalf("%v: exit %d, %v: %.300s %s", c.args, s.code, err, s.out, s.err)
		}
		if c.relation == "" && len(said.Comparisons) > 0 || c.relation != "" && said.Comparisons[0].Relation != c.relation {
			t.Errorf("%v: %+v", c.args, said.Comparisons)
		}
		if c.exit == exitForked {
			// Both checkpoints are printed, and each one is signed by the log.
			last := said.Comparisons[len(said.Comparisons)-1]
			if len(last.Checkpoints) != 2 || last.Checkpoints[0] == last.Checkpoints[1] {
				t.Fatalf("%+v", last)
			}
			for _, signed := range last.Checkpoints {
				if !strings.Contains(s.err, signed) {
					t.Errorf("%v: %s", c.args, s.err)
				}
			}
		}
	}
	// People read the same.
	if s := timbre(t, "verify", one, fork, "--log-key", key); s.code != exitForked || !strings.Contains(s.out, "only one can be true") || !strings.Contains(s.out, "The registration is proved") || !strings.Contains(s.err, "timbre: the log forked: ") {
		t.Errorf("exit %d: %s%s", s.code, s.out, s.err)
	}
	timbre(t, "verify", one, same, "--save", made+"saved.json").refused(exitUsage, "can only be used with one FILE")
}

// The reason of a check can contain text from the maker of the evidence, such as the name
// of a time-stamp authority. Such text cannot look like a line of timbre.
func TestVerifyTellsInOneLine(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	tell(&out, evidence.Report{{Name: "token_authority", Proves: "It is trusted.", Status: evidence.NotChecked, Why: "CN=Üñi\x1b[2A\u009b2J\u202e\r\nok           The log is one that you trust."}})
	if got := out.String(); strings.Count(got, "\n") != 2 || strings.ContainsAny(got, "\x1b\u009b\u202e\r") || !strings.Contains(got, "CN=Üñi") {
		t.Errorf("%q", got)
	}
}
