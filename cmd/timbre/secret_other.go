//go:build !unix

package main

import "io/fs"

// guarded checks nothing: on this system a file's mode does not say who can read it.
func guarded(_, _, _ string) (warning string, err error) { return "", nil }

func othersMay(fs.FileInfo) bool { return false }

func private() {}
