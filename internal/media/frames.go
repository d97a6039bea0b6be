package media

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

// findFrames passes padding up to the first believable row of frames. A file
// that ends within its first row counts when that begins with the file.
func findFrames(s *source, parse frameParser) (frame, bool) {
	w := s.peek(maxPadding + framesInRow*maxFrame)
	for at := range min(len(w), maxPadding) {
		n, ranOut := inRow(w[at:], parse)
		if n == framesInRow || n >= 2 && ranOut && at == 0 && s.ended() {
			f, _ := parse(w[at:])
			s.skip(int64(at))
			return f, true
		}
	}
	return frame{}, false
}

// A run is what following the frames to the end of the file found.
type run struct {
	frames, samples int64
	bytes           int64 // in whole frames
	junk            int64 // bytes that were neither frames nor tags
	partial         bool  // the file ends inside a frame
	missing         int64 // bytes that would complete it, at least
}

// follow passes frames of one kind to the end of the file, and any tags and
// damage between them.
func follow(s *source, parse frameParser, kind uint32) run {
	var r run
	for {
		b := s.peek(32)
		if len(b) == 0 {
			return r
		}
		if f, ok := parse(b); ok && f.kind == kind {
			got := s.skip(int64(f.size))
			if got == int64(f.size) {
				r.frames++
				r.samples += int64(f.samples)
				r.bytes += got
				continue
			}
			// A tag that follows an unfinished frame shows that the file is
			// as its encoder left it.
			if trailingTags(s.since(s.offset()-got)) == 0 {
				r.partial, r.missing = true, int64(f.size)-got
			}
			return r
		}
		if len(b) < headerSize && b[0] == 0xff && (len(b) == 1 || b[1]&0xe0 == 0xe0) {
			r.partial, r.missing = true, 1 // the file ends inside a header
			s.skip(int64(len(b)))
			return r
		}
		switch {
		case id3Size(b) > 0:
			s.skip(id3Size(b))
		case apeSize(b) > 0:
			s.skip(apeSize(b))
		case len(b) >= 3 && string(b[:3]) == id3v1:
			s.skip(id3v1Size)
		default:
			r.junk += resync(s, parse, kind)
		}
	}
}

// resync passes damage up to the next two frames in a row, or to the next tag.
func resync(s *source, parse frameParser, kind uint32) (passed int64) {
	for {
		passed += s.skip(1)
		w := s.peek(2*maxFrame + headerSize)
		if len(w) == 0 {
			return passed
		}
		for at := range max(1, len(w)-maxFrame-headerSize) {
			b := w[at:]
			f, ok := parse(b)
			if ok && f.kind == kind {
				if n, ranOut := inRow(b, parse); n >= 2 || ranOut && s.ended() {
					return passed + s.skip(int64(at))
				}
			}
			if id3Size(b) > 0 || apeSize(b) > 0 || len(b) == id3v1Size && s.ended() && string(b[:3]) == id3v1 {
				return passed + s.skip(int64(at))
			}
		}
		passed += s.skip(int64(max(0, len(w)-maxFrame-headerSize-1)))
	}
}

// believable reports whether the frames make up the file rather than occur in it.
func (r run) believable() bool { return r.frames >= 2 && r.junk <= max(r.bytes, 1<<12) }
