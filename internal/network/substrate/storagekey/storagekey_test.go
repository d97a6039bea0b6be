package storagekey_test

import (
	"compress/gzip"
	"encoding/hex"
	"io"
	"os"
	"testing"

	"timbre.example/internal/network/substrate/metadata"
	"timbre.example/internal/network/substrate/storagekey"
)

func melodie(t *testing.T) *metadata.Metadata {
	t.Helper()
	f, err := os.Open("../metadata/testdata/melodie-100-v14.scale.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	m, err := metadata.Parse(b)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// The keys are those under which the real runtime answered.
func TestKey(t *testing.T) {
	m := melodie(t)
	bob, err := hex.DecodeString("8eaf04151687736326c9fea17e25fc5287613693c912909cb226aa4794f26a48")
	if err != nil {
		t.Fatal(err)
	}
	id := make([]byte, 8)
	for _, c := range []struct {
		pallet, entry string
		keys          [][]byte
		want          string
	}{
		{"System", "Account", [][]byte{bob}, "26aa394eea5630e07c48ae0c9558cef7b99d880ec681799c0cf30e8886371da94f9aea1afa791265fae359272badc1cf8eaf04151687736326c9fea17e25fc5287613693c912909cb226aa4794f26a48"},
		{"System", "Events", nil, "26aa394eea5630e07c48ae0c9558cef780d41e5e16056765bc8461851072c9d7"},
		{"Ats", "NextAtsId", nil, "d6a922a3bb930d4e184882d6db8d355f06ea9c1398bb74f1ea89a813d9e68046"},
		{"Ats", "AtsRegistry", [][]byte{id}, "d6a922a3bb930d4e184882d6db8d355f6594e7b0e619cc1e0c43aeb4e050e2a3c804ce198ec337e3dc762bdd1a09aece0000000000000000"},
		{"Ats", "AtsVersions", [][]byte{id, {1, 0, 0, 0}}, "d6a922a3bb930d4e184882d6db8d355feb1a8703380c322f02a66a55ef253e7ec804ce198ec337e3dc762bdd1a09aece0000000000000000d82c12285b5d4551f88e8f6e7eb52b8101000000"},
	} {
		got, err := storagekey.Key(m, c.pallet, c.entry, c.keys...)
		if err != nil || hex.EncodeToString(got) != c.want {
			t.Errorf("%s.%s: %x, %v", c.pallet, c.entry, got, err)
		}
	}
	for _, c := range [][2]string{{"Ats", "AtsRegistry"}, {"Ats", "None"}, {"None", "Account"}} {
		if _, err := storagekey.Key(m, c[0], c[1]); err == nil {
			t.Errorf("%s.%s without keys has a key", c[0], c[1])
		}
	}
}
