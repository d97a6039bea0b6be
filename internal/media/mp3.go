package media

import "encoding/binary"

// mpegRates are the bit rates in kbit/s: layer III in MPEG-1, then in MPEG-2 and
// 2.5, then the same for layer II.
var mpegRates = [4][15]int{
	{0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320},
	{0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160},
	{0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384},
	{0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160},
}

// parseMP3 and parseMP2 read the header of a frame of layer III or II.
// Free-format frames, whose length is not stated, are not recognized.
func parseMP3(b []byte) (frame, bool) { return parseMPEG(b, 3) }

func parseMP2(b []byte) (frame, bool) { return parseMPEG(b, 2) }

func parseMPEG(b []byte, wanted int) (frame, bool) {
	if len(b) < 4 || b[0] != 0xff || b[1]&0xe0 != 0xe0 {
		return frame{}, false
	}
	version, layer := b[1]>>3&3, b[1]>>1&3 // 3 is MPEG-1, 2 MPEG-2, 0 MPEG-2.5
	rateIndex, freqIndex := b[2]>>4, b[2]>>2&3
	if version == 1 || int(4-layer) != wanted || rateIndex == 0 || rateIndex == 15 || freqIndex == 3 || b[3]&3 == 2 {
		return frame{}, false
	}
	f := frame{rate: [3]int{44100, 48000, 32000}[freqIndex], samples: 1152, channels: 2}
	table := 0
	switch version {
	case 2:
		f.rate, f.samples, table = f.rate/2, 576, 1
	case 0:
		f.rate, f.samples, table = f.rate/4, 576, 1
	}
	if wanted == 2 {
		f.samples = 1152
		table += 2
	}
	f.size = f.samples / 8 * mpegRates[table][rateIndex] * 1000 / f.rate
	f.size += int(b[2] >> 1 & 1) // padding
	if b[3]>>6 == 3 {
		f.channels = 1
	}
	// Mono frames occur within stereo streams; version and rate never change.
	f.kind = uint32(version)<<8 | uint32(freqIndex)
	return f, true
}

// mpegLayer returns the layer of the MPEG audio frame at the start of b, 0 without a frame.
func mpegLayer(b []byte) int {
	if len(b) < 4 || b[0] != 0xff || b[1]&0xe0 != 0xe0 {
		return 0
	}
	return (4 - int(b[1]>>1&3)) & 3
}

// freeFormat reports whether b begins with a frame of layer III or II without a bit
// rate, and a similar frame follows.
func freeFormat(b []byte) bool {
	layer := mpegLayer(b)
	if layer != 2 && layer != 3 || b[1]>>3&3 == 1 || b[2]>>4 != 0 || b[2]>>2&3 == 3 || b[3]&3 == 2 {
		return false
	}
	for at := 48; at+4 <= len(b); at++ { // no frame is shorter
		if b[at] == b[0] && b[at+1] == b[1] && b[at+2]&0xfd == b[2]&0xfd && b[at+3]&0xc0 == b[3]&0xc0 {
			return true
		}
	}
	return false
}

// A vbrHeader is an encoder's data about the whole stream, in a silent first frame:
// in the form of Xing or of the Fraunhofer encoder.
type vbrHeader struct {
	frames int64 // without this frame; 0 unknown
	bytes  int64 // with this frame; 0 unknown
	trim   int64 // samples of encoder delay and padding to subtract
}

// parseVBR reads the vbrHeader in the frame at the start of b.
func parseVBR(b []byte, f frame) (vbrHeader, bool) {
	at := 4 + 32
	if f.channels == 1 {
		at = 4 + 17
	}
	if f.samples == 576 {
		at = 4 + 17
		if f.channels == 1 {
			at = 4 + 9
		}
	}
	var v vbrHeader
	b = b[:min(len(b), f.size)]
	if len(b) >= 36+26 && string(b[36:40]) == "VBRI" {
		v.bytes = int64(binary.BigEndian.Uint32(b[46:]))
		v.frames = int64(binary.BigEndian.Uint32(b[50:]))
		return v, true
	}
	if len(b) < at+8 || string(b[at:at+4]) != "Xing" && string(b[at:at+4]) != "Info" {
		return v, false
	}
	flags := binary.BigEndian.Uint32(b[at+4:])
	b = b[at+8:]
	word := func(bit uint32, size int) (v int64) {
		if flags&bit == 0 || len(b) < size {
			return 0
		}
		v = int64(binary.BigEndian.Uint32(b))
		b = b[size:]
		return v
	}
	v.frames = word(1, 4)
	v.bytes = word(2, 4)
	word(4, 100) // seek table
	word(8, 4)   // quality
	// The encoder's own tag follows: its name in 9 bytes, delay and padding in
	// 12 bits each at 21.
	if len(b) >= 24 && (string(b[:4]) == "LAME" || string(b[:4]) == "Lavc" || string(b[:4]) == "Lavf") {
		v.trim = int64(b[21])<<4 | int64(b[22])>>4
		v.trim += int64(b[22]&15)<<8 | int64(b[23])
	}
	return v, true
}

// readMP3 reads the frames of an MP3 file from the first to the end.
func readMP3(s *source) (Info, *refusal) {
	first, _ := parseMP3(s.peek(headerSize))
	start := s.offset()
	stated, silent := parseVBR(s.peek(maxFrame), first)
	r := follow(s, parseMP3, first.kind)
	if !r.believable() {
		return Info{}, &refusal{detected: mpegType, problem: malformed}
	}
	audio := r
	if silent {
		audio.frames--
		audio.samples -= int64(first.samples)
		audio.length -= duration(uint64(first.samples), uint64(first.rate))
	}
	if short := stated.shortfall(audio, r); short > 0 {
		no := &refusal{detected: mpegType, problem: truncated}
		if stated.bytes > 0 {
			no.declared = start + stated.bytes
		}
		return Info{}, no
	}
	if r.holed() {
		return Info{}, &refusal{detected: mpegType, problem: truncated, hole: true}
	}
	length := audio.length
	if stated.trim < audio.samples && audio.frames <= stated.frames+1 {
		length = duration(uint64(audio.samples-stated.trim), uint64(first.rate))
	}
	return Info{
		Format: MP3, SampleRate: first.rate, Channels: first.channels, Duration: length,
		IncompleteLastFrame: r.partial && stated.frames == 0,
	}, nil
}

// readMP2 reads the frames of a layer II file from the first to the end.
func readMP2(s *source) (Info, *refusal) {
	first, _ := parseMP2(s.peek(headerSize))
	r := follow(s, parseMP2, first.kind)
	switch {
	case !r.believable():
		return Info{}, &refusal{detected: mpegType, problem: malformed}
	case r.holed():
		return Info{}, &refusal{detected: mpegType, problem: truncated, hole: true}
	}
	return Info{
		Format: MP2, SampleRate: first.rate, Channels: first.channels, Duration: r.length,
		IncompleteLastFrame: r.partial,
	}, nil
}

// shortfall returns how many of the stated frames (or bytes) are missing. It ignores one
// frame that encoders miscount (if the last is not cut) and the frames in damage.
func (v vbrHeader) shortfall(audio, all run) int64 {
	if all.frames == 0 {
		return 1
	}
	average := max(all.bytes/all.frames, 1)
	hidden := int64(0)
	if all.hole > 0 {
		hidden = all.hole/average + 2
	}
	if !all.partial {
		hidden++
	}
	if v.frames > 0 {
		return v.frames - audio.frames - hidden
	}
	if v.bytes > 0 {
		return (v.bytes - all.bytes - hidden*average) / average
	}
	return 0
}
