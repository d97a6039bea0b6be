package timestamp

import (
	"bytes"
	"os"
	"testing"

	"timbre.example/proof/commitment"
	"timbre.example/proof/evidence"
)

// FuzzAnswer: an accepted answer contains the token's bytes. No token is accepted for
// a commitment that was not in the request.
func FuzzAnswer(f *testing.F) {
	token, err := os.ReadFile("../../evidence/testdata/v1/token.der")
	if err != nil {
		f.Fatal(err)
	}
	der := func(tag byte, body []byte) []byte {
		return append([]byte{tag, 0x82, byte(len(body) >> 8), byte(len(body))}, body...)
	}
	granted := []byte{0x30, 3, 2, 1, 0}
	f.Add(der(0x30, append(bytes.Clone(granted), token...)))
	f.Add(der(0x30, []byte{0x30, 3, 2, 1, 2}))
	f.Add(token)
	f.Fuzz(func(t *testing.T, answer []byte) {
		if len(answer) > maxAnswer {
			return
		}
		token, err := read(answer)
		if err != nil {
			return
		}
		if !bytes.Contains(answer, token) || len(token) == 0 {
			t.Fatalf("the token %x is not part of the answer %x", token, answer)
		}
		if _, err := (evidence.RFC3161{Token: token}).Open(commitment.Hash{9}); err == nil {
			t.Error("accepted for a commitment that was not in the request")
		}
	})
}
