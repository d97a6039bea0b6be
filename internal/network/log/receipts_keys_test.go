package log_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"strings"
	"testing"

	"github.com/veraison/go-cose"
	"golang.org/x/mod/sumdb/tlog"

	"timbre.example/internal/network/log/checkpoint"
	"timbre.example/internal/store"
	"timbre.example/internal/store/storetest"
)

// After a rotation the receipts of a block are signed by the key of its checkpoint, and name it.
func TestReceiptsAfterRotation(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		l := rekeyed(t, db, checkpoint.Dir(t.TempDir()), nil)
		add(t, l, 0, 2)
		if err := l.Rotate(t.Context(), 2); err != nil {
			t.Fatal(err)
		}
		add(t, l, 2, 1)
		keys := pageOf(t, l).Keys()
		for i, size := range []int64{2, 2, 3} {
			key := keys[0]
			if size > 2 {
				key = keys[1]
			}
			hash := stage(t, l, call(i))[0].Hash
			text, err := l.Receipt(t.Context(), hash)
			if err != nil {
				t.Fatal(err)
			}
			var m cose.Sign1Message
			if err := m.UnmarshalCBOR(text); err != nil {
				t.Fatal(err)
			}
			if id := sha256.Sum256([]byte(key)); !bytes.Equal(m.Headers.Protected[cose.HeaderLabelKeyID].([]byte), id[:16]) {
				t.Errorf("entry %d: the receipt names another key", i)
			}
			proof, err := l.Prove(t.Context(), hash)
			if err != nil {
				t.Fatal(err)
			}
			tree, err := l.Tree(proof.Log.Checkpoint)
			if err != nil {
				t.Fatal(err)
			}
			if i == 0 { // alone in its block: the receipt is of the next one
				second, err := l.Prove(t.Context(), stage(t, l, call(1))[0].Hash)
				if err != nil {
					t.Fatal(err)
				}
				if tree, err = l.Tree(second.Log.Checkpoint); err != nil {
					t.Fatal(err)
				}
			}
			if tree.N != size {
				t.Fatalf("entry %d: %d entries", i, tree.N)
			}
			encoded := strings.SplitN(key, "+", 3)[2]
			public, err := base64.StdEncoding.DecodeString(encoded)
			if err != nil {
				t.Fatal(err)
			}
			verifies(t, m, public[1:], tree.Hash)
		}
	})
}

// verifies checks the signature of a receipt over a root.
func verifies(t *testing.T, m cose.Sign1Message, public []byte, root tlog.Hash) {
	t.Helper()
	v, err := cose.NewVerifier(cose.AlgorithmEdDSA, ed25519.PublicKey(public))
	if err != nil {
		t.Fatal(err)
	}
	m.Payload = root[:]
	if err := m.Verify(nil, v); err != nil {
		t.Error(err)
	}
}
