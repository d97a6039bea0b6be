package media

import (
	"encoding/binary"
	"math"
)

const cafType = "audio/x-caf"

// readCAF reads Apple's Core Audio Format: a description, then chunks with 8-byte
// sizes. When packets differ in size, a table counts them.
func readCAF(s *source) (Info, *refusal) {
	bad := &refusal{detected: cafType, problem: malformed}
	s.skip(8)
	var d cafDescription
	var packets cafPackets
	audio, blank := int64(-1), int64(0)
	for range maxChunks {
		h := s.peek(12)
		if len(h) < 12 {
			break
		}
		if !fourCC(h) {
			if audio >= 0 {
				break // junk after the audio
			}
			return Info{}, bad
		}
		id, size := string(h[:4]), int64(binary.BigEndian.Uint64(h[4:]))
		s.skip(12)
		start := s.offset()
		open := id == "data" && size == -1 // up to the end of the file
		if size < 0 && !open || size > math.MaxInt64/2 {
			return Info{}, bad
		}
		switch {
		case id == "desc" && d.rate == 0:
			b := s.peek(32)
			if len(b) < 32 {
				return Info{}, &refusal{detected: cafType, problem: truncated}
			}
			if d = cafDescribe(b); d.rate == 0 {
				return Info{}, bad
			}
			if !d.supported() {
				return Info{}, &refusal{detected: cafType + "; codec=" + printable(d.codec), problem: codec}
			}
		case d.rate == 0:
			return Info{}, bad // the description comes first
		case id == "pakt":
			packets.read(s, size, d)
		case id == "data" && audio < 0:
			s.skip(4) // a count of edits
			if open {
				audio, blank = s.skipSound(math.MaxInt64)
				break
			}
			if audio, blank = s.skipSound(max(size-4, 0)); size-4-audio > slack {
				return Info{}, &refusal{detected: cafType, problem: truncated, declared: start + size}
			}
		}
		if open {
			break
		}
		if rest := start + size - s.offset(); s.skip(rest) < rest {
			if id == "pakt" && audio >= 0 && d.bytes == 0 {
				return Info{}, &refusal{detected: cafType, problem: truncated, declared: start + size}
			}
			break
		}
	}
	if d.bytes == 0 && blank > audio/10 { // compressed
		return Info{}, &refusal{detected: cafType, problem: truncated, hole: true}
	}
	return d.info(audio, packets)
}

// A cafDescription is the chunk that describes how the sound is stored.
type cafDescription struct {
	rate          float64
	codec         string
	bytes, frames int64 // of a packet; 0 when packets differ
	channels      int
}

func cafDescribe(b []byte) cafDescription {
	d := cafDescription{
		rate: math.Float64frombits(binary.BigEndian.Uint64(b)), codec: string(b[8:12]),
		bytes: int64(binary.BigEndian.Uint32(b[16:])), frames: int64(binary.BigEndian.Uint32(b[20:])),
		channels: int(binary.BigEndian.Uint32(b[24:])),
	}
	if !(d.rate >= 1 && d.rate <= maxRate) || d.channels < 1 || d.channels > 1024 {
		return cafDescription{}
	}
	return d
}

func (d cafDescription) supported() bool {
	switch d.codec {
	case "lpcm", "ulaw", "alaw", "ima4", "alac", "aac ", "aach", "aacp", "aacl", "opus", "flac", ".mp3":
		return true
	}
	return false
}

// A cafPackets has the totals of the table of packets.
type cafPackets struct {
	there               bool
	count, valid, bytes int64
}

func (p *cafPackets) read(s *source, size int64, d cafDescription) {
	b := s.peek(24)
	if size < 24 || len(b) < 24 {
		return
	}
	p.there = true
	p.count, p.valid = int64(binary.BigEndian.Uint64(b)), int64(binary.BigEndian.Uint64(b[8:]))
	end := s.offset() + size
	s.skip(24)
	var frames int64
	number := func() (v int64) {
		for s.offset() < end {
			b := s.peek(1)
			if len(b) == 0 {
				return v
			}
			c := b[0]
			s.skip(1)
			if v = v<<7 | int64(c&0x7f); c&0x80 == 0 || v > 1<<40 {
				return v
			}
		}
		return v
	}
	for n := int64(0); n < p.count && s.offset() < end && (d.bytes == 0 || d.frames == 0); n++ {
		if d.bytes == 0 {
			p.bytes += number()
		}
		if d.frames == 0 {
			frames += number()
		}
	}
	if p.valid <= 0 {
		if p.valid = frames; d.frames > 0 && p.count < math.MaxInt64/max(d.frames, 1) {
			p.valid = p.count * d.frames
		}
	}
}

func (d cafDescription) info(audio int64, p cafPackets) (Info, *refusal) {
	switch {
	case d.rate == 0 || audio < 0:
		return Info{}, &refusal{detected: cafType, problem: truncated}
	case audio == 0:
		return Info{}, &refusal{detected: cafType, problem: noAudio}
	case (d.bytes == 0 || d.frames == 0) && !p.there, p.bytes > audio+slack:
		return Info{}, &refusal{detected: cafType, problem: truncated}
	}
	var frames int64
	if d.bytes > 0 && d.frames > 0 {
		frames = audio / d.bytes * d.frames
	}
	if p.valid > 0 && (frames == 0 || p.valid < frames) {
		frames = p.valid
	}
	if frames <= 0 {
		return Info{}, &refusal{detected: cafType, problem: noAudio}
	}
	rate := int(math.Round(d.rate))
	info := Info{Format: CAF, SampleRate: rate, Channels: d.channels, Duration: duration(uint64(frames), uint64(rate))}
	if d.codec == "opus" {
		info.SampleRate = 48000 // Opus always plays at this rate
	}
	return info, nil
}
