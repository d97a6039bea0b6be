// Package docs holds the documents of this folder as they are in Git, for the
// server that shows them. It renders nothing.
package docs

import "embed"

// Files has every document and picture by its path below this folder, such as
// "errors.md" or "adr/README.md".
//
//go:embed *.md adr/*.md images
var Files embed.FS
