package commitment_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"timbre.example/proof/commitment"
)

type vector struct {
	Name     string
	Title    string
	MediaHex string `json:"media_hex"`
	MediaLen int64  `json:"media_len"`
	Creators []commitment.Creator
	Expect   struct {
		ProtocolVersion  int               `json:"protocol_version"`
		MediaHash        commitment.Hash   `json:"media_hash"`
		CreatorEncodings []string          `json:"creator_encodings"`
		CreatorLeaves    []commitment.Hash `json:"creator_leaves"`
		CreatorsRoot     commitment.Hash   `json:"creators_merkle_root"`
		Commitment       commitment.Hash
		FirstProof       commitment.Proof `json:"proof_of_creator_0"`
	}
}

func vectors(t testing.TB) []vector {
	t.Helper()
	data, err := os.ReadFile("testdata/commitment-vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	var file struct {
		About   string
		Vectors []vector
	}
	if err := dec.Decode(&file); err != nil {
		t.Fatal(err)
	}
	if len(file.Vectors) == 0 {
		t.Fatal("no vectors")
	}
	return file.Vectors
}

func TestKnownAnswers(t *testing.T) {
	for _, v := range vectors(t) {
		t.Run(v.Name, func(t *testing.T) {
			if v.Expect.ProtocolVersion != commitment.Version {
				t.Fatalf("a vector for version %d", v.Expect.ProtocolVersion)
			}
			media, err := hex.DecodeString(v.MediaHex)
			if err != nil {
				t.Fatal(err)
			}
			hash, size, err := commitment.HashMedia(iotest.OneByteReader(bytes.NewReader(media)))
			if err != nil || hash != v.Expect.MediaHash || size != v.MediaLen {
				t.Errorf("HashMedia: %v, %d, %v", hash, size, err)
			}
			for i, c := range v.Creators {
				if got := hex.EncodeToString(commitment.Encode(c)); got != v.Expect.CreatorEncodings[i] {
					t.Errorf("Encode of creator %d: %s", i, got)
				}
			}
			c, err := commitment.Compute(v.Title, v.Creators, hash)
			if err != nil {
				t.Fatal(err)
			}
			want := commitment.Commitment{Hash: v.Expect.Commitment, Media: v.Expect.MediaHash, Root: v.Expect.CreatorsRoot, Leaves: v.Expect.CreatorLeaves}
			if diff := cmp.Diff(want, c); diff != "" {
				t.Error(diff)
			}
			proof, err := c.Proof(0)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(v.Expect.FirstProof, proof); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestValidate(t *testing.T) {
	text := func(s string) *string { return &s }
	ok := func() commitment.Creator {
		return commitment.Creator{FullName: "A", Email: "a@b", Roles: []commitment.Role{commitment.Author}}
	}
	with := func(change func(*commitment.Creator)) []commitment.Creator {
		c := ok()
		change(&c)
		return []commitment.Creator{ok(), c}
	}
	tests := []struct {
		name     string
		title    string
		creators []commitment.Creator
		field    string // empty when valid
		rule     commitment.Rule
	}{
		{"valid", "T", []commitment.Creator{ok()}, "", ""},
		{"32 creators", "T", slices.Repeat([]commitment.Creator{ok()}, 32), "", ""},
		{"shortest ipi", "T", with(func(c *commitment.Creator) { c.IPI = text("1") }), "", ""},
		{"longest ipi", "T", with(func(c *commitment.Creator) { c.IPI = text("12345678901") }), "", ""},
		{"isni with X anywhere", "T", with(func(c *commitment.Creator) { c.ISNI = text("X00000000000000X") }), "", ""},
		{"nothing is trimmed", " ", with(func(c *commitment.Creator) { c.FullName, c.Email = " ", "\t" }), "", ""},
		{"no title", "", []commitment.Creator{ok()}, "title", commitment.RuleRequired},
		{"title before creators", "", nil, "title", commitment.RuleRequired},
		{"title not UTF-8", "\xff", []commitment.Creator{ok()}, "title", commitment.RuleUTF8},
		{"no creator", "T", nil, "creators", commitment.RuleCount},
		{"33 creators", "T", slices.Repeat([]commitment.Creator{{}}, 33), "creators", commitment.RuleCount},
		{"name first", "T", with(func(c *commitment.Creator) { *c = commitment.Creator{IPI: text("")} }), "creators[1].full_name", commitment.RuleRequired},
		{"name not UTF-8", "T", with(func(c *commitment.Creator) { c.FullName = "a\x80" }), "creators[1].full_name", commitment.RuleUTF8},
		{"e-mail before roles", "T", with(func(c *commitment.Creator) { c.Email, c.Roles = "", nil }), "creators[1].email", commitment.RuleRequired},
		{"e-mail not UTF-8", "T", with(func(c *commitment.Creator) { c.Email = "\xc3" }), "creators[1].email", commitment.RuleUTF8},
		{"roles before ipi", "T", with(func(c *commitment.Creator) { c.Roles, c.IPI = nil, text("") }), "creators[1].roles", commitment.RuleRequired},
		{"unknown role", "T", with(func(c *commitment.Creator) { c.Roles = []commitment.Role{0, 4} }), "creators[1].roles[1]", commitment.RuleRole},
		{"negative role", "T", with(func(c *commitment.Creator) { c.Roles = []commitment.Role{-1} }), "creators[1].roles[0]", commitment.RuleRole},
		{"ipi before isni", "T", with(func(c *commitment.Creator) { c.IPI, c.ISNI = text(""), text("") }), "creators[1].ipi", commitment.RuleIPI},
		{"ipi too long", "T", with(func(c *commitment.Creator) { c.IPI = text("123456789012") }), "creators[1].ipi", commitment.RuleIPI},
		{"ipi with a letter", "T", with(func(c *commitment.Creator) { c.IPI = text("1a1") }), "creators[1].ipi", commitment.RuleIPI},
		{"ipi with other digits", "T", with(func(c *commitment.Creator) { c.IPI = text("٣") }), "creators[1].ipi", commitment.RuleIPI},
		{"isni too short", "T", with(func(c *commitment.Creator) { c.ISNI = text("000000012103268") }), "creators[1].isni", commitment.RuleISNI},
		{"isni with small x", "T", with(func(c *commitment.Creator) { c.ISNI = text("000000012103268x") }), "creators[1].isni", commitment.RuleISNI},
		{"first creator first", "T", []commitment.Creator{{FullName: "A"}, {}}, "creators[0].email", commitment.RuleRequired},
	}
	media := commitment.Hash(sha256.Sum256([]byte("media")))
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := commitment.Compute(tt.title, tt.creators, media)
			checkRefusal(t, err, tt.field, tt.rule)
		})
	}
	t.Run("empty media comes last", func(t *testing.T) {
		empty := commitment.Hash(sha256.Sum256(nil))
		_, err := commitment.Compute("T", []commitment.Creator{{}}, empty)
		checkRefusal(t, err, "creators[0].full_name", commitment.RuleRequired)
		_, err = commitment.Compute("T", []commitment.Creator{ok()}, empty)
		checkRefusal(t, err, "media", commitment.RuleRequired)
	})
	t.Run("a lone creator", func(t *testing.T) {
		checkRefusal(t, commitment.Creator{}.Validate(), "full_name", commitment.RuleRequired)
		checkRefusal(t, ok().Validate(), "", "")
	})
}

func checkRefusal(t *testing.T, err error, field string, rule commitment.Rule) {
	t.Helper()
	if field == "" {
		if err != nil {
			t.Errorf("refused: %v", err)
		}
		return
	}
	refusal, ok := errors.AsType[*commitment.ValidationError](err)
	if !ok {
		t.Fatalf("got %v, want a refusal of %s", err, field)
	}
	if refusal.Field != field || refusal.Rule != rule {
		t.Errorf("got %s %s, want %s %s", refusal.Field, refusal.Rule, field, rule)
	}
	if strings.HasSuffix(refusal.Error(), " ") {
		t.Errorf("the rule %s has no words", rule)
	}
}

func TestHashMediaRefusesNothing(t *testing.T) {
	_, _, err := commitment.HashMedia(strings.NewReader(""))
	checkRefusal(t, err, "media", commitment.RuleRequired)

	broken := errors.New("disk gone")
	if _, _, err := commitment.HashMedia(io.MultiReader(strings.NewReader("x"), iotest.ErrReader(broken))); !errors.Is(err, broken) {
		t.Errorf("got %v, want the reader's error", err)
	}
}

// zeros returns n zero bytes without holding them in memory.
type zeros struct{ n int64 }

func (z *zeros) Read(p []byte) (int, error) {
	if z.n == 0 {
		return 0, io.EOF
	}
	p = p[:min(int64(len(p)), z.n)]
	clear(p)
	z.n -= int64(len(p))
	return len(p), nil
}

// The memory that HashMedia uses does not grow with the file.
func TestHashMediaHoldsLittle(t *testing.T) {
	const size = 256 << 20
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	hash, n, err := commitment.HashMedia(&zeros{size})
	runtime.ReadMemStats(&after)
	if err != nil || n != size {
		t.Fatalf("%d bytes, %v", n, err)
	}
	// Computed with another implementation of SHA-256.
	if want := "a6d72ac7690f53be6ae46ba88506bd97302a093f7108472bd9efc3cefda06484"; hash.String() != want {
		t.Errorf("hash %s, want %s", hash, want)
	}
	if allocated := after.TotalAlloc - before.TotalAlloc; allocated > 256<<10 {
		t.Errorf("allocated %d bytes for a file of %d", allocated, size)
	}
}

func TestTreeBounds(t *testing.T) {
	leaves := make([]commitment.Hash, 33)
	for _, n := range []int{0, 33} {
		if _, err := commitment.Root(leaves[:n]); err == nil {
			t.Errorf("a root over %d leaves", n)
		}
		if _, err := commitment.Prove(leaves[:n], 0); err == nil {
			t.Errorf("a proof among %d leaves", n)
		}
	}
	for _, i := range []int{-1, 3, 31, 32} {
		if _, err := commitment.Prove(leaves[:3], i); err == nil {
			t.Errorf("a proof of leaf %d among 3", i)
		}
	}
}

func TestRoleText(t *testing.T) {
	for role, name := range map[commitment.Role]string{commitment.Author: "author", commitment.Composer: "composer", commitment.Arranger: "arranger", commitment.Adapter: "adapter"} {
		parsed, err := commitment.ParseRole(name)
		if err != nil || parsed != role || role.String() != name {
			t.Errorf("%s: %v, %v", name, parsed, err)
		}
	}
	for _, bad := range []string{`null`, `0`, `""`, `"Author"`, `"AUTHOR"`, `"author "`, `"singer"`, `["author"]`} {
		var c commitment.Creator
		if err := json.Unmarshal([]byte(`{"roles":[`+bad+`]}`), &c); err == nil {
			t.Errorf("%s is read as %v", bad, c.Roles)
		}
	}
	var c commitment.Creator
	if err := json.Unmarshal([]byte(`{"roles":"AAE="}`), &c); err == nil {
		t.Errorf("base64 was accepted as %v", c.Roles)
	}
	if _, err := json.Marshal(commitment.Role(4)); err == nil {
		t.Error("a value that is not a role has a text")
	}
	if got := commitment.Role(-1).String(); got != "Role(-1)" {
		t.Error(got)
	}
}

func TestDecodeCreatorIsStrict(t *testing.T) {
	good := commitment.Encode(commitment.Creator{FullName: "A", Email: "b", Roles: []commitment.Role{commitment.Author, commitment.Adapter}})
	for n := range good {
		if c, err := commitment.DecodeCreator(good[:n]); err == nil {
			t.Errorf("%d of %d bytes are read as %+v", n, len(good), c)
		}
	}
	tests := []struct{ name, hex string }{
		{"a byte too many", hex.EncodeToString(good) + "00"},
		{"roles descending", "0100000041" + "0100000062" + "020300" + "0000"},
		{"role twice", "0100000041" + "0100000062" + "020000" + "0000"},
		{"unknown role", "0100000041" + "0100000062" + "0104" + "0000"},
		{"no roles", "0100000041" + "0100000062" + "00" + "0000"},
		{"option tag 2", "0100000041" + "0100000062" + "0100" + "0200"},
		{"empty ipi", "0100000041" + "0100000062" + "0100" + "01" + "00000000" + "00"},
		{"not UTF-8", "01000000ff" + "0100000062" + "0100" + "0000"},
		{"empty name", "00000000" + "0100000062" + "0100" + "0000"},
		{"a length that lies", "ffffffff41" + "0100000062" + "0100" + "0000"},
	}
	for _, tt := range tests {
		b, err := hex.DecodeString(tt.hex)
		if err != nil {
			t.Fatal(err)
		}
		if c, err := commitment.DecodeCreator(b); err == nil {
			t.Errorf("%s: read as %+v", tt.name, c)
		}
	}
}

func TestProofJSONIsStrict(t *testing.T) {
	step := `{"sibling":"` + strings.Repeat("ab", 32) + `","is_left":true}`
	list := func(steps ...string) string { return "[" + strings.Join(steps, ",") + "]" }
	var p commitment.Proof
	if err := json.Unmarshal([]byte(list(step, step, step, step, step)), &p); err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{
		`null`, `{}`, `[]`, list(step, step, step, step), list(step, step, step, step, step, step),
		list(step, step, step, step, `null`), list(step, step, step, step, `{}`),
		list(step, step, step, step, strings.Replace(step, `,"is_left":true`, "", 1)),
		list(step, step, step, step, strings.Replace(step, `true`, `null`, 1)),
		list(step, step, step, step, strings.Replace(step, `true`, `1`, 1)),
		list(step, step, step, step, strings.Replace(step, `{`, `{"index":0,`, 1)),
		list(step, step, step, step, strings.Replace(step, `ab"`, `zz"`, 1)),
		list(step, step, step, step, strings.Replace(step, `ab"`, `"`, 1)),
		list(step, step, step, step, strings.Replace(step, `:"`, `:"0x`, 1)),
	} {
		before := p
		if err := json.Unmarshal([]byte(bad), &p); err == nil {
			t.Errorf("read: %s", bad)
		}
		if p != before {
			t.Errorf("a refused proof changed the value: %s", bad)
		}
	}
}

// creators draws valid creators, with roles in any order and repeated.
func creators() *rapid.Generator[[]commitment.Creator] {
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) commitment.Creator {
		text := rapid.StringN(1, 40, -1)
		return commitment.Creator{
			FullName: text.Draw(t, "name"),
			Email:    text.Draw(t, "email"),
			Roles:    rapid.SliceOfN(rapid.SampledFrom([]commitment.Role{0, 1, 2, 3}), 1, 6).Draw(t, "roles"),
			IPI:      rapid.Ptr(rapid.StringMatching(`[0-9]{1,11}`), true).Draw(t, "ipi"),
			ISNI:     rapid.Ptr(rapid.StringMatching(`[0-9X]{16}`), true).Draw(t, "isni"),
		}
	}), 1, commitment.MaxCreators)
}

func TestEncodingRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		for _, c := range creators().Draw(t, "creators") {
			given := slices.Clone(c.Roles)
			encoded := commitment.Encode(c)
			if !slices.Equal(given, c.Roles) {
				t.Fatal("Encode reordered the caller's roles")
			}
			decoded, err := commitment.DecodeCreator(encoded)
			if err != nil {
				t.Fatal(err)
			}
			slices.Sort(c.Roles)
			c.Roles = slices.Compact(c.Roles)
			if diff := cmp.Diff(c, decoded); diff != "" {
				t.Fatal(diff)
			}
			text, err := json.Marshal(c)
			if err != nil {
				t.Fatal(err)
			}
			var again commitment.Creator
			if err := json.Unmarshal(text, &again); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c, again); diff != "" {
				t.Fatal(diff)
			}
		}
	})
}

// Every creator can be proved, but only at its own place and only in this tree.
func TestProofs(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		work := creators().Draw(t, "creators")
		media := commitment.Hash(sha256.Sum256([]byte("media")))
		c, err := commitment.Compute("Title", work, media)
		if err != nil {
			t.Fatal(err)
		}
		for i, creator := range work {
			proof, err := c.Proof(i)
			if err != nil {
				t.Fatal(err)
			}
			leaf := commitment.Leaf(creator)
			if proof.Index() != i || !commitment.VerifyProof(leaf, proof, c.Root) {
				t.Fatalf("creator %d is not proved (index %d)", i, proof.Index())
			}
			bad := proof
			level := rapid.IntRange(0, len(bad)-1).Draw(t, "level")
			bad[level].Sibling[rapid.IntRange(0, 31).Draw(t, "byte")] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit")
			if commitment.VerifyProof(leaf, bad, c.Root) {
				t.Fatal("a changed sibling is accepted")
			}
			bad = proof
			bad[level].IsLeft = !bad[level].IsLeft
			// Swapping two equal halves changes nothing; any other swap does.
			if equal := commitment.VerifyProof(leaf, bad, c.Root); equal && bad.Index() < len(work) && c.Leaves[bad.Index()] != leaf {
				t.Fatal("a leaf is accepted at another's place")
			}
			creator.FullName += "x"
			if commitment.VerifyProof(commitment.Leaf(creator), proof, c.Root) {
				t.Fatal("another creator is accepted")
			}
		}
		if commitment.Seal("Title", media, c.Root) != c.Hash {
			t.Fatal("the root does not lead to the commitment")
		}
	})
}

// No two different inputs give the same commitment: neither by moving text from one string to the next, nor by
// moving creators.
func TestEverythingIsCommittedTo(t *testing.T) {
	name := func(s string) *string { return &s }
	media := commitment.Hash(sha256.Sum256([]byte("media")))
	base := func() commitment.Work {
		return commitment.Work{Title: "ab", Creators: []commitment.Creator{
			{FullName: "cd", Email: "ef", Roles: []commitment.Role{commitment.Author}, IPI: name("1")},
			{FullName: "gh", Email: "ij", Roles: []commitment.Role{commitment.Composer}},
		}}
	}
	changes := map[string]func(*commitment.Work){
		"nothing":        func(*commitment.Work) {},
		"title":          func(w *commitment.Work) { w.Title = "ab " },
		"case":           func(w *commitment.Work) { w.Title = "aB" },
		"order":          func(w *commitment.Work) { slices.Reverse(w.Creators) },
		"name to e-mail": func(w *commitment.Work) { w.Creators[0].FullName, w.Creators[0].Email = "cde", "f" },
		"role":           func(w *commitment.Work) { w.Creators[0].Roles[0] = commitment.Adapter },
		"one more role": func(w *commitment.Work) {
			w.Creators[0].Roles = append(w.Creators[0].Roles, commitment.Arranger)
		},
		"no ipi":       func(w *commitment.Work) { w.Creators[0].IPI = nil },
		"isni":         func(w *commitment.Work) { w.Creators[1].ISNI = name("0000000000000000") },
		"one fewer":    func(w *commitment.Work) { w.Creators = w.Creators[:1] },
		"one repeated": func(w *commitment.Work) { w.Creators = append(w.Creators, w.Creators[1]) },
	}
	seen := make(map[commitment.Hash]string)
	for what, change := range changes {
		w := base()
		change(&w)
		c, err := commitment.Compute(w.Title, w.Creators, media)
		if err != nil {
			t.Fatal(err)
		}
		if other, ok := seen[c.Hash]; ok {
			t.Errorf("%q and %q give the same commitment", what, other)
		}
		seen[c.Hash] = what
	}
}
