//go:build !unix

package blob

import "os"

func hold(*os.File) error { return errNoLocks }
