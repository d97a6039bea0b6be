package scale_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"math"
	"math/big"
	"testing"

	"timbre.example/internal/network/substrate/scale"
)

// The known answers are those of the specification of SCALE.
func TestCompact(t *testing.T) {
	for want, v := range map[string]uint64{
		"00": 0, "04": 1, "a8": 42, "fc": 63, "0101": 64, "1501": 69, "fdff": 1<<14 - 1, "02000100": 1 << 14, "feff0300": 65535,
		"feffffff": 1<<30 - 1, "0300000040": 1 << 30, "0b00407a10f35a": 100000000000000, "13ffffffffffffffff": math.MaxUint64,
	} {
		b := scale.AppendCompact(nil, v)
		if hex.EncodeToString(b) != want {
			t.Errorf("%d: %x, want %s", v, b, want)
		}
		r := scale.NewReader(b)
		if got := r.Compact(); got != v || r.End() != nil {
			t.Errorf("%s: %d, %v", want, got, r.End())
		}
	}
	large := new(big.Int).Lsh(big.NewInt(1), 535)
	r := scale.NewReader(scale.AppendCompactBig(nil, large))
	if got := r.CompactBig(); got.Cmp(large) != 0 || r.End() != nil {
		t.Errorf("%s, %v", got, r.End())
	}
}

func TestRefused(t *testing.T) {
	for text, read := range map[string]func(*scale.Reader){
		"":                     func(r *scale.Reader) { r.U8() },
		"000000":               func(r *scale.Reader) { r.U32() },
		"02":                   func(r *scale.Reader) { r.Bool() },
		"0100":                 func(r *scale.Reader) { r.Compact() }, // 0 in two bytes
		"fd00":                 func(r *scale.Reader) { r.Compact() },
		"02000000":             func(r *scale.Reader) { r.Compact() },
		"0300000000":           func(r *scale.Reader) { r.Compact() },
		"070000004000":         func(r *scale.Reader) { r.Compact() },
		"17010000000000000001": func(r *scale.Reader) { r.Compact() }, // 9 bytes, of which 8 follow
		"1b0000000000000000000101": func(r *scale.Reader) {
			r.Compact() // 80 bits
		},
		"feffffff00": func(r *scale.Reader) { r.Bytes() },
		"0c0000":     func(r *scale.Reader) { r.Bytes() },
		"0400":       func(r *scale.Reader) { r.Count(2) },
		"04ff":       func(r *scale.Reader) { r.Text() },
		"0000":       func(r *scale.Reader) { r.U8() }, // bytes are left
	} {
		b, err := hex.DecodeString(text)
		if err != nil {
			t.Fatal(err)
		}
		r := scale.NewReader(b)
		if read(r); r.End() == nil {
			t.Errorf("%s is accepted", text)
		}
	}
}

func TestAfterAnError(t *testing.T) {
	r := scale.NewReader([]byte{1, 2})
	if r.U32(); !errors.Is(r.Err(), scale.ErrShort) {
		t.Fatal(r.Err())
	}
	first := r.Err()
	if r.U8() != 0 || r.Take(1) != nil || r.Some() || r.Text() != "" || r.CompactBig().Sign() != 0 || r.Hash() != [32]byte{} || r.Len() != 0 {
		t.Error("a value after an error")
	}
	if r.Fail(errors.New("later")); r.Err() != first {
		t.Error(r.Err())
	}
}

func TestStrings(t *testing.T) {
	b := scale.AppendText(scale.AppendBytes(nil, []byte{1, 2, 3}), "Ats")
	b = scale.AppendUint(b, big.NewInt(100_000_000_000), 16)
	r := scale.NewReader(b)
	if got := r.Bytes(); !bytes.Equal(got, []byte{1, 2, 3}) {
		t.Errorf("%x", got)
	}
	if got := r.Text(); got != "Ats" {
		t.Error(got)
	}
	if got := r.U128(); got.Int64() != 100_000_000_000 || r.End() != nil {
		t.Error(got, r.End())
	}
}

func FuzzCompact(f *testing.F) {
	f.Add([]byte{0x13, 255, 255, 255, 255, 255, 255, 255, 255})
	f.Add([]byte{0xfd, 0xff})
	f.Fuzz(func(t *testing.T, b []byte) {
		r := scale.NewReader(b)
		v := r.CompactBig()
		if r.Err() != nil {
			return
		}
		if again := scale.AppendCompactBig(nil, v); !bytes.Equal(again, b[:r.Offset()]) {
			t.Errorf("%x: %s, again %x", b, v, again)
		}
	})
}
