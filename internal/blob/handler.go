package blob

import (
	"net/http"

	"timbre.example/internal/fault"
)

// ServeHTTP serves the URLs of PresignPut, PresignPart and PresignGet, and CORS preflight requests for
// them. Mount it with its prefix at the path of the base URL, outside of layers that add
// CORS headers or limit bodies.
//
// Errors:
//   - common.not_found for a method other than PUT, GET, HEAD and OPTIONS, and for a
//     missing object
//   - common.forbidden for a URL with a wrong signature
//   - transaction.expired for an expired URL
//   - registration.audio_too_large for a body far over the limit (Options.DiscardBytes)
//   - registration.upload_missing for a body that broke off, stopped or came too slowly
//   - common.rate_limited above Options.Limits
//   - the errors of Options.Admit and Options.Land
//   - common.service_unavailable if the disk fails or is full
func (d *Disk) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	// The signed URL is the permission and cookies do not matter, so any origin may use
	// it.
	h.Set("Access-Control-Allow-Origin", "*")
	h.Set("Access-Control-Expose-Headers", "Link, Retry-After, X-Request-Id")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", "sandbox")
	h.Set("Cache-Control", "no-store") // recordings, and certificates with addresses of people

	switch r.Method {
	case http.MethodOptions:
		h.Set("Access-Control-Allow-Methods", "PUT, GET, HEAD")
		h.Set("Access-Control-Allow-Headers", "Content-Type")
		h.Set("Access-Control-Max-Age", "7200")
		w.WriteHeader(http.StatusNoContent)
		return
	case http.MethodPut, http.MethodGet, http.MethodHead:
	default:
		d.refuse(w, r, fault.CommonNotFound().With("reason", "method"))
		return
	}

	g, ok := d.check(r.Method, r.URL)
	switch {
	case !ok:
		d.refuse(w, r, fault.CommonForbidden("signature"))
	case d.opts.Now().Unix() >= g.expires:
		d.refuse(w, r, fault.TransactionExpired("upload_url"))
	case g.upload != "":
		d.servePart(w, r, g)
	case r.Method == http.MethodPut:
		d.servePut(w, r, g)
	default:
		d.serveGet(w, r, g)
	}
}
