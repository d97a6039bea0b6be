//go:build !unix

package checkpoint

import (
	"errors"
	"os"
)

// lock fails: without a lock, two processes could both replace one text.
func lock(*os.File) error { return errors.New("a folder cannot be locked on this system") }
