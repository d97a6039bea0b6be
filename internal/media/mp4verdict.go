package media

import (
	"strconv"
	"time"
)

// verdict refuses a file whose tracks show that it is not a song.
func (m *mp4File) verdict() *refusal {
	if len(m.tracks) == 0 {
		return &refusal{detected: mp4Type, problem: noAudio}
	}
	for _, t := range m.tracks {
		if t.handler == "vide" && !t.stills() {
			return &refusal{detected: "video/mp4", problem: video}
		}
	}
	t := m.audio()
	if t == nil {
		return &refusal{detected: mp4Type, problem: noAudio}
	}
	if !t.supported() {
		name := t.codec
		if !fourCC([]byte(name)) {
			return &refusal{detected: mp4Type, problem: malformed}
		}
		if name == "mp4a" {
			name += "." + hex16(uint16(t.object))[2:]
			if t.otherObject() {
				name += "." + strconv.Itoa(t.audioObject)
			}
		}
		return &refusal{detected: mp4Type + "; codecs=" + name, problem: codec}
	}
	if t.samples == 0 && !m.fragmented {
		return &refusal{detected: mp4Type, problem: noAudio}
	}
	return nil
}

// stills reports whether a track of pictures is cover art (one picture of any
// codec) or chapter marks (photographs, seconds apart).
func (t *mp4Track) stills() bool {
	pictures := t.samples + t.pieces
	if pictures <= 1 {
		return true
	}
	switch t.codec {
	case "jpeg", "png ", "mjpa", "mjpb":
	case "mp4v":
		if t.object != 0x6c && t.object != 0x6d { // JPEG, PNG
			return false
		}
	default:
		return false
	}
	return pictures <= uint64(duration(t.duration+t.added, uint64(t.scale))/time.Second)+1
}

// audio returns the first supported track of sound, or else the first track of sound.
func (m *mp4File) audio() (first *mp4Track) {
	for i := range m.tracks {
		t := &m.tracks[i]
		if t.handler != "soun" {
			continue
		}
		if t.supported() {
			return t
		}
		if first == nil {
			first = t
		}
	}
	return first
}

// needed returns the number of bytes of the packets of all tracks. If the file has
// fewer bytes, it counts only the sound, because other tracks may have their data in
// other files.
func (m *mp4File) needed() (all uint64) {
	for i := range m.tracks {
		all += m.tracks[i].bytes
	}
	if all > uint64(m.media) {
		all = m.audio().bytes
	}
	return all
}

// info returns the result for a file of end bytes.
func (m *mp4File) info(end int64) (Info, *refusal) {
	if no := m.verdict(); no != nil {
		return Info{}, no
	}
	t := m.audio()
	units := t.duration
	if m.fragmented && t.added > 0 {
		units = t.added
		if t.samples > 0 {
			units += t.duration
		}
	}
	if m.media == 0 {
		if m.fragmented {
			return Info{}, &refusal{detected: mp4Type, problem: noAudio}
		}
		return Info{}, &refusal{detected: mp4Type, problem: truncated}
	}
	if t.bytes > 0 && t.lastChunk >= uint64(end) {
		return Info{}, &refusal{detected: mp4Type, problem: truncated}
	}
	needed := t.bytes
	if t.bytes == t.samples { // QuickTime's table gives every sample the size of 1
		switch {
		case t.pcm():
			needed *= uint64(t.frame)
		case t.codec == "ima4": // packets of 34 bytes a channel, each of 64 samples
			needed = needed / 64 * 34 * uint64(t.channels)
		}
	}
	if uint64(m.media)+slack < needed {
		return Info{}, &refusal{detected: mp4Type, problem: truncated}
	}
	// Compressed sound and other tracks have no long runs of zeros.
	if all := m.needed(); !t.pcm() && uint64(m.media-m.blank)+needed/10 < all {
		return Info{}, &refusal{detected: mp4Type, problem: truncated, hole: true}
	}
	if t.missing > (t.added+t.missing)/10+uint64(t.scale) {
		return Info{}, &refusal{detected: mp4Type, problem: truncated, hole: true}
	}
	rate := t.rate
	if rate == 0 {
		rate = int(t.scale)
	}
	length := t.length(units, m.scale, m.fragmented && t.added > 0)
	// The comment may be older than a cut of the file.
	if n := duration(m.gapless, uint64(rate)); len(t.edits) == 0 && n < length && length-n < time.Second/4 {
		length = n
	}
	return Info{Format: M4A, SampleRate: rate, Channels: t.channels, Duration: length}, nil
}
