package e2e_test

import (
	"fmt"
	"slices"
	"testing"

	"timbre.example/internal/e2e/browser"
	"timbre.example/internal/e2e/harness"
)

// A page that follows a transaction hears `error` when the server stops, before
// `close`: published widgets listen to nothing else. An unknown transaction is a
// frame that the page reads.
func TestSocketIsDroppedWithAnError(t *testing.T) {
	t.Parallel()
	s := harness.Start(t, harness.Options{Roles: "organizations,ats"}) // without a worker no end comes
	s.NewOrganization()
	p := browser.Open(t)
	p.Goto(browser.NewHost(t).Page("socket.html", "<p>A page of another origin.</p>"))
	song := &harness.Song{Server: s, Title: "Unfinished", Audio: harness.WAV(1)}
	for _, step := range []func() error{
		func() error { return song.Mint(t.Context()) }, func() error { return song.Init(t.Context()) }, func() error { return song.Put(t.Context()) },
		func() error { return song.Prepare(t.Context()) }, func() error { return song.Confirm(t.Context()) },
	} {
		if err := step(); err != nil {
			t.Fatal(err)
		}
	}
	open := func(id string) {
		p.Run(fmt.Sprintf(`(() => {
			window.heard = [];
			const ws = new WebSocket(%q);
			ws.onmessage = (e) => { const f = JSON.parse(e.data); heard.push(f.type === 'error' ? 'frame ' + f.error.code : f.type); };
			ws.onerror = () => heard.push('error');
			ws.onclose = (e) => heard.push('close ' + e.wasClean);
		})()`, "ws"+s.URL[len("http"):]+"/v1/ws/transactions/"+id))
	}
	open("01890000-0000-7000-8000-000000000000")
	p.Wait("heard.length >= 2")
	if got := browser.Eval[[]string](p, "heard"); !slices.Equal(got, []string{"frame transaction.not_found", "close true"}) {
		t.Errorf("unknown: %v", got)
	}
	open(song.TransactionID)
	p.Wait("heard.includes('update')")
	s.Stop()
	p.Wait("heard.some((h) => h.startsWith('close'))")
	got := browser.Eval[[]string](p, "heard")
	if len(got) < 4 || !slices.Equal(got[len(got)-2:], []string{"error", "close false"}) {
		t.Errorf("dropped: %v", got)
	}
}
