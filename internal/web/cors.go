package web

import "net/http"

// exposed are the response headers that a page of another origin may read.
const exposed = "Link, RateLimit, RateLimit-Policy, Retry-After, X-Request-Id"

// cors lets every page read the answers of the widget's routes, refusals and preflights
// included: a page of an unlisted origin must be able to read its refusal. Every call is
// checked against its own organization's list of origins, and cookies are ignored. The routes of
// backends have no CORS headers, so only pages of this server read them.
func cors(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		switch areaOf(r.URL.Path).readers {
		case noPage:
		case anyPage:
			h.Set("Access-Control-Allow-Origin", "*")
			h.Set("Access-Control-Expose-Headers", exposed)
		case apiPages:
			h.Add("Vary", "Origin")
			if origin := r.Header.Get("Origin"); origin != "" {
				h.Set("Access-Control-Allow-Origin", origin)
				h.Set("Access-Control-Expose-Headers", exposed)
			}
			if preflight(r) {
				h.Set("Access-Control-Allow-Methods", "GET, POST, DELETE")
				h.Set("Access-Control-Allow-Headers", "Authorization, Content-Type, X-Site-Key, Last-Event-ID")
				h.Set("Access-Control-Max-Age", "7200")
				h.Set("Content-Type", "application/json")
				w.Write([]byte("{}\n"))
				return
			}
		}
		next.ServeHTTP(w, r)
	})
}

// preflight reports whether a request is a browser's CORS preflight.
func preflight(r *http.Request) bool {
	return r.Method == http.MethodOptions && r.Header.Get("Origin") != "" && r.Header.Get("Access-Control-Request-Method") != ""
}
