package members

import (
	"errors"

	"timbre.example/internal/fault"
)

// reason returns the reason of a refusal, or "".
func reason(err error) string {
	var f *fault.Error
	if !errors.As(err, &f) {
		return ""
	}
	text, _ := f.Details["reason"].(string)
	return text
}
