package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strconv"

	"timbre.example/proof/evidence"
	"timbre.example/proof/pdf"
)

// unreadable is the error of a file without readable evidence. trouble is a key of the
// texts of the page /verify; why and where are the rule of docs/pdf.md that a PDF breaks, and the part
// that breaks it.
type unreadable struct {
	trouble, why, where string
	error
}

func (u *unreadable) Unwrap() error { return u.error }

// readEvidence reads evidence, or a certificate with evidence attached. For any other
// file the error uses the texts of the page /verify. page is the check of the PDF's page,
// or nil if the file is not a certificate.
func readEvidence(path string) (e evidence.Evidence, page *evidence.Check, err error) {
	f, err := os.Open(path)
	if err != nil {
		return e, nil, err
	}
	defer func() { _ = f.Close() }()
	trouble := func(key string, err error) error {
		u := &unreadable{trouble: key, error: fmt.Errorf("%s: %s\n  %w", path, evidence.Trouble(key), err)}
		if refusal := (*pdf.Refusal)(nil); errors.As(err, &refusal) {
			u.why, u.where = refusal.Why, refusal.Where
		}
		return u
	}
	r := bufio.NewReaderSize(f, evidence.MaxSize+1)
	head, err := r.Peek(evidence.MaxSize + 1)
	if err != nil && err != io.EOF {
		return e, nil, fmt.Errorf("%s: %w", path, err)
	}
	if !pdf.Is(head) {
		if !looksLikeEvidence(head) {
			return e, nil, trouble("neither", errors.New("give the certificate or the evidence here, and the recording with --media"))
		}
		if e, err = evidence.Decode(r); err != nil {
			return e, nil, trouble(damage(head), err)
		}
		return e, nil, nil
	}
	file, err := io.ReadAll(io.LimitReader(r, pdf.MaxFile+1))
	if err != nil {
		return e, nil, err
	}
	attached, err := pdf.Read(file)
	if refusal := (*pdf.Refusal)(nil); errors.As(err, &refusal) {
		return e, nil, trouble(string(refusal.Trouble), err)
	} else if err != nil {
		return e, nil, err
	}
	if e, err = evidence.Decode(bytes.NewReader(attached.Evidence)); err != nil {
		return e, nil, trouble(damage(attached.Evidence), err)
	}
	status := evidence.NotChecked
	if attached.Changed {
		status = evidence.Failed
	}
	check := evidence.Page(status, evidence.PageWhy(string(status)))
	return e, &check, nil
}

// jsonToken matches one token of JSON, and the white space before it.
var jsonToken = regexp.MustCompile(`^[ \t\n\r]*(?:([{}\[\]:,])|("[^"\\\x00-\x1f]*(?:\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})[^"\\\x00-\x1f]*)*")|-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?|true|false|null)`)

// looksLikeEvidence reports whether the bytes begin as a JSON object that has the member
// evidence, also if the text is damaged after it. It reads 64 KiB, as the page does.
func looksLikeEvidence(text []byte) bool {
	text = text[:min(len(text), 1<<16)]
	depth, name := 0, ""
	for first := true; ; first = false {
		m := jsonToken.FindSubmatch(text)
		if m == nil || first && string(m[1]) != "{" {
			return false
		}
		text = text[len(m[0]):]
		switch string(m[1]) {
		case ":":
			if depth == 1 && name == "evidence" {
				return true
			}
		case "{", "[":
			depth++
		case "}", "]":
			if depth--; depth < 1 {
				return false
			}
		}
		name = ""
		if m[2] != nil && json.Unmarshal(m[2], &name) != nil {
			return false
		}
	}
}

// jsonNumber matches the numbers among the values of JSON.
var jsonNumber = regexp.MustCompile(`^[-0-9]`)

// damage returns why evidence cannot be read: "otherVersion" (another format number) or
// "damaged".
func damage(text []byte) string {
	var claims struct{ Evidence json.RawMessage }
	if json.Unmarshal(text, &claims) != nil {
		return "damaged"
	}
	if claimed := string(claims.Evidence); jsonNumber.MatchString(claimed) && claimed != "1" && claimed != strconv.Itoa(evidence.Format) {
		return "otherVersion"
	}
	return "damaged"
}
