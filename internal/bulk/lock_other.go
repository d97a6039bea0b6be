//go:build !unix && !windows

package bulk

import (
	"errors"
	"os"
)

func lock(*os.File) error { return errors.New("this system has no file locks") }
