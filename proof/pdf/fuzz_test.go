package pdf_test

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"timbre.example/proof/pdf"
	"timbre.example/proof/pdf/pdftest"
)

// skeleton is the part of a certificate that leads to its attachment.
func skeleton(attached string) []byte {
	var b bytes.Buffer
	var at []int
	b.WriteString("%PDF-1.7\n%\xe2\xe3\xcf\xd3\n")
	for n, object := range []string{
		"<</Type/Catalog/Pages 2 0 R/AF[3 0 R]/Names<</EmbeddedFiles<</Names[(evidence.json)3 0 R]>>>>>>",
		"<</Type/Pages/Kids[]/Count 0>>",
		"<</Type/Filespec/F(evidence.json)/UF(evidence.json)/AFRelationship/Data/EF<</F 4 0 R/UF 4 0 R>>>>",
		fmt.Sprintf("<</Type/EmbeddedFile/Subtype/application#2fjson/Length %d>>\nstream\n%s\nendstream", len(attached), attached),
	} {
		at = append(at, b.Len())
		fmt.Fprintf(&b, "%d 0 obj\n%s\nendobj\n", n+1, object)
	}
	table := b.Len()
	fmt.Fprintf(&b, "xref\n0 %d\n0000000000 65535 f \n", len(at)+1)
	for _, where := range at {
		fmt.Fprintf(&b, "%010d 00000 n \n", where)
	}
	fmt.Fprintf(&b, "trailer\n<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n", len(at)+1, table)
	return b.Bytes()
}

// FuzzAttachment: any bytes are read or refused, the same each time; and what is
// read of a file without compression is a part of it.
func FuzzAttachment(f *testing.F) {
	for _, c := range pdftest.Small(`{"evidence":1}`, `{"evidence":2}`) {
		f.Add(c.PDF)
	}
	f.Add(skeleton(`{"evidence":1}`))
	f.Add(bytes.Replace(skeleton("{}"), []byte("/EF<<"), []byte("/EF<</A[[[[[[[["), 1))
	f.Add(bytes.Replace(skeleton("{}"), []byte("/Size 5"), []byte("/Size 5/Prev 9"), 1))
	f.Fuzz(func(t *testing.T, file []byte) {
		given := bytes.Clone(file)
		read, err := pdf.Read(file)
		if !bytes.Equal(file, given) {
			t.Fatal("the file was changed")
		}
		again, errAgain := pdf.Read(file)
		text := read.Evidence
		if !bytes.Equal(text, again.Evidence) || read.Changed != again.Changed || (err == nil) != (errAgain == nil) {
			t.Errorf("read as %q (%v), and then as %q (%v)", text, err, again.Evidence, errAgain)
		}
		if err != nil {
			if !errors.As(err, new(*pdf.Refusal)) {
				t.Error(err)
			}
			return
		}
		if !bytes.Contains(file, []byte("Filter")) && !bytes.Contains(file, []byte("#")) && !bytes.Contains(file, text) {
			t.Errorf("%q is attached, and no part of the file", text)
		}
	})
}

// FuzzEmbedded: what is attached is found again whole, whatever it holds.
func FuzzEmbedded(f *testing.F) {
	f.Add([]byte(`{"evidence":1}`))
	f.Add([]byte("endstream endobj 4 0 obj <</Length 1>> stream\nx startxref 0 %%EOF"))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, attached []byte) {
		if got, err := pdf.Read(skeleton(string(attached))); err != nil || !bytes.Equal(got.Evidence, attached) {
			t.Errorf("%q is read as %q: %v", attached, got.Evidence, err)
		}
	})
}
