package media

import (
	"bytes"
	"context"
	"encoding/binary"
	"hash"
	"io"
	"math"
	"slices"
	"strings"
	"testing"
	"time"
)

// id3Tag returns an ID3v2 tag with held bytes, whose header states the size stated.
func id3Tag(stated, held int) string {
	return "ID3\x03\x00\x00" + string([]byte{byte(stated >> 21 & 127), byte(stated >> 14 & 127), byte(stated >> 7 & 127), byte(stated & 127)}) +
		strings.Repeat("\x00", held)
}

// TestHoles: missing parts in the middle are found and reported as such.
func TestHoles(t *testing.T) {
	flac, ogg, m4a := load(t, "stereo.flac"), load(t, "vorbis.ogg"), load(t, "moov-front.m4a")
	mp3 := load(t, "bare-cbr.mp3")
	zeroed := func(b []byte, from, to int) string {
		b = bytes.Clone(b)
		clear(b[from:to])
		return string(b)
	}
	without := func(b []byte, from, to int) string { return string(b[:from]) + string(b[to:]) }
	pages := oggPages([]byte(opusOf(40)))
	join := func(pages ...[]byte) string { return string(bytes.Join(pages, nil)) }
	unknown := bytes.Clone(flac) // its total
	binary.BigEndian.PutUint64(unknown[18:], binary.BigEndian.Uint64(unknown[18:])&^(1<<36-1))
	mdat := bytes.Index(m4a, []byte("mdat")) - 4
	open := append(append(bytes.Clone(m4a[:mdat]), 0, 0, 0, 0), m4a[mdat+4:]...)
	alac, wma := load(t, "alac.caf"), load(t, "tune.wma")
	const file = "\xa1\xdc\xab\x8c\x47\xa9\xcf\x11\x8e\xe4\x00\xc0\x0c\x20\x53\x65"
	short := bytes.Clone(wma) // shorter than its stated length
	plays := bytes.Index(short, []byte(file)) + 64
	binary.LittleEndian.PutUint64(short[plays:], 10*binary.LittleEndian.Uint64(short[plays:]))
	beyond := bytes.Clone(m4a)
	binary.BigEndian.PutUint32(beyond[bytes.Index(beyond, []byte("stco"))+12:], uint32(len(beyond)))
	for _, c := range []struct{ name, bytes string }{
		{"FLAC, the middle zeroed", zeroed(flac, 10000, len(flac)*4/5)},
		{"FLAC, the middle removed", without(flac, 10000, len(flac)*4/5)},
		{"FLAC, the end zeroed", zeroed(flac, len(flac)/2, len(flac))},
		{"FLAC without total, the middle zeroed", zeroed(unknown, 10000, len(flac)*4/5)},
		{"FLAC without total, the middle removed", without(unknown, 10000, len(flac)*4/5)},
		{"FLAC without total, the start zeroed", zeroed(unknown, 200, len(flac)*4/5)},
		{"FLAC, frames removed", flacOf(false, 0, 0, 1000, 1000) + flacOf(false, 90, 0, 1000, 1000)[42:]},
		{"Ogg, pages removed", join(append(append([][]byte{}, pages[:20]...), pages[30:]...)...)},
		{"Ogg, the middle zeroed", zeroed(ogg, len(ogg)/2, len(ogg)*4/5)},
		{"Ogg, the end zeroed", zeroed(ogg, len(ogg)-300, len(ogg))},
		{"M4A, media to the end, half there", string(open[:len(open)-(len(open)-mdat)/2])},
		{"M4A, half zeroed", zeroed(m4a, len(m4a)-2000, len(m4a))},
		{"MP3, the middle zeroed", zeroed(mp3, 2000, 6000)},
		{"DSF, half zeroed", zeroed([]byte(dsf(2822400, 2, 282240)), 40_000, 70_000)},
		{"DFF, half zeroed", zeroed([]byte(dff(2822400, 2, 282240)), 20_000, 60_000)},
		{"CAF of ALAC, half zeroed", zeroed(alac, len(alac)/4, len(alac)*3/4)},
		{"WMA, half zeroed", zeroed(wma, len(wma)/2, len(wma))},
		{"WMA, one packet of many said to be all", string(short)},
		{"M4A, its chunks behind the end", string(beyond)},
		{"WAV with ds64, half there", "RF64" + le32(1<<32-1) + "WAVE" + chunk("ds64", le32(9000)+le32(0)+le32(8000)+strings.Repeat("\x00", 16)) +
			chunk("fmt ", pcmFormat) + "data" + le32(4000) + tone},
	} {
		t.Run(c.name, func(t *testing.T) {
			info, err := inspect([]byte(c.bytes))
			if err == nil {
				t.Fatalf("accepted as %+v", info)
			}
			d := refused(t, err)
			if d["problem"] != truncated {
				t.Errorf("%v", d)
			}
			if d["advice"] == "" {
				t.Error("no advice")
			}
		})
	}
}

// TestAdvice: the advice for a FLAC that was cut without encoding it again says so.
func TestAdvice(t *testing.T) {
	flac := load(t, "stereo.flac")
	_, err := inspect(flac[:len(flac)/2])
	if d := refused(t, err); !strings.Contains(d["advice"].(string), "export it again") {
		t.Error(d)
	}
	for _, no := range []refusal{{problem: unsupported}, {problem: malformed}, {problem: noAudio}, {problem: codec}, {problem: video}, {problem: truncated}, {problem: truncated, hole: true}} {
		if text := no.advice(); len(strings.Fields(text)) < 6 || !strings.HasSuffix(text, ".") {
			t.Errorf("%v: %q", no, text)
		}
	}
}

// TestAccepted has complete files that were once refused or measured wrongly.
func TestAccepted(t *testing.T) {
	format := func(channels, rate, align, bits int) string {
		b := []byte("\x01\x00")
		b = binary.LittleEndian.AppendUint16(b, uint16(channels))
		b = binary.LittleEndian.AppendUint32(b, uint32(rate))
		b = binary.LittleEndian.AppendUint32(b, uint32(rate*align))
		b = binary.LittleEndian.AppendUint16(b, uint16(align))
		return string(binary.LittleEndian.AppendUint16(b, uint16(bits)))
	}
	flac, ogg, m4a, bare := string(load(t, "stereo.flac")), string(load(t, "vorbis.ogg")), string(load(t, "moov-front.m4a")), string(load(t, "bare-cbr.mp3"))
	wave, aiff := string(load(t, "pcm16.wav")), string(load(t, "pcm16.aiff"))
	ape := apeHeader + le32(2000) + le32(32+100) + le32(1) + le32(1<<31|1<<29) + strings.Repeat("\x00", 8) +
		strings.Repeat("v", 100) + apeHeader + le32(2000) + le32(32+100) + le32(1) + le32(1<<31) + strings.Repeat("\x00", 8)
	metadata := 42 // of a FLAC file: where the frames begin
	for at, last := 4, false; !last; {
		last = flac[at]&0x80 != 0
		at += 4 + int(flac[at+1])<<16 + int(flac[at+2])<<8 + int(flac[at+3])
		metadata = at
	}
	stream := "fLaC\x00" + flac[5:42] // only STREAMINFO, not marked as the last block
	picture := func(size int) string {
		b := "\x00\x00\x00\x03\x00\x00\x00\x0aimage/jpeg" + strings.Repeat("\x00", 16) + be32(uint32(size))
		return b + strings.Repeat("\xff\xd8picture", size/9+1)[:size]
	}
	large := picture(20 << 20)
	flipped := []byte(opusOf(40))
	oggPages(flipped)[20][10] ^= 1 // of its position, worth 2^32 samples
	flippedLast := []byte(opusOf(40))
	oggPages(flippedLast)[41][10] ^= 1
	backwards := []byte(opusOf(40))
	end := oggPages(backwards)[41]
	binary.LittleEndian.PutUint64(end[6:], 39*960-480)
	binary.LittleEndian.PutUint32(end[22:], oggChecksum(end))
	small := []byte(flac) // its total
	binary.BigEndian.PutUint64(small[18:], binary.BigEndian.Uint64(small[18:])&^(1<<36-1)|20000)
	// A Flake file has sample numbers, but its flag says frame numbers.
	flake := []byte(flacOf(true, 0, 0, 100, 100, 100, 100, 100, 50))
	for at := 42; at+12 < len(flake); at++ {
		if flake[at] == 0xff && flake[at+1] == 0xf9 {
			end := at + 1
			for end < len(flake) && !(flake[end] == 0xff && flake[end-1] != 0xff && end+1 < len(flake) && flake[end+1] == 0xf9) {
				end++
			}
			refit(flake[at:end])
		}
	}
	three := "" // frames
	for range 3 {
		f, _ := parseMP3([]byte(bare[len(three):]))
		three = bare[:len(three)+f.size]
	}
	edge := 1250 * time.Millisecond
	mp3 := 1018775 * time.Microsecond
	for _, c := range []struct {
		name, bytes string
		format      Format
		duration    time.Duration
		rate        int
	}{
		{"WAV, mono 16 bit, align 1", wav(chunk("fmt ", format(1, 8000, 1, 16)), chunk("data", tone)), WAV, 250 * time.Millisecond, 8000},
		{"WAV, stereo 8 bit, align 1", wav(chunk("fmt ", format(2, 8000, 1, 8)), chunk("data", tone)), WAV, 250 * time.Millisecond, 8000},
		{"WAV, align 0", wav(chunk("fmt ", format(1, 8000, 0, 16)), chunk("data", tone)), WAV, 250 * time.Millisecond, 8000},
		{"WAV, align in bits", wav(chunk("fmt ", format(1, 8000, 8, 8)), chunk("data", tone)), WAV, 500 * time.Millisecond, 8000},
		{"WAV, stereo 16 bit, align 8", wav(chunk("fmt ", format(2, 8000, 8, 16)), chunk("data", tone)), WAV, 125 * time.Millisecond, 8000},
		{"RIFX", "RIFX" + be32(4036) + "WAVE" + "fmt " + be32(16) + "\x00\x01\x00\x01\x00\x00\x1f\x40\x00\x00\x3e\x80\x00\x02\x00\x10" + "data" + be32(4000) + tone, WAV, 250 * time.Millisecond, 8000},
		{"RF64, small size filled in", "RF64" + le32(1<<32-1) + "WAVE" + chunk("ds64", le32(0)+le32(0)+le32(4000)+strings.Repeat("\x00", 16)) +
			chunk("fmt ", pcmFormat) + "data" + le32(100) + tone, WAV, 250 * time.Millisecond, 8000},
		{"RF64, small size of 0x00FFFFFF", "RF64" + le32(1<<32-1) + "WAVE" + chunk("ds64", le32(0)+le32(0)+le32(4000)+strings.Repeat("\x00", 16)) +
			chunk("fmt ", pcmFormat) + "data" + le32(0xffffff) + tone, WAV, 250 * time.Millisecond, 8000},

		{"ID3 before WAV", id3Tag(300, 300) + wave, WAV, time.Second, 8000},
		{"ID3 before AIFF", id3Tag(300, 300) + aiff, AIFF, time.Second, 8000},
		{"ID3 before Ogg", id3Tag(300, 300) + ogg, OggVorbis, edge, 44100},
		{"ID3 before M4A", id3Tag(300, 300) + m4a, M4A, time.Second, 44100},
		{"ID3 before WebM", id3Tag(300, 300) + string(load(t, "opus.webm")), WebM, 1258 * time.Millisecond, 48000},
		{"APE before MP3", ape + bare, MP3, mp3, 44100},
		{"APE before FLAC", ape + flac, FLAC, edge, 44100},
		{"APE and ID3 before Ogg", ape + id3Tag(90, 90) + ogg, OggVorbis, edge, 44100},
		{"ID3 too small before FLAC", id3Tag(200, 300) + flac, FLAC, edge, 44100},
		{"ID3 too large before FLAC", id3Tag(3000, 300) + flac, FLAC, edge, 44100},
		{"ID3 far too large before FLAC", id3Tag(3000000, 300) + flac, FLAC, edge, 44100},
		{"ID3 too small before Ogg", id3Tag(200, 300) + ogg, OggVorbis, edge, 44100},
		{"ID3 too large before WAV", id3Tag(900, 300) + wave, WAV, time.Second, 8000},

		{"FLAC, zeros before the frames", flac[:metadata] + strings.Repeat("\x00", 1000) + flac[metadata:], FLAC, edge, 44100},
		{"FLAC, 15 MB before the frames", flac[:metadata] + strings.Repeat("not a frame", 15<<20/11) + flac[metadata:], FLAC, edge, 44100},
		{"FLAC, picture of 20 MiB", stream + "\x86" + be32(uint32(len(large)))[1:] + large + flac[metadata:], FLAC, edge, 44100},
		{"FLAC, total too small", string(small), FLAC, edge, 44100},
		{"FLACs joined", flac + flac, FLAC, 2 * edge, 44100},
		{"FLAC by Flake", string(flake), FLAC, 68750 * time.Microsecond, 8000},
		{"FLAC, numbers begin again", flacOf(false, 0, 0, 800, 800, 800) + flacOf(false, 0, 0, 800, 800)[42:], FLAC, 500 * time.Millisecond, 8000},

		{"Ogg, bit flipped in a position", string(flipped), Opus, 800 * time.Millisecond, 48000},
		{"Ogg, bit flipped in the last position", string(flippedLast), Opus, 780 * time.Millisecond, 48000},
		{"Ogg, last position before the one before", string(backwards), Opus, 770 * time.Millisecond, 48000},

		{"FLAC without a description", flac[metadata:], FLAC, edge, 44100},

		{"MP3 of three frames and ID3v1", three + "TAG" + strings.Repeat("\x00", 125), MP3, 3 * 1152 * time.Second / 44100, 44100},
		{"MP3 of three frames and zeros", three + strings.Repeat("\x00", 500), MP3, 3 * 1152 * time.Second / 44100, 44100},
		{"MP3 of three frames behind ID3 and junk", id3Tag(30, 30) + strings.Repeat("junk", 90) + three, MP3, 3 * 1152 * time.Second / 44100, 44100},
		{"MP3, more junk behind than sound", bare + strings.Repeat("picture", 5000), MP3, mp3, 44100},
		{"MP3, more zeros behind than sound", bare + strings.Repeat("\x00", 300_000), MP3, mp3, 44100},
		{"AMR behind ID3", id3Tag(30, 30) + string(load(t, "tune.amr")), AMR, time.Second, 8000},
		{"Matroska, a shorter track first", matroska(200, 400), Matroska, 4 * time.Second, 48000},
		{"Matroska, a shorter track second", matroska(400, 200), Matroska, 8 * time.Second, 48000},
		{"DSF", dsf(2822400, 2, 282240), DSF, 100 * time.Millisecond, 2822400},
		{"DSF of zeros", strings.ReplaceAll(dsf(2822400, 2, 282240), "\x69", "\x00"), DSF, 100 * time.Millisecond, 2822400},
		{"DFF", dff(2822400, 2, 282240), DFF, 100 * time.Millisecond, 2822400},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := inspect([]byte(c.bytes))
			if err != nil {
				t.Fatalf("refused: %v", refused(t, err))
			}
			loose := 2 * time.Microsecond
			if got.Format != c.format || (got.Duration-c.duration).Abs() > loose || got.SampleRate != c.rate {
				t.Errorf("%s of %v at %d Hz, want %s of %v at %d Hz", got.Format, got.Duration, got.SampleRate, c.format, c.duration, c.rate)
			}
		})
	}
}

// TestEmptyElements: the reader stops early in a file of empty elements.
func TestEmptyElements(t *testing.T) {
	song := load(t, "opus.webm")
	head := bytes.Index(song, []byte("\x18\x53\x80\x67"))
	junk := string(song[:head]) + "\x18\x53\x80\x67\x01\xff\xff\xff\xff\xff\xff\xff" + strings.Repeat("\xec\x80", webmOthers+10)
	_, err := inspect([]byte(junk))
	if err == nil {
		t.Fatal("accepted")
	}
	if d := refused(t, err); d["problem"] != malformed {
		t.Errorf("%v, want %s", d, malformed)
	}
}

// matroska returns a file with tracks of Opus that begin together. Each has the given
// number of blocks of 20 ms. The file is as long as the longest track.
func matroska(tracks ...int) string {
	element := func(id, data string) string {
		return id + string([]byte{0x10, byte(len(data) >> 16), byte(len(data) >> 8), byte(len(data))}) + data
	}
	var entries, clusters string
	for n, blocks := range tracks {
		number := string(rune(n + 1))
		entries += element("\xae", element("\xd7", number)+element("\x83", "\x02")+element("\x86", "A_OPUS"))
		for at := range blocks {
			clusters += element("\x1f\x43\xb6\x75", element("\xe7", be32(uint32(20*at)))+element("\xa3", string([]byte{0x81 + byte(n)})+"\x00\x00\x80sound"))
		}
	}
	length := be32(math.Float32bits(float32(20 * slices.Max(tracks))))
	return element("\x1a\x45\xdf\xa3", element("\x42\x82", "matroska")) +
		element("\x18\x53\x80\x67", element("\x15\x49\xa9\x66", element("\x44\x89", length))+element("\x16\x54\xae\x6b", entries)+clusters)
}

// opusOf returns an Ogg file with two pages of headers and then packets pages, each
// with one packet of Opus of 20 ms.
func opusOf(packets int) string {
	number := func(page string, n int) string {
		b := []byte(page)
		binary.LittleEndian.PutUint32(b[18:], uint32(n))
		binary.LittleEndian.PutUint32(b[22:], oggChecksum(b))
		return string(b)
	}
	file := oggPage("opus", 2, 0, "OpusHead\x01\x01\x00\x00\x80\xbb\x00\x00\x00\x00\x00") +
		number(oggPage("opus", 0, 0, "OpusTags\x00\x00\x00\x00\x00\x00\x00\x00"), 1)
	for n := range packets {
		flags := byte(0)
		if n == packets-1 {
			flags = 4
		}
		file += number(oggPage("opus", flags, uint64(n+1)*960, strings.Repeat("\x08packet", 20)), n+2)
	}
	return file
}

// refit changes a frame of flacOf into one with a fixed block size, and keeps its
// number.
func refit(frame []byte) {
	frame[1] = 0xf8
	n := 5
	for frame[4]>>(12-n)&1 == 1 && frame[4] >= 0xc0 && n < 12 {
		n++
	}
	if frame[4] >= 0xc0 {
		n = 5 + 1
		if frame[4] >= 0xe0 {
			n++
		}
	}
	n += 2
	var c8 byte
	for _, v := range frame[:n] {
		c8 = crc8[c8^v]
	}
	frame[n] = c8
	binary.BigEndian.PutUint16(frame[len(frame)-2:], flacCRC(0, frame[:len(frame)-2]))
}

// dsf returns a DSF file of silence with the given number of samples in each channel.
func dsf(rate, channels, samples int) string {
	le64 := func(n int) string { return string(binary.LittleEndian.AppendUint64(nil, uint64(n))) }
	blocks := (samples + 8*4096 - 1) / (8 * 4096)
	data := strings.Repeat("\x69", blocks*4096*channels)
	return "DSD " + le64(28) + le64(92+len(data)) + le64(0) +
		"fmt " + le64(52) + le32(1) + le32(0) + le32(uint32(channels)) + le32(uint32(channels)) + le32(uint32(rate)) + le32(1) + le64(samples) + le32(4096) + le32(0) +
		"data" + le64(12+len(data)) + data
}

// dff returns the same as a DSDIFF file.
func dff(rate, channels, samples int) string {
	c := func(id, body string) string {
		return id + string(binary.BigEndian.AppendUint64(nil, uint64(len(body)))) + body
	}
	names := strings.Repeat("SLFT", channels)
	prop := c("PROP", "SND "+c("FS  ", be32(uint32(rate)))+c("CHNL", "\x00"+string(rune(channels))+names)+c("CMPR", "DSD \x00\x00"))
	return c("FRM8", "DSD "+c("FVER", "\x01\x05\x00\x00")+prop+c("DSD ", strings.Repeat("\x69", samples/8*channels)))
}

// TestCutDSD: both containers of DSD state their length.
func TestCutDSD(t *testing.T) {
	for name, file := range map[string]string{"DSF": dsf(2822400, 2, 282240), "DFF": dff(2822400, 2, 282240)} {
		_, err := inspect([]byte(file[:len(file)/2]))
		if d := refused(t, err); d["problem"] != truncated {
			t.Errorf("%s: %v", name, d)
		}
	}
}

// TestIncompleteLastFrame: a bare MP3 may end inside a frame, and the result says so.
// An MP3 whose header counts its frames may not.
func TestIncompleteLastFrame(t *testing.T) {
	bare, stated := load(t, "bare-cbr.mp3"), load(t, "xing-cbr.mp3")
	if info, err := inspect(bare); err != nil || info.IncompleteLastFrame {
		t.Errorf("whole: %+v, %v", info, err)
	}
	for _, n := range []int{1, 100, 200} {
		info, err := inspect(bare[:len(bare)-n])
		if err != nil || !info.IncompleteLastFrame || info.Duration.Truncate(time.Microsecond) != 992653*time.Microsecond {
			t.Errorf("without %d bytes: %+v, %v", n, info, err)
		}
	}
	_, err := inspect(stated[:len(stated)*2/3])
	refused(t, err)
}

// noHash skips hashing, so that a file of gigabytes is quick.
type noHash struct{ hash.Hash }

func (noHash) Write(p []byte) (int, error) { return len(p), nil }

// TestWrapped: sizes of 32 bits in files of more than 4 GiB.
func TestWrapped(t *testing.T) {
	const size = 1<<32 + 160_000
	form := "FORM" + le32(0) + "AIFF" + "COMM" + be32(18) + "\x00\x01" + be32(size/2) + "\x00\x10" + "\x40\x0b\xfa\x00\x00\x00\x00\x00\x00\x00" +
		"SSND" + be32(160_000+8) + strings.Repeat("\x00", 8)
	for name, head := range map[string]string{
		"WAV":  wav(chunk("fmt ", pcmFormat)) + "data" + le32(160_000),
		"AIFF": form,
	} {
		s := newSource(context.Background(), io.MultiReader(strings.NewReader(head), io.LimitReader(endless{}, size)))
		s.hash = noHash{s.hash}
		info, no := read(s)
		s.release()
		if want := duration(size/2, 8000); no != nil || info.Duration != want {
			t.Errorf("%s: %v, %v, want %v", name, info.Duration, no, want)
		}
	}
}
