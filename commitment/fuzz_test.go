package commitment_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"testing"

	"timbre.example/commitment"
)

// What decodes is canonical: it encodes to the very same bytes.
func FuzzDecodeCreator(f *testing.F) {
	for _, v := range vectors(f) {
		for _, encoding := range v.Expect.CreatorEncodings {
			b, err := hex.DecodeString(encoding)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(b)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := commitment.DecodeCreator(data)
		if err != nil {
			return
		}
		if again := commitment.Encode(c); !bytes.Equal(again, data) {
			t.Errorf("%x is read and written back as %x", data, again)
		}
		if err := c.Validate(); err != nil {
			t.Errorf("an invalid creator was read: %v", err)
		}
	})
}

func FuzzProofJSON(f *testing.F) {
	for _, v := range vectors(f) {
		b, err := json.Marshal(v.Expect.FirstProof)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Add([]byte(`[{"sibling":null,"is_left":false}]`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var p, again commitment.Proof
		if err := json.Unmarshal(data, &p); err != nil {
			if p != again {
				t.Error("a refused proof changed the value")
			}
			return
		}
		b, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(b, &again); err != nil || again != p {
			t.Errorf("%s is not read back: %v", b, err)
		}
		if i := p.Index(); i < 0 || i >= commitment.MaxCreators {
			t.Errorf("index %d", i)
		}
	})
}

func FuzzCreatorJSON(f *testing.F) {
	for _, v := range vectors(f) {
		b, err := json.Marshal(v.Creators[0])
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Add([]byte(`{"roles":[null]}`))
	f.Add([]byte(`{"roles":"AAE="}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var c commitment.Creator
		if err := json.Unmarshal(data, &c); err != nil || c.Validate() != nil {
			return
		}
		decoded, err := commitment.DecodeCreator(commitment.Encode(c))
		if err != nil {
			t.Fatalf("a valid creator has no canonical form: %v", err)
		}
		if commitment.Leaf(decoded) != commitment.Leaf(c) {
			t.Error("the canonical form is another creator")
		}
	})
}

func FuzzParseRole(f *testing.F) {
	for _, name := range []string{"author", "composer", "arranger", "adapter", "Author", "", "Role(4)"} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		r, err := commitment.ParseRole(name)
		if err == nil && (!r.Valid() || r.String() != name) {
			t.Errorf("%q is read as %v", name, r)
		}
	})
}

func FuzzParseHash(f *testing.F) {
	f.Add("45fd0daa464f20cea2b248a5aa95b61dfc8a3673356315d9205b7a3e777068f5")
	f.Add("0x45fd0daa464f20cea2b248a5aa95b61dfc8a3673356315d9205b7a3e777068")
	f.Fuzz(func(t *testing.T, s string) {
		h, err := commitment.ParseHash(s)
		if err != nil {
			return
		}
		if again, err := commitment.ParseHash(h.String()); err != nil || again != h {
			t.Errorf("%s is not read back: %v", h, err)
		}
	})
}
