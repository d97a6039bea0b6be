package evidence_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/blake2b"
	"golang.org/x/mod/sumdb/tlog"
	"pgregory.net/rapid"

	"timbre.example/proof/commitment"
	"timbre.example/proof/evidence"
)

// anyWork draws a work that a registry accepts.
func anyWork(t *rapid.T) work {
	text := func(label string, most int) string { return rapid.StringN(1, most, -1).Draw(t, label) }
	optional := func(label, form string) *string {
		if !rapid.Bool().Draw(t, "has "+label) {
			return nil
		}
		return ptr(rapid.StringMatching(form).Draw(t, label))
	}
	w := work{
		title: text("title", 20), media: rapid.SliceOfN(rapid.Byte(), 1, 64).Draw(t, "media"),
		ats: rapid.Int64Range(1, 1<<40).Draw(t, "ats id"), version: rapid.Int64Range(1, 4).Draw(t, "version"),
		size: rapid.Int64Range(1, 40).Draw(t, "size"), seed: [32]byte{rapid.Byte().Draw(t, "log")},
	}
	w.index = rapid.Int64Range(0, w.size-1).Draw(t, "index")
	for range rapid.IntRange(1, commitment.MaxCreators).Draw(t, "creators") {
		w.creators = append(w.creators, commitment.Creator{
			FullName: text("name", 9), Email: text("e-mail", 9), IPI: optional("ipi", `[0-9]{1,11}`), ISNI: optional("isni", `[0-9]{15}[0-9X]`),
			Roles: rapid.SliceOfNDistinct(rapid.SampledFrom([]commitment.Role{commitment.Author, commitment.Composer, commitment.Arranger, commitment.Adapter}), 1, 4, rapid.ID).Draw(t, "roles"),
		})
	}
	return w
}

// disclosed returns e with some of its creators.
func disclosed(t *rapid.T, e evidence.Evidence) evidence.Evidence {
	n := len(e.Creators)
	keep := rapid.SliceOfNDistinct(rapid.IntRange(0, n-1), 1, n, rapid.ID).Draw(t, "keep")
	e, err := e.Redact(keep...)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func decode(t rapid.TB, text []byte) evidence.Evidence {
	t.Helper()
	e, err := evidence.Decode(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func verify(t rapid.TB, e evidence.Evidence, media []byte, key string) evidence.Report {
	t.Helper()
	r, err := evidence.Verify(e, evidence.Options{Media: bytes.NewReader(media), Keys: given(key)})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// given returns the trusted keys: none for an empty key.
func given(key string) []string {
	if key == "" {
		return nil
	}
	return []string{key}
}

// flip changes one bit of b, anywhere.
func flip(t *rapid.T, b []byte) {
	b[rapid.IntRange(0, len(b)-1).Draw(t, "byte")] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit")
}

// flipText changes one character of s, anywhere, to another that JSON can hold.
func flipText(t *rapid.T, s *string) {
	r := []rune(*s)
	i := rapid.IntRange(0, len(r)-1).Draw(t, "character")
	if r[i]++; r[i] == 0xd800 || r[i] == 0xfffd || r[i] > 0x10ffff {
		r[i] = 'x'
	}
	*s = string(r)
}

// mutations change one member of evidence.
var mutations = map[string]func(*rapid.T, *evidence.Evidence){
	"title":        func(t *rapid.T, e *evidence.Evidence) { flipText(t, &e.Title) },
	"longer title": func(_ *rapid.T, e *evidence.Evidence) { e.Title += " " },
	"name":         func(t *rapid.T, e *evidence.Evidence) { flipText(t, &some(t, e).FullName) },
	"e-mail":       func(t *rapid.T, e *evidence.Evidence) { flipText(t, &some(t, e).Email) },
	"roles": func(t *rapid.T, e *evidence.Evidence) {
		c := some(t, e)
		role := commitment.Role(rapid.IntRange(0, 3).Draw(t, "role"))
		if i := slices.Index(c.Roles, role); i < 0 {
			c.Roles = append(c.Roles, role)
		} else if len(c.Roles) > 1 {
			c.Roles = slices.Delete(c.Roles, i, i+1)
		} else {
			c.Roles[0] = (role + 1) % 4
		}
	},
	"ipi": func(t *rapid.T, e *evidence.Evidence) {
		if c := some(t, e); c.IPI == nil {
			c.IPI = ptr("7")
		} else {
			c.IPI = nil
		}
	},
	"isni": func(t *rapid.T, e *evidence.Evidence) {
		if c := some(t, e); c.ISNI == nil {
			c.ISNI = ptr("000000012146438X")
		} else {
			c.ISNI = ptr("0000000121464389")
		}
	},
	"a creator twice": func(_ *rapid.T, e *evidence.Evidence) { e.Creators = append(e.Creators, e.Creators[0]) },
	"proof":           func(t *rapid.T, e *evidence.Evidence) { flip(t, step(t, e).Sibling[:]) },
	"side":            func(t *rapid.T, e *evidence.Evidence) { s := step(t, e); s.IsLeft = !s.IsLeft },
	"media hash":      func(t *rapid.T, e *evidence.Evidence) { flip(t, e.Media.SHA256[:]) },
	"media size":      func(_ *rapid.T, e *evidence.Evidence) { e.Media.SizeBytes++ },
	"root":            func(t *rapid.T, e *evidence.Evidence) { flip(t, e.MerkleRoot[:]) },
	"commitment":      func(t *rapid.T, e *evidence.Evidence) { flip(t, e.Commitment[:]) },
	"protocol":        func(_ *rapid.T, e *evidence.Evidence) { e.ProtocolVersion++ },
	"tx hash":         func(t *rapid.T, e *evidence.Evidence) { flip(t, e.TxHash[:]) },
	"block number":    func(_ *rapid.T, e *evidence.Evidence) { e.Block.Number++ },
	"block hash":      func(t *rapid.T, e *evidence.Evidence) { flip(t, e.Block.Hash[:]) },
}

var logMutations = map[string]func(*rapid.T, *evidence.Evidence){
	"ats id":      func(_ *rapid.T, e *evidence.Evidence) { e.AtsID++ },
	"version":     func(_ *rapid.T, e *evidence.Evidence) { e.Version++ },
	"block time":  func(_ *rapid.T, e *evidence.Evidence) { e.Block.Time = e.Block.Time.Add(time.Microsecond) },
	"origin":      func(_ *rapid.T, e *evidence.Evidence) { e.Log.Origin += "x" },
	"key":         func(t *rapid.T, e *evidence.Evidence) { flipText(t, &e.Log.Key) },
	"another key": func(_ *rapid.T, e *evidence.Evidence) { e.Log.Key = work{seed: [32]byte{1, 1}}.key() },
	"leaf":        func(t *rapid.T, e *evidence.Evidence) { flipText(t, &e.Log.Leaf) },
	"index":       func(_ *rapid.T, e *evidence.Evidence) { e.Log.Index++ },
	"a step":      func(_ *rapid.T, e *evidence.Evidence) { e.Log.Proof = append(e.Log.Proof, tlog.Hash{}) },
	"inclusion": func(t *rapid.T, e *evidence.Evidence) {
		if len(e.Log.Proof) == 0 { // the only entry of the log
			e.Log.Proof = tlog.RecordProof{{}}
			return
		}
		flip(t, e.Log.Proof[rapid.IntRange(0, len(e.Log.Proof)-1).Draw(t, "hash")][:])
	},
	"checkpoint": func(t *rapid.T, e *evidence.Evidence) { flipText(t, &e.Log.Checkpoint) },
	"signature": func(t *rapid.T, e *evidence.Evidence) {
		// The block hash is made to fit, so that only the signature is left to
		// object. The last characters hold bits that no byte has.
		b := []byte(e.Log.Checkpoint)
		at := rapid.IntRange(len(b)-80, len(b)-5).Draw(t, "at")
		b[at] = map[bool]byte{true: 'B', false: 'A'}[b[at] == 'A']
		e.Log.Checkpoint, e.Block.Hash = string(b), sha256.Sum256(b)
	},
	"tree": func(_ *rapid.T, e *evidence.Evidence) {
		e.Log.Checkpoint = strings.Replace(e.Log.Checkpoint, "\n", "\n1", 1)
		e.Block.Hash = sha256.Sum256([]byte(e.Log.Checkpoint))
	},
}

var chainMutations = map[string]func(*rapid.T, *evidence.Evidence){
	"header":    func(t *rapid.T, e *evidence.Evidence) { flip(t, e.Substrate.Header) },
	"short":     func(_ *rapid.T, e *evidence.Evidence) { e.Substrate.Header = e.Substrate.Header[:33] },
	"extrinsic": func(t *rapid.T, e *evidence.Evidence) { flip(t, e.Substrate.Extrinsic) },
	"no header": func(_ *rapid.T, e *evidence.Evidence) { e.Substrate.Header = nil },
	"empty":     func(_ *rapid.T, e *evidence.Evidence) { e.Substrate.Extrinsic = nil },
	"large":     func(_ *rapid.T, e *evidence.Evidence) { e.Substrate.Extrinsic = evidence.Bytes{3, 0, 0, 0, 1} },
	"its call": func(_ *rapid.T, e *evidence.Evidence) {
		x := e.Substrate.Extrinsic
		x[len(x)-1]++
		e.TxHash = blake2b.Sum256(x)
	},
	"its length": func(_ *rapid.T, e *evidence.Evidence) {
		e.Substrate.Extrinsic = append(e.Substrate.Extrinsic[:2:2], e.Substrate.Extrinsic[1:]...)
		e.TxHash = blake2b.Sum256(e.Substrate.Extrinsic)
	},
	"unsigned": func(_ *rapid.T, e *evidence.Evidence) {
		e.Substrate.Extrinsic[2] = 4
		e.TxHash = blake2b.Sum256(e.Substrate.Extrinsic)
	},
}

func some(t *rapid.T, e *evidence.Evidence) *evidence.Creator {
	return &e.Creators[rapid.IntRange(0, len(e.Creators)-1).Draw(t, "creator")]
}

func step(t *rapid.T, e *evidence.Evidence) *commitment.Step {
	p := &some(t, e).Proof
	return &p[rapid.IntRange(0, len(p)-1).Draw(t, "level")]
}

// refusesAny tries some of the changes, each on its own. All runs of a property
// together try all changes.
func refusesAny(t *rapid.T, text, media []byte, key string, all ...map[string]func(*rapid.T, *evidence.Evidence)) {
	for _, changes := range all {
		var names []string
		for name := range changes {
			names = append(names, name)
		}
		slices.Sort(names)
		for _, what := range rapid.SliceOfNDistinct(rapid.SampledFrom(names), 4, 4, rapid.ID).Draw(t, "changes") {
			bad := decode(t, text)
			changes[what](t, &bad)
			if verify(t, bad, media, key).OK() {
				t.Errorf("another %s is accepted: %+v", what, bad)
			}
		}
	}
}

// Evidence of any work verifies, whole and redacted, after a round trip through
// JSON. A change of any member is detected.
func TestEvidence(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		w := anyWork(t)
		e := disclosed(t, w.logged())
		text := must(evidence.Encode(e))
		r := verify(t, decode(t, text), w.media, w.key())
		if !r.Anchored() {
			t.Fatalf("refused: %+v", r)
		}
		for _, c := range r {
			if want := c.Name != "all_creators" || len(e.Creators) == len(w.creators); (c.Status == evidence.OK) != want {
				t.Fatalf("%+v, with %d of %d creators", c, len(e.Creators), len(w.creators))
			}
		}
		if r := verify(t, decode(t, text), w.media, ""); !r.OK() || r.Anchored() {
			t.Errorf("without a trusted key: %+v", r)
		}
		if verify(t, decode(t, text), w.media, work{seed: [32]byte{1, 1}}.key()).OK() {
			t.Error("another log's key is accepted")
		}
		bit := bytes.Clone(w.media)
		flip(t, bit)
		if verify(t, decode(t, text), bit, w.key()).OK() {
			t.Error("another recording is accepted")
		}
		refusesAny(t, text, w.media, w.key(), mutations, logMutations)
	})
}

// The same on a chain. Facts that only the chain can confirm are never called proved.
func TestEvidenceOfAChain(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		w := anyWork(t)
		w.ats = rapid.Int64Range(0, 1<<40).Draw(t, "id on the chain")
		text := must(evidence.Encode(disclosed(t, w.chained())))
		r := verify(t, decode(t, text), w.media, w.key())
		if !r.OK() || r.Anchored() {
			t.Fatalf("%+v", r)
		}
		for _, c := range r {
			if open := slices.Contains([]evidence.CheckName{evidence.CheckInclusion, evidence.CheckChain, evidence.CheckTime}, c.Name); open != (c.Status == evidence.NotChecked) && c.Name != "all_creators" {
				t.Errorf("%+v", c)
			}
		}
		refusesAny(t, text, w.media, "", mutations, chainMutations)
		bad := decode(t, text)
		if bad.Version == 1 {
			bad.Version = 2
		} else {
			bad.AtsID++
		}
		if verify(t, bad, w.media, "").OK() {
			t.Error("an update of another work is accepted")
		}
	})
}

// A changed bit in any byte of the document is detected, or does not change the
// content. The exception is members outside the commitment, as the documents say.
func TestEveryByteOfADocument(t *testing.T) {
	t.Parallel()
	text := golden()["full.json"]
	whole := decode(t, text)
	unproved := func(e evidence.Evidence) evidence.Evidence {
		e.Media.Format, e.Media.Filename, e.Media.Duration = "", "", 0
		return e
	}
	want := must(json.Marshal(unproved(whole)))
	for i := range text {
		bad := bytes.Clone(text)
		bad[i] ^= 1 << (i % 8)
		e, err := evidence.Decode(bytes.NewReader(bad))
		if err != nil {
			if !errors.Is(err, evidence.ErrMalformed) {
				t.Fatal(err)
			}
			continue
		}
		if !verify(t, e, song.media, song.key()).OK() {
			continue
		}
		if got := must(json.Marshal(unproved(e))); !bytes.Equal(got, want) {
			t.Errorf("byte %d is accepted as %q:\n%s", i, bad[i], bad)
		}
	}
}

// Decode accepts only one form of each document.
func TestDecodeTakesOneForm(t *testing.T) {
	t.Parallel()
	text := string(golden()["full.json"])
	for what, change := range map[string][2]string{
		"a member that is unknown":   {`"title":`, `"subtitle": "x", "title":`},
		"a member twice":             {`"title":`, `"title": "x", "title":`},
		"a member in other capitals": {`"title":`, `"Title":`},
		"two members in one":         {`"title":`, `"Title": "x", "title":`},
		"members in another order":   {"\"ats_id\": 17,\n  \"version\": 2", "\"version\": 2,\n  \"ats_id\": 17"},
		"a hash in capitals":         {`"merkle_root": "`, `"merkle_root": "` + "\\u0041"},
		"a number with a fraction":   {`"ats_id": 17`, `"ats_id": 17.0`},
		"a time of another zone":     {`12:00:00.25Z`, `13:00:00.25+01:00`},
		"nothing":                    {`"filename": "take 3.wav"`, `"filename": null`},
		"bytes that are no text":     {`take 3`, "take\xff3"},
		"another document":           {"}\n}\n", "}\n}\n{}"},
		"a version to come":          {`"evidence": 2`, `"evidence": 3`},
	} {
		bad := strings.Replace(text, change[0], change[1], 1)
		if bad == text {
			t.Fatalf("%s: nothing was changed", what)
		}
		if _, err := evidence.Decode(strings.NewReader(bad)); !errors.Is(err, evidence.ErrMalformed) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, err := evidence.Decode(strings.NewReader(text + strings.Repeat(" ", evidence.MaxSize))); !errors.Is(err, evidence.ErrMalformed) {
		t.Errorf("a long document: %v", err)
	}
	spaced := strings.NewReplacer("\n", " ", "Porch", `\u0050orch`).Replace(text)
	if got := must(evidence.Encode(decode(t, []byte(spaced)))); string(got) != text {
		t.Errorf("decoded to something else:\n%s", got)
	}
}

func TestRedactKnowsItsCreators(t *testing.T) {
	t.Parallel()
	one := must(song.logged().Redact(2))
	if len(one.Creators) != 1 || one.Creators[0].FullName != song.creators[2].FullName {
		t.Fatalf("%+v", one.Creators)
	}
	for _, keep := range [][]int{{}, {3}, {-1}, {2, 3}} {
		if _, err := song.logged().Redact(keep...); err == nil {
			t.Errorf("keeps %v", keep)
		}
	}
	if _, err := one.Redact(0); err == nil {
		t.Error("shows a creator that was not disclosed")
	}
	if text := must(evidence.Encode(one)); bytes.Contains(text, []byte("Ada")) || bytes.Contains(text, []byte("noor")) || bytes.Contains(text, []byte("take 3")) {
		t.Errorf("another creator is still in it:\n%s", text)
	}
}

func FuzzDecode(f *testing.F) {
	for name, text := range golden() {
		if strings.HasSuffix(name, ".json") {
			f.Add(text)
		}
	}
	f.Add([]byte(`{"evidence":1}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		e, err := evidence.Decode(bytes.NewReader(text))
		if err != nil {
			if !errors.Is(err, evidence.ErrMalformed) {
				t.Error(err)
			}
			return
		}
		if _, err := evidence.Verify(e, evidence.Options{}); err != nil {
			t.Error(err)
		}
		// Encoding gives the same bytes again, and Decode reads the output of Redact.
		again := must(evidence.Encode(e))
		if got := must(evidence.Encode(decode(t, again))); !bytes.Equal(got, again) {
			t.Errorf("%s\nis read as\n%s", again, got)
		}
		decode(t, must(evidence.Encode(must(e.Redact(e.Creators[0].Proof.Index())))))
	})
}

// Code outside of this module can name every exported type of the package.
func TestNoTypeIsInternal(t *testing.T) {
	t.Parallel()
	seen := map[reflect.Type]bool{}
	var look func(reflect.Type)
	look = func(is reflect.Type) {
		if seen[is] {
			return
		}
		seen[is] = true
		if strings.Contains(is.PkgPath(), "/internal/") {
			t.Errorf("%s is internal", is)
		}
		switch is.Kind() {
		case reflect.Pointer, reflect.Slice, reflect.Array, reflect.Map, reflect.Chan:
			look(is.Elem())
		case reflect.Struct:
			for _, f := range reflect.VisibleFields(is) {
				if f.IsExported() {
					look(f.Type)
				}
			}
		case reflect.Func:
			for i := range is.NumIn() {
				look(is.In(i))
			}
			for i := range is.NumOut() {
				look(is.Out(i))
			}
		}
	}
	for _, shown := range []any{evidence.Decode, evidence.Encode, evidence.Verify, evidence.OpenCheckpoint, evidence.Evidence.Redact, evidence.Report.OK} {
		look(reflect.TypeOf(shown))
	}
	if len(seen) < 25 {
		t.Errorf("only %d types were checked", len(seen))
	}
}
