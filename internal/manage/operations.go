package manage

import (
	"cmp"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"timbre.example/internal/openapi"
	"timbre.example/internal/web"
)

// forms calls register with both paths of an operation.
func (f *Face) forms(o operation, register func(huma.Operation, web.Guard[Caller])) {
	f.routes = append(f.routes, Route{Method: o.method, Path: "/v1" + o.path, Needs: o.needs})
	if o.status == 0 {
		o.status = http.StatusOK
	}
	for _, form := range []struct {
		path, id, in string
		guard        web.Guard[Caller]
	}{{"/v1", "", "of the API key's organization", f.canonical(o)}, {inOrganization, openapi.Alias, "of the named organization", f.named(o)}} {
		register(huma.Operation{Method: o.method, Path: form.path + o.path, OperationID: o.id + form.id, Summary: o.summary + ", " + form.in, DefaultStatus: o.status}, form.guard)
	}
}

// do adds an operation without a body.
func do[I, O any](f *Face, o operation, handler func(*Call, *I) (*O, error)) {
	f.forms(o, func(op huma.Operation, guard web.Guard[Caller]) {
		web.Register(f.operations, op, guard, calling(handler))
	})
}

// submit adds an operation with a JSON body. A POST makes something, so
// it takes an Idempotency-Key.
func submit[I, O any](f *Face, o operation, handler func(*Call, *I) (*O, error)) {
	body := web.Body[Caller, I]{Most: cmp.Or(o.body, MaxBody), Strict: true}
	if o.method == http.MethodPost {
		body.Once = Caller.once
	}
	f.forms(o, func(op huma.Operation, guard web.Guard[Caller]) {
		web.RegisterBody(f.operations, op, guard, body, calling(handler))
	})
}
