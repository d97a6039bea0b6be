package receipt

import (
	"crypto/ed25519"
	"encoding/hex"
	"testing"

	"golang.org/x/mod/sumdb/tlog"
)

// The header is not stored: a signature of today must fit the header that a later release
// writes. So its bytes never change.
func TestHeaderStays(t *testing.T) {
	key := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	const name, verifierKey = "songs.example/log/testnet", "songs.example/log/testnet+deadbeef+AQ=="
	signature, err := Sign(key, name, verifierKey, tlog.Hash{1})
	if err != nil {
		t.Fatal(err)
	}
	text, err := Write(name, verifierKey, signature, 300, 17, tlog.RecordProof{{2}, {3}})
	if err != nil {
		t.Fatal(err)
	}
	if got := hex.EncodeToString(text); got != golden {
		t.Errorf("%s, want\n%s", got, golden)
	}
}

const golden = "d2845837a4012704504dad60045f9e42a93c49121c7bbf04e70fa1017819736f6e67732e6578616d706c652f6c6f672f746573746e657419018b01a119018ca12081584a8319012c11825820020000000000000000000000000000000000000000000000000000000000000058200300000000000000000000000000000000000000000000000000000000000000f65840fd3398130f01c0c9df6e8fe8700746e9ec0cba533b198c775d34946aebf5d642669092f3b36f4e626ef24ace11b25b9eb7ebfabb8edb0c9f31927a7bf8047a02"
