package api

import (
	"encoding/json"
	"io"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humachi"

	"timbre.example/fault"
	"timbre.example/internal/intake"
	"timbre.example/internal/limit"
	"timbre.example/internal/session"
	"timbre.example/internal/works"
)

// A session of a test key can be minted to receive one code of the catalogue. At the stage
// where that code belongs, the session is then answered as if the code's cause had happened.
// All code for this is in this file, except the failing transaction, which is in the
// registry's worker. Sessions of live keys have no rehearsal and pass through unchanged.

// rehearse answers a call instead of its route when the session rehearses a code there, and
// reports whether it did. It runs after all checks that do not need the body.
func (a *API) rehearse(h huma.API, ctx huma.Context, c session.Caller, stage string) bool {
	entry, _ := fault.Lookup(c.Rehearse)
	switch entry.Rehearse {
	case "": // nothing to rehearse
		return false
	case "call", "code", stage: // "code": every path of an update has an access code; no other flow has this stage
	default:
		return false
	}
	r, w := humachi.Unwrap(ctx)
	switch c.Rehearse {
	case fault.CodeTransactionAlreadyConfirmed, fault.CodeWidgetUploadError: // the route continues: see secondConfirm, rehearsedSlot
		return false
	case fault.CodeWidgetNetworkError:
		panic(http.ErrAbortHandler)
	case fault.CodeWidgetMalformedResponse:
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, `{"job_id":"0190a0e6-0000-7000-8000-00000000`)
	case fault.CodeWidgetUnknownError:
		foreign(w, r, "rehearsal.of_tomorrow", "This code is not in any catalogue yet.")
	case fault.CodeWidgetConfigurationError:
		foreign(w, r, c.Rehearse, entry.Message)
	default:
		f := rehearsed(c)
		switch c.Rehearse {
		case fault.CodeSessionRateLimited:
			reportBudget(ctx.Context(), a.Limits.Session, limit.State{Whole: f.RetryAfter})
		case fault.CodeCommonRateLimited:
			reportBudget(ctx.Context(), a.Limits.Organization, limit.State{Whole: f.RetryAfter})
		}
		_ = huma.WriteErr(h, ctx, http.StatusInternalServerError, "", f)
	}
	return true
}

// rehearsed returns the refusal for the code's usual cause: the catalogue's example without
// the details that only rarer causes have.
func rehearsed(c session.Caller) *fault.Error {
	f := fault.Example(c.Rehearse)
	switch c.Rehearse {
	case fault.CodeRegistrationInvalidAudioFormat: // not the case of a truncated file
		for _, name := range []string{"declared_bytes", "actual_bytes"} {
			delete(f.Details, name)
		}
	case fault.CodeRegistrationUploadMissing: // not the case of another file than announced
		delete(f.Details, "announced")
		delete(f.Details, "uploaded")
	case fault.CodeCommonServiceUnavailable: // not the case of a full store
		delete(f.Details, "reason")
	case fault.CodeWorkAlreadyRegistered:
		if c.ExternalUserRef == "" { // a caller without end-user sees no other work
			delete(f.Details, "ats_id")
		}
	}
	return f
}

// foreign writes an envelope with a code that no server of this release sends.
func foreign(w http.ResponseWriter, r *http.Request, code fault.Code, message string) {
	x := exchangeOf(r.Context())
	refusalHeaders(&fault.Error{Code: code}, x, w.Header().Set)
	w.Header().Del("Retry-After")
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusBadRequest)
	_ = json.NewEncoder(w).Encode(fault.Envelope{Error: fault.Body{Code: code, Message: message, RequestID: x.id}})
}

// rehearsedSlot sends the upload of a session that rehearses an upload error to a store that
// refuses it.
func (a *API) rehearsedSlot(c session.Caller, s intake.Slot) intake.Slot {
	if c.Rehearse == fault.CodeWidgetUploadError && s.UploadURL != "" {
		s.UploadURL = a.PublicURL + refusingStore
	}
	return s
}

// secondConfirm answers a successful confirm as a repeated one would be answered.
func secondConfirm(c session.Caller, id string) error {
	if c.Rehearse == fault.CodeTransactionAlreadyConfirmed {
		return fault.TransactionAlreadyConfirmed(id)
	}
	return nil
}

// unmade refuses a certificate to a session that rehearses this refusal.
func unmade(c session.Caller) error {
	if c.Rehearse == fault.CodeWorkCertificateUnavailable {
		return fault.Example(c.Rehearse)
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
		a.RenderError(w, r, fault.CommonNotFound())
	}
}
