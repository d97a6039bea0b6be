module timbre.example/proof

go 1.22.0

require (
	github.com/digitorus/pkcs7 v0.0.0-20230713084857-e76b763bdc49
	github.com/digitorus/timestamp v0.0.0-20250524132541-c45532741eea
	github.com/google/go-cmp v0.7.0
	golang.org/x/crypto v0.33.0
	golang.org/x/mod v0.22.0
	pgregory.net/rapid v1.2.0
)

require golang.org/x/sys v0.30.0 // indirect
