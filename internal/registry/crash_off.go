//go:build !crashpoints

package registry

// crashPoint is nothing in a server.
func crashPoint() func(string) { return func(string) {} }
