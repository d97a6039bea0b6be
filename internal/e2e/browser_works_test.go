package e2e_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"timbre.example/internal/e2e/browser"
	"timbre.example/internal/e2e/harness"
	"timbre.example/widget"
)

// works is a page with one widget for the end-user's own works.
func (x *site) works(mode, user string) string {
	return x.host.Page(mode+"-"+user+".html", x.element(fmt.Sprintf("mode=%q external-user-id=%q", mode, user))+scripts)
}

// songOf registers a song of an end-user without a browser, or a version of
// one, and returns its number.
func (x *site) songOf(t *testing.T, user, title string, seed int, version int64) int64 {
	t.Helper()
	s := &harness.Song{
		Server: &harness.Server{URL: x.server.URL, SiteKey: x.siteKey, SecretKey: x.secret},
		Title:  title, Audio: harness.WAV(seed), User: user, AtsID: version,
	}
	for _, step := range []func(context.Context) error{s.Mint, s.Init, s.Put, s.Prepare, s.Confirm, s.Follow} {
		if err := step(t.Context()); err != nil {
			t.Errorf("%s: %v", title, err)
			return 0
		}
	}
	if s.Result == nil || !s.Result.Success || s.AccessCode != "" {
		t.Errorf("%s: %+v, access code %q", title, s.Result, s.AccessCode)
		return 0
	}
	return s.Result.AtsID
}

// newOwnSite is a site whose end-users have songs already.
func newOwnSite(t *testing.T, songs map[string][]string) *site {
	t.Helper()
	x := newSite(t, harness.Start(t, harness.Options{Settings: []string{"TIMBRE_LIMITS_ADDRESS=off"}}))
	x.server.CLI(nil, "origins", "add", x.org, "http://localhost:3000")
	var wait sync.WaitGroup
	free := make(chan struct{}, 8)
	seed := 0
	for user, titles := range songs {
		for _, title := range titles {
			seed++
			n := seed
			free <- struct{}{}
			wait.Go(func() {
				defer func() { <-free }()
				x.songOf(t, user, title, n, 0)
			})
		}
	}
	wait.Wait()
	if t.Failed() {
		t.FailNow()
	}
	return x
}

// TestOwnUpdateByMouse: an end-user chooses one of their songs and updates it. The widget
// does not ask for an access code.
func TestOwnUpdateByMouse(t *testing.T) {
	t.Parallel()
	x := newOwnSite(t, map[string][]string{"ada": {"Blue Morning"}, "ben": {"Red Evening"}})
	p := browser.Open(t)
	x.host.Policy(x.host.StrictPolicy())
	p.Goto(x.works("update", "ada"))
	p.Wait(browser.Hook("works"))
	if got := browser.Eval[string](p, "e2e.text('count') + ' ' + e2e.hook('works').querySelectorAll('label').length"); got != "1 song 1" {
		t.Errorf("the list says %q", got)
	}
	p.Click("e2e.hook('works').querySelector('label')")
	p.Click(browser.Hook("next"))
	p.Wait(browser.Hook("work"))
	if got := browser.Eval[string](p, "['work-title', 'work-version', 'work-file'].map((h) => e2e.text(h)).join(' ')"); got != "Blue Morning 1 take.wav" {
		t.Errorf("the song: %s", got)
	}
	p.Click(browser.Hook("next"))
	retype(p, "creator-0-fullName", "Ada Maria Example")
	p.Click(browser.Hook("submit"))
	p.Wait(browser.Hook("confirm"))
	if got := reviewed(p); got != "Ada Maria Example changed" {
		t.Errorf("the review says %q", got)
	}
	confirm(p, 0)
	if got := browser.Eval[string](p, "e2e.text('version') + ' ' + !!e2e.hook('code-stays') + ' ' + !!e2e.hook('access-code')"); got != "2 false false" {
		t.Errorf("the end says %q", got)
	}
	checkShapes(t, p.Events())
	if got := course(p.Events()); got != "ready confirmed step complete" {
		t.Errorf("events %s", got)
	}
	if n := len(p.Requests("", "/v1/access/")); n != 0 {
		t.Errorf("%d calls by access code", n)
	}
	// Another one: the list shows what is new first.
	p.Click(browser.Hook("again"))
	p.Wait(browser.Hook("works"))
	if got := browser.Eval[string](p, "e2e.hook('works').querySelector('label').innerText"); !strings.Contains(got, "Version 2") {
		t.Errorf("the list says %q", got)
	}
	p.Wait("e2e.focus() === 'heading'")
	quiet(t, p)
	// Works are of one network, and a token is of one too.
	before := len(p.Events())
	p.Run("e2e.widget().network = 'mainnet'")
	p.Wait(fmt.Sprintf("e2e.events.length > %d", before))
	if e := p.Events()[before]; e.Name != "token-expired" {
		t.Errorf("another network: %+v", e)
	}
}

// numbered are so many titles, one of them long.
func numbered(n int) []string {
	titles := make([]string, n)
	for i := range titles {
		titles[i] = fmt.Sprintf("Song %02d", i+1)
	}
	titles[0] = "A rather long title of a song about the ferryman’s daughter who would not cross the river"
	return titles
}

// TestWorksLooks looks at the screens of an end-user's songs from all sides.
func TestWorksLooks(t *testing.T) {
	t.Parallel()
	x := newOwnSite(t, map[string][]string{"ada": numbered(22)})
	p := browser.Open(t)
	v := newViewer(t, p)
	p.Goto(x.works("update", "nobody"))
	v.load()
	p.Wait(browser.Hook("none"))
	v.see("no-songs")

	hold := p.Hold("", "/v1/works")
	p.Run("e2e.widget().externalUserId = 'ada'")
	first := hold.Await()
	p.Wait(browser.Hook("progress"))
	v.see("list-loading")
	first.Go()
	p.Wait(browser.Hook("works"))
	v.see("list")
	p.Click(browser.Hook("next"))
	p.Wait(browser.Hook("error-work"))
	v.see("list-nothing-chosen")
	p.Click("e2e.hook('works').querySelector('label')")
	v.see("list-chosen")
	v.colour("list-chosen")
	p.Type(browser.Hook("search"), "09")
	search := hold.Await()
	v.see("list-searching")
	search.Answer(401, `{"error":{"code":"common.auth.expired","message":"Your session has expired.","request_id":"req_01M84P5Y0S9D5JKPTP7BAC8R4F"}}`)
	hold.Await().Go()
	p.Wait("e2e.text('count') === '1 song'")
	v.see("list-found")
	p.Type(browser.Hook("search"), "x")
	hold.Await().Go()
	p.Wait("e2e.hook('count').textContent.includes('No song title')")
	v.see("list-nothing-found")
	hold.Release()

	p.Run("e2e.widget().mode = 'download'")
	p.Wait(browser.Hook("works"))
	v.see("download-list")
	p.Run("e2e.widget().reset()")
	p.Wait(browser.Hook("works"))
	p.Click("e2e.hook('works').querySelector('label')")
	p.Click(browser.Hook("next"))
	p.Wait(browser.Hook("versions"))
	v.see("versions")
	v.colour("versions")
	hold = p.Hold("", "/download/")
	p.Click(browser.Hook("certificate-1"))
	hold.Await().Answer(404, `{"error":{"code":"work.certificate_unavailable","message":"The certificate is not yet available.","request_id":"req_01M84P5Y0S9D5JKPTP7BAC8R4F"}}`)
	p.Wait(browser.Hook("told-certificate-1"))
	p.Click(browser.Hook("audio-1"))
	for e := hold.Await(); ; e = hold.Await() {
		if strings.HasSuffix(e.URL(), "/audio") {
			e.Answer(404, `{"error":{"code":"common.not_found","message":"Resource not found.","request_id":"req_01M84P5Y0S9D5JKPTP7BAC8R4F"}}`)
			break
		}
	}
	p.Wait("e2e.text('told-audio-1').includes('not kept')")
	v.see("versions-told")
	v.done()
}

// rows are the titles of the list, in its order.
func rows(p *browser.Page) []string {
	return browser.Eval[[]string](p, `[...e2e.hook('works').querySelectorAll('b')].map((b) => b.textContent)`)
}

// TestOwnListByKeyboard searches and pages through sixty songs without a mouse.
// Answers come late; nothing is lost that has the focus.
func TestOwnListByKeyboard(t *testing.T) {
	t.Parallel()
	x := newOwnSite(t, map[string][]string{"ada": numbered(60)})
	p := browser.Open(t)
	p.Goto(x.works("update", "ada"))
	p.Wait("e2e.text('count') === '20 of 60'")
	for range 3 {
		if browser.Eval[string](p, "e2e.focus()") != "search" {
			p.Press(browser.Tab, false)
		}
	}
	p.Wait("e2e.focus() === 'search'")
	p.Keys("SONG 4")
	p.Wait("e2e.text('count') === '10 songs' && e2e.text('live') === '10 songs'")
	p.Press(browser.Down, false)
	p.Wait("e2e.active().name === 'work' && e2e.active() === e2e.hook('works').querySelector('input')")

	// A search that is answered when the user is in the list already.
	p.Press(browser.Tab, true)
	p.Wait("e2e.focus() === 'search'")
	// All at once, like a chosen suggestion, so that the widget sends one query.
	put := func(text string) {
		p.Run(fmt.Sprintf("e2e.hook('search').select(); document.execCommand('insertText', false, %q)", text))
	}
	other := rows(p)[0]
	hold := p.Hold("GET", "/v1/works?")
	put(other)
	late := hold.Await()
	p.Press(browser.Down, false)
	p.Press(browser.Down, false)
	p.Press(browser.Down, false)
	p.Wait("e2e.active().checked")
	chosen := browser.Eval[string](p, "e2e.active().closest('label').querySelector('b').textContent")
	late.Go()
	p.Wait("e2e.hook('works').querySelectorAll('label').length === 2 && e2e.text('count') === '1 song'")
	if got := browser.Eval[string](p, "e2e.active().closest('label').querySelector('b').textContent + ' ' + e2e.active().checked"); got != chosen+" true" || chosen == other {
		t.Errorf("the focus is on %q, was on %s", got, chosen)
	}
	if got := rows(p); !slices.Contains(got, other) || !slices.Contains(got, chosen) {
		t.Errorf("the list: %v", got)
	}
	// The one before the last is forgotten: only the last question counts.
	p.Press(browser.Tab, true)
	put("Song x")
	old := hold.Await()
	put("Song 5")
	newer := hold.Await()
	newer.Go()
	p.Wait("e2e.text('count') === '10 songs'")
	old.Gone()
	if got := rows(p); len(got) != 10 {
		t.Errorf("the list: %v", got)
	}
	// A session that ends while somebody searches.
	before := len(p.Events())
	put("Song 57")
	hold.Await().Answer(401, `{"error":{"code":"common.auth.expired","message":"Your session has expired.","request_id":"req_01M84P5Y0S9D5JKPTP7BAC8R4F"}}`)
	hold.Await().Go()
	p.Wait("e2e.text('count') === '1 song' && e2e.focus() === 'search'")
	if got := course(p.Events()[before:]); got != "token-expired" {
		t.Errorf("events %s", got)
	}
	hold.Release()

	// From page to page, by the key that goes down.
	p.Run("e2e.hook('search').select()")
	p.Press(browser.Delete, false)
	p.Wait("e2e.text('count') === '20 of 60'")
	p.Press(browser.Down, false)
	for range 20 {
		p.Press(browser.Down, false)
	}
	p.Wait("e2e.text('count') === '40 of 60' && e2e.active().checked && e2e.active() === e2e.hook('works').querySelectorAll('input')[20]")
	p.Press(browser.Tab, false)
	p.Wait("e2e.focus() === 'more'")
	p.Press(browser.Enter, false)
	p.Wait("e2e.text('count') === '60 songs' && e2e.active() === e2e.hook('works').querySelectorAll('input')[40]")
	if got := rows(p); len(got) != 60 || len(slices.Compact(slices.Sorted(slices.Values(got)))) != 60 {
		t.Errorf("%d songs, some twice: %v", len(got), got)
	}
	// Chosen by Space and opened by Enter, as in any form.
	p.Press(browser.Space, false)
	p.Wait("e2e.active().checked")
	p.Press(browser.Enter, false)
	p.Wait(browser.Hook("work"))
	p.Wait("e2e.focus() === 'heading'")
	checkShapes(t, p.Events())
}

// TestOwnDownload looks at the versions of a song and saves their files, under
// the strictest policy.
func TestOwnDownload(t *testing.T) {
	t.Parallel()
	x := newOwnSite(t, map[string][]string{"ada": {"Two Takes"}})
	if x.songOf(t, "ada", "", 99, 1) == 0 {
		t.FailNow()
	}
	p := browser.Open(t)
	x.host.Policy(x.host.StrictPolicy())
	saved := p.Downloads()
	p.Goto(x.works("download", "ada"))
	p.Wait(browser.Hook("works"))
	p.Click("e2e.hook('works').querySelector('label')")
	p.Click(browser.Hook("next"))
	p.Wait(browser.Hook("versions") + " && e2e.focus() === 'heading'")
	if got := browser.Eval[string](p, "[...e2e.hook('versions').querySelectorAll('h3')].map((h) => h.textContent).join()"); got != "Version 1,Version 2" {
		t.Errorf("the versions: %s", got)
	}
	p.Wait("e2e.text('creator-2').replace(/\\s+/g, ' ') === 'Ada Example Lyrics, Music' && !" + browser.Hook("creator-1"))
	p.Click(browser.Hook("creators-1"))
	p.Wait(browser.Hook("creator-1"))

	for n, seed := range []int{1, 99} {
		button := fmt.Sprintf("audio-%d", n+1)
		p.Click(browser.Hook(button))
		name, content := saved.Await()
		if name != "take.wav" || !bytes.Equal(content, harness.WAV(seed)) {
			t.Errorf("version %d was saved as %s, %d bytes", n+1, name, len(content))
		}
		p.Wait(fmt.Sprintf("e2e.text('told-%s') === 'The download has begun.' && e2e.text('live') === 'The download has begun.' && e2e.focus() === %q", button, button))
	}

	// The server makes the certificates by itself; the widget waits for them.
	p.Click(browser.Hook("certificate-1"))
	if name, content := saved.Await(); name != "Two Takes.pdf" || !bytes.HasPrefix(content, []byte("%PDF-")) {
		t.Errorf("the certificate was saved as %s, %d bytes", name, len(content))
	}

	// A certificate that is being made is waited for, and then comes by itself.
	where := browser.Eval[string](p, "location.href")
	hold := p.Hold("GET", "/download/certificate")
	p.Click(browser.Hook("certificate-2"))
	for range 2 {
		hold.Await().Answer(404, `{"error":{"code":"work.certificate_unavailable","message":"The certificate is not yet available.","request_id":"req_01M84P5Y0S9D5JKPTP7BAC8R4F"}}`)
		p.Wait("e2e.text('told-certificate-2').includes('being made')")
	}
	file := browser.Eval[string](p, "performance.getEntriesByType('resource').map((e) => e.name).find((n) => n.includes('/download/audio'))")
	hold.Await().Answer(200, `{"url":"`+x.blobOf(t, file)+`","expires_at":"2030-01-01T00:00:00Z"}`)
	saved.Await()
	p.Wait("e2e.text('told-certificate-2').includes('begun')")
	// A recording that is not kept has no file, and says so.
	hold.Release()
	hold = p.Hold("GET", "/download/audio")
	p.Click(browser.Hook("audio-1"))
	hold.Await().Answer(404, `{"error":{"code":"common.not_found","message":"Resource not found.","request_id":"req_01M84P5Y0S9D5JKPTP7BAC8R4F"}}`)
	p.Wait("e2e.text('told-audio-1').includes('not kept')")
	hold.Release()
	if e := p.Events(); e[len(e)-1].Name != "error" || member[string](t, e[len(e)-1], "stage") != "audio" || member[string](t, e[len(e)-1], "code") != "common.not_found" {
		t.Errorf("event %+v", e[len(e)-1])
	}
	if got := browser.Eval[string](p, "location.href"); got != where {
		t.Errorf("the page was left for %s", got)
	}
	p.Click(browser.Hook("back"))
	p.Wait("e2e.active().name === 'work' && e2e.active().checked")
	checkShapes(t, p.Events())
	if v := browser.Eval[[]string](p, "e2e.violations"); len(v) > 0 {
		t.Errorf("policy violated: %v", v)
	}
}

// blobOf asks again for the URL of a file that the page asked for.
func (x *site) blobOf(t *testing.T, call string) string {
	t.Helper()
	tokens := x.host.Tokens()
	req, err := http.NewRequest("GET", call, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header = http.Header{"Authorization": {"Bearer " + tokens[len(tokens)-1]}, "X-Site-Key": {x.siteKey}, "Content-Type": {"application/json"}, "Origin": {x.host.URL}}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var body struct{ URL string }
	if err := json.NewDecoder(res.Body).Decode(&body); err != nil || body.URL == "" {
		t.Fatalf("%s: %s %v", call, res.Status, err)
	}
	return body.URL
}

// TestOwnTwoUsers: two people use one page, one after the other. The second person sees
// no late answer for the first.
func TestOwnTwoUsers(t *testing.T) {
	t.Parallel()
	x := newOwnSite(t, map[string][]string{"ada": {"The Secret of Ada"}, "ben": {"Of Ben"}})
	p := browser.Open(t)
	p.Goto(x.works("download", "ada"))
	p.Wait(browser.Hook("works"))
	// Ada's versions are on the screen, and creators of hers on their way.
	p.Click("e2e.hook('works').querySelector('label')")
	p.Click(browser.Hook("next"))
	p.Wait(browser.Hook("versions"))
	p.Run(`globalThis.leaks = 0;
	  globalThis.armed = false;
	  new MutationObserver(() => { if (armed && e2e.hook('card').textContent.includes('Secret')) leaks++; }).observe(e2e.widget().shadowRoot, {subtree: true, childList: true, characterData: true})`)
	swap := func(user string, late string) {
		p.Run(fmt.Sprintf(`(() => { const w = e2e.widget(); w.externalUserId = %q; %s queueMicrotask(() => (armed = %t)); })()`, user, late, user == "ben"))
	}
	told := func(want string) {
		p.Wait(fmt.Sprintf("JSON.stringify([...e2e.hook('works')?.querySelectorAll('b') ?? []].map((b) => b.textContent)) === %q", want))
	}
	swap("ben", "")
	told(`["Of Ben"]`)
	swap("ada", "")
	told(`["The Secret of Ada"]`)

	// A list of Ada's that arrives when Ben is there.
	hold := p.Hold("GET", "/v1/works?")
	p.Run("e2e.widget().reset()")
	hers := hold.Await()
	swap("ben", "")
	his := hold.Await()
	hers.Gone()
	his.Go()
	hold.Release()
	told(`["Of Ben"]`)

	// Ada's token arrives after Ben signed in. It opens nothing for Ben.
	swap("ada", "")
	told(`["The Secret of Ada"]`)
	p.Run("import('/token.js?mode=download&user=ada&once=late').then((m) => (globalThis.hers = m.default))")
	swap("ben", "w.setToken(hers);")
	told(`["Of Ben"]`)
	// Another mode requests another token, and shows no one's data meanwhile.
	p.Run("e2e.widget().mode = 'update'")
	told(`["Of Ben"]`)
	p.Run("e2e.widget().removeAttribute('external-user-id')")
	p.Wait(browser.Hook("form-code"))
	if n := browser.Eval[int](p, "leaks"); n != 0 {
		t.Errorf("%d drawings with Ada’s song before Ben’s eyes", n)
	}
	// Without an end-user there is nothing to download.
	p.Run("e2e.widget().mode = 'download'")
	p.Wait(onScreen(0, "FAILED") + " && e2e.text('code') === 'widget.configuration_error'")
	p.Run("e2e.widget().externalUserId = 'ben'")
	told(`["Of Ben"]`)
	checkShapes(t, p.Events())
}

// TestOwnVanished has songs erased between the list and what is done with it.
func TestOwnVanished(t *testing.T) {
	t.Parallel()
	x := newOwnSite(t, map[string][]string{"ada": {"Kept"}})
	gone := []int64{x.songOf(t, "ada", "Gone Soon", 90, 0), x.songOf(t, "ada", "Gone Later", 91, 0)}
	p := browser.Open(t)
	p.Goto(x.works("update", "ada"))
	p.Wait("e2e.text('count') === '3 songs'")
	erase := func(id int64) {
		x.server.CLI(nil, "works", "redact", fmt.Sprint(id), "--network", "testnet", "--yes", "--blob-url", "file:"+filepath.Join(x.server.Data, "blobs"))
	}
	for i, id := range gone {
		p.Click(browser.Hook(fmt.Sprintf("work-%d", id)))
		if i == 0 {
			erase(id)
			p.Click(browser.Hook("next"))
		} else {
			p.Click(browser.Hook("next"))
			p.Wait(browser.Hook("work"))
			p.Click(browser.Hook("next"))
			erase(id)
			p.Click(browser.Hook("submit"))
		}
		p.Wait(onScreen(0, "FAILED") + " && e2e.text('message') === 'This song could not be found.'")
		if browser.Eval[bool](p, "!!e2e.hook('edit') || !!e2e.hook('standing')") {
			t.Error("what is gone can be changed")
		}
		p.Click(browser.Hook("retry"))
		p.Wait(fmt.Sprintf("e2e.hook('works')?.querySelectorAll('label').length === %d && e2e.focus() === 'heading'", 2-i))
		if slices.Contains(rows(p), []string{"Gone Soon", "Gone Later"}[i]) {
			t.Errorf("the list still has %v", rows(p))
		}
	}
	if n := len(named(p.Events(), "failed")); n != 2 {
		t.Errorf("%d failures", n)
	}
	checkShapes(t, p.Events())
}

// TestSecondFile loads the widget's second file in every possible way.
func TestSecondFile(t *testing.T) {
	t.Parallel()
	x := newOwnSite(t, map[string][]string{"ada": {"Carried"}})
	p := browser.Open(t)
	// A registration never fetches it.
	p.Goto(x.plain())
	p.Wait(browser.Hook("form-song"))
	if n := len(p.Requests("", "ats-widget-works")); n != 0 {
		t.Errorf("%d requests for the second file", n)
	}
	// Beside a classic script, under the strictest policy.
	x.host.Policy(x.host.StrictPolicy())
	p.Goto(x.host.Page("classic.html", x.element(`mode="update" external-user-id="ada"`)+`<script type="module" src="/host.js"></script><script defer src="/ats-widget.iife.js"></script>`))
	p.Wait(browser.Hook("works"))
	quiet(t, p)

	// Forgotten beside the script, where the policy allows no other place: it says so, and takes it once it is there.
	hold := p.Hold("GET", "/ats-widget-works.js")
	p.Goto(x.works("update", "ada"))
	hold.Await().Answer(404, "")
	p.Wait(onScreen(0, "FAILED") + " && e2e.text('code') === 'widget.network_error'")
	p.Click(browser.Hook("retry"))
	hold.Await().Go()
	p.Wait(browser.Hook("works"))

	// Where the policy allows it, it comes from the server.
	x.host.Policy("")
	p.Goto(x.works("update", "ada"))
	hold.Await().Answer(404, "")
	there := hold.Await()
	if want := x.server.URL + "/widget/" + widget.Version + "/ats-widget-works.js"; there.URL() != want {
		t.Errorf("asked for %s, want %s", there.URL(), want)
	}
	there.Go()
	p.Wait(browser.Hook("works"))
	hold.Release()
}

// TestOwnNarrowAndArabic updates a song and saves its certificate on a narrow
// screen, from right to left, without a mouse.
func TestOwnNarrowAndArabic(t *testing.T) {
	t.Parallel()
	x := newOwnSite(t, map[string][]string{"ada": {"أغنية الصباح", "Evening"}})
	p := browser.Open(t)
	p.Size(320, tall)
	p.Goto(x.works("update", "ada"))
	p.Run("Object.assign(document.documentElement, {lang: 'ar', dir: 'rtl'})")
	p.Wait("e2e.hook('card')?.dir === 'rtl' && " + browser.Hook("works"))
	reach := func(hook string) {
		t.Helper()
		for range 40 {
			if browser.Eval[string](p, "e2e.focus()") == hook {
				return
			}
			p.Press(browser.Tab, false)
		}
		t.Fatalf("Tab never leads to %s", hook)
	}
	stands := func(condition string) {
		t.Helper()
		p.Wait(condition)
		for _, line := range p.Overflow() {
			t.Errorf("%s: %s", condition, line)
		}
	}
	pick := func() {
		t.Helper()
		stands(browser.Hook("works"))
		reach("search")
		p.Keys("الصباح")
		p.Wait("e2e.hook('works').querySelectorAll('label').length === 1 && !e2e.hook('works').classList.contains('stale')")
		p.Press(browser.Down, false)
		p.Press(browser.Space, false)
		p.Wait("e2e.active().checked")
		p.Press(browser.Enter, false)
	}
	pick()
	stands(browser.Hook("work") + " && e2e.focus() === 'heading'")
	for _, hook := range []string{"next", "submit", "confirm"} {
		p.Wait(browser.Hook(hook))
		reach(hook)
		p.Press(browser.Enter, false)
	}
	stands(onScreen(0, "COMPLETE"))
	if got := browser.Eval[string](p, "e2e.text('version')"); got != "2" {
		t.Errorf("version %s", got)
	}

	saved := p.Downloads()
	p.Run("e2e.widget().mode = 'download'")
	pick()
	stands(browser.Hook("versions") + " && e2e.focus() === 'heading'")
	reach("certificate-2")
	p.Press(browser.Enter, false)
	if name, content := saved.Await(); name != "أغنية الصباح v2.pdf" || !bytes.HasPrefix(content, []byte("%PDF-")) {
		t.Errorf("saved as %s, %d bytes", name, len(content))
	}
	stands("e2e.focus() === 'certificate-2' && e2e.hook('told-certificate-2')?.classList.contains('good')")
	checkShapes(t, p.Events())
}

// TestOwnOtherNetwork changes the network when a song is chosen: the other
// network may have another song under its number, and that gets no version.
func TestOwnOtherNetwork(t *testing.T) {
	t.Parallel()
	x := newOwnSite(t, map[string][]string{"ada": {"Blue Morning"}})
	p := browser.Open(t)
	p.Goto(x.works("update", "ada"))
	p.Wait(browser.Hook("works"))
	p.Click("e2e.hook('works').querySelector('label')")
	p.Click(browser.Hook("next"))
	p.Wait(browser.Hook("work"))
	hold := p.Hold("GET", "/v1/works?network=mainnet")
	p.Run("e2e.widget().network = 'mainnet'")
	hold.Await().Answer(200, `{"works":[],"total_count":0,"page_info":{"has_next_page":false}}`)
	p.Wait(browser.Hook("none") + " && !" + browser.Hook("work"))
	// A change that does not affect its position keeps it chosen.
	hold.Release()
	p.Run("e2e.widget().network = 'testnet'")
	p.Wait(browser.Hook("works"))
	p.Click("e2e.hook('works').querySelector('label')")
	p.Click(browser.Hook("next"))
	p.Wait(browser.Hook("work"))
	p.Run("e2e.widget().maxFileSize = 1000000")
	p.Click(browser.Hook("next"))
	p.Wait(browser.Hook("form-creators"))
}
