package evidence_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/tlog"

	"timbre.example/proof/evidence"
)

// FuzzCheckpoint: an accepted checkpoint is exactly the text that the log signs for
// that tree. Only more signatures may follow.
func FuzzCheckpoint(f *testing.F) {
	good := string(song.sign(17, tlog.Hash{1}))
	f.Add(good)
	f.Add(strings.Replace(good, "17", "017", 1))
	f.Add(strings.Replace(good, "\n\n", "\nmore\n\n", 1))
	f.Add(good + good[strings.Index(good, "\n\n")+2:])
	f.Add(string(song.sign(1<<62+1, tlog.Hash{})))
	f.Add(string(song.sign(0, tlog.Hash{})))
	f.Fuzz(func(t *testing.T, signed string) {
		tree, err := evidence.OpenCheckpoint(signed, logName, song.key())
		if err != nil {
			return
		}
		again := string(song.sign(tree.N, tree.Hash))
		text, _, _ := strings.Cut(again, "\n\n")
		if got, _, _ := strings.Cut(signed, "\n\n"); got != text {
			t.Errorf("%q opens as %+v, of which the log signs %q", signed, tree, text)
		}
		if !strings.Contains(signed, again[len(text)+2:]) {
			t.Errorf("%q opens without the log's signature", signed)
		}
	})
}

// FuzzVerifierKey: a checkpoint opens only with the key that signed it, and only with
// one form of that key.
func FuzzVerifierKey(f *testing.F) {
	good := string(song.sign(17, tlog.Hash{1}))
	key := song.key()
	f.Add(key)
	f.Add(strings.ToUpper(key))
	f.Add(logName + "+00000000+AQ==")
	f.Add("")
	f.Fuzz(func(t *testing.T, other string) {
		if _, err := evidence.OpenCheckpoint(good, logName, other); err == nil && other != key {
			t.Errorf("the key %q opens what %q signed", other, key)
		}
	})
}

// FuzzBytes: decoding and encoding returns the same bytes.
func FuzzBytes(f *testing.F) {
	f.Add("00ff")
	f.Add("0x00")
	f.Add("ABCD")
	f.Add("")
	f.Fuzz(func(t *testing.T, text string) {
		before := evidence.Bytes{9}
		b := before
		if err := b.UnmarshalText([]byte(text)); err != nil {
			if !bytes.Equal(b, before) {
				t.Errorf("%q is refused, and changed the value", text)
			}
			return
		}
		if want, err := hex.DecodeString(text); err != nil || !bytes.Equal(b, want) {
			t.Errorf("%q is read as %x", text, []byte(b))
		}
		if again, err := b.MarshalText(); err != nil || !strings.EqualFold(string(again), text) {
			t.Errorf("%q is written as %s: %v", text, again, err)
		}
	})
}

// FuzzMutated: evidence with a changed byte never proves anything that the original
// does not prove.
func FuzzMutated(f *testing.F) {
	text := must(evidence.Encode(song.logged()))
	for at := range len(text) / 40 {
		f.Add(uint16(at*40), byte(1))
	}
	// The members that the commitment covers. A file's name and length are not covered.
	claims := func(e evidence.Evidence) string {
		return fmt.Sprintf("%q %v %x %d %d %d %v", e.Title, must(json.Marshal(e.Creators)), e.Media.SHA256, e.AtsID, e.Version, e.ProtocolVersion, e.Commitment)
	}
	want := claims(song.logged())
	f.Fuzz(func(t *testing.T, at uint16, flip byte) {
		bad := bytes.Clone(text)
		bad[int(at)%len(bad)] ^= flip
		e, err := evidence.Decode(bytes.NewReader(bad))
		if err != nil {
			return
		}
		r, err := evidence.Verify(e, evidence.Options{Media: bytes.NewReader(song.media), Keys: []string{song.key()}})
		if err != nil {
			t.Fatal(err)
		}
		if r.Anchored() && claims(e) != want {
			t.Errorf("byte %d changed to %q, and it is proved: %s", at, bad[int(at)%len(bad)], claims(e))
		}
	})
}
