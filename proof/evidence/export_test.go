package evidence

// For the tests of the package.
var (
	WriteTrie = writeTrie
	ProveKeys = proveKeys
	OpenTrie  = func(root [32]byte, nodes []Bytes) func(key []byte) ([]byte, bool, error) {
		return openTrie(root, nodes).get
	}
)
