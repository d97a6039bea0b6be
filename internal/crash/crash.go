// Package crash lets the kill test end the process, as a power cut would, at
// the points between two effects that must survive one; and it lets tests of the
// real program move its clock on.
//
// It holds the hooks and nothing of what it interrupts. It does something only
// in a build with the tag crashpoints, which no release has.
package crash
