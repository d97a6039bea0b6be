package pdf

// The limits for a file. docs/pdf.md lists them, and verify/src/pdf has the same.
const (
	// MaxFile is the maximum size of a PDF for [Read], in bytes.
	MaxFile = 8 << 20
	// maxAttachment is the maximum size of the evidence, in bytes. It equals evidence.MaxSize.
	maxAttachment     = 1 << 20
	maxSpecifications = 64
	maxDepth          = 64 // of values in values, and of nodes in the tree of names
	maxReading        = 16 // of objects that are needed to read an object
	maxSections       = 64 // cross-reference tables and streams
	maxEntries        = 200_000
	maxValues         = 1 << 20
	maxFilters        = 8
	// maxHead and maxTail are the bytes in which the header stands, and startxref and %%EOF.
	maxHead, maxTail = 1024, 1024
)

// budget counts the work of reading a file.
type budget struct {
	// steps counts bytes that were read, decrypted or decompressed, up to most.
	steps, most     int
	entries, values int
}

// step counts n bytes.
func (b *budget) step(n int) {
	if b.steps += n; b.steps > b.most {
		refuse("work")
	}
}

// one counts an entry of a table or a value.
func (b *budget) one(counter *int, most int) {
	if *counter++; *counter > most {
		refuse("work")
	}
}

// room is the number of bytes that a stream may unpack to, if the caller wants at most most.
func (b *budget) room(most int) int { return min(most, b.most-b.steps) }
