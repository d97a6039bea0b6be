package certificate

import (
	"encoding/binary"
	"math"
	"sync"
	"unicode/utf16"
)

// packedRGB is the compressed sRGB profile, as in each file.
var packedRGB = sync.OnceValue(func() []byte { return new(packer).pack(sRGB()) })

// sRGB returns an ICC profile of the colour space sRGB (IEC 61966-2-1). PDF/A requires
// it in the file. It has the primaries adapted to D50, and the curve as a formula.
func sRGB() []byte {
	be := binary.BigEndian
	fixed := func(kind string, values ...float64) (b []byte) {
		if kind != "" {
			b = append([]byte(kind), 0, 0, 0, 0)
		}
		for _, v := range values {
			b = be.AppendUint32(b, uint32(int32(math.Round(v*65536))))
		}
		return b
	}
	words := func(s string) []byte {
		u := utf16.Encode([]rune(s))
		b := append([]byte("mluc"), 0, 0, 0, 0)
		b = be.AppendUint32(b, 1)
		b = be.AppendUint32(b, 12)
		b = append(b, "enUS"...)
		b = be.AppendUint32(b, uint32(2*len(u)))
		b = be.AppendUint32(b, 28)
		for _, x := range u {
			b = be.AppendUint16(b, x)
		}
		return b
	}
	curve := append([]byte("para"), 0, 0, 0, 0, 0, 3, 0, 0)
	curve = append(curve, fixed("", 2.4, 1/1.055, 0.055/1.055, 1/12.92, 0.04045)...)
	tags := []struct {
		name string
		data []byte
	}{
		{"desc", words("sRGB")},
		{"cprt", words("No copyright, use freely")},
		{"wtpt", fixed("XYZ ", 0.9642, 1, 0.8249)},
		{"chad", fixed("sf32", 1.04788, 0.02292, -0.05022, 0.02959, 0.99048, -0.01707, -0.00925, 0.01508, 0.75168)},
		{"rXYZ", fixed("XYZ ", 0.43607, 0.22249, 0.01392)},
		{"gXYZ", fixed("XYZ ", 0.38515, 0.71687, 0.09708)},
		{"bXYZ", fixed("XYZ ", 0.14307, 0.06061, 0.7141)},
		{"rTRC", curve}, {"gTRC", curve}, {"bTRC", curve},
	}
	head := make([]byte, 128)
	copy(head[8:], []byte{4, 0x20, 0, 0})
	copy(head[12:], "mntrRGB XYZ ")
	for i, v := range []uint16{2026, 1, 1} {
		be.PutUint16(head[24+2*i:], v)
	}
	copy(head[36:], "acsp")
	copy(head[68:], fixed("", 0.9642, 1, 0.8249))
	table := be.AppendUint32(nil, uint32(len(tags)))
	var data []byte
	start := len(head) + 4 + 12*len(tags)
	for _, t := range tags {
		table = append(table, t.name...)
		table = be.AppendUint32(table, uint32(start+len(data)))
		table = be.AppendUint32(table, uint32(len(t.data)))
		data = append(data, t.data...)
		for len(data)%4 != 0 {
			data = append(data, 0)
		}
	}
	profile := append(append(head, table...), data...)
	be.PutUint32(profile, uint32(len(profile)))
	return profile
}
