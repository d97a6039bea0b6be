package api

import (
	"context"

	"timbre.example/internal/access"
	"timbre.example/internal/network"
	"timbre.example/internal/session"
)

// checkRef refuses an invalid reference to an end-user from a key. That of a session was
// checked at its mint: here it must be the same, or empty.
func checkRef(c access.Caller, ref string) error {
	if c.APIKeyID == "" {
		return nil
	}
	return session.CheckExternalUserRef(ref)
}

// naming is how the body of a key's call names the work, beside the number in its path.
type naming struct{ network, externalUserRef *string }

// named makes the handler of an update whose body may name the work from one that knows the
// work.
func named[I any, P interface {
	*I
	work() naming
}, O any](h func(context.Context, access.Editor, *I) (*O, error)) func(context.Context, access.Updater, *I) (*O, error) {
	return func(ctx context.Context, u access.Updater, in *I) (*O, error) {
		n := P(in).work()
		if n.externalUserRef != nil {
			if err := checkRef(u.Caller(), *n.externalUserRef); err != nil {
				return nil, err
			}
		}
		var on network.Name
		if n.network != nil {
			on = network.Name(*n.network)
		}
		e, err := u.Editor(ctx, on, n.externalUserRef)
		if err != nil {
			return nil, err
		}
		return h(ctx, e, in)
	}
}

// continued makes a handler of an editor from one of the steps that all jobs share.
func continued[I, O any](h func(context.Context, access.Maker, *I) (*O, error)) func(context.Context, access.Editor, *I) (*O, error) {
	return func(ctx context.Context, e access.Editor, in *I) (*O, error) { return h(ctx, e, in) }
}
