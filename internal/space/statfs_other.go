//go:build !linux && !darwin && !freebsd

package space

// Of returns ErrUnknown: it cannot read the space on this system.
func Of(string) (Usage, error) { return Usage{}, ErrUnknown }
