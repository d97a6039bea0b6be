// Package crash is for tests only. It lets the kill test end the process, like a power
// cut, between two effects. It also lets tests of the real program move the clock ahead.
//
// It contains only the hooks, and does nothing unless the binary is built with the tag
// crashpoints. No release is.
package crash
