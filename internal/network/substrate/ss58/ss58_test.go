package ss58_test

import (
	"encoding/hex"
	"testing"

	"timbre.example/internal/network/substrate/ss58"
)

// The account of the well-known key //Alice on several chains, and an account of the
// specification.
func TestAddress(t *testing.T) {
	const alice = "d43593c715fdd31c61141abd04a99fd6822c8558854ccde39a5684e7a56da27d"
	for _, c := range []struct {
		account string
		prefix  uint16
		want    string
	}{
		{alice, 42, "5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY"},
		{alice, 0, "15oF4uVJwmo4TdGW7VfQxNLavjCXviqxT9S1MgbjMNHr6Sp5"},
		{"8eaf04151687736326c9fea17e25fc5287613693c912909cb226aa4794f26a48", 42, "5FHneW46xGXgs5mUiveU4sbTyGBzmstUspZC92UhjJM694ty"},
		{"36ca027df8870a6375f382125adf4c227c08211b84150684d68af1d72e17bd75", 42, "5DJYTBza6sFMTFekXFRYsqmp4bsgMgRqeaJHdmPPQhAQgmxr"},
	} {
		b, err := hex.DecodeString(c.account)
		if err != nil {
			t.Fatal(err)
		}
		if got := ss58.Address([32]byte(b), c.prefix); got != c.want {
			t.Errorf("prefix %d: %s, want %s", c.prefix, got, c.want)
		}
	}
}
