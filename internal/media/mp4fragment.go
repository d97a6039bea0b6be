package media

import (
	"encoding/binary"
)

// fragment reads a moof box and adds its packets to the totals.
func (m *mp4File) fragment(s *source, size int64) {
	children(s, size, func(name string, size int64) {
		if name != "traf" {
			return
		}
		var t *mp4Track
		var perSample, perSize uint32
		children(s, size, func(name string, size int64) {
			b := s.peek(int(min(size, 32)))
			if len(b) < 8 {
				return
			}
			flags := binary.BigEndian.Uint32(b) & 0xffffff
			switch name {
			case "tfhd":
				if t = m.track(binary.BigEndian.Uint32(b[4:])); t == nil {
					return
				}
				perSample, perSize = t.perSample, t.perSize
				at := 8
				if flags&1 != 0 {
					at += 8
				}
				if flags&2 != 0 {
					at += 4
				}
				if flags&8 != 0 && len(b) >= at+4 {
					perSample = binary.BigEndian.Uint32(b[at:])
					at += 4
				}
				if flags&16 != 0 && len(b) >= at+4 {
					perSize = binary.BigEndian.Uint32(b[at:])
				}
			case "tfdt":
				if t == nil {
					return
				}
				at := uint64(binary.BigEndian.Uint32(b[4:]))
				if b[0] == 1 && len(b) >= 12 {
					at = binary.BigEndian.Uint64(b[4:])
				}
				if t.pieces == 0 {
					t.begun = at
				} else if due := t.begun + t.added + t.missing; at > due {
					t.missing += at - due
				}
			case "trun":
				if t != nil {
					t.run(s, size, flags, perSample, perSize)
				}
			}
		})
	})
}

// run adds the packets that a trun box lists.
func (t *mp4Track) run(s *source, size int64, flags, perSample, perSize uint32) {
	count := int64(binary.BigEndian.Uint32(s.peek(8)[4:]))
	head, each := int64(8), int64(0)
	for _, bit := range []uint32{0x1, 0x4} {
		if flags&bit != 0 {
			head += 4
		}
	}
	for _, bit := range []uint32{0x100, 0x200, 0x400, 0x800} {
		if flags&bit != 0 {
			each += 4
		}
	}
	if each > 0 {
		count = min(count, max(size-head, 0)/each)
	}
	t.pieces += uint64(count)
	if flags&0x100 == 0 {
		t.added += uint64(count) * uint64(perSample)
	}
	if flags&0x200 == 0 {
		t.bytes += uint64(count) * uint64(perSize)
	}
	if flags&0x300 == 0 {
		return
	}
	s.skip(head)
	for range count {
		b := s.peek(int(each))
		if len(b) < int(each) {
			return
		}
		if flags&0x100 != 0 {
			t.added += uint64(binary.BigEndian.Uint32(b))
			b = b[4:]
		}
		if flags&0x200 != 0 {
			t.bytes += uint64(binary.BigEndian.Uint32(b))
		}
		s.skip(each)
	}
}
