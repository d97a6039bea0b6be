package web

import (
	"encoding/json"
	"io"

	"github.com/danielgtaylor/huma/v2"
)

// plainJSON leaves <, > and & unescaped: the answers are never pasted into HTML. It decodes
// nothing; receive reads the bodies.
var plainJSON = huma.Format{
	Marshal: func(w io.Writer, v any) error {
		e := json.NewEncoder(w)
		e.SetEscapeHTML(false)
		return e.Encode(v)
	},
	Unmarshal: func([]byte, any) error { return nil },
}
