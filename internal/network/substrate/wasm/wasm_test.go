package wasm

import (
	"bytes"
	"crypto/ed25519"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ChainSafe/go-schnorrkel"
	"github.com/klauspost/compress/zstd"
)

// storage is a state in a map. Its roots are only marks: the node's tests have real ones.
type storage struct {
	values map[string]string
	layers []map[string]string
}

func empty() *storage { return &storage{values: map[string]string{}} }

func (s *storage) Get(key []byte) ([]byte, bool) {
	v, found := s.values[string(key)]
	return []byte(v), found
}
func (s *storage) Set(key, value []byte) { s.values[string(key)] = string(value) }
func (s *storage) Clear(key []byte)      { delete(s.values, string(key)) }

func (s *storage) Next(key []byte) ([]byte, bool) {
	for _, k := range slices.Sorted(maps.Keys(s.values)) {
		if k > string(key) {
			return []byte(k), true
		}
	}
	return nil, false
}
func (s *storage) Begin() { s.layers = append(s.layers, maps.Clone(s.values)) }
func (s *storage) newest() map[string]string {
	last := s.layers[len(s.layers)-1]
	s.layers = s.layers[:len(s.layers)-1]
	return last
}
func (s *storage) Commit()                         { s.newest() }
func (s *storage) Rollback()                       { s.values = s.newest() }
func (s *storage) Root() [32]byte                  { return [32]byte{1} }
func (s *storage) ListRoot([][]byte, int) [32]byte { return [32]byte{2} }

// tiny is the code of testdata/runtime.wat.
func tiny(t testing.TB) []byte {
	t.Helper()
	b, err := os.ReadFile("testdata/runtime.wasm")
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func compiled(t testing.TB) *Code {
	t.Helper()
	c, err := Compile(t.Context(), tiny(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close(t.Context()) })
	return c
}

// TestTinyIsItsText makes the code again from its text.
func TestTinyIsItsText(t *testing.T) {
	t.Parallel()
	made := filepath.Join(t.TempDir(), "runtime.wasm")
	if out, err := exec.CommandContext(t.Context(), "wat2wasm", "--enable-all", "testdata/runtime.wat", "-o", made).CombinedOutput(); errors.Is(err, exec.ErrNotFound) {
		t.Skip("wat2wasm is not installed (Debian package wabt)")
	} else if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if got, err := os.ReadFile(made); err != nil || !bytes.Equal(got, tiny(t)) {
		t.Errorf("%v: runtime.wasm is not runtime.wat: run wat2wasm --enable-all", err)
	}
}

// named is a key after its length, and a value.
func named(key, value string) []byte {
	return append(append([]byte{byte(len(key))}, key...), value...)
}

func number(v uint32) string { return string(binary.LittleEndian.AppendUint32(nil, v)) }

// TestFunctionsOfTheHost calls each function of the host from WASM. The hashes are known answers
// of Substrate: the storage prefixes of System and of Account, and the hashes of other programs.
func TestFunctionsOfTheHost(t *testing.T) {
	t.Parallel()
	c := compiled(t)
	known := func(text string) string {
		b, err := hex.DecodeString(text)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	message := []byte("a message")
	private := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, 32))
	edwards := slices.Concat(ed25519.Sign(private, message), private.Public().(ed25519.PublicKey), message)
	mini, err := schnorrkel.NewMiniSecretKeyFromRaw([32]byte{9})
	if err != nil {
		t.Fatal(err)
	}
	made, err := mini.ExpandEd25519().Sign(schnorrkel.NewSigningContext([]byte("substrate"), message))
	if err != nil {
		t.Fatal(err)
	}
	signature, public := made.Encode(), mini.Public().Encode()
	ristretto := slices.Concat(signature[:], public[:], message)
	other := func(b []byte) []byte { return append(bytes.Clone(b), '!') }
	odd := bytes.Clone(ristretto)
	copy(odd[64:96], bytes.Repeat([]byte{255}, 32)) // no point

	for _, each := range []struct {
		function string
		before   map[string]string
		input    []byte
		want     string
		after    map[string]string
	}{
		{"do_get", map[string]string{"k": "value"}, []byte("k"), "\x01\x14value", nil},
		{"do_get", map[string]string{"k": ""}, []byte("k"), "\x01\x00", nil},
		{"do_get", nil, []byte("k"), "\x00", nil},
		{"do_set", nil, named("k", "v"), "", map[string]string{"k": "v"}},
		{"do_set", map[string]string{"k": "v"}, named("k", ""), "", map[string]string{"k": ""}},
		{"do_clear", map[string]string{"k": "v", "kk": "w"}, []byte("k"), "", map[string]string{"kk": "w"}},
		{"do_clear", nil, []byte("k"), "", nil},
		{"do_exists", map[string]string{"k": ""}, []byte("k"), number(1), nil},
		{"do_exists", nil, []byte("k"), number(0), nil},
		{"do_read", map[string]string{"k": "abcdefgh"}, []byte("k"), "cdef\x01" + number(6), nil},
		{"do_read", map[string]string{"k": "abc"}, []byte("k"), "c\x00\x00\x00\x01" + number(1), nil},
		{"do_read", map[string]string{"k": "a"}, []byte("k"), "\x00\x00\x00\x00\x01" + number(0), nil},
		{"do_read", nil, []byte("k"), "\x00\x00\x00\x00\x00\x00\x00\x00\x00", nil},
		{"do_append", nil, named("k", "one"), "", map[string]string{"k": "\x04one"}},
		{"do_append", map[string]string{"k": "\x04one"}, named("k", "two"), "", map[string]string{"k": "\x08onetwo"}},
		{"do_append", map[string]string{"k": "\xfc" + strings.Repeat("x", 63)}, named("k", "y"), "", map[string]string{"k": "\x01\x01" + strings.Repeat("x", 63) + "y"}},
		{"do_append", map[string]string{"k": "\x03x"}, named("k", "one"), "", map[string]string{"k": "\x04one"}},
		{"do_next", map[string]string{"a": "", "ab": "", "b": ""}, []byte("a"), "\x01\x08ab", nil},
		{"do_next", map[string]string{"a": "", "b": ""}, []byte("aa"), "\x01\x04b", nil},
		{"do_next", map[string]string{"a": ""}, []byte("a"), "\x00", nil},
		{"do_clear_prefix", map[string]string{"a": "", "ab": "", "abc": "", "b": ""}, named("ab", "\x00"), "\x00" + number(2), map[string]string{"a": "", "b": ""}},
		{"do_clear_prefix", map[string]string{"a": "", "ab": "", "abc": ""}, named("ab", "\x01"+number(1)), "\x01" + number(1), map[string]string{"a": "", "abc": ""}},
		{"do_clear_prefix", map[string]string{"ab": "", "abc": ""}, named("ab", "\x01"+number(2)), "\x00" + number(2), nil},
		{"do_layers", map[string]string{"k": "old"}, named("k", "new"), "\x00", map[string]string{"k": "new"}},
		{"do_twox_128", nil, []byte("System"), known("26aa394eea5630e07c48ae0c9558cef7"), nil},
		{"do_twox_128", nil, []byte("Account"), known("b99d880ec681799c0cf30e8886371da9"), nil},
		{"do_twox_64", nil, []byte("System"), known("26aa394eea5630e0"), nil},
		{"do_blake2_128", nil, nil, known("cae66941d9efbd404e4d88758ea67670"), nil},
		{"do_blake2_256", nil, []byte("abc"), known("bddd813c634239723171ef3fee98579b94964e3bb1cb3e427262c8c068d52319"), nil},
		{"do_keccak_256", nil, []byte("abc"), known("4e03657aea45a94fc7d47ba826c8d667c0d1e6e33a64a036ec44f58fa12d6c45"), nil},
		{"do_ed25519", nil, edwards, number(1), nil},
		{"do_ed25519", nil, other(edwards), number(0), nil},
		{"do_sr25519", nil, ristretto, number(1), nil},
		{"do_sr25519", nil, other(ristretto), number(0), nil},
		{"do_sr25519", nil, odd, number(0), nil},
		{"do_version_of", nil, []byte("no code"), "\x00", nil},
		{"do_version_of", nil, tiny(t), "\x01\x70\x10tiny\x10tiny" + number(1) + number(7) + number(1) + "\x00" + number(1) + "\x01", nil},
	} {
		st := empty()
		maps.Copy(st.values, each.before)
		got, err := c.Call(t.Context(), st, each.function, each.input)
		if err != nil || string(got) != each.want {
			t.Errorf("%s(%.60q) is %q, %v; want %q", each.function, each.input, got, err, each.want)
		}
		after := each.after
		if after == nil && each.function[:6] != "do_cle" {
			after = each.before
		}
		if !maps.Equal(st.values, after) || len(st.layers) != 0 {
			t.Errorf("%s(%.60q) leaves %q in %d layers, want %q", each.function, each.input, st.values, len(st.layers), after)
		}
	}
}

// TestStops stops calls that a runtime must not make. The next call works.
func TestStops(t *testing.T) {
	t.Parallel()
	c := compiled(t)
	for _, each := range []struct {
		function string
		input    string
		want     error
		says     string
	}{
		{"do_nothing", "", ErrNoFunction, "do_nothing"},
		{"do_stop", "the reason", ErrTrap, "unreachable; head: the reason"},
		{"do_unknown", "", ErrTrap, "ext_nobody_has_version_1 is missing here"},
		{"do_outside", "", ErrTrap, "outside of its memory"},
		{"do_read_outside", "", ErrTrap, "outside of its memory"},
		{"do_fill", strings.Repeat("x", 1<<20), ErrTrap, errFull.Error()},
		{"do_rollback", "", ErrTrap, "index out of range"}, // of the layers of this test
	} {
		if _, err := c.Call(t.Context(), empty(), each.function, []byte(each.input)); !errors.Is(err, each.want) || !strings.Contains(err.Error(), each.says) {
			t.Errorf("%s: %v, want %v with %q", each.function, err, each.want, each.says)
		}
	}
	got, err := c.Call(t.Context(), empty(), "do_reuse", nil)
	if err != nil || len(got) != 4 || binary.LittleEndian.Uint32(got) > 64 {
		t.Errorf("after 5,000 pieces of 1 MiB the memory has %x pages, %v", got, err)
	}
}

// TestCompressed runs code that is compressed, as chain specs have it.
func TestCompressed(t *testing.T) {
	t.Parallel()
	w, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	small := append(bytes.Clone(packed), w.EncodeAll(tiny(t), nil)...)
	c, err := Compile(t.Context(), small)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close(t.Context()) }()
	if got, err := c.Call(t.Context(), empty(), "Core_version", nil); err != nil || !bytes.HasPrefix(got, []byte("\x10tiny")) {
		t.Errorf("%q, %v", got, err)
	}
	bomb := append(bytes.Clone(packed), w.EncodeAll(make([]byte, MaxCode+1), nil)...)
	for name, code := range map[string][]byte{
		"nothing": nil, "text": []byte("#!/bin/sh"), "cut": tiny(t)[:500], "half a zstd": small[:len(small)/2], "too much": bomb,
		"another import": bytes.Replace(tiny(t), []byte("\x03env\x19ext_storage_get"), []byte("\x03enx\x19ext_storage_get"), 1),
	} {
		if c, err := Compile(t.Context(), code); !errors.Is(err, ErrCode) {
			t.Errorf("%s: %v, %v", name, c, err)
		}
	}
}

func FuzzOwnMemory(f *testing.F) {
	f.Add(tiny(f))
	f.Add([]byte("\x00asm\x01\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, code []byte) {
		own, err := ownMemory(code)
		if err != nil {
			return
		}
		if again, err := ownMemory(own); err != nil || !bytes.Equal(again, own) {
			t.Errorf("%x became %x, and then %x, %v", code, own, again, err)
		}
	})
}
