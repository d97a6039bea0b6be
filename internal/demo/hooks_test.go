package demo

import (
	"net/http/httptest"
	"strings"
	"testing"
)

// The page of received webhooks shows what arrived, and no access code.
func TestHooksMaskAccessCodes(t *testing.T) {
	h := New(Config{RenderError: refuse})
	for _, body := range []string{`{"event":"work_registered","access_code":"SECRET-CODE"}`, `{"event":"work_registered","access_code":["SECRET-CODE"]}`, `"SECRET-CODE"`, `{"access_code":"SECRET-CODE"`} {
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("POST", "/demo/hooks/ok", strings.NewReader(body)))
	}
	page := get(h, "/demo/hooks").Body.String()
	if strings.Contains(page, "SECRET-CODE") {
		t.Error("the page shows an access code")
	}
	if strings.Count(page, "••••••••") != 2 || !strings.Contains(page, "work_registered") {
		t.Errorf("the page lacks the events:\n%s", page)
	}
}
