package blob

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

const (
	maxKeyBytes      = 200
	maxFilenameBytes = 200
	minSigningKey    = 16
)

// grant is the permission in one signed URL: one method on one object, until a time.
type grant struct {
	method  string // PUT or GET; a GET grant also answers HEAD
	key     string
	expires int64 // Unix seconds
	max     int64 // bytes, PUT only
	// GET only. Without a type the URL has no type parameter, like the URLs of older
	// releases.
	filename, mediaType string
	// Of a part only: the upload's ID, the part's number, and where it begins in the object.
	// max is then its exact size.
	upload string
	part   int64
	offset int64
}

// signer makes and checks signed URLs. Each method has its own signing key, so no crafted
// field turns a permission to write into one to read.
type signer struct {
	base string // without a slash at the end
	path string // path of base, with a slash at the end
	put  []byte
	get  []byte
	part []byte
}

func newSigner(baseURL string, key []byte) (*signer, error) {
	if len(key) < minSigningKey {
		return nil, fmt.Errorf("blob: the signing key has %d bytes, must have at least %d", len(key), minSigningKey)
	}
	u, err := url.Parse(baseURL)
	if err != nil {
		return nil, fmt.Errorf("blob: base URL: %w", err)
	}
	if (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		return nil, errors.New("blob: the base URL must be http or https with a host, without user, query or fragment")
	}
	return &signer{
		base: strings.TrimRight(u.String(), "/"),
		path: strings.TrimRight(u.Path, "/") + "/",
		put:  derive(key, http.MethodPut),
		get:  derive(key, http.MethodGet),
		part: derive(key, "part"),
	}, nil
}

func derive(key []byte, use string) []byte {
	m := hmac.New(sha256.New, key)
	m.Write([]byte("timbre blob v1 " + use))
	return m.Sum(nil)
}

// sum returns the signature of g. Texts are length-prefixed, so two different grants
// never sign the same bytes.
func (s *signer) sum(g grant) []byte {
	key, texts := s.get, []string{g.method, g.key, g.filename}
	if g.method == http.MethodPut {
		key = s.put
	}
	if g.mediaType != "" {
		texts = append(texts, g.mediaType)
	}
	if g.upload != "" {
		key, texts = s.part, []string{g.method, g.key, g.upload}
	}
	m := hmac.New(sha256.New, key)
	var b []byte
	for _, t := range texts {
		b = binary.BigEndian.AppendUint64(b, uint64(len(t)))
		b = append(b, t...)
	}
	b = binary.BigEndian.AppendUint64(b, uint64(g.expires))
	b = binary.BigEndian.AppendUint64(b, uint64(g.max))
	if g.upload != "" {
		b = binary.BigEndian.AppendUint64(b, uint64(g.part))
		b = binary.BigEndian.AppendUint64(b, uint64(g.offset))
	}
	m.Write(b)
	return m.Sum(nil)
}

func (s *signer) url(g grant) string {
	q := url.Values{
		"expires": {strconv.FormatInt(g.expires, 10)},
		"sig":     {hex.EncodeToString(s.sum(g))},
	}
	if g.method == http.MethodPut {
		q.Set("max", strconv.FormatInt(g.max, 10))
		if g.upload != "" {
			q.Set("upload", g.upload)
			q.Set("part", strconv.FormatInt(g.part, 10))
			q.Set("offset", strconv.FormatInt(g.offset, 10))
		}
	} else {
		q.Set("filename", g.filename)
		if g.mediaType != "" {
			q.Set("type", g.mediaType)
		}
	}
	return s.base + "/" + g.key + "?" + q.Encode()
}

// check returns the grant in u for method (PUT, GET or HEAD), and whether we signed it.
// It accepts only the exact form that we make: no additional, repeated or missing
// parameter, and numbers in their usual form.
func (s *signer) check(method string, u *url.URL) (grant, bool) {
	if method == http.MethodHead {
		method = http.MethodGet
	}
	key, under := strings.CutPrefix(u.Path, s.path)
	q, err := url.ParseQuery(u.RawQuery)
	if !under || err != nil || validKey(key) != nil {
		return grant{}, false
	}
	names := []string{"expires", "sig", "filename"}
	if method == http.MethodPut {
		names[2] = "max"
		if q.Has("upload") {
			names = append(names, "upload", "part", "offset")
		}
	} else if q.Get("type") != "" {
		names = append(names, "type")
	}
	for _, name := range names {
		if len(q[name]) != 1 {
			return grant{}, false
		}
	}
	if len(q) != len(names) {
		return grant{}, false
	}
	g := grant{method: method, key: key, filename: q.Get("filename"), mediaType: q.Get("type")}
	numbers := map[string]*int64{"expires": &g.expires}
	if method == http.MethodPut {
		numbers["max"] = &g.max
		if q.Has("upload") {
			if g.upload = q.Get("upload"); !validID(g.upload) {
				return grant{}, false
			}
			numbers["part"], numbers["offset"] = &g.part, &g.offset
		}
	}
	for name, n := range numbers {
		var ok bool
		if *n, ok = canonicalInt(q.Get(name)); !ok {
			return grant{}, false
		}
	}
	want := hex.EncodeToString(s.sum(g))
	return g, hmac.Equal([]byte(want), []byte(q.Get("sig")))
}

func canonicalInt(s string) (int64, bool) {
	n, err := strconv.ParseInt(s, 10, 64)
	return n, err == nil && n >= 0 && strconv.FormatInt(n, 10) == s
}

// ceilUnix rounds up, so a URL never expires before its promised time.
func ceilUnix(t time.Time) int64 {
	if t.Nanosecond() > 0 {
		return t.Unix() + 1
	}
	return t.Unix()
}

// validKey accepts only segments of [a-z0-9-] joined by single slashes. Such a key is a
// file path that stays inside the folder.
func validKey(key string) error {
	if len(key) == 0 || len(key) > maxKeyBytes {
		return fmt.Errorf("blob: a key must have 1 to %d bytes, not %d", maxKeyBytes, len(key))
	}
	for seg := range strings.SplitSeq(key, "/") {
		if seg == "" {
			return fmt.Errorf("blob: key %q has an empty segment", key)
		}
		for _, c := range []byte(seg) {
			if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
				return fmt.Errorf("blob: key %q may contain only a-z, 0-9, - and /", key)
			}
		}
	}
	return nil
}

var reserved = map[string]bool{
	"CON": true, "PRN": true, "AUX": true, "NUL": true, "COM1": true, "COM2": true, "COM3": true, "COM4": true, "COM5": true, "COM6": true, "COM7": true, "COM8": true, "COM9": true,
	"LPT1": true, "LPT2": true, "LPT3": true, "LPT4": true, "LPT5": true, "LPT6": true, "LPT7": true, "LPT8": true, "LPT9": true,
}

// safeFilename makes a safe name for a download: one path segment, without control or
// direction characters, at most 200 bytes with its extension kept.
func safeFilename(name string) string {
	name = strings.Map(func(r rune) rune {
		switch {
		case r == utf8.RuneError, unicode.Is(unicode.Cf, r), unicode.IsControl(r), unicode.Is(unicode.Other_Default_Ignorable_Code_Point, r):
			return -1
		case strings.ContainsRune(`/\:*?"<>|`, r):
			return '_'
		case unicode.IsSpace(r):
			return ' '
		}
		return r
	}, name)
	// Windows removes dots and spaces at the end, and a dot in front hides a file.
	name = strings.Trim(name, " .")
	if len(name) > maxFilenameBytes {
		ext := ""
		if i := strings.LastIndexByte(name, '.'); i >= 0 && len(name)-i <= 16 {
			ext = name[i:]
		}
		cut := maxFilenameBytes - len(ext)
		for !utf8.RuneStart(name[cut]) {
			cut--
		}
		name = strings.TrimRight(name[:cut], " .") + ext
	}
	// Windows reserves these names for devices, with any extension.
	if stem, _, _ := strings.Cut(name, "."); reserved[strings.ToUpper(strings.TrimRight(stem, " "))] {
		name = "_" + name
	}
	if name == "" {
		return "download"
	}
	return name
}

// mediaType is the default type of a download.
func mediaType(t string) string {
	if t == "" {
		return "application/octet-stream"
	}
	return t
}

// disposition returns the Content-Disposition of a download (RFC 6266): an ASCII name for
// old clients, and the real name in the encoding of RFC 5987.
func disposition(name string) string {
	const plain = "!#$&+-.^_`~"
	var ascii, ext strings.Builder
	for _, r := range name {
		if r >= 0x20 && r < 0x7f && r != '"' && r != '\\' && r != '%' {
			ascii.WriteRune(r)
		} else {
			ascii.WriteByte('_')
		}
	}
	for _, c := range []byte(name) {
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte(plain, c) >= 0 {
			ext.WriteByte(c)
		} else {
			fmt.Fprintf(&ext, "%%%02X", c)
		}
	}
	return `attachment; filename="` + ascii.String() + `"; filename*=UTF-8''` + ext.String()
}
