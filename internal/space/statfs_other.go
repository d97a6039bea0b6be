//go:build !linux && !darwin && !freebsd

package space

// Of knows no way to ask on this system.
func Of(string) (Usage, error) { return Usage{}, ErrUnknown }
