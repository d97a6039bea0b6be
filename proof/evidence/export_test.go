package evidence

// For the tests of the package.
var (
	WriteTrie = writeTrie
	ProveKeys = func(root [32]byte, nodes []Bytes, keys ...[]byte) ([]Bytes, error) {
		return openTrie(root, nodes).prove(keys...)
	}
	OpenTrie = func(root [32]byte, nodes []Bytes) func(key []byte) ([]byte, bool, error) {
		return openTrie(root, nodes).get
	}
)
