package media

const aacType = "audio/aac"

// aacRates are MPEG-4's sampling frequencies by index.
var aacRates = [13]int{96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350}

// aacChannels turns a channel configuration into a count; 0 is stated elsewhere.
func aacChannels(config int) int {
	switch {
	case config == 7 || config == 12 || config == 14:
		return 8
	case config == 11:
		return 7
	case config <= 6:
		return config
	}
	return 0
}

// audioConfig reads an AudioSpecificConfig: the rate and channels of the decoded
// sound, 0 where it does not tell.
func audioConfig(b []byte) (hz, channels int) {
	at := 0
	take := func(n int) (v int) {
		for range n {
			v <<= 1
			if at/8 < len(b) {
				v |= int(b[at/8]>>(7-at%8)) & 1
			}
			at++
		}
		return v
	}
	object := func() int {
		if v := take(5); v != 31 {
			return v
		}
		return 32 + take(6)
	}
	rate := func() int {
		i := take(4)
		if i == 15 {
			return take(24)
		}
		if i < len(aacRates) {
			return aacRates[i]
		}
		return 0
	}
	const bandReplication, parametricStereo = 5, 29
	if len(b) < 2 {
		return 0, 0
	}
	kind := object()
	hz, channels = rate(), aacChannels(take(4))
	stereo := kind == parametricStereo
	if kind == bandReplication || kind == parametricStereo { // the true rate follows
		if full := rate(); full > 0 {
			hz = full
		}
	} else {
		// Most encoders write it behind everything else, where old decoders do
		// not look: a mark of 11 bits, and whether there is any.
		for ; at+16 <= 8*len(b); at++ {
			back := at
			if take(11) == 0x2b7 && object() == bandReplication && take(1) == 1 {
				if full := rate(); full > 0 {
					hz = full
				}
				stereo = take(11) == 0x548 && take(1) == 1
				break
			}
			at = back
		}
	}
	if stereo && channels == 1 {
		channels = 2
	}
	return hz, channels
}

// parseADTS reads the header of an ADTS frame.
func parseADTS(b []byte) (frame, bool) {
	if len(b) < 7 || b[0] != 0xff || b[1]&0xf6 != 0xf0 { // sync word, layer 0
		return frame{}, false
	}
	index, config := b[2]>>2&15, b[2]&1<<2|b[3]>>6
	f := frame{
		size:     int(b[3]&3)<<11 | int(b[4])<<3 | int(b[5])>>5,
		samples:  1024 * (int(b[6]&3) + 1),
		channels: aacChannels(int(config)),
		kind:     uint32(b[1]&8)<<16 | uint32(b[2]&0xfd)<<8 | uint32(config),
	}
	least := 7
	if b[1]&1 == 0 {
		least = 9 // a CRC follows
	}
	if int(index) >= len(aacRates) || f.size <= least {
		return frame{}, false
	}
	f.rate = aacRates[index]
	return f, true
}

// readADTS reads the frames of an AAC stream to the end of the file.
func readADTS(s *source) (Info, *refusal) {
	first, _ := parseADTS(s.peek(headerSize))
	r := follow(s, parseADTS, first.kind)
	switch {
	case !r.believable():
		return Info{}, &refusal{detected: aacType, problem: malformed}
	case r.holed():
		return Info{}, &refusal{detected: aacType, problem: truncated, hole: true}
	case r.partial:
		return Info{}, &refusal{detected: aacType, problem: truncated, declared: s.offset() + r.missing}
	}
	return Info{Format: AAC, SampleRate: first.rate, Channels: first.channels, Duration: r.length}, nil
}
