package main

import (
	"runtime/debug"
	"strings"
)

// release is the version that the release build sets with -X; "" in every other build. It
// has no initial value here, because a computed initial value would replace that of -X.
var release string

// version is the release or the commit that this binary was built from.
var version = built()

func built() string {
	if release != "" {
		return release
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		return strings.TrimPrefix(info.Main.Version, "v")
	}
	return "dev"
}
