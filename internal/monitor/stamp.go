package monitor

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"timbre.example/internal/operation"
	"timbre.example/proof/evidence"
)

// The files of dates that a log serves beside its tiles.
const (
	TokenFile = "tst" // a time-stamp token in DER
	ProofFile = "ots" // an OpenTimestamps proof
	// AnchorFile is a list of attestations as in evidence: an anchor of a block, or of a later
	// checkpoint that stands before it.
	AnchorFile = "json"
)

// maxStamp is the longest token or proof, in bytes.
const maxStamp = 128 << 10

// Stamp reads the date of 32 bytes that a log serves: of a block's hash, or of the SHA-256 of an
// older token. source is as for [Later]. It returns nil if the log has no such date. Nothing is
// verified.
func Stamp(ctx context.Context, source string, digest [32]byte, kind string) (_ []byte, err error) {
	defer operation.Wrap(&err, "read a date from %s", source)
	name := hex.EncodeToString(digest[:]) + "." + kind
	var from io.ReadCloser
	if strings.HasPrefix(source, "https://") || strings.HasPrefix(source, "http://") {
		ctx, cancel := context.WithTimeout(ctx, timeout)
		defer cancel()
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(source, "/")+"/stamps/"+name, nil)
		if err != nil {
			return nil, err
		}
		r.Header.Set("User-Agent", "timbre monitor")
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			return nil, err
		}
		defer res.Body.Close()
		switch res.StatusCode {
		case http.StatusOK:
		case http.StatusNotFound:
			return nil, nil
		default:
			return nil, fmt.Errorf("the log answers %d", res.StatusCode)
		}
		from = res.Body
	} else if from, err = os.Open(filepath.Join(source, "stamps", name)); errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	defer from.Close()
	most := int64(maxStamp)
	if kind == AnchorFile {
		most = evidence.MaxSize
	}
	content, err := io.ReadAll(io.LimitReader(from, most+1))
	if err == nil && int64(len(content)) > most {
		err = fmt.Errorf("more than %d bytes", most)
	}
	return content, err
}
