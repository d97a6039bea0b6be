package certificate

import (
	"bytes"
	"encoding/asn1"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
)

// span is a part of a file.
type span struct{ from, to int }

// ErrNotSigned is the error for a file that is not a signed certificate.
var ErrNotSigned = errors.New("not a certificate with a signature")

// ErrNoRoom is the error for a token that does not fit into the place that was kept for it.
var ErrNoRoom = errors.New("the time-stamp does not fit into its place")

// place returns the hexadecimal digits after a mark.
func place(file []byte, from int, mark string) (span, error) {
	start := bytes.Index(file[from:], []byte(mark))
	if start < 0 {
		return span{}, fmt.Errorf("certificate: %w", ErrNotSigned)
	}
	start += from + len(mark)
	end := bytes.IndexByte(file[start:], '>')
	if end < 0 {
		return span{}, fmt.Errorf("certificate: %w", ErrNotSigned)
	}
	return span{start, start + end}, nil
}

// message returns the DER in a place, without the zeros after it.
func message(file []byte, at span) ([]byte, error) {
	der := make([]byte, (at.to-at.from)/2)
	if _, err := hex.Decode(der, file[at.from:at.to]); err != nil {
		return nil, err
	}
	var one asn1.RawValue
	_, err := asn1.Unmarshal(der, &one)
	return one.FullBytes, err
}

// fill writes DER into a place.
func fill(file []byte, at span, der []byte) error {
	if 2*len(der) > at.to-at.from {
		return fmt.Errorf("certificate: %w: %d bytes for %d", ErrNoRoom, len(der), (at.to-at.from)/2)
	}
	copy(file[at.from:at.to], strings.Repeat("0", at.to-at.from))
	copy(file[at.from:], hex.EncodeToString(der))
	return nil
}
