package evidence_test

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/binary"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"timbre.example/proof/evidence"
)

func roots(t *testing.T) *x509.CertPool {
	t.Helper()
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(must(os.ReadFile("testdata/v2/authority.pem"))) {
		t.Fatal("authority.pem")
	}
	return pool
}

func policy(t *testing.T, text string) *evidence.Policy {
	t.Helper()
	p, err := evidence.ParsePolicy([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return &p
}

// trusting are the options of a verifier who trusts everything in the golden files.
func trusting(t *testing.T) evidence.Options {
	_, root := opentimestamps(song.logged().Block.Hash)
	return evidence.Options{
		Policy: policy(t, song.policy()), Authorities: roots(t),
		Blocks: func(height int64) ([32]byte, time.Time, bool) { return root, bitcoinTime, height == bitcoinHeight },
	}
}

// parts returns the checks with a part, and those besides the first ones of every document.
func parts(r evidence.Report) (all []string) {
	for _, c := range r {
		if c.Part != "" || c.Name == "cosignatures" || c.Name == "witnesses" || c.Name == "dates" {
			all = append(all, strings.TrimSpace(string(c.Name)+" "+string(c.Status)+" "+c.Part))
		}
	}
	return all
}

func TestAttestations(t *testing.T) {
	t.Parallel()
	e := song.attested()
	r := must(evidence.Verify(e, trusting(t)))
	want := []string{
		"cosignatures ok", "witnesses ok", "token ok attestations[0]", "token_authority ok attestations[0]", "bitcoin ok attestations[1]",
		"later ok attestations[2]", "attestation not_checked attestations[3]", "dates ok",
	}
	if got := parts(r); !reflect.DeepEqual(got, want) || !r.Anchored() {
		t.Errorf("%q, want %q; %+v", got, want, r)
	}
	var levels []evidence.Level
	for _, l := range r.Levels() {
		levels = append(levels, l)
		if l.Name() == "" || l.Excludes() == "" {
			t.Errorf("%s: no words", l)
		}
	}
	if !reflect.DeepEqual(levels, []evidence.Level{evidence.LevelLogged, evidence.LevelWitnessed, evidence.LevelStamped, evidence.LevelChained}) {
		t.Errorf("%q", levels)
	}
	dates := r.Dates(e)
	if len(dates) != 4 || dates[0].By != "w0, w2" || !dates[0].Independent || dates[1].By != "Bitcoin" || dates[3].Independent || !dates[3].Time.Equal(e.Block.Time) {
		t.Errorf("%+v", dates)
	}
	// The quorum was there with the second cosignature.
	if want := e.Block.Time.Add(2 * time.Second).Truncate(time.Second); !dates[0].Time.Equal(want) {
		t.Errorf("since %s, want %s", dates[0].Time, want)
	}
	for _, d := range dates {
		if said := d.Sentence(func(at time.Time) string { return at.Format(time.DateOnly) }); !strings.Contains(said, "2026-") || strings.Contains(said, "{") {
			t.Error(said)
		}
	}
	// Without anything to trust, nothing is proved, and nothing fails.
	r = must(evidence.Verify(e, evidence.Options{}))
	for _, c := range r {
		if c.Status == evidence.Failed {
			t.Errorf("%+v", c)
		}
	}
	if v := evidence.Judge(e, r); v != evidence.Untrusted || len(r.Levels()) != 1 || len(r.Dates(e)) != 1 {
		t.Errorf("%s %q %+v", v, r.Levels(), r.Dates(e))
	}
}

// An attestation that does not hold is ignored. A contradiction is not.
func TestBadAttestations(t *testing.T) {
	t.Parallel()
	plain := song.logged()
	other := string(song.sign(song.size, tlog.Hash{7}))
	foreign := song
	foreign.seed = [32]byte{9}
	early := song.attested()
	early.Log.Cosignatures = cosigned(early.Log.Checkpoint, early.Block.Time.Add(-time.Hour), witnesses...)
	broken := song.attested()
	broken.Log.Cosignatures = append(cosigned(broken.Log.Checkpoint, broken.Block.Time, witnesses[0]), cosigned(other, broken.Block.Time, witnesses[1])...)
	few := song.logged()
	few.Log.Cosignatures = cosigned(few.Log.Checkpoint, few.Block.Time, witnesses[1])
	caught := few
	caught.Attestations = []evidence.Attestation{song.later(song.size + 1)}
	strangers := song.logged()
	strangers.Log.Cosignatures = cosigned(strangers.Log.Checkpoint, strangers.Block.Time, witness{"one.example/w", 99})
	extend := func(a evidence.Attestation) evidence.Evidence { return must(song.logged().Extend(a)) }
	inconsistent := song.later(song.size + 5)
	inconsistent.Consistency[0][0] ^= 1
	shorter := song.later(song.size)
	shorter.Checkpoint, shorter.Consistency = string(song.sign(999, tlog.Hash{})), tlog.TreeProof{}
	for name, c := range map[string]struct {
		e       evidence.Evidence
		verdict evidence.Verdict
		part    string
	}{
		"a fork":                          {extend(evidence.Attestation{Kind: evidence.KindCheckpoint, Checkpoint: other, Consistency: tlog.TreeProof{}}), evidence.Fails, ""},
		"witnesses before the block":      {early, evidence.Fails, "dates failed"},
		"a wrong cosignature":             {broken, evidence.Fails, "cosignatures failed"},
		"one witness":                     {few, evidence.Unwitnessed, "witnesses failed"},
		"one witness, and more later":     {caught, evidence.Registered, "witnesses ok"},
		"no witness":                      {song.logged(), evidence.Unwitnessed, "witnesses failed"},
		"a witness's name, another's key": {strangers, evidence.Unwitnessed, "witnesses failed"},
		"another consistency":             {with(extend(inconsistent), witnesses[:2]), evidence.Registered, "later failed attestations[0]"},
		"an earlier checkpoint":           {with(extend(shorter), witnesses[:2]), evidence.Registered, "later failed attestations[0]"},
		"another log's checkpoint":        {with(extend(foreign.later(song.size+5)), witnesses[:2]), evidence.Registered, "later failed attestations[0]"},
		"no token":                        {with(extend(token([]byte("x"))), witnesses[:2]), evidence.Registered, "token failed attestations[0]"},
		"no proof": {with(extend(evidence.Attestation{Kind: evidence.KindOpenTimestamps, Of: evidence.OfCommitment, Proof: []byte("x")}), witnesses[:2]),
			evidence.Registered, "bitcoin failed attestations[0]"},
	} {
		opts := trusting(t)
		r := must(evidence.Verify(c.e, opts))
		if v := evidence.Judge(c.e, r); v != c.verdict || !strings.Contains(strings.Join(parts(r), "\n"), c.part) {
			t.Errorf("%s: %s, want %s; %q", name, v, c.verdict, parts(r))
		}
	}
	// A date in the future.
	opts := trusting(t)
	opts.Now = plain.Block.Time.Add(-48 * time.Hour)
	if r := must(evidence.Verify(plain, opts)); evidence.Judge(plain, r) != evidence.Fails || check(r, "dates").Status != evidence.Failed {
		t.Errorf("the future: %+v", r)
	}
}

// An attestation is not older than the attestation or the block that it is about.
func TestOrderOfDates(t *testing.T) {
	t.Parallel()
	made := song.logged().Block.Time
	bad := song.later(song.size + 5)
	bad.Consistency[0][0] ^= 1
	for name, c := range map[string]struct {
		first   evidence.Attestation // nothing: the proof is about the block
		dates   []time.Duration      // of the blocks of Bitcoin, after the block; 0: unknown
		verdict evidence.Verdict
	}{
		"the block, 400 seconds early":            {dates: []time.Duration{-400 * time.Second}, verdict: evidence.Registered},
		"the block, three hours early":            {dates: []time.Duration{-3 * time.Hour}, verdict: evidence.Fails},
		"a renewal":                               {dates: []time.Duration{time.Hour, 99 * time.Hour}, verdict: evidence.Registered},
		"a renewal, one hour early":               {dates: []time.Duration{20 * time.Hour, 19 * time.Hour}, verdict: evidence.Registered},
		"a renewal, three hours early":            {dates: []time.Duration{20 * time.Hour, 17 * time.Hour}, verdict: evidence.Fails},
		"a renewal of a renewal":                  {dates: []time.Duration{20 * time.Hour, 0, 17 * time.Hour}, verdict: evidence.Fails},
		"a renewal before the block":              {dates: []time.Duration{0, -17 * time.Hour}, verdict: evidence.Fails},
		"a later checkpoint":                      {song.later(song.size + 5), []time.Duration{time.Hour}, evidence.Registered},
		"a later checkpoint, before the block":    {song.later(song.size + 5), []time.Duration{-3 * time.Hour}, evidence.Fails},
		"a later checkpoint that does not hold":   {bad, []time.Duration{-3 * time.Hour}, evidence.Registered},
		"a renewal of a token that does not hold": {evidence.Attestation{Kind: evidence.KindRFC3161, Of: evidence.OfBlock, Token: []byte("x")}, []time.Duration{-3 * time.Hour}, evidence.Registered},
	} {
		e := with(must(song.logged().Extend()), witnesses[:2])
		of := evidence.OfBlock
		if c.first.Kind != "" {
			e, of = must(e.Extend(c.first)), evidence.OfAttestation(0)
		}
		blocks := map[int64][32]byte{}
		for i := range c.dates {
			file, root := opentimestamps(must(e.Digest(of)))
			height := bitcoinHeight + int64(i)
			file = binary.AppendUvarint(file[:len(file)-3], uint64(height))
			blocks[height] = root
			e = must(e.Extend(evidence.Attestation{Kind: evidence.KindOpenTimestamps, Of: of, Proof: file}))
			of = evidence.OfAttestation(len(e.Attestations) - 1)
		}
		opts := trusting(t)
		opts.Blocks = func(height int64) ([32]byte, time.Time, bool) {
			after := c.dates[height-bitcoinHeight]
			return blocks[height], made.Add(after), after != 0
		}
		r := must(evidence.Verify(e, opts))
		if v := evidence.Judge(e, r); v != c.verdict || (check(r, "dates").Status == evidence.Failed) != (v == evidence.Fails) {
			t.Errorf("%s: %s, want %s; %+v", name, v, c.verdict, r)
		}
		// A date about something that does not hold says nothing about the registration.
		bitcoin, stray := check(r, "bitcoin"), strings.Contains(name, "does not hold")
		if (bitcoin.Status == evidence.Failed) != stray || stray && (bitcoin.Time != nil || slices.Contains(r.Levels(), evidence.LevelChained)) {
			t.Errorf("%s: %+v %v", name, bitcoin, r.Levels())
		}
	}
}

// The same token has the same effect in both formats.
func TestTokenInBothFormats(t *testing.T) {
	t.Parallel()
	stranger := newClock(t).roots()
	for part, name := range map[string]string{"rfc3161": "v1", "attestations[0]": "v2"} {
		e := decode(t, must(os.ReadFile("testdata/"+name+"/stamped.json")))
		r := must(evidence.Verify(e, evidence.Options{Keys: []string{song.key()}, Authorities: stranger}))
		if v, c := evidence.Judge(e, r), check(r, "token_authority"); v != evidence.Registered || c.Status != evidence.Failed || c.Part != part {
			t.Errorf("%s: %s %+v", name, v, c)
		}
		if a := decode(t, must(evidence.Encode(must(e.Extend())))); evidence.Judge(a, must(evidence.Verify(a, evidence.Options{Keys: []string{song.key()}, Authorities: stranger}))) != evidence.Registered {
			t.Errorf("%s: upgraded, it has another verdict", name)
		}
	}
}

// with returns e with cosignatures of these witnesses.
func with(e evidence.Evidence, by []witness) evidence.Evidence {
	l := *e.Log
	l.Cosignatures = cosigned(l.Checkpoint, e.Block.Time, by...)
	e.Log = &l
	return e
}

// A renewal is a token of an earlier attestation.
func TestRenewal(t *testing.T) {
	t.Parallel()
	a := newClock(t)
	e := must(song.logged().Extend(token(a.stamp(song.logged().Commitment))))
	e = must(e.Extend(evidence.Attestation{Kind: evidence.KindRFC3161, Of: evidence.OfAttestation(0), Token: a.stamp(must(e.Digest(evidence.OfAttestation(0))))}))
	e = decode(t, must(evidence.Encode(e)))
	r := must(evidence.Verify(e, evidence.Options{Keys: []string{song.key()}, Authorities: a.roots()}))
	if got := strings.Join(parts(r), ", "); got != "token ok attestations[0], token_authority ok attestations[0], token ok attestations[1], token_authority ok attestations[1], dates ok" {
		t.Error(got)
	}
	for _, of := range []evidence.Subject{"attestation 2", "attestation 1", "attestation -1", "attestation 01", "attestation", "title", ""} {
		bad := evidence.Attestation{Kind: evidence.KindRFC3161, Of: of, Token: []byte{1}}
		if _, err := must(song.logged().Extend(token([]byte{1}))).Extend(bad); err == nil {
			t.Errorf("of %q is accepted", of)
		}
	}
}

// A document of format 1 becomes one of format 2 with the same proof.
func TestExtendFirstFormat(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"full", "redacted", "stamped", "substrate"} {
		first := decode(t, must(os.ReadFile("testdata/v1/"+name+".json")))
		second, err := first.Extend()
		if err != nil {
			t.Fatal(err)
		}
		again := decode(t, must(evidence.Encode(second)))
		if again.Format != 2 || !reflect.DeepEqual(first.Tokens(), again.Tokens()) || first.Block != again.Block {
			t.Errorf("%s: %+v", name, again)
		}
		opts := evidence.Options{Keys: []string{song.key()}, Authorities: roots(t), Media: bytes.NewReader(song.media)}
		r := must(evidence.Verify(again, opts))
		opts.Media = bytes.NewReader(song.media)
		if was := must(evidence.Verify(first, opts)); evidence.Judge(first, was) != evidence.Judge(again, r) {
			t.Errorf("%s: %+v, was %+v", name, r, was)
		}
	}
}

// Escapes and white space are free, and everything else has one form.
func TestOneForm(t *testing.T) {
	t.Parallel()
	text := string(must(evidence.Encode(song.attested())))
	replaced := func(old, new string) string {
		t.Helper()
		if !strings.Contains(text, old) {
			t.Fatalf("%q is not in the document", old)
		}
		return strings.Replace(text, old, new, 1)
	}
	free := map[string]string{
		"slashes, as PHP writes them": strings.NewReplacer("/", `\/`).Replace(text),
		"plus signs, as .NET does":    strings.NewReplacer("+", `\u002B`, "—", `\u2014`).Replace(text),
		"a time with an escape":       replaced(`"time": "2`, `"time": "\u0032`),
		"an escaped kind":             replaced(`"rfc3161"`, `"\u0072fc3161"`),
		"white space":                 strings.ReplaceAll(text, "\n", "\r\n\t"),
	}
	for name, text := range free {
		if e, err := evidence.Decode(strings.NewReader(text)); err != nil || !reflect.DeepEqual(e.Log, song.attested().Log) {
			t.Errorf("%s: %v", name, err)
		}
	}
	signed := song.attested().Log
	escaped := strings.ReplaceAll(signed.Checkpoint, "\n", `\n`)
	refused := map[string]string{
		"roles in another order":        replaced("\"author\",\n        \"composer\"", "\"composer\",\n        \"author\""),
		"a role twice":                  replaced("\"author\",\n        \"composer\"", "\"author\",\n        \"author\""),
		"a number with an exponent":     replaced(`"duration": 2.5`, `"duration": 25e-1`),
		"a number with a last zero":     replaced(`"duration": 2.5`, `"duration": 2.50`),
		"minus zero":                    replaced(`"is_left": true`, `"is_left": -0`),
		"cosignatures inside the note":  replaced(escaped, escaped+signed.Cosignatures[0]+`\n`),
		"cosignatures in another order": replaced(`"`+signed.Cosignatures[0]+"\",\n      \""+signed.Cosignatures[1]+`"`, `"`+signed.Cosignatures[1]+"\",\n      \""+signed.Cosignatures[0]+`"`),
		"a cosignature twice":           replaced(`"`+signed.Cosignatures[1], `"`+signed.Cosignatures[0]),
		"a cosignature of two lines":    replaced(signed.Cosignatures[0], signed.Cosignatures[0]+`\n`+signed.Cosignatures[0]),
		"empty cosignatures":            replaced(`"cosignatures": [`, `"cosignatures": [], "x": [`),
		"an unknown member":             replaced(`"of": "block"`, `"of": "block", "x": 1`),
		"kind not first":                replaced(`"kind": "oracle",`, `"x": 1, "kind": "oracle",`),
		"kind twice":                    replaced(`"kind": "oracle",`, `"kind": "oracle", "kind": "oracle",`),
		"kind in capitals":              replaced(`"kind": "oracle",`, `"Kind": "oracle",`),
		"kind twice, once in capitals":  replaced(`"kind": "oracle",`, `"kind": "oracle", "KIND": "rfc3161",`),
		"a kind that is no name":        replaced(`"oracle"`, `"Oracle"`),
		"a kind that is no text":        replaced(`"oracle"`, `7`),
		"deep nesting":                  replaced(`1.50`, strings.Repeat("[", 9)+strings.Repeat("]", 9)),
		"no consistency":                replaced(`"consistency": [`, `"consistency": null, "x": [`),
		"the member of format 1":        replaced(`"attestations": [`, `"rfc3161": {"token": "eA=="}, "attestations": [`),
		"format 1 with attestations":    replaced(`"evidence": 2`, `"evidence": 1`),
		"format 3":                      replaced(`"evidence": 2`, `"evidence": 3`),
	}
	for name, text := range refused {
		if _, err := evidence.Decode(strings.NewReader(text)); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
	// A bit of an unknown kind is kept as it is.
	e := decode(t, []byte(replaced(`1.50`, `1e5000`)))
	if again := must(evidence.Encode(must(e.Redact(1)))); !bytes.Contains(again, []byte("1e5000")) || !bytes.Contains(again, []byte(`"<yes>"`)) {
		t.Errorf("%s", again)
	}
}

// Cosignatures do not change the hash of a block.
func TestSplit(t *testing.T) {
	t.Parallel()
	e := song.attested()
	served := evidence.Join(e.Log.Checkpoint, e.Log.Cosignatures)
	own, lines, err := evidence.Split(served)
	if err != nil || own != e.Log.Checkpoint || !reflect.DeepEqual(lines, e.Log.Cosignatures) || sha256.Sum256([]byte(own)) != e.Block.Hash {
		t.Errorf("%q %q %v", own, lines, err)
	}
	// A witness may stand first.
	text, signatures, _ := strings.Cut(own, "\n\n")
	if first, _, err := evidence.Split(text + "\n\n" + lines[0] + "\n" + signatures); err != nil || first != own {
		t.Errorf("%q %v", first, err)
	}
	for name, bad := range map[string]string{
		"no note": "x", "empty": "", "no signature": text + "\n\n", "no signature of the log": text + "\n\n" + lines[0] + "\n",
		"two signatures of the log": own + signatures, "no last newline": strings.TrimSuffix(own, "\n"),
		"a control character": own + "\x01\n", "too many": own + strings.Repeat(lines[0]+"\n", 100),
	} {
		if _, _, err := evidence.Split(bad); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
}

func TestParsePolicy(t *testing.T) {
	t.Parallel()
	w, x, log := witnesses[0].key(), witnesses[1].key(), song.key()
	renamed := witness{"other.example", witnesses[0].seed}.key()
	for name, c := range map[string]struct {
		text string
		ok   bool
	}{
		"golden":                 {song.policy(), true},
		"no witness":             {"quorum none", true},
		"blanks and comments":    {" \t\n # a comment\n\twitness  a\t" + w + " https://one.example/\n quorum a \n", true},
		"nested groups":          {"witness a " + w + "\nwitness b " + x + "\ngroup g any a\ngroup h all g b\nquorum h\n", true},
		"names with high bytes":  {"witness \xff\xfe " + w + "\nquorum \xff\xfe\n", true},
		"a number":               {"witness a " + w + "\ngroup g 1 a\nquorum g\n", true},
		"nothing":                {"", false},
		"no quorum":              {"witness a " + w, false},
		"two quorums":            {"quorum none\nquorum none", false},
		"an unknown quorum":      {"quorum a", false},
		"a later definition":     {"quorum a\nwitness a " + w, false},
		"a key twice":            {"witness a " + w + "\nwitness b " + renamed + "\nquorum a", false},
		"a log twice":            {"log " + log + "\nlog " + log + "\nquorum none", false},
		"a name twice":           {"witness a " + w + "\nwitness a " + x + "\nquorum a", false},
		"the name none":          {"witness none " + w + "\nquorum none", false},
		"a log's key":            {"witness a " + log + "\nquorum a", false},
		"a witness's key":        {"log " + w + "\nquorum none", false},
		"too many of a group":    {"witness a " + w + "\ngroup g 2 a\nquorum g", false},
		"none of a group":        {"witness a " + w + "\ngroup g 0 a\nquorum g", false},
		"a number with a zero":   {"witness a " + w + "\ngroup g 01 a\nquorum g", false},
		"a member twice":         {"witness a " + w + "\nwitness b " + x + "\ngroup g any a\ngroup h any a b\nquorum h", false},
		"a group without member": {"group g all\nquorum g", false},
		"a carriage return":      {"quorum none\r\n", false},
		"no key":                 {"witness a b\nquorum a", false},
		"another hash":           {"witness a " + strings.Replace(w, "+", "+0", 1) + "\nquorum a", false},
		"an unknown line":        {"trust none\nquorum none", false},
		"too long":               {"# " + strings.Repeat("x", 1<<16) + "\nquorum none", false},
	} {
		p, err := evidence.ParsePolicy([]byte(c.text))
		if (err == nil) != c.ok {
			t.Errorf("%s: %v", name, err)
		}
		if c.ok && p.Asks() == strings.Contains(c.text, "quorum none") {
			t.Errorf("%s: asks for witnesses: %t", name, p.Asks())
		}
	}
}

func FuzzPolicy(f *testing.F) {
	f.Add([]byte(song.policy()), "text", "line")
	f.Fuzz(func(t *testing.T, text []byte, note, line string) {
		p, err := evidence.ParsePolicy(text)
		if err != nil {
			return
		}
		if c, err := p.Witnessed(note, []string{line}); err == nil && p.Asks() && c.Met {
			t.Errorf("a quorum out of nothing: %+v", c)
		}
	})
}
