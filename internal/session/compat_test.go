package session

import (
	"strings"
	"testing"
	"time"
)

// earlier is a token that another library made: the earlier versions of Timbre used it.
const earlier = "eyJhbGciOiJFZERTQSIsImtpZCI6InMyMDcxNyIsInR5cCI6IkpXVCJ9.eyJhY3QiOiJyZWdpc3RlciIsImF0cyI6MTcsImF1ZCI6WyJ0aW1icmUtd2lkZ2V0Il0sImV4cCI6MTc5MDAwMzYwMCwiaGFzaCI6dHJ1ZSwiaWF0IjoxNzkwMDAwMDAwLCJpc3MiOiJodHRwczovL3guZXhhbXBsZSIsImp0aSI6ImlkMSIsIm1heCI6MTA5OTUxMTYyNzc3NiwibmV0IjoidGVzdG5ldCIsInJlZiI6InIiLCJza2giOiJoIiwic3ViIjoib3JnIn0.bW2YWRVbeabIIftj9YHw2h56OeyNE_reCE8uJ0gXhqOXsm5YkH45WUgY6IcVpt2-3sDK3wdbpEvBxa29H10pCw"

// Processes of two versions accept each other's tokens and key sets.
func TestTokenOfAnEarlierVersion(t *testing.T) {
	t.Parallel()
	at := time.Unix(1790000000, 0)
	k, err := NewTokens([]byte(strings.Repeat("s", 32)), "https://x.example", func() time.Time { return at })
	if err != nil {
		t.Fatal(err)
	}
	want := Claims{
		ID: "id1", Organization: "org", SiteKeyHash: "h", Action: "register", Network: "testnet", AtsID: 17, ExternalUserRef: "r",
		MaxFileSize: 1 << 40, HashOnly: true, IssuedAt: at, Expires: at.Add(time.Hour),
	}
	got, err := k.Verify(earlier)
	got.IssuedAt, got.Expires = got.IssuedAt.Local(), got.Expires.Local()
	want.IssuedAt, want.Expires = want.IssuedAt.Local(), want.Expires.Local()
	if err != nil || got != want {
		t.Errorf("%+v, %v, want %+v", got, err, want)
	}
	const keys = `{"keys":[{"alg":"EdDSA","crv":"Ed25519","kid":"s20718","kty":"OKP","use":"sig","x":"CjZul1tzuRST9PrsRhUwv4nA51B2s2Y1OcGeQ-ZIV4k"},{"alg":"EdDSA","crv":"Ed25519","kid":"s20717","kty":"OKP","use":"sig","x":"yXvxwaudqktxH5_CnsRKU-i7TrTVORfhU0fChDMX_XM"},{"alg":"EdDSA","crv":"Ed25519","kid":"s20716","kty":"OKP","use":"sig","x":"0N_tJw08DYnmmibKqHHY_4ec07f_HIyx7CtEv_s3gEg"},{"alg":"EdDSA","crv":"Ed25519","kid":"s20715","kty":"OKP","use":"sig","x":"iQdeJpAjIgsZjMWhjY0bRWf1SvXrbjpP9eBx8pC2znM"}]}`
	if set, err := k.JWKS(); err != nil || string(set) != keys {
		t.Errorf("the key set is\n%s, want\n%s (%v)", set, keys, err)
	}
}
