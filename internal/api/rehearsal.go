package api

import (
	"context"
	"io"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humachi"

	"timbre.example/internal/access"
	"timbre.example/internal/apikey"
	"timbre.example/internal/fault"
	"timbre.example/internal/intake"
	"timbre.example/internal/limit"
	"timbre.example/internal/session"
	"timbre.example/internal/web"
	"timbre.example/internal/works"
)

// A session of a test key can be minted to receive one code of the catalogue. At the stage
// where that code belongs, the session is then answered as if the code's cause had happened.
// All code for this is in this file, except the failing transaction, which is in the
// registry's worker. Sessions of live keys have no rehearsal and pass through unchanged.
//
// A test API key needs no mint. It names the code in the body of an init, for that job, or in
// a header of a read.

// stage is the place of a route in its flow: the place at which a session rehearses an error
// code, as the catalogue names it.
type stage string

// The stages of a registration or an update, and that of the calls which only read.
const (
	atInit    stage = "init"
	atUpload  stage = "upload"
	atPrepare stage = "prepare"
	atConfirm stage = "confirm"
	atCode    stage = "code"
)

// begins reports whether calls of a stage begin something, which an expired token may not do.
func (s stage) begins() bool { return s == atInit }

// rehearse answers a call instead of its route when the session rehearses a code at this
// stage. It runs after all checks that do not need the body. Its error is nil when the call
// continues. It is [web.ErrAnswered] after an answer that no server of this release sends.
func (a *API) rehearse(ctx huma.Context, c session.Caller, at stage) error {
	entry, _ := fault.Lookup(c.Rehearse)
	switch entry.Rehearse {
	case "": // nothing to rehearse
		return nil
	case "call", "code", string(at): // "code": every path of an update has an access code; no other flow has this stage
	default:
		return nil
	}
	r, w := humachi.Unwrap(ctx)
	switch c.Rehearse {
	case fault.CodeTransactionAlreadyConfirmed, fault.CodeWidgetUploadError: // the route continues: see secondConfirm, rehearsedSlot
		return nil
	case fault.CodeWidgetNetworkError:
		panic(http.ErrAbortHandler)
	case fault.CodeWidgetMalformedResponse:
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, `{"job_id":"0190a0e6-0000-7000-8000-00000000`)
		return web.ErrAnswered
	case fault.CodeWidgetUnknownError:
		web.RenderUnknown(w, r, "rehearsal.of_tomorrow", "This code is not in any catalogue yet.")
		return web.ErrAnswered
	case fault.CodeWidgetConfigurationError:
		web.RenderUnknown(w, r, c.Rehearse, entry.Message)
		return web.ErrAnswered
	}
	return a.refusal(ctx.Context(), c.Rehearse, c.ExternalUserRef != "")
}

// refusal returns the refusal of a rehearsed code, with its headers. sees says that the caller
// may see other works.
func (a *API) refusal(ctx context.Context, code fault.Code, sees bool) error {
	f := rehearsed(code, sees)
	switch code {
	case fault.CodeSessionRateLimited:
		web.ReportBudget(ctx, a.Limits.Session, limit.State{Whole: f.RetryAfter})
	case fault.CodeCommonRateLimited:
		web.ReportBudget(ctx, a.Limits.Organization, limit.State{Whole: f.RetryAfter})
	}
	return f
}

// rehearsed returns the refusal for the code's usual cause: the catalogue's example without
// the details that only rarer causes have.
func rehearsed(code fault.Code, sees bool) *fault.Error {
	f := fault.Example(code)
	switch code {
	case fault.CodeRegistrationInvalidAudioFormat: // not the case of a truncated file
		for _, name := range []string{"declared_bytes", "actual_bytes"} {
			delete(f.Details, name)
		}
	case fault.CodeRegistrationUploadMissing: // not the case of another file than announced
		delete(f.Details, "announced")
		delete(f.Details, "uploaded")
	case fault.CodeRegistrationAudioTooLarge: // not the case of a part
		delete(f.Details, "part")
	case fault.CodeCommonServiceUnavailable: // not the case of a full store, or of a commit without an answer
		delete(f.Details, "reason")
		delete(f.Details, "outcome")
	case fault.CodeWorkAlreadyRegistered:
		if !sees {
			delete(f.Details, "ats_id")
		}
	}
	return f
}

// rehearsedSlot sends the upload of a session that rehearses an upload error to a store that
// refuses it.
func (a *API) rehearsedSlot(c access.Caller, s intake.Slot) intake.Slot {
	if c.Rehearse == fault.CodeWidgetUploadError && s.UploadURL != "" {
		s.UploadURL = a.Web.PublicURL + refusingStore
	}
	return s
}

// secondConfirm answers a successful confirm as a repeated one would be answered.
func secondConfirm(code fault.Code, id string) error {
	if code == fault.CodeTransactionAlreadyConfirmed {
		return fault.TransactionAlreadyConfirmed(id)
	}
	return nil
}

// unmade refuses a certificate to a caller that rehearses this refusal.
func unmade(code fault.Code) error {
	if code == fault.CodeWorkCertificateUnavailable {
		return fault.Example(code)
	}
	return nil
}

// untracked refuses to show a transaction whose session rehearses this refusal.
func untracked(v works.View) error {
	switch v.Rehearse {
	case fault.CodeTransactionNotFound, fault.CodeTransactionStoreUnavailable:
		return fault.Example(v.Rehearse)
	}
	return nil
}

// headerRehearse names the code that a read with a test API key is to receive.
const headerRehearse = "X-Rehearse"

// rehearsesRead returns the code that a read with a key is to receive, or its refusal.
func (a *API) rehearsesRead(ctx huma.Context, k apikey.Caller) (fault.Code, error) {
	name := ctx.Header(headerRehearse)
	if name == "" || ctx.Method() != http.MethodGet {
		return "", nil
	}
	bad := session.CheckWishes(&name, nil, k.Test, false)
	if code := fault.Code(name); len(bad) == 0 && apikey.Receives(code) {
		return code, a.rehearseByKey(ctx.Context(), code, atCode)
	}
	for i := range bad {
		bad[i].Field = headerRehearse
	}
	if len(bad) == 0 {
		bad = []fault.Field{{Field: headerRehearse, Rule: "one_of", Message: "Must be a code that an API key can receive."}}
	}
	return "", fault.CommonValidationFailed(bad)
}

// rehearseByKey answers a call of a key instead of its route when it rehearses a code of this
// stage.
func (a *API) rehearseByKey(ctx context.Context, code fault.Code, at stage) error {
	entry, _ := fault.Lookup(code)
	switch entry.Rehearse {
	case "call", "code", string(at):
	default:
		return nil
	}
	if code == "" || code == fault.CodeTransactionAlreadyConfirmed { // the route continues: see secondConfirm
		return nil
	}
	return a.refusal(ctx, code, true)
}

// rehearseStep is rehearseByKey for a later step of a job. It returns the job's code. The code
// of a session is the session's, whose guard has answered.
func (a *API) rehearseStep(ctx context.Context, m access.Maker, job string, at stage) (fault.Code, error) {
	c := m.Caller()
	if c.APIKeyID == "" || !c.Test {
		return c.Rehearse, nil
	}
	code, err := a.Registry.Intake.Rehearsal(ctx, m, job)
	if err != nil {
		return "", err
	}
	return code, a.rehearseByKey(ctx, code, at)
}

// beginsByKey answers the init of a key that rehearses a code of this stage.
func (a *API) beginsByKey(ctx context.Context, c access.Caller) error {
	if c.APIKeyID == "" {
		return nil
	}
	return a.rehearseByKey(ctx, c.Rehearse, atInit)
}

const refusingStore = "/rehearsal/store"

// storeThatRefuses answers uploads as an overloaded object store does: without an envelope.
func (a *API) storeThatRefuses(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Access-Control-Allow-Origin", "*")
	switch r.Method {
	case http.MethodOptions:
		h.Set("Access-Control-Allow-Methods", "PUT")
		h.Set("Access-Control-Allow-Headers", "Content-Type")
		w.WriteHeader(http.StatusNoContent)
	case http.MethodPut:
		// Read part of the body, so that the client can read the response before the
		// connection breaks.
		_, _ = io.CopyN(io.Discard, r.Body, 64<<20)
		h.Set("Content-Type", "application/xml")
		w.WriteHeader(http.StatusServiceUnavailable)
		io.WriteString(w, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>SlowDown</Code><Message>Rehearsal: this store refuses every upload.</Message></Error>\n")
	default:
		web.RenderError(w, r, fault.CommonNotFound())
	}
}
