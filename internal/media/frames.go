package media

import (
	"bytes"
	"time"
)

// MP3 and ADTS are bare frames, each with a header that states its length.
// Four bits of luck make a header out of noise, so a stream is believed when
// several frames in a row agree, and followed to its end.

const (
	framesInRow = 4       // that must agree before anything is believed
	maxPadding  = 1 << 16 // bytes of padding tolerated in front of the first
	headerSize  = 7       // enough for either format
	maxFrame    = 1 << 13 // bytes, of either format
)

// A frame is what one header states.
type frame struct {
	size           int    // bytes, header included
	samples        int    // per channel
	rate, channels int    // of the decoded sound
	kind           uint32 // the same in every frame of a stream
}

// A frameParser reads the header at the start of b.
type frameParser func(b []byte) (frame, bool)

// nextSync finds the first place in front of within where the two bytes of a
// sync word stand, whatever the format; -1 if there is none.
func nextSync(w []byte, within int) int {
	for at := 0; at < within; at++ {
		if w[at] != 0xff {
			i := bytes.IndexByte(w[at:within], 0xff)
			if i < 0 {
				return -1
			}
			at += i
		}
		// Layer I and the reserved version are none of ours, nor is a second 0xff.
		if at+1 < len(w) && (syncs>>(w[at+1]>>1&15))&1 != 0 && w[at+1] >= 0xe0 {
			return at
		}
	}
	return -1
}

// syncs has a bit for each version and layer (bits 1 to 4 of the second byte) of
// MPEG-1, 2 and 2.5 layers III and II, and of ADTS.
const syncs = 1<<0b0001 | 1<<0b0010 | 1<<0b1000 | 1<<0b1001 | 1<<0b1010 | 1<<0b1100 | 1<<0b1101 | 1<<0b1110

// rowAt counts the frames in a row at the start of b as inRow does, but first
// looks whether the second begins with a sync word: most candidates end there.
func rowAt(b []byte, f frame, parse frameParser) (n int, ranOut bool) {
	if f.size+1 < len(b) && (b[f.size] != 0xff || b[f.size+1] < 0xe0) {
		return 1, false
	}
	return inRow(b, parse)
}

// inRow counts the frames that stand one behind the other at the start of b,
// up to framesInRow, and says whether b ended before they did.
func inRow(b []byte, parse frameParser) (n int, ranOut bool) {
	var kind uint32
	for n < framesInRow {
		f, ok := parse(b)
		if !ok || n > 0 && f.kind != kind {
			return n, len(b) < headerSize
		}
		kind = f.kind
		n++
		if f.size > len(b) {
			return n, true
		}
		b = b[f.size:]
	}
	return n, false
}

// findFrames returns how far in front of the first believable row of frames
// padding reaches, -1 without any. A file that ends within its first row, or behind
// it but for tags, counts when that begins with the file or stands behind a tag.
func findFrames(s *source, parse frameParser) int {
	w := s.peek(maxPadding + framesInRow*maxFrame)
	for at := 0; at < min(len(w), maxPadding); at++ {
		i := nextSync(w[at:], min(len(w), maxPadding)-at)
		if i < 0 {
			break
		}
		at += i
		n, ranOut := inRow(w[at:], parse)
		if n == framesInRow {
			return at
		}
		if n >= 2 && s.ended() && (at == 0 || s.offset() > 0) && (ranOut || onlyTags(w[at:], parse)) {
			return at
		}
	}
	return -1
}

// onlyTags reports whether nothing but tags and zeros stands behind the row of
// frames that b begins with.
func onlyTags(b []byte, parse frameParser) bool {
	for {
		f, ok := parse(b)
		if !ok || f.size > len(b) {
			break
		}
		b = b[f.size:]
	}
	return len(bytes.TrimLeft(b[:len(b)-trailingTags(b)], "\x00")) == 0
}

// A run is what following the frames to the end of the file found.
type run struct {
	frames, samples int64
	length          time.Duration // of all frames
	bytes           int64         // in whole frames
	hole            int64         // bytes between frames that were neither frames nor tags
	junk            int64         // such bytes behind the latest frame
	blank           int64         // zeros among these
	partial         bool          // the file ends inside a frame
	missing         int64         // bytes that would complete it, at least
	wrong           int64         // sync words in the junk that began no row of frames
	outweighed      bool          // gave up: more junk than sound
}

// wrongWeight is how many bytes of junk a wrong sync word counts for besides itself.
// In damage and in pictures one stands in thousands of bytes. A file that is made of
// them is given up on before it costs more than sound does.
const wrongWeight = 64

// follow passes frames of one kind to the end of the file, and any tags and
// damage between them. Joined files may go on with another kind.
func follow(s *source, parse frameParser, kind uint32) (r run) {
	var rate int
	var since int64 // samples at this rate
	defer func() { r.length += duration(uint64(since), uint64(rate)) }()
	for {
		b := s.peek(32)
		if len(b) == 0 {
			return r
		}
		if f, ok := parse(b); ok && f.kind == kind {
			got := s.skip(int64(f.size))
			if got == int64(f.size) {
				if f.rate != rate {
					r.length += duration(uint64(since), uint64(rate))
					rate, since = f.rate, 0
				}
				since += int64(f.samples)
				r.frames++
				r.samples += int64(f.samples)
				r.bytes += got
				r.hole, r.junk, r.blank = r.hole+r.junk, 0, 0
				continue
			}
			// A tag that follows an unfinished frame shows that the file is
			// as its encoder left it.
			if trailingTags(s.since(s.offset()-got)) == 0 {
				r.partial, r.missing = true, int64(f.size)-got
			}
			return r
		} else if ok && r.frames >= framesInRow {
			if n, _ := inRow(s.peek(framesInRow*maxFrame), parse); n == framesInRow {
				kind = f.kind
				continue
			}
		}
		if len(b) < headerSize && b[0] == 0xff && (len(b) == 1 || b[1]&0xe0 == 0xe0) {
			r.partial, r.missing = true, 1 // the file ends inside a header
			s.skip(int64(len(b)))
			return r
		}
		switch {
		case b[0] == 0:
			n := s.skipZeros()
			r.junk, r.blank = r.junk+n, r.blank+n
		case id3Size(b) > 0:
			s.skip(id3Size(b))
			r.wrong++ // any number of tags may follow, but not a file of empty ones
		case apeSize(b) > 0:
			s.skip(apeSize(b))
		case len(b) >= 3 && string(b[:3]) == id3v1:
			s.skip(id3v1Size)
		default:
			passed, wrong := resync(s, parse, kind)
			r.junk, r.wrong = r.junk+passed, r.wrong+wrong
		}
		if most := r.bytes + maxJunk; r.hole+r.junk-r.blank > most || wrongWeight*r.wrong > most {
			r.outweighed = true
			return r
		}
	}
}

// resync passes damage up to the next two frames in a row, to the next tag, or
// to zeros. wrong counts the sync words on the way.
func resync(s *source, parse frameParser, kind uint32) (passed, wrong int64) {
	for passed <= maxJunk && wrong <= maxJunk/wrongWeight {
		passed += s.skip(1)
		w := s.peek(keepSize)
		if len(w) == 0 {
			return passed, wrong
		}
		// A place is looked at when a frame may follow it within w.
		places := max(1, len(w)-maxFrame-headerSize)
		if s.ended() {
			places = len(w)
		}
		if i := tagAt(w, places, s.ended()); i >= 0 {
			places = i
		}
		if i := bytes.Index(w[:places], zeros[:64]); i >= 0 {
			places = i
		}
		for at := 0; at < places; at++ {
			i := nextSync(w[at:], places-at)
			if i < 0 {
				break
			}
			at += i
			b := w[at:]
			wrong++
			f, ok := parse(b)
			if !ok {
				continue
			}
			n, ranOut := rowAt(b, f, parse)
			if f.kind == kind && (n >= 2 || ranOut && s.ended()) || f.kind != kind && n == framesInRow {
				return passed + s.skip(int64(at)), wrong - 1
			}
		}
		whole := places == len(w) || places == max(1, len(w)-maxFrame-headerSize)
		if passed += s.skip(int64(max(0, places-1))); !whole {
			return passed + s.skip(1), wrong
		}
	}
	return passed, wrong
}

// tagAt finds the first place in front of within where a tag begins, -1 if none.
func tagAt(w []byte, within int, ended bool) int {
	first := -1
	look := func(sig string, ok func(b []byte) bool) {
		end := within
		if first >= 0 {
			end = first
		}
		for at := 0; at < end; at++ {
			i := bytes.Index(w[at:min(end+len(sig), len(w))], []byte(sig))
			if i < 0 {
				return
			}
			if at += i; at < end && ok(w[at:]) {
				first = at
				return
			}
		}
	}
	look("ID3", func(b []byte) bool { return id3Size(b) > 0 })
	look(apeHeader, func(b []byte) bool { return apeSize(b) > 0 })
	if at := len(w) - id3v1Size; ended && at >= 0 && at < within && string(w[at:at+3]) == id3v1 && (first < 0 || at < first) {
		first = at
	}
	return first
}

const (
	// maxJunk is as much as may always follow the frames: a picture.
	maxJunk = 1 << 22
	// enoughFrames are no coincidence, whatever else the file holds.
	enoughFrames = 8
)

// believable reports whether the frames make up the file rather than occur in
// it. Zeros are padding.
func (r run) believable() bool {
	junk := r.hole + r.junk - r.blank
	return r.frames >= 2 && !r.outweighed && (junk <= max(r.bytes, 1<<12) || r.frames >= enoughFrames && junk <= maxJunk)
}

// holed reports whether more than a tenth is missing between the frames: each
// stretch may take a frame at both its ends.
func (r run) holed() bool {
	return r.frames > 0 && r.hole > (r.bytes+r.hole)/10+2*(r.bytes/r.frames)
}
