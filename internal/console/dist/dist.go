// Package dist has the console's built style sheet, script and icon, embedded. The sources are in
// internal/console/src. It has no code.
package dist

import "embed"

// Files are console.css, console.js and icon.svg.
//
//go:embed console.css console.js icon.svg
var Files embed.FS
