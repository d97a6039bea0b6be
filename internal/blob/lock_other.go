//go:build !unix

package blob

import (
	"errors"
	"os"
)

var errNoLocks = errors.New("blob: this system has no file locks")

func hold(*os.File) error { return errNoLocks }

func share(*os.File) error { return errNoLocks }
