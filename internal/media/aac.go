package media

const aacType = "audio/aac"

// aacRates are MPEG-4's sampling frequencies by index.
var aacRates = [13]int{96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350}

// aacChannels returns the number of channels of a configuration; 0 means that another
// element states it.
func aacChannels(config int) int {
	switch {
	case config == 7 || config == 12 || config == 14:
		return 8
	case config == 11:
		return 7
	case config == 13:
		return 24
	case config <= 6:
		return config
	}
	return 0
}

// bitReader reads numbers from a sequence of bits, the most significant first. After
// the end it reads zeros.
type bitReader struct {
	b  []byte
	at int
}

func (r *bitReader) take(n int) (v int) {
	for range n {
		v <<= 1
		if r.at/8 < len(r.b) {
			v |= int(r.b[r.at/8]>>(7-r.at%8)) & 1
		}
		r.at++
	}
	return v
}

// object reads an MPEG-4 audio object type.
func (r *bitReader) object() int {
	if v := r.take(5); v != 31 {
		return v
	}
	return 32 + r.take(6)
}

// rate reads a sampling frequency, 0 for a reserved one.
func (r *bitReader) rate() int {
	i := r.take(4)
	if i == 15 {
		return r.take(24)
	}
	if i < len(aacRates) {
		return aacRates[i]
	}
	return 0
}

// program reads a program_config_element and returns its number of channels. It exists
// when no configuration fits the channels.
func (r *bitReader) program() (channels int) {
	r.take(4 + 2 + 4)
	elements := r.take(4)
	elements += r.take(4)
	elements += r.take(4) // front, side, back
	low := r.take(2)
	r.take(3 + 4)
	for _, mixdown := range []int{4, 4, 3} {
		if r.take(1) == 1 {
			r.take(mixdown)
		}
	}
	for range elements {
		channels += 1 + r.take(1) // one channel or a pair
		r.take(4)
	}
	return channels + low
}

// audioObject returns the audio object type at the start of an AudioSpecificConfig.
func audioObject(b []byte) int {
	r := bitReader{b: b}
	return r.object()
}

// audioConfig reads an AudioSpecificConfig. It returns the rate and channels of the
// decoded sound, 0 when unknown.
func audioConfig(b []byte) (hz, channels int) {
	const main, scalable, bandReplication, parametricStereo = 1, 4, 5, 29
	if len(b) < 2 {
		return 0, 0
	}
	r := bitReader{b: b}
	kind := r.object()
	hz = r.rate()
	config := r.take(4)
	channels = aacChannels(config)
	stereo := kind == parametricStereo
	explicit := kind == bandReplication || kind == parametricStereo
	if explicit { // the real rate follows, and the type of the core
		if full := r.rate(); full > 0 {
			hz = full
		}
		kind = r.object()
	}
	if config == 0 && kind >= main && kind <= scalable {
		r.take(1)
		if r.take(1) == 1 {
			r.take(14)
		}
		r.take(1)
		channels = r.program()
	}
	if !explicit {
		// Most encoders write the extension at the end, where old decoders do not
		// look: a mark of 11 bits, then a flag.
		for ; r.at+16 <= 8*len(b); r.at++ {
			back := r.at
			if r.take(11) == 0x2b7 && r.object() == bandReplication && r.take(1) == 1 {
				if full := r.rate(); full > 0 {
					hz = full
				}
				stereo = r.take(11) == 0x548 && r.take(1) == 1
				break
			}
			r.at = back
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
	if first.channels == 0 {
		first.channels = adtsChannels(s.peek(first.size))
	}
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

// adtsChannels returns the number of channels in the first element of a frame; 0 if
// that element does not list channels.
func adtsChannels(b []byte) int {
	const programConfig = 5
	head := 7
	if len(b) > 1 && b[1]&1 == 0 {
		head = 9
	}
	if len(b) < head {
		return 0
	}
	r := bitReader{b: b[head:]}
	if r.take(3) != programConfig {
		return 0
	}
	return r.program()
}
