package media

import (
	"encoding/binary"
	"math"
)

const (
	dsfType = "audio/x-dsf"
	dffType = "audio/x-dff"
)

// readDSF reads Sony's container of DSD: samples of one bit, in blocks.
func readDSF(s *source) (Info, *refusal) {
	bad := &refusal{detected: dsfType, problem: malformed}
	b := s.peek(28 + 52 + 12)
	if len(b) < 28+52+12 {
		return Info{}, &refusal{detected: dsfType, problem: truncated}
	}
	f := b[28:]
	channels, rate, bits := binary.LittleEndian.Uint32(f[24:]), binary.LittleEndian.Uint32(f[28:]), binary.LittleEndian.Uint32(f[32:])
	samples, block := binary.LittleEndian.Uint64(f[36:]), uint64(binary.LittleEndian.Uint32(f[44:]))
	if string(f[:4]) != "fmt " || binary.LittleEndian.Uint64(f[4:]) != 52 || string(f[52:56]) != "data" ||
		channels == 0 || channels > 64 || rate == 0 || rate > 1<<26 || bits != 1 && bits != 8 || block == 0 || samples > 1<<48 {
		return Info{}, bad
	}
	size := int64(binary.LittleEndian.Uint64(f[56:])) - 12
	if size < 0 || size > math.MaxInt64/2 {
		return Info{}, bad
	}
	s.skip(int64(len(b)))
	start := s.offset()
	got, blank := s.skipSound(size)
	switch {
	case size-got > slack:
		return Info{}, &refusal{detected: dsfType, problem: truncated, declared: start + size}
	case dsdHole(size, blank):
		return Info{}, &refusal{detected: dsfType, problem: truncated, hole: true}
	}
	// Only the last block of a channel may have padding.
	held := uint64(size) / uint64(channels) * 8 / uint64(bits)
	if samples > held {
		return Info{}, &refusal{detected: dsfType, problem: truncated}
	}
	if samples == 0 {
		return Info{}, &refusal{detected: dsfType, problem: noAudio}
	}
	return Info{Format: DSF, SampleRate: int(rate), Channels: int(channels), Duration: duration(samples, uint64(rate))}, nil
}

// dsdHole reports whether blank bytes of zeros are a hole. Silence in DSD is not
// zeros. But a file with only zeros was made that way.
func dsdHole(size, blank int64) bool {
	const block = 1 << 10 // short runs of zeros at the end are not counted
	return blank > size/10 && size-blank >= block
}

// readDFF reads DSDIFF: chunks with 8-byte sizes that contain DSD, or DST, its
// lossless compression.
func readDFF(s *source) (Info, *refusal) {
	bad := &refusal{detected: dffType, problem: malformed}
	s.skip(16)
	var rate, channels, frames, perSecond uint64
	for range maxChunks {
		h := s.peek(12)
		if len(h) < 12 {
			break
		}
		id, size := string(h[:4]), binary.BigEndian.Uint64(h[4:])
		if !fourCC(h) || size > math.MaxInt64/2 {
			return Info{}, bad
		}
		s.skip(12)
		start := s.offset()
		switch id {
		case "PROP":
			if string(s.peek(4)) != "SND " {
				break
			}
			s.skip(4)
			for s.offset()+12 <= start+int64(size) {
				h := s.peek(12 + 4)
				if len(h) < 16 {
					break
				}
				n := binary.BigEndian.Uint64(h[4:])
				switch string(h[:4]) {
				case "FS  ":
					rate = uint64(binary.BigEndian.Uint32(h[12:]))
				case "CHNL":
					channels = uint64(binary.BigEndian.Uint16(h[12:]))
				}
				if n > size {
					return Info{}, bad
				}
				s.skip(12 + int64(n+n%2))
			}
		case "DSD ", "DST ":
			if rate == 0 || rate > 1<<26 || channels == 0 || channels > 64 {
				return Info{}, bad
			}
			if b := s.peek(12 + 6); id == "DST " && len(b) == 18 && string(b[:4]) == "FRTE" {
				frames, perSecond = uint64(binary.BigEndian.Uint32(b[12:])), uint64(binary.BigEndian.Uint16(b[16:]))
			}
			got, blank := s.skipSound(int64(size))
			switch {
			case int64(size)-got > slack:
				return Info{}, &refusal{detected: dffType, problem: truncated, declared: start + int64(size)}
			case dsdHole(int64(size), blank):
				return Info{}, &refusal{detected: dffType, problem: truncated, hole: true}
			}
			info := Info{Format: DFF, SampleRate: int(rate), Channels: int(channels)}
			if id == "DSD " {
				info.Duration = duration(size/channels*8, rate)
			} else if perSecond > 0 {
				info.Duration = duration(frames, perSecond)
			}
			if size < channels {
				return Info{}, &refusal{detected: dffType, problem: noAudio}
			}
			return info, nil
		}
		if rest := start + int64(size+size%2) - s.offset(); s.skip(rest) < rest {
			return Info{}, &refusal{detected: dffType, problem: truncated, declared: start + int64(size)}
		}
	}
	return Info{}, &refusal{detected: dffType, problem: noAudio}
}
