package media

import (
	"encoding/binary"
	"math"
)

const aiffType = "audio/aiff"

// readAIFF reads AIFF and AIFF-C. The description may come after
// the audio, so both are read before the verdict.
func readAIFF(s *source) (Info, *refusal) {
	head := s.peek(12)
	form := s.offset() + int64(binary.BigEndian.Uint32(head[4:]))
	compressed := string(head[8:12]) == "AIFC"
	s.skip(12)

	var layout aiffFormat
	var frames, audio int64
	found := false
	for range maxChunks {
		h := s.peek(8)
		if len(h) < 8 {
			break
		}
		if !fourCC(h) {
			if found && layout.rate != 0 {
				break // junk after the audio
			}
			return Info{}, &refusal{detected: aiffType, problem: malformed}
		}
		id, size := string(h[:4]), int64(binary.BigEndian.Uint32(h[4:]))
		s.skip(8)
		start := s.offset()
		switch {
		case id == "COMM" && layout.rate == 0:
			var no *refusal
			if layout, frames, no = aiffLayout(s.peek(int(min(size, 22))), compressed); no != nil {
				return Info{}, no
			}
		case id == "SSND" && !found:
			found = true
			lead := s.skip(8) // offset and block size, unused in practice
			if size == 0 {
				audio = s.drain() // written without seeking back
				break
			}
			// The size wraps at 4 GiB, the number of frames does not.
			if whole := frames * int64(layout.frameBytes); whole+8 >= size+1<<32 {
				size += (whole + 8 - size) &^ (1<<32 - 1)
			}
			audio = s.skip(max(size-8, 0))
			if size-lead-audio > slack && size < unseekable {
				return Info{}, &refusal{detected: aiffType, problem: truncated, declared: start + size}
			}
		}
		if rest := start + size - s.offset(); rest > 0 && s.skip(rest) < rest {
			if !found && !aiffChunk(id) {
				return Info{}, &refusal{detected: aiffType, problem: malformed}
			}
			break
		}
		if size%2 == 1 && !aiffChunk(string(s.peek(4))) {
			s.skip(1)
		}
	}
	switch {
	case layout.rate != 0 && audio >= int64(layout.frameBytes) && found:
		// Use the smaller size: an encoder that writes to a pipe guesses the description.
		if frames > 0 && frames < audio/int64(layout.frameBytes) {
			audio = frames * int64(layout.frameBytes)
		}
		return layout.info(audio), nil
	case s.ended() && s.offset() < form && !found:
		return Info{}, &refusal{detected: aiffType, problem: truncated, declared: form + 8}
	}
	return Info{}, &refusal{detected: aiffType, problem: noAudio}
}

func aiffChunk(id string) bool {
	switch id {
	case "COMM", "SSND", "MARK", "INST", "NAME", "AUTH", "ANNO", "COMT", "ID3 ", "FVER", "CHAN", "(c) ":
		return true
	}
	return false
}

// An aiffFormat describes how the sound is stored. COMM counts frames. A frame
// has perFrame samples of each channel.
type aiffFormat struct {
	pcm
	perFrame int64
}

// info returns the result for audio bytes of sound.
func (f aiffFormat) info(audio int64) Info {
	info := f.pcm.info(AIFF, audio)
	info.Duration = duration(uint64(audio/int64(f.frameBytes)*f.perFrame), uint64(f.rate))
	return info
}

// aiffLayout reads a COMM chunk: the format, and the number of sample frames.
func aiffLayout(b []byte, compressed bool) (aiffFormat, int64, *refusal) {
	if len(b) < 18 || compressed && len(b) < 22 {
		return aiffFormat{}, 0, &refusal{detected: aiffType, problem: malformed}
	}
	bits := int(binary.BigEndian.Uint16(b[6:]))
	if compressed {
		switch name := string(b[18:22]); name {
		case "NONE", "twos", "sowt", "raw ", "in16":
		case "in24", "42ni":
			bits = 24
		case "in32", "23ni", "fl32", "FL32":
			bits = 32
		case "fl64", "FL64":
			bits = 64
		case "alaw", "ALAW", "ulaw", "ULAW":
			bits = 8 // COMM gives the width after expansion
		case "ima4":
			return aiffIMA(b)
		default:
			if !fourCC([]byte(name)) {
				return aiffFormat{}, 0, &refusal{detected: aiffType, problem: malformed}
			}
			return aiffFormat{}, 0, &refusal{detected: aiffType + "; codec=" + name, problem: codec}
		}
	}
	p := pcm{channels: int(binary.BigEndian.Uint16(b)), rate: extended(b[8:18])}
	p.frameBytes = p.channels * ((bits + 7) / 8)
	if !p.sane() {
		return aiffFormat{}, 0, &refusal{detected: aiffType, problem: malformed}
	}
	return aiffFormat{p, 1}, int64(binary.BigEndian.Uint32(b[2:])), nil
}

// aiffIMA returns the layout of Apple's IMA ADPCM. COMM counts packets of 64 samples;
// each has 34 bytes for each channel.
func aiffIMA(b []byte) (aiffFormat, int64, *refusal) {
	f := aiffFormat{pcm{channels: int(binary.BigEndian.Uint16(b)), rate: extended(b[8:18])}, 64}
	f.frameBytes = 34 * f.channels
	if f.channels == 0 || f.channels > 1024 || f.rate <= 0 || f.rate > maxRate {
		return aiffFormat{}, 0, &refusal{detected: aiffType, problem: malformed}
	}
	return f, int64(binary.BigEndian.Uint32(b[2:])), nil
}

// extended rounds an 80-bit floating-point number to an int; 0 if out of range.
func extended(b []byte) int {
	exp := int(binary.BigEndian.Uint16(b)) - 16383 // the sign, if set, makes this too large
	v := math.Ldexp(float64(binary.BigEndian.Uint64(b[2:])), exp-63)
	if !(v >= 1 && v <= math.MaxInt32) {
		return 0
	}
	return int(math.Round(v))
}
