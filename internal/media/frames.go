package media

import (
	"bytes"
	"time"
)

// MP3 and ADTS are bare frames, each with a header that states its length.
// Noise looks like a header quite often. So a stream counts only when several
// frames in a row agree; then it is followed to its end.

const (
	framesInRow = 4       // frames that must agree before a stream counts
	maxPadding  = 1 << 16 // bytes of padding accepted before the first frame
	headerSize  = 7       // enough for either format
	maxFrame    = 1 << 13 // bytes, of either format
)

// A frame has the values of one header.
type frame struct {
	size           int    // bytes, header included
	samples        int    // per channel
	rate, channels int    // of the decoded sound
	kind           uint32 // the same in every frame of a stream
}

// A frameParser reads the header at the start of b.
type frameParser func(b []byte) (frame, bool)

// nextSync returns the first place before within that has the two bytes of a
// sync word of any format, or -1.
func nextSync(w []byte, within int) int {
	for at := 0; at < within; at++ {
		if w[at] != 0xff {
			i := bytes.IndexByte(w[at:within], 0xff)
			if i < 0 {
				return -1
			}
			at += i
		}
		// Layer I, the reserved version and a second 0xff are not supported.
		if at+1 < len(w) && (syncs>>(w[at+1]>>1&15))&1 != 0 && w[at+1] >= 0xe0 {
			return at
		}
	}
	return -1
}

// syncs has a bit for each accepted value of bits 1 to 4 of the second byte: the version and
// layer. It accepts MPEG-1, 2 and 2.5 layers III and II, and ADTS.
const syncs = 1<<0b0001 | 1<<0b0010 | 1<<0b1000 | 1<<0b1001 | 1<<0b1010 | 1<<0b1100 | 1<<0b1101 | 1<<0b1110

// rowAt counts the frames in a row at the start of b, as inRow does. It first checks
// whether the second frame begins with a sync word, because most candidates fail there.
func rowAt(b []byte, f frame, parse frameParser) (n int, ranOut bool) {
	if f.size+1 < len(b) && (b[f.size] != 0xff || b[f.size+1] < 0xe0) {
		return 1, false
	}
	return inRow(b, parse)
}

// inRow counts the consecutive frames at the start of b, up to framesInRow. ranOut
// reports whether b ended first.
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

// findFrames returns the number of padding bytes before the first row of frames, or -1
// without such a row. A row that the file's end or tags cut short counts when it is at the start of the
// file or after a tag.
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

// onlyTags reports whether only tags and zeros follow the row of frames at the start
// of b.
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

// A run is the result of following the frames to the end of the file.
type run struct {
	frames, samples int64
	length          time.Duration // of all frames
	bytes           int64         // in whole frames
	hole            int64         // bytes between frames that were neither frames nor tags
	junk            int64         // such bytes after the latest frame
	blank           int64         // zeros in the junk
	partial         bool          // the file ends inside a frame
	missing         int64         // minimum number of bytes missing from that frame
	wrong           int64         // sync words in the junk that did not begin a row of frames
	outweighed      bool          // stopped early: more junk than sound
}

// wrongWeight is the number of junk bytes that a wrong sync word counts for. In damage
// and in pictures, thousands of bytes have one sync word. The reader stops early in a
// file full of wrong sync words, so that such a file does not cost more than sound.
const wrongWeight = 64

// follow reads frames of one kind to the end of the file. It skips tags and damage
// between them. A joined file may continue with another kind.
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
			// A tag after an unfinished frame shows that the encoder wrote the file
			// like this.
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
			r.wrong++ // any number of tags may follow, but not a whole file of empty tags
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

// resync skips damage up to the next two frames in a row, the next tag, or
// zeros. wrong counts the sync words in the damage.
func resync(s *source, parse frameParser, kind uint32) (passed, wrong int64) {
	for passed <= maxJunk && wrong <= maxJunk/wrongWeight {
		passed += s.skip(1)
		w := s.peek(keepSize)
		if len(w) == 0 {
			return passed, wrong
		}
		// Only places with room for a whole frame in w are checked.
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

// tagAt returns the first place before within where a tag begins, or -1.
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
	// maxJunk is the junk that is always accepted after the frames, in bytes: a picture.
	maxJunk = 1 << 22
	// enoughFrames in a row cannot be a coincidence, in any file.
	enoughFrames = 8
)

// believable reports whether the file consists mainly of frames. Zeros count as
// padding.
func (r run) believable() bool {
	junk := r.hole + r.junk - r.blank
	return r.frames >= 2 && !r.outweighed && (junk <= max(r.bytes, 1<<12) || r.frames >= enoughFrames && junk <= maxJunk)
}

// holed reports whether more than a tenth is missing between the frames. Each hole may
// also damage a frame at both its ends.
func (r run) holed() bool {
	return r.frames > 0 && r.hole > (r.bytes+r.hole)/10+2*(r.bytes/r.frames)
}
