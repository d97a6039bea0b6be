package web

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"reflect"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humachi"

	"timbre.example/internal/idempotency"
	"timbre.example/internal/openapi"
)

// Operations are the JSON operations of one face. The description of the whole server is made
// from their types, so both agree.
type Operations struct {
	huma        huma.API
	description *description
	bodies      *bodies
	bounds      map[string]int64
	once        *idempotency.Requests
}

// NewOperations begins a face on a router. described has the description of each operation, by
// its id. All faces of a router share one document, which the router serves.
func NewOperations(r *Router, described map[string]openapi.Description) *Operations {
	c := huma.DefaultConfig("", r.Version)
	c.CreateHooks, c.DocsPath, c.SchemasPath, c.OpenAPIPath = nil, "", "", ""
	c.Formats = map[string]huma.Format{"application/json": plainJSON}
	c.OpenAPI = r.description.OpenAPI
	r.description.Describe(described)
	return &Operations{huma: humachi.New(r.chi, c), description: r.description, bodies: r.bodies, bounds: r.bounds, once: r.Once}
}

// Describe adds a route that is not a JSON operation to the description, such as a stream.
func (o *Operations) Describe(op huma.Operation) { o.description.AddOperation(&op) }

// Guard decides, before the body of a call is read, whether the call reaches its handler. Its
// result is the proof P, which the handler takes as an argument. So an operation whose guard
// proves less than its handler needs does not compile.
type Guard[P any] struct {
	// Check returns the proof, or the refusal. It returns [ErrAnswered] after it has written
	// an answer itself.
	Check func(huma.Context) (P, error)
	// Scheme is the name of the security scheme of package openapi that Check reads; "": none. Or is a second one,
	// of which a caller needs one or the other.
	Scheme, Or string
	// Parameters are the parameters of the path that Check reads; optional.
	Parameters []*huma.Param
}

// ErrAnswered is the error of a guard that has written an answer itself.
var ErrAnswered = errors.New("web: the guard has answered")

// Anyone is the proof of [Open]: it proves nothing.
type Anyone struct{}

// Open is the guard of operations that need no permission before their body is read.
var Open = Guard[Anyone]{Check: func(huma.Context) (Anyone, error) { return Anyone{}, nil }}

type proofKey struct{}

// guarded puts a guard in front of an operation.
func guarded[P any](o *Operations, op huma.Operation, g Guard[P]) huma.Operation {
	if op.Security == nil { // an operation may name its own
		for _, scheme := range []string{g.Scheme, g.Or} {
			if scheme != "" {
				op.Security = append(op.Security, map[string][]string{scheme: {}})
			}
		}
	}
	op.Parameters = append(op.Parameters, g.Parameters...)
	op.SkipValidateParams = true // the handlers know the rules, and name each broken one
	op.Middlewares = append(op.Middlewares, func(ctx huma.Context, next func(huma.Context)) {
		switch proof, err := g.Check(ctx); {
		case errors.Is(err, ErrAnswered):
		case err != nil:
			_ = huma.WriteErr(o.huma, ctx, http.StatusInternalServerError, "", err)
		default:
			next(huma.WithValue(ctx, proofKey{}, proof))
		}
	})
	return op
}

// Register adds an operation without a body.
func Register[P, I, O any](o *Operations, op huma.Operation, g Guard[P], handler func(context.Context, P, *I) (*O, error)) {
	huma.Register(o.huma, guarded(o, op, g), func(ctx context.Context, in *I) (*O, error) {
		return handler(ctx, ctx.Value(proofKey{}).(P), in)
	})
}

// Body says how the JSON body of an input I is read. Its members are those of the field Body
// of I.
type Body[P, I any] struct {
	// Most is the largest body in bytes.
	Most int64
	// Strict bodies must not have unknown members.
	Strict bool
	// Refuse may refuse a call before the errors in its body are reported; optional.
	Refuse func(P, *I) error
	// Once returns the id of the API key that calls, whose requests may have an
	// Idempotency-Key; "": the header of this caller is ignored. Optional.
	Once func(P) string
}

// RegisterBody adds an operation with a JSON body. The body is read only after every check
// that does not need it has passed.
func RegisterBody[P, I, O any](o *Operations, op huma.Operation, g Guard[P], b Body[P, I], handler func(context.Context, P, *I) (*O, error)) {
	if _, ok := reflect.TypeFor[I]().FieldByName("Body"); !ok {
		panic("web: " + op.OperationID + " has no field Body in its input")
	}
	o.bounds[op.Path] = b.Most
	if op = guarded(o, op, g); b.Once != nil && o.once != nil {
		op.Parameters = append(op.Parameters, &huma.Param{
			Name: headerIdempotency, In: "header", Description: "With an API key: repeats of the call with this key and the same body receive the first answer, for 24 hours",
			Schema: &huma.Schema{Type: huma.TypeString, MinLength: new(1), MaxLength: new(255)},
		})
	}
	op.Middlewares = append(op.Middlewares, withhold)
	op.SkipValidateBody = true
	huma.Register(o.huma, op, func(ctx context.Context, in *I) (*O, error) {
		proof := ctx.Value(proofKey{}).(P)
		refuse := func() error {
			if b.Refuse == nil {
				return nil
			}
			return b.Refuse(proof, in)
		}
		caller, key := "", ""
		if b.Once != nil && o.once != nil {
			caller = b.Once(proof)
		}
		if caller != "" {
			var err error
			if key, err = idempotencyKey(ctx.Value(withheldKey{}).(*withheld).r); err != nil {
				return nil, err
			}
		}
		into := reflect.ValueOf(in).Elem().FieldByName("Body").Addr().Interface()
		if err := o.bodies.receive(ctx, into, b.Most, b.Strict, refuse); err != nil {
			return nil, err
		}
		if key == "" {
			return handler(ctx, proof, in)
		}
		return nil, serveOnce(ctx, o.once, caller, key, reflect.ValueOf(into).Elem().Interface(), op.DefaultStatus, func(ctx context.Context) (any, error) {
			out, err := handler(ctx, proof, in)
			if err != nil {
				return nil, err
			}
			return reflect.ValueOf(out).Elem().FieldByName("Body").Interface(), nil
		})
	})
}

// BodyBounds returns the largest JSON body in bytes, by route. No other route reads one.
func (r *Router) BodyBounds() map[string]int64 { return maps.Clone(r.bounds) }

// BodiesHeld returns the bytes that an address holds of its share of the bodies' budgets.
func (r *Router) BodiesHeld(address string) int64 { return r.bodies.addresses.Held(address) }
