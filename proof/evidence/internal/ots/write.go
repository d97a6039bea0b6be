package ots

import (
	"bytes"
	"errors"
	"slices"
)

// errAnswer: the answer of a calendar is not what follows from the digest.
var errAnswer = errors.New("not the answer of a calendar")

// File returns a file of the digest. Each answer is what a calendar returns for it: the steps
// that follow from the digest.
func File(digest [32]byte, answers ...[]byte) ([]byte, error) {
	file := append(append(bytes.Clone(magic), opSHA256), digest[:]...)
	for i, answer := range answers {
		items, err := items(answer, digest[:], i == len(answers)-1)
		if err != nil {
			return nil, err
		}
		file = append(file, items...)
	}
	if _, err := Parse(file); err != nil {
		return nil, err
	}
	return file, nil
}

// Complete returns the file with the answer of a calendar in the place of its promise: the
// steps that follow from p.Digest. p is one of the file's.
func Complete(file []byte, p Pending, answer []byte) ([]byte, error) {
	items, err := items(answer, p.Digest, p.last)
	if err != nil {
		return nil, err
	}
	if !p.last {
		items = items[1:] // the mark of the first item stands there already
	}
	next := slices.Concat(file[:p.from], items, file[p.to:])
	if _, err := Parse(next); err != nil {
		return nil, err
	}
	return next, nil
}

// items checks an answer, and returns it as items of a list: with a mark before each item, or
// before all but the last.
func items(answer, digest []byte, last bool) ([]byte, error) {
	if len(answer) > maxFile {
		return nil, errAnswer
	}
	r := reader{rest: answer, size: len(answer)}
	if err := r.timestamp(digest, true, 0); err != nil {
		return nil, err
	}
	if len(r.rest) > 0 || len(r.proof.Bitcoin)+len(r.proof.Pending) == 0 {
		return nil, errAnswer
	}
	if last {
		return answer, nil
	}
	return slices.Concat(answer[:r.final], []byte{fork}, answer[r.final:]), nil
}
