module timbre.example/proof

go 1.22.0

require (
	github.com/google/go-cmp v0.7.0
	golang.org/x/crypto v0.33.0
	golang.org/x/mod v0.23.0
	pgregory.net/rapid v1.2.0
)

require (
	github.com/cespare/xxhash/v2 v2.3.0
	golang.org/x/sys v0.30.0 // indirect
)
