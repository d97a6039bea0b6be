package api

import (
	"context"

	"timbre.example/internal/registry"
	"timbre.example/internal/space"
	"timbre.example/internal/web"
)

// Checks are the conditions under which a process takes registrations: space for uploads and,
// in a process with a registry, networks that accept transactions.
func Checks(room *space.Guard, r *registry.Registry) []web.Check {
	checks := []web.Check{{Name: "storage", Reason: "storage_full", Run: func(context.Context) error { return room.Low(0) }}}
	if r != nil {
		checks = append(checks, web.Check{Name: "log", Reason: "log_stopped", Run: r.Stopped})
	}
	return checks
}
