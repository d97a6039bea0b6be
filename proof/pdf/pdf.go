// Package pdf reads the evidence attached to a certificate, by the grammar of docs/pdf.md. It never repairs a
// file, never looks at a page, and never verifies the evidence: that is package evidence's work. The page /verify has
// the same reader, file by file (verify/src/pdf).
package pdf

// EvidenceName is the file name of the attached evidence.
const EvidenceName = "evidence.json"

// Attached is the content of a certificate besides its page.
type Attached struct {
	// Evidence is the file named [EvidenceName]. It is not verified yet.
	Evidence []byte
	// Changed: after the certificate was issued, something other than a signature
	// was added to the file.
	Changed bool
}

// Read returns the evidence in a certificate of at most [MaxFile] bytes. It returns a [*Refusal] when two PDF readers could see different
// files. It does not change or keep the file.
func Read(file []byte) (_ Attached, err error) {
	a, _, err := read(file)
	return a, err
}

// read also returns the number of steps.
func read(file []byte) (a Attached, steps int, err error) {
	f := newPDF(file)
	defer func() {
		steps = f.steps
		if r, ok := recover().(*Refusal); ok {
			if r.Where == "" {
				r.Where = f.where
			}
			err = r
		} else if r != nil {
			panic(r)
		}
	}()
	f.open()
	return Attached{Evidence: f.attachment(), Changed: f.changed()}, 0, nil
}
