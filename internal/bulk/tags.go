package bulk

import (
	"errors"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/dhowden/tag"
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

// readTags reads the tags of a file: ID3, MP4, FLAC, Ogg and DSF. A file without readable tags has none: the list may say
// everything.
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
	m, err := tag.ReadFrom(&bounded{f, maxTagBytes})
	if err != nil {
		return tags{}
	}
	t.title = oneLine(m.Title())
	names := m.Composer()
	if oneLine(names) == "" {
		names = m.Artist()
	}
	for _, name := range strings.FieldsFunc(names, func(r rune) bool { return r == ';' || r == '/' || r == 0 }) {
		if name = oneLine(name); name != "" && !slices.Contains(t.creators, name) {
			t.creators = append(t.creators, name)
		}
	}
	return t
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
