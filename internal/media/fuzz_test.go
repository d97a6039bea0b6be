package media

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"os"
	"path/filepath"
	"testing"
	"testing/iotest"
)

// FuzzInspect: any bytes give a result or a refusal, and the sizes of the reads do not
// matter. Accepted sound is not longer than its file can hold.
func FuzzInspect(f *testing.F) {
	const most = 12 << 10 // bytes: small inputs give more runs
	files, err := filepath.Glob("testdata/*.*")
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		if len(b) <= most {
			f.Add(b)
		}
	}
	f.Add([]byte(dsf(2822400, 1, 100)))
	f.Add([]byte(dff(2822400, 1, 100)))
	f.Add([]byte(opusOf(3)))
	f.Add([]byte(flacOf(true, 0, 0, 100, 4096, 3000, 804)))
	f.Add([]byte(id3Tag(200, 300) + flacOf(false, 0, 0, 100, 100, 50)))
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > most {
			return
		}
		check(t, b)
		info, err := inspect(b)
		pieces := iotest.DataErrReader(iotest.HalfReader(bytes.NewReader(b)))
		if len(b) < 1<<10 {
			pieces = iotest.OneByteReader(bytes.NewReader(b))
		}
		again, errAgain := Inspect(context.Background(), pieces)
		if info != again || (err == nil) != (errAgain == nil) {
			t.Errorf("%+v, %v; in pieces %+v, %v", info, err, again, errAgain)
		}
	})
}

// FuzzAudioConfig: any description of AAC gives a rate and channels that AAC can have.
func FuzzAudioConfig(f *testing.F) {
	for _, b := range []string{"\x12\x10", "\x13\x88\x56\xe5\xa5\x48", "\xf8\xf0\x20\x00", "\x2b\x92\x08\x00", "\xeb\x8a\x08\x00", "\x12\x00\x05\x88\xc4\x00\x20\x0d", "\x17\x80\x56\xe5"} {
		f.Add([]byte(b))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		hz, channels := audioConfig(b)
		if hz < 0 || hz >= 1<<24 || channels < 0 || channels > 2*3*15+3 {
			t.Errorf("%x: %d Hz, %d channels", b, hz, channels)
		}
		if longer, more := audioConfig(append(bytes.Clone(b), 0, 0, 0, 0)); len(b) >= 8 && (longer != hz || more != channels) && bytes.Equal(b[len(b)-4:], zeros[:4]) {
			t.Errorf("%x: %d Hz, %d channels; and with zeros behind %d, %d", b, hz, channels, longer, more)
		}
	})
}

// FuzzHeaders: a parsed header has a valid size, rate and kind of its format. No header
// parses as two formats.
func FuzzHeaders(f *testing.F) {
	for _, b := range []string{"\xff\xfb\x90\x64\x00\x00\x00", "\xff\xfd\x90\x04\x00\x00\x00", "\xff\xf1\x50\x80\x02\x1f\xfc", "\xff\xe3\x18\xc4\x00\x00\x00", "\xff\xf9\x4c\x80\x00\x40\x00\x00\x00"} {
		f.Add([]byte(b))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		read := 0
		for _, parse := range []frameParser{parseMP3, parseMP2, parseADTS} {
			one, ok := parse(b)
			if !ok {
				continue
			}
			read++
			if one.size < 4 || one.size >= maxFrame || one.rate < 7350 || one.rate > 96000 || one.samples < 384 || one.channels < 0 || one.channels > 24 {
				t.Errorf("%x: %+v", b, one)
			}
			if again, ok := parse(b[:min(len(b), headerSize)]); !ok || again != one {
				t.Errorf("%x: %+v, but its header alone gives %+v", b, one, again)
			}
			if i := nextSync(b, len(b)); i != 0 {
				t.Errorf("%x: a frame begins here, but the search finds %d", b, i)
			}
		}
		if read > 1 {
			t.Errorf("%x is read as %d formats", b, read)
		}
	})
}

// FuzzChecksums: the tables give the same result as bit by bit.
func FuzzChecksums(f *testing.F) {
	f.Add([]byte("OggS"), uint32(0))
	f.Add([]byte("123456789 123456789"), uint32(1<<31))
	f.Fuzz(func(t *testing.T, b []byte, from uint32) {
		ogg, flac := from, uint16(from)
		for _, v := range b {
			ogg ^= uint32(v) << 24
			flac ^= uint16(v) << 8
			for range 8 {
				ogg = ogg<<1 ^ 0x04c11db7*(ogg>>31)
				flac = flac<<1 ^ 0x8005*(flac>>15)
			}
		}
		if got := oggSum(from, b); got != ogg {
			t.Errorf("Ogg: %08x, want %08x", got, ogg)
		}
		if got := flacCRC(uint16(from), b); got != flac {
			t.Errorf("FLAC: %04x, want %04x", got, flac)
		}
	})
}

// FuzzFLACHeader: a parsed frame header has a valid block size and channel count, and a
// change of any byte is detected.
func FuzzFLACHeader(f *testing.F) {
	f.Add([]byte(flacOf(true, 0, 0, 100, 4096)[42:]))
	f.Add([]byte(flacOf(false, 70000, 0, 800)[42:]))
	f.Fuzz(func(t *testing.T, b []byte) {
		si := streamInfo{minBlock: 16, maxBlock: 65535, rate: 44100, channels: 2}
		frame, ok := si.frame(b)
		if !ok {
			return
		}
		if frame.block < 1 || frame.block > 1<<16 || frame.channels < 1 || frame.channels > 8 || frame.rate < 0 || frame.rate > 655350 || frame.number >= 1<<36 {
			t.Fatalf("%x: %+v", b, frame)
		}
		if flacSync(b, 1) != 0 {
			t.Errorf("%x: a frame begins here, but the search misses it", b[:min(len(b), flacHeaderMax)])
		}
		for at := range 5 { // every header has these bytes
			bad := bytes.Clone(b)
			bad[at] ^= 1
			if other, ok := si.frame(bad); ok && other == frame {
				t.Errorf("%x: a change of byte %d is not detected", b, at)
			}
		}
	})
}

// FuzzEBML: numbers and element headers are read as they were written.
func FuzzEBML(f *testing.F) {
	f.Add([]byte("\x1a\x45\xdf\xa3\x9f"))
	f.Add([]byte("\xec\x01\xff\xff\xff\xff\xff\xff\xff"))
	f.Add([]byte("\x42\x86\x40\x01"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if v, n := ebmlNumber(b); n > 0 {
			want := binary.BigEndian.AppendUint64(nil, v|1<<(7*n))
			if !bytes.Equal(want[8-n:], b[:n]) {
				t.Errorf("%x is read as %d of %d bytes", b[:n], v, n)
			}
		}
		id, size, known, n := ebmlElement(b)
		if n == 0 {
			return
		}
		if n > len(b) || n > 12 || size < 0 || !known && size != 0 || id == 0 {
			t.Errorf("%x: element %x of %d bytes, known %v, header of %d", b, id, size, known, n)
		}
	})
}

// FuzzTags: a tag has the length in its header, and never the length 0.
func FuzzTags(f *testing.F) {
	f.Add([]byte(id3Tag(200, 22)))
	f.Add([]byte(apeHeader + le32(2000) + le32(132) + le32(1) + le32(1<<31|1<<29) + "\x00\x00\x00\x00\x00\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if n := id3Size(b); n != 0 && (n < 10 || n > 1<<28+20) {
			t.Errorf("%x: an ID3 tag of %d bytes", b[:min(len(b), 10)], n)
		}
		if n := apeSize(b); n != 0 && (n < 32 || n > 1<<32+64) {
			t.Errorf("%x: an APE tag of %d bytes", b[:min(len(b), 32)], n)
		}
		if n := trailingTags(b); n < 0 || n > len(b) {
			t.Errorf("%d of %d bytes are tags", n, len(b))
		}
	})
}

// FuzzSource: peek and skip return the file's bytes, in any order of calls.
func FuzzSource(f *testing.F) {
	f.Add([]byte("0123456789"), []byte{3, 130, 0, 255, 7})
	f.Fuzz(func(t *testing.T, b, steps []byte) {
		s := newSource(context.Background(), iotest.HalfReader(bytes.NewReader(b)))
		defer s.release()
		at := 0
		for _, step := range steps {
			n := int(step & 127)
			if step&128 == 0 {
				if got := s.peek(n); !bytes.Equal(got, b[at:min(at+n, len(b))]) {
					t.Fatalf("at %d: %q, want %q", at, got, b[at:min(at+n, len(b))])
				}
				continue
			}
			if got := int(s.skip(int64(n))); got != min(n, len(b)-at) {
				t.Fatalf("at %d: %d of %d skipped", at, got, n)
			}
			if at = min(at+n, len(b)); s.offset() != int64(at) {
				t.Fatalf("at %d, want %d", s.offset(), at)
			}
		}
		s.drain()
		if err := s.failure(); err != nil && err != io.EOF {
			t.Error(err)
		}
	})
}
