package media

const (
	amrType   = "audio/amr"
	amrNarrow = "#!AMR\n"
	amrWide   = "#!AMR-WB\n"
)

// amrSizes are the sizes of a frame by its type, in bytes with its first byte; 0 marks
// a type without a frame.
var amrSizes = [2][16]int{
	{13, 14, 16, 18, 20, 21, 27, 32, 6, 0, 0, 0, 0, 0, 0, 1},
	{18, 24, 33, 37, 41, 47, 51, 59, 61, 6, 0, 0, 0, 0, 1, 1},
}

// readAMR reads the frames of a phone recording, each of 20 ms.
func readAMR(s *source) (Info, *refusal) {
	sizes, rate, magic := amrSizes[0], 8000, amrNarrow
	if string(s.peek(len(amrWide))) == amrWide {
		sizes, rate, magic = amrSizes[1], 16000, amrWide
	}
	s.skip(int64(len(magic)))
	var frames, broken, sound, junk int64
	for {
		w := s.peek(1 << 16)
		if len(w) == 0 {
			break
		}
		at := 0
		for at < len(w) {
			size := int(sizes[w[at]>>3&15])
			if w[at]&0x83 != 0 || size == 0 {
				at++
				if junk++; junk > sound/10+slack {
					return Info{}, &refusal{detected: amrType, problem: malformed}
				}
				continue
			}
			if at+size > len(w) {
				if len(w) < 1<<16 {
					s.drain()
					return Info{}, &refusal{detected: amrType, problem: truncated, declared: s.offset() + int64(at+size-len(w))}
				}
				break
			}
			if w[at]&4 == 0 { // a frame that the phone received damaged, or zeros
				broken++
			}
			frames++
			sound += int64(size)
			at += size
		}
		s.skip(int64(at))
	}
	if frames == 0 {
		return Info{}, &refusal{detected: amrType, problem: noAudio}
	}
	if broken > frames/10+1 {
		return Info{}, &refusal{detected: amrType, problem: truncated, hole: true}
	}
	return Info{Format: AMR, SampleRate: rate, Channels: 1, Duration: duration(uint64(frames), 50)}, nil
}
