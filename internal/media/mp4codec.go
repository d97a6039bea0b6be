package media

import (
	"encoding/binary"
	"math"
)

// describe reads the sample descriptions. Only the first one is used.
func (t *mp4Track) describe(b []byte) {
	if len(b) < 16 {
		return
	}
	b = b[8:]
	t.codec = string(b[4:8])
	if t.handler == "vide" && t.codec == "mp4v" && len(b) > 86 {
		t.extend(b[86:], 0)
	}
	if t.handler != "soun" && t.handler != "" || len(b) < 36 {
		return
	}
	t.channels = int(binary.BigEndian.Uint16(b[24:]))
	t.rate = int(binary.BigEndian.Uint16(b[32:])) // the whole part of 16.16
	width := (int(binary.BigEndian.Uint16(b[26:])) + 7) / 8
	switch t.codec {
	case "ulaw", "alaw":
		width = 1
	case "in24":
		width = 3
	case "in32", "fl32":
		width = 4
	case "fl64":
		width = 8
	}
	skip := 36
	switch binary.BigEndian.Uint16(b[16:]) { // QuickTime's longer descriptions
	case 1:
		skip += 16
	case 2:
		skip += 36
		if len(b) >= 60 {
			if v := math.Float64frombits(binary.BigEndian.Uint64(b[40:])); v >= 1 && v <= 10_000_000 {
				t.rate = int(math.Round(v))
			}
			if n := binary.BigEndian.Uint32(b[48:]); n > 0 && n <= 1024 {
				t.channels = int(n)
			}
			width = (int(binary.BigEndian.Uint32(b[56:])&0xffff) + 7) / 8
		}
	}
	switch t.codec {
	case "samr": // the standard requires other values in the fields
		t.rate, t.channels = 8000, 1
	case "sawb":
		t.rate, t.channels = 16000, 1
	}
	t.frame = t.channels * width
	if size := int(binary.BigEndian.Uint32(b)); size >= 36 && size < len(b) {
		b = b[:size]
	}
	if skip < len(b) {
		t.extend(b[skip:], 2)
	}
}

// extend reads the boxes in a sample description. Their values replace those of its
// fixed fields.
func (t *mp4Track) extend(b []byte, depth int) {
	for len(b) >= 8 {
		size := int(binary.BigEndian.Uint32(b))
		if size < 8 || size > len(b) {
			return
		}
		body := b[8:size]
		switch string(b[4:8]) {
		case "wave":
			if depth > 0 {
				t.extend(body, depth-1)
			}
		case "alac":
			if len(body) >= 28 {
				t.channels = int(body[13])
				t.rate = int(binary.BigEndian.Uint32(body[24:]))
			}
		case "dOps":
			if len(body) >= 2 {
				t.channels, t.rate = int(body[1]), 48000 // Opus always plays at this rate
			}
		case "dfLa":
			if len(body) >= 8+34 {
				if si, ok := parseStreamInfo(body[8:]); ok {
					t.channels, t.rate = si.channels, si.rate
				}
			}
		case "srat":
			if len(body) >= 8 {
				t.rate = int(binary.BigEndian.Uint32(body[4:]))
			}
		case "esds":
			if len(body) > 4 {
				t.elementary(body[4:])
			}
		}
		b = b[size:]
	}
}

// elementary reads an MPEG-4 elementary stream descriptor: nested records of
// a tag, a length in groups of 7 bits, and a body.
func (t *mp4Track) elementary(b []byte) {
	for len(b) >= 2 {
		tag := b[0]
		n, at := 0, 1
		for at < len(b) && at <= 4 {
			n = n<<7 | int(b[at]&0x7f)
			at++
			if b[at-1]&0x80 == 0 {
				break
			}
		}
		b = b[at:]
		switch tag {
		case 3: // the stream: id, flags, and the fields that the flags announce
			if len(b) < 3 {
				return
			}
			skip, flags := 3, b[2]
			if flags&0x80 != 0 {
				skip += 2
			}
			if flags&0x40 != 0 && len(b) > skip {
				skip += 1 + int(b[skip])
			}
			if flags&0x20 != 0 {
				skip += 2
			}
			b = b[min(skip, len(b)):]
		case 4: // its decoder
			if len(b) < 13 {
				return
			}
			t.object = b[0]
			b = b[13:]
		case 5: // the decoder's configuration
			t.audioObject = audioObject(b[:min(n, len(b))])
			if hz, channels := audioConfig(b[:min(n, len(b))]); hz > 0 && t.object != 0x6b && t.object != 0x69 {
				t.rate = hz
				if channels > 0 {
					t.channels = channels
				}
			}
			return
		default:
			b = b[min(n, len(b)):]
		}
	}
}

// supported reports whether the track is sound in an accepted codec.
func (t *mp4Track) supported() bool {
	switch t.codec {
	case "mp4a": // AAC; QuickTime files may omit the object type
		return t.object == 0 || t.object == 0x40 && !t.otherObject() || t.object >= 0x66 && t.object <= 0x68
	case "alac", "Opus", "fLaC", "samr", "sawb", "ima4":
		return true
	}
	return t.pcm()
}

// otherObject reports whether MPEG-4 audio is not AAC: MPEG-1 layers, DST, ALS or
// SLS.
func (t *mp4Track) otherObject() bool { return t.audioObject >= 32 && t.audioObject <= 38 }

// pcm reports whether the track is uncompressed sound.
func (t *mp4Track) pcm() bool {
	switch t.codec {
	case "lpcm", "ipcm", "fpcm", "sowt", "twos", "raw ", "NONE", "in24", "in32", "fl32", "fl64", "ulaw", "alaw":
		return true
	}
	return false
}
