// Package crash lets the kill test end the process, as a power cut would, at
// the points between two effects that must survive one.
//
// It holds the hook and nothing of what it interrupts. It does something only
// in a build with the tag crashpoints, which no release has.
package crash
