package media

import (
	"encoding/binary"
	"slices"
	"strings"
	"testing"
	"time"
)

// le32 returns a number in the form of RIFF files.
func le32(n uint32) string { return string(binary.LittleEndian.AppendUint32(nil, n)) }

// be32 returns a number in the form of most other files.
func be32(n uint32) string { return string(binary.BigEndian.AppendUint32(nil, n)) }

// chunk returns a RIFF chunk with its pad byte.
func chunk(id, body string) string {
	s := id + le32(uint32(len(body))) + body
	if len(body)%2 == 1 {
		s += "\x00"
	}
	return s
}

// wav returns a RIFF file of these chunks.
func wav(chunks ...string) string {
	body := "WAVE" + strings.Join(chunks, "")
	return "RIFF" + le32(uint32(len(body))) + body
}

// pcmFormat is 8000 Hz, mono, 16 bits; tone is a quarter second of it.
const pcmFormat = "\x01\x00\x01\x00\x40\x1f\x00\x00\x80\x3e\x00\x00\x02\x00\x10\x00"

var tone = strings.Repeat("\x10\x20\x30\x40", 1000)

// TestQuirks has deviations of real files from their specifications.
func TestQuirks(t *testing.T) {
	format := chunk("fmt ", pcmFormat)
	mp3, tagged, bare := string(load(t, "xing-cbr.mp3")), string(load(t, "vbr-id3v2.mp3")), string(load(t, "bare-cbr.mp3"))
	flac, aac := string(load(t, "stereo.flac")), string(load(t, "stereo.aac"))
	opus, webm, m4a := string(load(t, "opusenc.opus")), string(load(t, "opus.webm")), string(load(t, "moov-front.m4a"))
	id3v1 := "TAG" + strings.Repeat("x", 125)
	ape := apeHeader + le32(2000) + le32(32+100) + le32(1) + le32(1<<31|1<<29) + strings.Repeat("\x00", 8) +
		strings.Repeat("v", 100) +
		apeHeader + le32(2000) + le32(32+100) + le32(1) + le32(1<<31) + strings.Repeat("\x00", 8)
	id3 := func(size int) string { // an ID3v2 tag with size bytes of a picture
		return "ID3\x03\x00\x00" + string([]byte{byte(size >> 21 & 127), byte(size >> 14 & 127), byte(size >> 7 & 127), byte(size & 127)}) +
			strings.Repeat("\xff\xfb\x90", size/3+1)[:size]
	}
	quarter := 250 * time.Millisecond
	for _, c := range []struct {
		name, bytes string
		format      Format
		duration    time.Duration
	}{
		{"chunks before the format", wav(chunk("JUNK", strings.Repeat("\x00", 28)), chunk("bext", strings.Repeat("b", 602)), format, chunk("data", tone)), WAV, quarter},
		{"chunks before the audio", wav(format, chunk("LIST", "INFOISFT"), chunk("zzzz", "abc"), chunk("data", tone)), WAV, quarter},
		{"odd chunk without its pad byte", wav("LIST"+le32(5)+"INFOx", format, chunk("data", tone)), WAV, quarter},
		{"chunks behind", wav(format, chunk("data", tone), chunk("LIST", "INFO"), chunk("id3 ", "ID3")), WAV, quarter},
		{"junk behind", wav(format, chunk("data", tone)) + "\x00\x01junk", WAV, quarter},
		{"ID3v1 behind", wav(format, chunk("data", tone)) + id3v1, WAV, quarter},
		{"RIFF size of 0", "RIFF" + le32(0) + wav(format, chunk("data", tone))[8:], WAV, quarter},
		{"RIFF size too large", "RIFF" + le32(9000) + wav(format, chunk("data", tone))[8:], WAV, quarter},
		{"RIFF size too small", "RIFF" + le32(12) + wav(format, chunk("data", tone))[8:], WAV, quarter},
		{"data size of 0", wav(format, "data"+le32(0)+tone), WAV, quarter},
		{"data size of -1", wav(format, "data"+le32(1<<32-1)+tone), WAV, quarter},
		{"data size of 2 GiB", wav(format, "data"+le32(1<<31-1)+tone), WAV, quarter},
		{"data size off by the header", wav(format, "data"+le32(4000+44)+tone), WAV, quarter},
		{"RF64 without sizes", "RF64" + le32(1<<32-1) + "WAVE" + chunk("ds64", strings.Repeat("\x00", 28)) + format + "data" + le32(1<<32-1) + tone, WAV, quarter},
		{"BW64", "BW64" + wav(format, chunk("data", tone))[4:], WAV, quarter},

		{"MP3, ID3v1 behind", mp3 + id3v1, MP3, 1250 * time.Millisecond},
		{"MP3, APE and ID3v1 behind", mp3 + ape + id3v1, MP3, 1250 * time.Millisecond},
		{"MP3 behind a picture of 5 MB", id3(5_000_000) + bare, MP3, 1018775 * time.Microsecond},
		{"MP3 behind two tags", id3(3000) + id3(700) + bare, MP3, 1018775 * time.Microsecond},
		{"MP3 behind a tag and padding", id3(3000) + strings.Repeat("\x00", 6000) + bare, MP3, 1018775 * time.Microsecond},
		{"MP3 behind some junk", "\x00\x01\x02\x03" + strings.Repeat("\xff\xfa\x00\x13", 700) + bare, MP3, 1018775 * time.Microsecond},
		{"MP3 behind a tag of the wrong size", id3(3000) + "an old comment" + strings.Repeat("\x00", 60) + bare, MP3, 1018775 * time.Microsecond},
		{"MP3, zeros behind", bare + strings.Repeat("\x00", 4000), MP3, 1018775 * time.Microsecond},
		{"MP3s joined", bare + id3v1 + id3(100) + bare, MP3, 2 * 1018775 * time.Microsecond},
		{"MP3s joined, stated lengths", mp3 + tagged, MP3, (2*1250 + 30) * time.Millisecond}, // loosely: see below
		{"MP3 with damage", bare[:4000] + strings.Repeat("\x00", 500) + bare[4500:], MP3, 966530 * time.Microsecond},
		{"MP3, last frame short, tag behind", bare[:len(bare)-200] + id3v1, MP3, 992653 * time.Microsecond},

		{"AAC behind a tag", id3(2000) + aac, AAC, 1277097 * time.Microsecond},
		{"AAC, ID3v1 behind", aac + id3v1, AAC, 1277097 * time.Microsecond},

		{"FLAC, ID3v1 behind", flac + id3v1, FLAC, 1250 * time.Millisecond},
		{"FLAC, APE and ID3v1 behind", flac + ape + id3v1, FLAC, 1250 * time.Millisecond},
		{"FLAC, zeros behind", flac + strings.Repeat("\x00", 9000), FLAC, 1250 * time.Millisecond},
		{"FLAC, a large tag behind", flac + strings.Repeat("x", 600_000), FLAC, 1250 * time.Millisecond},
		{"FLAC behind a picture of 5 MB", id3(5_000_000) + flac, FLAC, 1250 * time.Millisecond},
		{"FLAC with damage", flac[:16000] + strings.Repeat("\x00", 1000) + flac[17000:], FLAC, 1250 * time.Millisecond},

		{"Ogg, junk behind", opus + "some junk", Opus, 1250 * time.Millisecond},
		{"Ogg, ID3v1 behind", opus + id3v1, Opus, 1250 * time.Millisecond},
		{"Ogg, ID3v1 between", opus + id3v1 + opus, Opus, 2500 * time.Millisecond},
		{"Ogg with Skeleton", skeleton() + opus, Opus, 1250 * time.Millisecond},
		{"Ogg joined late", joinedLate(opus), Opus, 256500 * time.Microsecond},
		{"Ogg with lyrics", oggPage("kate", 2, 0, "\x80kate\x00\x00\x00\x00") + opus, Opus, 1250 * time.Millisecond},
		{"Ogg of two codecs", string(load(t, "vorbis.ogg")) + opus, OggVorbis, 2500 * time.Millisecond},

		{"WebM, junk behind", webm + "some junk", WebM, 1258 * time.Millisecond},
		{"M4A, junk behind", m4a + "some junk behind", M4A, time.Second},
		{"M4A, few bytes behind", m4a + "abc", M4A, time.Second},
		{"M4A, media to the end", m4aToTheEnd(m4a), M4A, time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := inspect([]byte(c.bytes))
			if err != nil {
				t.Fatalf("refused: %v", refused(t, err))
			}
			off := (got.Duration - c.duration).Abs()
			loose := 2 * time.Microsecond
			if strings.Contains(c.name, "stated") {
				loose = 100 * time.Millisecond // the delay between the songs stays
			}
			if got.Format != c.format || off > loose {
				t.Errorf("%s of %v, want %s of %v", got.Format, got.Duration, c.format, c.duration)
			}
		})
	}
}

// oggPage returns a page with one packet of less than 255 bytes.
func oggPage(serial string, flags byte, granule uint64, body string) string {
	page := append([]byte("OggS\x00"), flags)
	page = binary.LittleEndian.AppendUint64(page, granule)
	page = append(page, serial+strings.Repeat("\x00", 8)...)
	page = append(page, 1, byte(len(body)))
	page = append(page, body...)
	binary.LittleEndian.PutUint32(page[22:], oggChecksum(page))
	return string(page)
}

// oggPages returns the pages of a file, as parts of b.
func oggPages(b []byte) (pages [][]byte) {
	for len(b) >= 27 {
		size := 27 + int(b[26])
		for _, n := range b[27:size] {
			size += int(n)
		}
		pages = append(pages, b[:size:size])
		b = b[size:]
	}
	return pages
}

// skeleton returns an Ogg page that announces other streams.
func skeleton() string { return oggPage("skel", 2, 0, "fishead\x00"+strings.Repeat("\x00", 56)) }

// joinedLate moves every position of an Ogg file by an hour, as in a recording of
// a radio station.
func joinedLate(ogg string) string {
	b := []byte(ogg)
	for _, page := range oggPages(b) {
		if n := binary.LittleEndian.Uint64(page[6:]); n != 0 {
			binary.LittleEndian.PutUint64(page[6:], n+3600*48000)
			binary.LittleEndian.PutUint32(page[22:], oggChecksum(page))
		}
	}
	return string(b)
}

// flacOf returns a FLAC file of silent frames. blocks are their sizes, and start is the
// number of the first. If variable, frames have sample numbers.
func flacOf(variable bool, start, total uint64, blocks ...int) string {
	info := make([]byte, 34)
	binary.BigEndian.PutUint16(info, 16)
	binary.BigEndian.PutUint16(info[2:], 0xffff)
	binary.BigEndian.PutUint64(info[10:], 8000<<44|15<<36|total)
	file := append([]byte("fLaC\x80\x00\x00\x22"), info...)
	number := start
	for _, n := range blocks {
		f := []byte{0xff, 0xf8, 0x70, 0x08} // size in 16 bits, rate as in the header; mono, 16 bits
		if variable {
			f[1]++
		}
		f = append(f, string(rune(number))...) // the same as UTF-8 for small numbers
		f = binary.BigEndian.AppendUint16(f, uint16(n-1))
		var c8 byte
		for _, v := range f {
			c8 = crc8[c8^v]
		}
		f = append(f, c8, 0, 0, 0) // a constant subframe of 0
		var c16 uint16
		for _, v := range f {
			c16 = c16<<8 ^ crc16[0][byte(c16>>8)^v]
		}
		file = append(file, binary.BigEndian.AppendUint16(f, c16)...)
		if variable {
			number += uint64(n)
		} else {
			number++
		}
	}
	return string(file)
}

// TestFLACNumbers has ways to number frames that the fixtures lack.
func TestFLACNumbers(t *testing.T) {
	for _, c := range []struct {
		name, bytes string
		want        time.Duration // 0: truncated
	}{
		{"variable", flacOf(true, 0, 8000, 100, 4096, 3000, 804), time.Second},
		{"variable, total unknown", flacOf(true, 0, 0, 100, 4096, 3000, 804), time.Second},
		{"variable, short", flacOf(true, 0, 8001, 100, 4096, 3000, 804), 0},
		{"joined late", flacOf(true, 50_000, 8000, 4000, 4000), time.Second},
		{"joined late, fixed", flacOf(false, 900, 0, 2000, 2000, 2000, 2000), time.Second},
		{"many frames, last one short", flacOf(false, 0, 8000, append(slices.Repeat([]int{16}, 499), 16)...), time.Second},
		{"fixed, short", flacOf(false, 0, 8000, 4000, 3999), 0},
		{"one frame", flacOf(false, 0, 8000, 8000), time.Second},
	} {
		info, err := inspect([]byte(c.bytes))
		if c.want == 0 {
			if d := refused(t, err); d["problem"] != truncated {
				t.Errorf("%s: %v", c.name, d)
			}
		} else if err != nil || info.Duration != c.want {
			t.Errorf("%s: %v, %v, want %v", c.name, info.Duration, err, c.want)
		}
	}
}

// m4aToTheEnd sets the size of a file's last box, its media, to 0.
func m4aToTheEnd(m4a string) string {
	at := strings.Index(m4a, "mdat") - 4
	return m4a[:at] + be32(0) + m4a[at+4:]
}

// TestStated has headers with values of the whole stream that no available encoder writes.
func TestStated(t *testing.T) {
	bare := load(t, "bare-cbr.mp3")
	first, ok := parseMP3(bare)
	if !ok {
		t.Fatal("no frame")
	}
	frames := uint32(len(bare) / first.size)
	vbri := func(frames, bytes uint32) string {
		b := append([]byte(nil), bare[:first.size]...)
		copy(b[36:], "VBRI\x00\x01\x00\x00\x00\x00"+be32(bytes)+be32(frames))
		return string(b) + string(bare)
	}
	xing := func(flags uint32, fields string) string {
		b := append([]byte(nil), bare[:first.size]...)
		copy(b[21:], "Xing"+be32(flags)+fields)
		return string(b) + string(bare)
	}
	size := uint32(len(bare) + first.size)
	for _, c := range []struct {
		name, bytes string
		whole       bool
	}{
		{"VBRI, all there", vbri(frames, size), true},
		{"VBRI, half there", vbri(2*frames, 2*size), false},
		{"Xing bytes, all there", xing(2, be32(size)), true},
		{"Xing bytes, half there", xing(2, be32(2*size)), false},
		{"Xing frames, all there", xing(1, be32(frames)), true},
		{"Xing frames, counting itself", xing(1, be32(frames+1)), true},
		{"Xing frames, some missing", xing(1, be32(frames+3)), false},
		{"Xing without numbers", xing(0, ""), true},
	} {
		info, err := inspect([]byte(c.bytes))
		if c.whole != (err == nil) {
			t.Errorf("%s: %+v, %v", c.name, info, err)
			continue
		}
		if !c.whole && refused(t, err)["problem"] != truncated {
			t.Errorf("%s: %v", c.name, refused(t, err))
		}
		if c.whole && info.Duration.Truncate(time.Microsecond) != 1018775*time.Microsecond {
			t.Errorf("%s: %v", c.name, info.Duration)
		}
	}
}

// TestNesting: boxes inside boxes, as deep as a file allows.
func TestNesting(t *testing.T) {
	const levels = 3_000_000
	b := append([]byte(nil), be32(16)+"ftypM4A \x00\x00\x00\x00"...)
	b = append(b, be32(8*(levels+2))+"moov"+be32(8*(levels+1))+"trak"...)
	for n := range uint32(levels) {
		b = append(b, be32(8*(levels-n))+"mdia"...)
	}
	_, err := inspect(b)
	if d := refused(t, err); d["problem"] != noAudio {
		t.Error(d)
	}
}

// TestAudioConfig reads the decoder descriptions of AAC that fixtures lack.
func TestAudioConfig(t *testing.T) {
	for _, c := range []struct {
		name, bytes    string
		rate, channels int
	}{
		{"low complexity", "\x12\x10", 44100, 2},
		{"band replication", "\x2b\x92\x08\x00", 44100, 2}, // 22050 Hz within
		{"explicit rate", "\x17\x80\x5d\xc0\x10", 48000, 2},
		{"band replication, told behind", "\x13\x88\x56\xe5\xa5\x48", 44100, 1},
		{"parametric stereo, told behind", "\x13\x88\x56\xe5\xa5\x48\x80", 44100, 2},
		{"no band replication, told behind", "\x12\x10\x56\xe5\x00", 44100, 2},
		{"a list of three channels", "\x12\x00\x05\x04\x01\x00\x20\x00\x0dLavc59.37.100\x56\xe5\x00", 44100, 3},
		{"a list of seven channels", "\x12\x00\x05\x08\x48\x00\x20\x00\xc4\x40\x0dLavc59.37.100\x56\xe5\x00", 44100, 7},
		{"seven channels and one", "\x12\x38", 44100, 8},
		{"22.2 channels", "\x11\xe8", 48000, 24},
		{"cut off", "\x12", 0, 0},
	} {
		rate, channels := audioConfig([]byte(c.bytes))
		if rate != c.rate || channels != c.channels {
			t.Errorf("%s: %d Hz, %d channels; want %d, %d", c.name, rate, channels, c.rate, c.channels)
		}
	}
}

func TestDuration(t *testing.T) {
	for _, c := range []struct {
		n, rate uint64
		want    time.Duration
	}{
		{44100, 44100, time.Second},
		{1, 3, 333333333},
		{5, 0, 0},
		{1 << 63, 1, 0},
		{1 << 62, 1, 0},
	} {
		if got := duration(c.n, c.rate); got != c.want {
			t.Errorf("%d / %d: %v, want %v", c.n, c.rate, got, c.want)
		}
	}
}
