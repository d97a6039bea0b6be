package web

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"golang.org/x/sync/singleflight"

	"timbre.example/internal/fault"
	"timbre.example/internal/store"
)

// pingTime is the timeout of a database ping.
const pingTime = 2 * time.Second

// Check is a condition of readiness.
type Check struct {
	// Name excludes the check in a call: /readyz?exclude=NAME. Several checks may have it.
	Name string
	// Reason is the detail "reason" of the refusal.
	Reason string
	// Run returns an error when the process is not ready.
	Run func(context.Context) error
}

// health answers /healthz and /readyz.
type health struct {
	version string
	ping    func(context.Context) error
	checks  []Check
	leaving func() bool
	running singleflight.Group
}

// once runs a check. Simultaneous calls with the same name share one run.
func (h *health) once(r *http.Request, name string, check func(context.Context) error) error {
	_, err, _ := h.running.Do(name, func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), pingTime)
		defer cancel()
		return nil, check(ctx)
	})
	return err
}

func (h *health) healthy(w http.ResponseWriter, r *http.Request) {
	if err := h.once(r, "", h.ping); err != nil {
		RenderError(w, r, fault.CommonServiceUnavailable(time.Second).Because(err))
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Write([]byte(`{"status":"ok","version":"` + h.version + `"}` + "\n"))
}

// ready fails while the server leaves. Otherwise it runs the checks that the query does not
// exclude, and then checks health. For example,
// below the reserve of disk space everything except new uploads still works. So a load
// balancer can exclude the check of the storage, and keep sending requests here.
func (h *health) ready(w http.ResponseWriter, r *http.Request) {
	if h.leaving() {
		RenderError(w, r, fault.CommonServiceUnavailable(2*time.Second).With("reason", "stopping").Because(errors.New("the server stops")))
		return
	}
	excluded := r.URL.Query()["exclude"]
	for _, c := range h.checks {
		if slices.Contains(excluded, c.Name) {
			continue
		}
		if err := h.once(r, c.Name+" "+c.Reason, c.Run); err != nil {
			if !store.Unavailable(err) {
				err = fault.CommonServiceUnavailable(time.Minute).With("reason", c.Reason).Because(err)
			}
			RenderError(w, r, err)
			return
		}
	}
	h.healthy(w, r)
}
