package commitment_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"io"
	"testing"
	"testing/iotest"

	"timbre.example/proof/commitment"
)

// Accepted bytes are canonical: the decoded creator encodes to the same bytes.
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
			t.Errorf("%x decodes, and encodes again as %x", data, again)
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

// A proof leads to the root from its own leaf only, and at its own place only.
func FuzzTree(f *testing.F) {
	f.Add([]byte("a"), uint8(0))
	f.Add([]byte("three leaves"), uint8(2))
	f.Add(bytes.Repeat([]byte("same"), 32), uint8(31))
	f.Fuzz(func(t *testing.T, data []byte, at uint8) {
		var leaves []commitment.Hash
		for i := range data {
			leaves = append(leaves, commitment.Hash{data[i], byte(i)})
		}
		root, err := commitment.Root(leaves)
		if valid := len(leaves) > 0 && len(leaves) <= commitment.MaxCreators; (err == nil) != valid {
			t.Fatalf("%d leaves: %v", len(leaves), err)
		}
		i := int(at)
		proof, noProof := commitment.Prove(leaves, i)
		if (noProof == nil) != (err == nil && i < len(leaves)) {
			t.Fatalf("leaf %d of %d: %v", i, len(leaves), noProof)
		}
		if noProof != nil {
			return
		}
		if !commitment.VerifyProof(leaves[i], proof, root) || proof.Index() != i {
			t.Errorf("leaf %d of %d is not proved", i, len(leaves))
		}
		other := leaves[i]
		other[31] ^= 1
		if commitment.VerifyProof(other, proof, root) {
			t.Error("another leaf is proved")
		}
		proof[at%5].IsLeft = !proof[at%5].IsLeft
		if commitment.VerifyProof(leaves[i], proof, root) && proof[at%5].Sibling != leaves[i] {
			t.Error("another place is proved")
		}
	})
}

// FuzzMedia: the hash of a recording does not depend on the sizes of the reads.
func FuzzMedia(f *testing.F) {
	f.Add([]byte("RIFF"), uint8(1))
	f.Add([]byte{}, uint8(0))
	f.Fuzz(func(t *testing.T, data []byte, at uint8) {
		whole, n, err := commitment.HashMedia(bytes.NewReader(data))
		cut := min(int(at), len(data))
		parts, m, again := commitment.HashMedia(io.MultiReader(iotest.OneByteReader(bytes.NewReader(data[:cut])), iotest.DataErrReader(bytes.NewReader(data[cut:]))))
		if whole != parts || n != m || (err == nil) != (again == nil) || err == nil && n != int64(len(data)) {
			t.Errorf("%x (%d, %v) in one piece, %x (%d, %v) in many", whole, n, err, parts, m, again)
		}
	})
}
