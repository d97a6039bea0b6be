package bulk

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"os"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/dhowden/tag"
	"golang.org/x/text/encoding/charmap"
)

// tags are what a file says of itself.
type tags struct {
	title    string
	creators []string // composers; without any, the artist
}

const (
	maxTagBytes = 32 << 20 // that are read of one file; a picture in it counts
	maxTagText  = 200      // characters of a title or of a name
)

// readTags reads the tags of a file: ID3, MP4, FLAC, Ogg, DSF, WAV and AIFF. A file without readable tags has none: the list
// may say everything.
func readTags(path string) (t tags) {
	f, err := os.Open(path)
	if err != nil {
		return tags{}
	}
	defer f.Close()
	defer func() {
		if recover() != nil { // the library reads damaged files, too
			t = tags{}
		}
	}()
	head := make([]byte, 12)
	if _, err := f.ReadAt(head, 0); err != nil {
		return tags{}
	}
	if order, ok := chunked(head); ok {
		return chunkTags(f, order, string(head[:4]) == "RF64" || string(head[:4]) == "BW64")
	}
	m, err := tag.ReadFrom(&bounded{f, maxTagBytes})
	if err != nil {
		return tags{}
	}
	return tagsOf(m.Title(), m.Composer(), m.Artist())
}

// tagsOf takes the composers, or the artist without any.
func tagsOf(title, composers, artist string) (t tags) {
	t.title = oneLine(title)
	if oneLine(composers) == "" {
		composers = artist
	}
	for _, name := range strings.FieldsFunc(composers, func(r rune) bool { return r == ';' || r == '/' || r == 0 }) {
		if name = oneLine(name); name != "" && !slices.Contains(t.creators, name) {
			t.creators = append(t.creators, name)
		}
	}
	return t
}

// chunked reports whether a file is WAV or AIFF, and the order of its numbers.
func chunked(head []byte) (order binary.ByteOrder, ok bool) {
	switch string(head[:4]) + string(head[8:]) {
	case "RIFFWAVE", "RF64WAVE", "BW64WAVE":
		return binary.LittleEndian, true
	case "RIFXWAVE", "FORMAIFF", "FORMAIFC":
		return binary.BigEndian, true
	}
	return nil, false
}

const (
	maxChunks = 4096    // that are read of one file
	maxWords  = 1 << 20 // bytes of a chunk of texts
	maxField  = 4 << 10 // bytes of one text
)

// chunkTags reads the tags of WAV and AIFF: a chunk of ID3, or else the texts of INFO, NAME and AUTH. The library reads the
// ID3. The chunks are few, and often behind the sound, so only their heads are read.
func chunkTags(f *os.File, order binary.ByteOrder, wide bool) tags {
	texts := map[string]string{}
	var wideData int64
	at := int64(12)
	for range maxChunks {
		head := make([]byte, 8)
		if _, err := f.ReadAt(head, at); err != nil {
			break
		}
		id, size := string(head[:4]), int64(order.Uint32(head[4:]))
		at += 8
		switch id {
		case "ds64":
			b := make([]byte, 16)
			if _, err := f.ReadAt(b, at); err == nil {
				wideData = int64(binary.LittleEndian.Uint64(b[8:]))
			}
		case "data":
			if wide && wideData > 0 {
				size = wideData
			}
		case "id3 ", "ID3 ":
			if m, err := tag.ReadID3v2Tags(io.NewSectionReader(f, at, min(size, maxTagBytes))); err == nil {
				if t := tagsOf(m.Title(), m.Composer(), m.Artist()); t.title != "" || len(t.creators) > 0 {
					return t
				}
			}
		case "LIST":
			b, err := io.ReadAll(io.NewSectionReader(f, at, min(size, maxWords)))
			if err == nil && len(b) >= 4 && string(b[:4]) == "INFO" {
				infoTexts(b[4:], order, texts)
			}
		case "NAME", "AUTH":
			if b, err := io.ReadAll(io.NewSectionReader(f, at, min(size, maxField))); err == nil {
				texts[id] = decoded(b)
			}
		}
		if size > math.MaxInt64-at-1 || size < 0 {
			break
		}
		at += size + size%2
	}
	return tagsOf(cmp.Or(texts["INAM"], texts["NAME"]), texts["IMUS"], cmp.Or(texts["IART"], texts["AUTH"]))
}

// infoTexts reads the texts of a list of WAV.
func infoTexts(b []byte, order binary.ByteOrder, into map[string]string) {
	for len(b) >= 8 {
		id, size := string(b[:4]), int64(order.Uint32(b[4:]))
		b = b[8:]
		if size > int64(len(b)) {
			return
		}
		into[id] = decoded(b[:min(size, maxField)])
		b = b[min(size+size%2, int64(len(b))):]
	}
}

// decoded is a text of a file that does not name its encoding: UTF-8, or else that of old Windows programs.
func decoded(b []byte) string {
	b = bytes.TrimRight(b, "\x00")
	if !utf8.Valid(b) {
		b, _ = charmap.Windows1252.NewDecoder().Bytes(b)
	}
	return string(b)
}

// oneLine trims a tag. A text that is too long or has line breaks is left out.
func oneLine(text string) string {
	text = strings.TrimSpace(strings.TrimRight(text, "\x00"))
	if len([]rune(text)) > maxTagText || strings.ContainsAny(text, "\r\n") {
		return ""
	}
	return text
}

// bounded reads only so many bytes in all.
type bounded struct {
	*os.File
	left int64
}

func (b *bounded) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, errors.New("the tags are too large")
	}
	n, err := io.LimitReader(b.File, b.left).Read(p)
	b.left -= int64(n)
	return n, err
}
