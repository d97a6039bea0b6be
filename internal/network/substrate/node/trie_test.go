package node

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"testing"

	"golang.org/x/crypto/blake2b"

	"timbre.example/internal/network/substrate/scale"
)

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(trim0x(s))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func trim0x(s string) string {
	if len(s) > 1 && s[:2] == "0x" {
		return s[2:]
	}
	return s
}

func TestEmptyTrie(t *testing.T) {
	t.Parallel()
	var v *vertex
	if got := v.root(1); hex.EncodeToString(got[:]) != "03170a2e7597b7b7e3d84c05391d139a62b157e78786d8c082f29dcf4c111314" {
		t.Errorf("%x", got)
	}
	v = v.put(nibbles([]byte("a")), []byte("1")).remove(nibbles([]byte("a")))
	if v != nil {
		t.Error("a trie without values is not empty")
	}
}

// plainRoot is a second implementation: it makes the root from sorted pairs, without a tree.
func plainRoot(l layout, m map[string][]byte) [32]byte {
	if len(m) == 0 {
		return blake2b.Sum256([]byte{0})
	}
	type pair struct{ key, value []byte }
	var all []pair
	for _, k := range slices.Sorted(maps.Keys(m)) {
		all = append(all, pair{nibbles([]byte(k)), m[k]})
	}
	var code func(p []pair, depth int) []byte
	code = func(p []pair, depth int) []byte {
		first, last := p[0].key, p[len(p)-1].key
		end := depth
		for end < len(first) && end < len(last) && first[end] == last[end] {
			end++
		}
		leaf := len(p) == 1
		if leaf {
			end = len(first)
		}
		own := len(first) == end
		apart := own && l == 1 && len(p[0].value) > 32
		var out []byte
		if n := end - depth; n > 0 || true {
			bits, prefix := 6, 0x80
			switch {
			case leaf && apart:
				bits, prefix = 5, 0x20
			case leaf:
				prefix = 0x40
			case apart:
				bits, prefix = 4, 0x10
			case own:
				prefix = 0xc0
			}
			limit := 1<<bits - 1
			out = append(out, byte(prefix|min(n, limit)))
			for n -= limit; n >= 0; n -= 255 {
				out = append(out, byte(min(n, 255)))
				if n < 255 {
					break
				}
			}
		}
		text := hex.EncodeToString(nil)
		for _, n := range first[depth:end] {
			text += string("0123456789abcdef"[n])
		}
		if len(text)%2 == 1 {
			text = "0" + text
		}
		b, _ := hex.DecodeString(text)
		out = append(out, b...)
		value := func() {
			if apart {
				h := blake2b.Sum256(p[0].value)
				out = append(out, h[:]...)
			} else if own {
				out = scale.AppendBytes(out, p[0].value)
			}
		}
		if leaf {
			value()
			return out
		}
		groups := map[byte][]pair{}
		for _, e := range p {
			if len(e.key) > end {
				groups[e.key[end]] = append(groups[e.key[end]], e)
			}
		}
		var lo, hi byte
		for n := range groups {
			if n < 8 {
				lo |= 1 << n
			} else {
				hi |= 1 << (n - 8)
			}
		}
		out = append(out, lo, hi)
		value()
		for _, n := range slices.Sorted(maps.Keys(groups)) {
			c := code(groups[n], end+1)
			if len(c) > 31 {
				h := blake2b.Sum256(c)
				c = h[:]
			}
			out = scale.AppendBytes(out, c)
		}
		return out
	}
	return blake2b.Sum256(code(all, 0))
}

// TestTrieAgainstASecond compares both after many puts and removals.
func TestTrieAgainstASecond(t *testing.T) {
	t.Parallel()
	for seed := range uint64(40) {
		r := rand.New(rand.NewPCG(seed, 1))
		var v *vertex
		m := map[string][]byte{}
		for step := range 120 {
			key := make([]byte, r.IntN(5)*r.IntN(20))
			for i := range key {
				key[i] = byte(r.IntN(3) * 17)
			}
			if r.IntN(4) == 0 {
				v = v.remove(nibbles(key))
				delete(m, string(key))
			} else {
				value := make([]byte, r.IntN(40))
				for i := range value {
					value[i] = byte(r.Uint32())
				}
				v = v.put(nibbles(key), value)
				m[string(key)] = value
			}
			if got, want := v.root(1), plainRoot(1, m); got != want {
				t.Fatalf("seed %d, step %d: %x, want %x", seed, step, got, want)
			}
		}
		var keys []string
		v.walk(nil, func(path, value []byte) bool {
			k := string(packed(path))
			if !bytes.Equal(m[k], value) {
				t.Errorf("%x: %x", k, value)
			}
			keys = append(keys, k)
			return true
		})
		if !slices.Equal(keys, slices.Sorted(maps.Keys(m))) {
			t.Error("the walk is not in the order of keys")
		}
	}
}

// TestTrieAgainstOthers compares with roots that the trie of Substrate itself made: testdata/tries.json
// was written by calculate_state_root of the npm package @acala-network/chopsticks-executor
// 1.5.1, which is that trie as WebAssembly, in both versions of the layout.
func TestTrieAgainstOthers(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("testdata/tries.json")
	if err != nil {
		t.Fatal(err)
	}
	var all []struct {
		Values [][2]string `json:"values"`
		Roots  []string    `json:"roots"`
	}
	if err := json.Unmarshal(text, &all); err != nil {
		t.Fatal(err)
	}
	if len(all) < 20 {
		t.Errorf("%d tries", len(all))
	}
	for i, each := range all {
		for l, want := range each.Roots {
			var v *vertex
			for _, pair := range each.Values {
				v = v.put(nibbles(unhex(t, pair[0])), unhex(t, pair[1]))
			}
			if got := Hash(v.root(layout(l))); got.String() != want {
				t.Errorf("trie %d in layout %d: %s, want %s", i, l, got, want)
			}
		}
	}
}
