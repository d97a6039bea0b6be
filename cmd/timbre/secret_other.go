//go:build !unix

package main

import "io/fs"

// guarded has nothing to look at: here a file's mode does not say who may read it.
func guarded(_, _, _ string) (warning string, err error) { return "", nil }

func othersMay(fs.FileInfo) bool { return false }

func private() {}
