package certificate

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"regexp"
	"strconv"
)

// Level is how long a signature can be verified: a level of PAdES.
type Level string

// The levels, each better than the one before.
const (
	Unsigned Level = ""
	LevelB   Level = "B-B"   // a signature; it ends with its certificate
	LevelT   Level = "B-T"   // with a time-stamp of the signature
	LevelLT  Level = "B-LT"  // with the certificates of both, and what says that they were not revoked
	LevelLTA Level = "B-LTA" // with a time-stamp over all of that
)

// Signed is a signed certificate as [Render] made it, with what was added to it since. It
// knows no other form of PDF. Its methods return another file and never change their own;
// the first revision stays as it is, but for the place that it keeps for a time-stamp.
type Signed struct {
	file     []byte
	contents span // the hexadecimal digits of the signature
	message  contentInfo
	newest   revision
	dss, dts bool
}

// OpenSigned reads a signed certificate. It verifies nothing.
func OpenSigned(file []byte) (s Signed, err error) {
	s.file = file
	if s.newest, err = newestOf(file); err != nil {
		return s, fmt.Errorf("certificate: %w", err)
	}
	object := bytes.LastIndex(file[:s.newest.first], []byte(signatureMark))
	if object < 0 {
		return s, fmt.Errorf("certificate: %w", ErrNotSigned)
	}
	if s.contents, err = place(file, object, contentsMark); err != nil {
		return s, err
	}
	der, err := message(file, s.contents)
	if err == nil {
		_, err = asn1.Unmarshal(der, &s.message)
	}
	if err == nil && len(s.message.Content.Signers) != 1 {
		err = errors.New("it has not one signer")
	}
	if err != nil {
		return s, fmt.Errorf("certificate: the signature: %w", err)
	}
	root, err := s.newest.object(rootObject)
	if err != nil {
		return s, fmt.Errorf("certificate: %w", err)
	}
	s.dss = bytes.Contains(root, []byte("/DSS "))
	s.dts = bytes.Contains(file[s.newest.first:], []byte("/Type/DocTimeStamp"))
	return s, nil
}

// Level returns the level that the file has by its parts.
func (s Signed) Level() Level {
	switch {
	case len(s.message.Content.Signers[0].Unsigned.FullBytes) == 0:
		return LevelB
	case !s.dss:
		return LevelT
	case !s.dts:
		return LevelLT
	}
	return LevelLTA
}

// Bytes returns the file.
func (s Signed) Bytes() []byte { return s.file }

// Imprint returns the hash of the signature, for its time-stamp.
func (s Signed) Imprint() [32]byte { return sha256.Sum256(s.message.Content.Signers[0].Signature) }

// Certificates returns the certificates of the signature, the signer's first.
func (s Signed) Certificates() ([]*x509.Certificate, error) {
	return x509.ParseCertificates(s.message.Content.Certificates.Bytes)
}

// Token returns the time-stamp of the signature, or nil.
func (s Signed) Token() []byte {
	var all []struct {
		Type   asn1.ObjectIdentifier
		Values []asn1.RawValue `asn1:"set"`
	}
	set := s.message.Content.Signers[0].Unsigned
	if len(set.Bytes) == 0 {
		return nil
	}
	if _, err := asn1.UnmarshalWithParams(append([]byte{0x31}, set.FullBytes[1:]...), &all, "set"); err != nil {
		return nil
	}
	for _, a := range all {
		if a.Type.Equal(oidSignatureToken) && len(a.Values) == 1 {
			return a.Values[0].FullBytes
		}
	}
	return nil
}

var oidSignatureToken = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 16, 2, 14}

// WithToken returns the file with the time-stamp of its signature, in DER. The signature
// covers everything but its own place, so it stays valid.
func (s Signed) WithToken(token []byte) (Signed, error) {
	attributes, err := asn1.MarshalWithParams([]attribute{{oidSignatureToken, []any{asn1.RawValue{FullBytes: token}}}}, "set")
	if err != nil {
		return s, fmt.Errorf("certificate: %w", err)
	}
	attributes[0] = 0xa1 // the same set, where it is a part of the whole
	m := s.message
	m.Content.Signers = []signerInfo{m.Content.Signers[0]}
	m.Content.Signers[0].Unsigned = asn1.RawValue{FullBytes: attributes}
	der, err := asn1.Marshal(m)
	if err != nil {
		return s, fmt.Errorf("certificate: %w", err)
	}
	file := bytes.Clone(s.file)
	if err := fill(file, s.contents, der); err != nil {
		return s, err
	}
	return OpenSigned(file)
}

// Validation is what verifies certificates later, in DER.
type Validation struct{ Certificates, OCSPs, CRLs [][]byte }

// Size returns the number of bytes.
func (v Validation) Size() (n int) {
	for _, all := range [][][]byte{v.Certificates, v.OCSPs, v.CRLs} {
		for _, one := range all {
			n += len(one)
		}
	}
	return n
}

// WithValidation returns the file with a further revision: the validation data in a document
// security store (DSS).
func (s Signed) WithValidation(v Validation) (Signed, error) {
	root, err := s.newest.object(rootObject)
	if err != nil {
		return s, fmt.Errorf("certificate: %w", err)
	}
	u := addition{base: s.newest, next: s.newest.size}
	store := "<<"
	for _, part := range []struct {
		key string
		all [][]byte
	}{{"Certs", v.Certificates}, {"OCSPs", v.OCSPs}, {"CRLs", v.CRLs}} {
		var numbers []int
		for _, one := range part.all {
			packed := (&packer{}).pack(one)
			numbers = append(numbers, u.add(fmt.Appendf(nil, "<<%s/Length %d>>\nstream\n%s\nendstream", flate, len(packed), packed)))
		}
		if numbers != nil {
			store += "/" + part.key + refs(numbers)
		}
	}
	dss := u.add([]byte(store + ">>"))
	end := bytes.LastIndex(root, []byte(">>"))
	u.set(rootObject, fmt.Appendf(bytes.Clone(root[:end]), "/DSS %d 0 R/Extensions<</ESIC<</BaseVersion/1.7/ExtensionLevel 5>>>>>>", dss))
	return OpenSigned(u.bytes(s.file))
}

// Stamped is a file with a place for a time-stamp over the whole file.
type Stamped struct {
	file     []byte
	contents span
}

// ReserveStamp adds a further revision with a place of room bytes for a time-stamp of the
// document. Its field has no size and no looks.
func (s Signed) ReserveStamp(room int) (Stamped, error) {
	root, err := s.newest.object(rootObject)
	if err != nil {
		return Stamped{}, fmt.Errorf("certificate: %w", err)
	}
	page, err := s.newest.object(pageObject)
	if err != nil {
		return Stamped{}, fmt.Errorf("certificate: %w", err)
	}
	u := addition{base: s.newest, next: s.newest.size}
	sig := u.add(fmt.Appendf(nil, "<</Type/DocTimeStamp/Filter/Adobe.PPKLite/SubFilter"+stampMark+rangeForm+"]"+contentsMark+"%0*d>>>", 0, 0, 0, 0, 2*room, 0))
	// Print and Locked. A widget without a size needs no appearance in PDF/A, and no tag in PDF/UA.
	field := u.add(fmt.Appendf(nil, "<</Type/Annot/Subtype/Widget/FT/Sig/T(Time-stamp %d)/Rect[0 0 0 0]/F 132/P %d 0 R/V %d 0 R>>", sig, pageObject, sig))
	if root, err = appendTo(root, fieldsList, field); err != nil {
		return Stamped{}, err
	}
	if page, err = appendTo(page, annotationsList, field); err != nil {
		return Stamped{}, err
	}
	u.set(rootObject, root)
	u.set(pageObject, page)
	file := u.bytes(s.file)
	object := bytes.LastIndex(file, []byte(stampMark))
	at, err := place(file, object, contentsMark)
	if err != nil {
		return Stamped{}, err
	}
	copy(file[object+len(stampMark):], fmt.Sprintf(rangeForm, 0, at.from-1, at.to+1, len(file)-at.to-1))
	return Stamped{file, at}, nil
}

// Imprint returns the hash of the file without the place, for the time-stamp.
func (d Stamped) Imprint() [32]byte {
	return sha256.Sum256(append(bytes.Clone(d.file[:d.contents.from-1]), d.file[d.contents.to+1:]...))
}

// WithToken returns the file with the time-stamp, in DER.
func (d Stamped) WithToken(token []byte) (Signed, error) {
	file := bytes.Clone(d.file)
	if err := fill(file, d.contents, token); err != nil {
		return Signed{}, err
	}
	return OpenSigned(file)
}

var (
	fieldsList      = regexp.MustCompile(`/Fields\[[0-9 R]*\]`)
	annotationsList = regexp.MustCompile(`/Annots\[[0-9 R]*\]`)
)

// appendTo adds a reference to a list in a dictionary.
func appendTo(dictionary []byte, list *regexp.Regexp, n int) ([]byte, error) {
	all := list.FindAllIndex(dictionary, -1)
	if len(all) != 1 {
		return nil, fmt.Errorf("certificate: %d lists of the form %s", len(all), list)
	}
	end := all[0][1] - 1
	return bytes.Join([][]byte{dictionary[:end], fmt.Appendf(nil, " %d 0 R", n), dictionary[end:]}, nil), nil
}

// Objects of every certificate: see [RenderWithin].
const rootObject, infoObject, pageObject = 1, 2, 3

// revision is a file with its tables of objects.
type revision struct {
	file  []byte
	at    map[int]int // the offset of each object
	size  int         // the number of the next object
	table int         // the offset of the newest table
	first int         // the end of the first revision
	id    string      // the first identifier
}

var (
	ending  = regexp.MustCompile(`startxref\n(\d{1,10})\n%%EOF\n\z`)
	trailer = regexp.MustCompile(`\A\n?trailer\n<</Size (\d{1,10})/Root 1 0 R/Info 2 0 R/ID\[<([0-9a-f]{32})><[0-9a-f]{32}>\](?:/Prev (\d{1,10}))?>>\nstartxref\n\d{1,10}\n%%EOF\n`)
)

// maxRevisions bounds the tables that are read.
const maxRevisions = 16

var errForm = errors.New("the file is not one that this program wrote")

// newestOf reads the tables of a file that this package wrote, and of no other.
func newestOf(file []byte) (r revision, err error) {
	r = revision{file: file, at: map[int]int{}}
	m := ending.FindSubmatch(file)
	if m == nil {
		return r, errForm
	}
	r.table, err = strconv.Atoi(string(m[1]))
	for at, n := r.table, 0; err == nil; n++ {
		if n == maxRevisions || at <= 0 || at >= len(file) || !bytes.HasPrefix(file[at:], []byte("xref\n")) {
			return r, errForm
		}
		rest := file[at+len("xref\n"):]
		for !bytes.HasPrefix(rest, []byte("trailer")) {
			line, after, ok := bytes.Cut(rest, []byte("\n"))
			var from, count int
			if _, err := fmt.Sscanf(string(line), "%d %d", &from, &count); !ok || err != nil || from < 0 || count < 0 || count > len(after)/20 {
				return r, errForm
			}
			for i := range count {
				row := after[20*i : 20*i+20]
				offset, err := strconv.Atoi(string(row[:10]))
				if err != nil {
					return r, errForm
				}
				if _, newer := r.at[from+i]; !newer && row[17] == 'n' {
					r.at[from+i] = offset
				}
			}
			rest = after[20*count:]
		}
		t := trailer.FindSubmatch(rest)
		if t == nil {
			return r, errForm
		}
		size, err := strconv.Atoi(string(t[1]))
		if err != nil {
			return r, errForm
		}
		r.size = max(r.size, size)
		if r.id = string(t[2]); t[3] == nil {
			r.first = len(file) - len(rest) + len(t[0])
			return r, nil
		}
		if at, err = strconv.Atoi(string(t[3])); err != nil {
			return r, errForm
		}
	}
	return r, errForm
}

// object returns the text of an object that is not a stream.
func (r revision) object(n int) ([]byte, error) {
	at, ok := r.at[n]
	start := fmt.Appendf(nil, "%d 0 obj\n", n)
	if !ok || at < 0 || at >= len(r.file) || !bytes.HasPrefix(r.file[at:], start) {
		return nil, errForm
	}
	text, _, ok := bytes.Cut(r.file[at+len(start):], []byte("\nendobj\n"))
	if !ok {
		return nil, errForm
	}
	return text, nil
}

// addition is a further revision during writing.
type addition struct {
	base    revision
	next    int
	numbers []int
	objects [][]byte
}

func (u *addition) set(n int, text []byte) {
	u.numbers, u.objects = append(u.numbers, n), append(u.objects, text)
}

func (u *addition) add(text []byte) int {
	n := u.next
	u.next++
	u.set(n, text)
	return n
}

// bytes returns the file with the revision at its end.
func (u *addition) bytes(file []byte) []byte {
	var b bytes.Buffer
	b.Write(file)
	var table bytes.Buffer
	for i, n := range u.numbers {
		fmt.Fprintf(&table, "%d 1\n%010d 00000 n \n", n, b.Len())
		fmt.Fprintf(&b, "%d 0 obj\n%s\nendobj\n", n, u.objects[i])
	}
	id := sha256.Sum256(b.Bytes())
	xref := b.Len()
	fmt.Fprintf(&b, "xref\n%strailer\n<</Size %d/Root %d 0 R/Info %d 0 R/ID[<%s><%x>]/Prev %d>>\nstartxref\n%d\n%%%%EOF\n",
		table.Bytes(), u.next, rootObject, infoObject, u.base.id, id[:16], u.base.table, xref)
	return b.Bytes()
}
