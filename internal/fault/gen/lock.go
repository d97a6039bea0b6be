package main

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
)

const lockHeader = `# What was published: code, status, class, and the start of the message's SHA-256. The generator only appends here.
# A code stays for ever with its status. When a class or a wording has to change, its line is changed by hand in the same commit.
`

// extendLock returns the lock with a new line for every row that it did not have. It fails when a locked row is missing
// from the catalogue or differs from it.
func extendLock(lock []byte, rows []row) ([]byte, error) {
	byCode := make(map[string]row, len(rows))
	for _, r := range rows {
		byCode[r.Code] = r
	}
	locked := make(map[string]bool, len(rows))
	var kept strings.Builder
	for line := range strings.Lines(string(lock)) {
		line = strings.TrimSuffix(line, "\n")
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		code, _, _ := strings.Cut(line, "\t")
		r, ok := byCode[code]
		switch {
		case locked[code]:
			return nil, fmt.Errorf("%s is locked twice", code)
		case !ok:
			return nil, fmt.Errorf("%s was published and is missing from the catalogue; codes are never removed", code)
		case lockLine(r) != line:
			return nil, fmt.Errorf("%s was published as %q and is now %q", code, line, lockLine(r))
		}
		locked[code] = true
		kept.WriteString(line + "\n")
	}
	for _, r := range rows {
		if !locked[r.Code] {
			kept.WriteString(lockLine(r) + "\n")
		}
	}
	return []byte(lockHeader + kept.String()), nil
}

func lockLine(r row) string {
	sum := sha256.Sum256([]byte(r.Message))
	return fmt.Sprintf("%s\t%d\t%s\t%s", r.Code, r.Status, r.Class, hex.EncodeToString(sum[:8]))
}
