package e2e_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"timbre.example/internal/e2e/browser"
	"timbre.example/internal/e2e/harness"
)

// songMade registers a song of two people on the site, by mouse, and returns
// its access code.
func songMade(t *testing.T, x *site, p *browser.Page, title string) string {
	t.Helper()
	p.Goto(x.plain())
	fillSong(p, 0, noise(t, "First take.wav", 20_000), title)
	p.Click(browser.Hook("add-creator"))
	p.Type(browser.Hook("creator-1-fullName"), "Bo Composer")
	p.Type(browser.Hook("creator-1-email"), "bo@writers.example")
	p.Click(browser.Hook("creator-1-composer"))
	fillCreator(p, 0)
	p.Wait(browser.Hook("confirm"))
	confirm(p, 0)
	return stateOf(p, 0).AccessCode
}

// updater is a page with one widget that updates.
func (x *site) updater() string {
	return x.host.Page("update.html", x.element(`mode="update"`)+scripts)
}

// tokenCame waits until the page has answered every event that asks for a token.
// A step before would ask for one more, which the page answers too.
func tokenCame(p hands) {
	p.Wait(`performance.getEntriesByType('resource').filter((e) => e.name.includes('/token.js')).length >=
		e2e.events.filter((e) => e.name === 'ready' || e.name === 'token-expired').length`)
}

// open gives the code to the widget, the way a person does who copied it.
func open(p hands, code string) {
	p.Type(browser.Hook("access_code"), code)
	p.Click(browser.Hook("next"))
}

// retype puts another text into a field.
func retype(p *browser.Page, hook, text string) {
	p.Run(browser.Hook(hook) + ".select()")
	p.Type(browser.Hook(hook), "")
	p.Run(browser.Hook(hook) + ".select()")
	p.Keys(text)
}

// reviewed are the creators that the review shows, each with what becomes of it.
// sealed is everything that the review says of the creators.
func sealed(p *browser.Page) string {
	return strings.Join(browser.Eval[[]string](p, `e2e.all('[data-ats="review-creator"]').map((e) => [...e.children].map((c) => c.textContent.trim().replace(/\s+/g, ' ')).join(' '))`), " / ")
}

// reviewed is how the review names the creators.
func reviewed(p *browser.Page) string {
	return strings.Join(browser.Eval[[]string](p, `e2e.all('[data-ats="review-name"]').map((e) => e.textContent.trim().replace(/\s+/g, ' '))`), ", ")
}

// TestUpdateByMouse updates a song twice: the people, with the recording that is
// registered, and then the recording.
func TestUpdateByMouse(t *testing.T) {
	t.Parallel()
	x := newSite(t, harness.Start(t, harness.Options{}))
	p := browser.Open(t)
	code := songMade(t, x, p, "Once More")

	p.Goto(x.updater())
	tokenCame(p)
	// As a mail has it: broken over lines, with spaces around.
	p.Click(browser.Hook("access_code"))
	p.Run(fmt.Sprintf("document.execCommand('insertText', false, %q)", "  "+strings.ToUpper(code[:30])+"\n "+code[30:]+" \n"))
	p.Click(browser.Hook("next"))
	p.Wait(browser.Hook("work"))
	seen := browser.Eval[[]string](p, "['work-title', 'work-version', 'work-file'].map((h) => e2e.text(h))")
	if fmt.Sprint(seen) != "[Once More 1 First take.wav]" || browser.Eval[bool](p, "!!e2e.hook('title')") {
		t.Errorf("the song: %v; its title is fixed", seen)
	}
	p.Click(browser.Hook("next"))
	if got := browser.Eval[[]any](p, "['fullName', 'email'].map((f) => e2e.hook('creator-1-' + f).value).concat(e2e.hook('creator-1-composer').checked, e2e.hook('creator-1-author').checked)"); fmt.Sprint(got) != "[Bo Composer bo@writers.example true false]" {
		t.Errorf("prefilled: %v", got)
	}
	p.Click(browser.Hook("remove-creator-1"))
	retype(p, "creator-0-fullName", "Ana Maria Writer")
	p.Click(browser.Hook("add-creator"))
	p.Type(browser.Hook("creator-1-fullName"), "Cy Arranger")
	p.Type(browser.Hook("creator-1-email"), "cy@writers.example")
	p.Click(browser.Hook("creator-1-arranger"))
	p.Click(browser.Hook("submit"))
	p.Wait(browser.Hook("confirm"))
	if got := reviewed(p); got != "Ana Maria Writer changed, Cy Arranger added, Bo Composer removed" {
		t.Errorf("the review says %q", got)
	}
	if got := browser.Eval[string](p, "e2e.text('version') + ' ' + e2e.text('review-file').replace(/\\s+/g, ' ') + ' ' + e2e.text('price')"); got != "2 First take.wav same recording Free" {
		t.Errorf("the review says %q", got)
	}
	// The screen has all registered data of each creator, and the changes.
	if got := sealed(p); got != "Ana Maria Writer changed Lyrics ana@writers.example / Cy Arranger added Arrangement cy@writers.example / Bo Composer removed" {
		t.Errorf("the review says %q", got)
	}
	if n := len(p.Requests("POST", "/versions/confirm")); n != 0 {
		t.Errorf("%d confirms before the user agreed", n)
	}
	confirm(p, 0)
	if got := browser.Eval[[]any](p, "[e2e.text('version'), !!e2e.hook('code-stays'), !!e2e.hook('access-code'), 'accessCode' in e2e.state()]"); fmt.Sprint(got) != "[2 true false false]" {
		t.Errorf("the end shows %v", got)
	}
	first := p.Events()
	checkShapes(t, first)
	if got := course(first); got != "ready confirmed step complete" {
		t.Errorf("events %s", got)
	}
	if n := len(p.Requests("PUT", "")); n != 1 {
		t.Errorf("an update without a recording uploads: %d uploads with the registration's", n)
	}

	// Once more, with another recording.
	p.Click(browser.Hook("again"))
	p.Wait(browser.Hook("form-code"))
	tokenCame(p)
	open(p, code)
	p.Wait(browser.Hook("work"))
	p.SetFile(browser.Hook("file"), noise(t, "wrong.wav", 9_000))
	p.Wait("!" + browser.Hook("kept"))
	p.Click(browser.Hook("keep-file"))
	p.Wait(browser.Hook("kept") + " && e2e.focus() === 'file'")
	p.SetFile(browser.Hook("file"), noise(t, "Second take.wav", 30_000))
	p.Click(browser.Hook("next"))
	p.Click(browser.Hook("submit"))
	p.Wait(browser.Hook("confirm"))
	if got := browser.Eval[string](p, "e2e.text('version') + ' ' + e2e.text('review-file').replace(/\\s+/g, ' ')") + ", " + reviewed(p); got != "3 Second take.wav new recording 30 kB, Ana Maria Writer, Cy Arranger" {
		t.Errorf("the review says %q", got)
	}
	confirm(p, 0)
	end := p.Events()[len(first):]
	checkShapes(t, end)
	if got := course(end); got != "token-expired upload-start upload-progress upload-complete confirmed step complete" {
		t.Errorf("events %s", got)
	}
	if one, two := member[int64](t, first[len(first)-1], "atsId"), member[int64](t, end[len(end)-1], "atsId"); one != two {
		t.Errorf("versions of works %d and %d", one, two)
	}
	// The screen states that nothing changed before the payment.
	p.Click(browser.Hook("again"))
	p.Wait(browser.Hook("form-code"))
	tokenCame(p)
	open(p, code)
	p.Wait(browser.Hook("work"))
	p.Click(browser.Hook("next"))
	p.Click(browser.Hook("submit"))
	p.Wait(browser.Hook("confirm"))
	if !browser.Eval[bool](p, "!!e2e.hook('nothing-new')") {
		t.Error("the review does not say that nothing is changed")
	}
	quiet(t, p)
}

// TestUpdateCodes types codes that open nothing. Each time the field says so,
// has the focus, and keeps what was typed.
func TestUpdateCodes(t *testing.T) {
	t.Parallel()
	x := newSite(t, harness.Start(t, harness.Options{}))
	p := browser.Open(t)
	code := songMade(t, x, p, "Locked")
	p.Goto(x.updater())
	p.Wait(browser.Hook("access_code"))
	fresh := rotated(t, x, p, code)
	for _, c := range []struct {
		code, typed string
		request     bool // raised by the server
	}{
		{"access_code.format_invalid", code[:67], false},
		{"access_code.not_found", "atc_" + strings.Repeat("0", 64), true},
		{"access_code.expired", code, true},
	} {
		before := len(p.Events())
		retype(p, "access_code", c.typed)
		p.Click(browser.Hook("next"))
		p.Wait(fmt.Sprintf("%s && e2e.focus() === 'access_code' && e2e.events.length > %d", browser.Hook("error-access_code"), before))
		checkField(t, p, c.code, "access_code")
		e := p.Events()[len(p.Events())-1]
		if got, stage := member[string](t, e, "code"), member[string](t, e, "stage"); e.Name != "error" || got != c.code || stage != "access_code" {
			t.Errorf("%s: event %s %s", c.code, e.Name, e.Detail)
		}
		if id := member[*string](t, e, "requestId"); (id != nil) != c.request {
			t.Errorf("%s: request id %v", c.code, id)
		}
		if kept := browser.Eval[string](p, "e2e.hook('access_code').value"); kept != c.typed {
			t.Errorf("%s: the field holds %q", c.code, kept)
		}
	}
	retype(p, "access_code", fresh)
	p.Press(browser.Enter, false)
	p.Wait(browser.Hook("work"))
	checkShapes(t, p.Events())
	if n := len(named(p.Events(), "failed")); n != 0 {
		t.Errorf("%d failures", n)
	}
}

// rotated replaces an access code with a session of the site, as its owner does.
func rotated(t *testing.T, x *site, p *browser.Page, code string) string {
	t.Helper()
	token := browser.Eval[string](p, "import('/token.js?mode=update&once=rotate').then((m) => m.default)")
	req, err := http.NewRequest("POST", x.server.URL+"/v1/access/"+code+"/rotate", strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	req.Header = http.Header{"Authorization": {"Bearer " + token}, "X-Site-Key": {x.siteKey}, "Content-Type": {"application/json"}, "Origin": {x.host.URL}}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var body struct {
		AccessCode string `json:"access_code"`
	}
	if err := json.NewDecoder(res.Body).Decode(&body); err != nil || body.AccessCode == "" {
		t.Fatalf("rotate: %s %v", res.Status, err)
	}
	return body.AccessCode
}

// TestUpdateOvertaken: two people update the same song. The second one gets an error when
// accepting the price, sees the current song, and loses nothing that was typed or chosen.
func TestUpdateOvertaken(t *testing.T) {
	t.Parallel()
	x := newSite(t, harness.Start(t, harness.Options{}))
	p := browser.Open(t)
	code := songMade(t, x, p, "Overtaken")
	p.Size(1280, tall)
	p.Goto(x.host.Page("both.html", `<div class="side">`+x.element(`id="one" mode="update"`)+x.element(`id="two" mode="update"`)+`</div>`+scripts))
	for i, name := range []string{"Ana One", "Ana Two"} {
		in := func(hook string) string { return browser.HookIn(i, hook) }
		p.Type(in("access_code"), code)
		p.Click(in("next"))
		p.Wait(in("work"))
		if i == 1 {
			p.SetFile(in("file"), noise(t, "theirs.wav", 25_000))
		}
		p.Click(in("next"))
		p.Run(in("creator-0-fullName") + ".select()")
		p.Keys(name)
		p.Click(in("submit"))
		p.Wait(in("confirm"))
	}
	confirm(p, 0)
	p.Click(browser.HookIn(1, "confirm"))
	p.Wait(onScreen(1, "FAILED"))
	if got := browser.Eval[string](p, "e2e.text('code', 1)"); got != "version.already_in_progress" {
		t.Fatalf("code %s", got)
	}
	p.Click(browser.HookIn(1, "retry"))
	p.Wait(browser.HookIn(1, "moved"))
	if got := browser.Eval[string](p, "e2e.text('work-version', 1) + ' ' + e2e.text('file-name', 1)"); got != "2 theirs.wav" {
		t.Errorf("after looking anew: %s", got)
	}
	p.Click(browser.HookIn(1, "next"))
	if got := browser.Eval[string](p, "e2e.hook('creator-0-fullName', 1).value"); got != "Ana Two" {
		t.Errorf("typed before: %q", got)
	}
	p.Click(browser.HookIn(1, "submit"))
	p.Wait(browser.HookIn(1, "confirm"))
	confirm(p, 1)
	if got := browser.Eval[string](p, "e2e.text('version', 1)"); got != "3" {
		t.Errorf("version %s", got)
	}
	events := p.Events()
	checkShapes(t, events)
	if n := len(named(only(events, "two"), "failed")); n != 1 {
		t.Errorf("%d failures", n)
	}
}

// TestUpdateByKeyboard updates a song with Tab, Space and Enter alone, in a
// narrow window.
func TestUpdateByKeyboard(t *testing.T) {
	t.Parallel()
	x := newSite(t, harness.Start(t, harness.Options{}))
	p := browser.Open(t)
	code := songMade(t, x, p, "By Keyboard")
	p.InterceptChooser()
	p.Size(320, 640)
	p.Goto(x.host.Page("keys.html", `<a href="#before">Before</a>`+x.element(`mode="update"`)+`<a href="#after">After</a>`+scripts))
	p.Wait(browser.Hook("access_code"))
	k := keyboard{t, p}
	k.to("access_code")
	p.Keys("atc_")
	p.Press(browser.Enter, false)
	p.Wait(browser.Hook("error-access_code"))
	k.on("access_code")
	p.Run("e2e.hook('access_code').select()")
	p.Keys(code)
	k.leaves("access_code", "lost-code")
	k.to("access_code")
	p.Press(browser.Enter, false)
	k.heading("song", "Update your song")
	p.Wait(browser.Hook("work"))
	k.to("file")
	p.Press(browser.Space, false)
	p.ChooseFile(fixtures + "opusenc.opus")
	p.Wait("e2e.text('file-name') === 'opusenc.opus'")
	k.to("keep-file")
	p.Press(browser.Space, false)
	p.Wait(browser.Hook("kept"))
	k.on("file")
	p.Press(browser.Space, false)
	p.ChooseFile(fixtures + "opusenc.opus")
	p.Wait("e2e.text('file-name') === 'opusenc.opus'")
	k.leaves("certificate", "back")
	k.to("next")
	p.Press(browser.Enter, false)
	k.heading("who", "Who made it?")
	k.to("remove-creator-1")
	p.Press(browser.Enter, false)
	p.Wait("e2e.focus() === 'creator-0-fullName'")
	k.to("submit")
	p.Press(browser.Enter, false)
	p.Wait(browser.Hook("confirm"))
	k.heading("review", "Check and confirm")
	k.to("confirm")
	p.Press(browser.Space, false)
	p.Wait(onScreen(0, "COMPLETE"))
	k.heading("done", "Your song is updated")
	k.to("again")
	p.Press(browser.Enter, false)
	k.heading("again", "Update your song")
	p.Wait("e2e.hook('access_code').value === ''")
	checkShapes(t, p.Events())
	quiet(t, p)
}

// TestUpdateLooks goes through the screens of an update and looks at each from
// all sides.
func TestUpdateLooks(t *testing.T) {
	t.Parallel()
	x := newSite(t, harness.Start(t, harness.Options{}))
	p := browser.Open(t)
	code := songMade(t, x, p, "The Ferryman’s Daughter")
	v := newViewer(t, p)
	p.Goto(x.updater())
	v.load()
	p.Wait(browser.Hook("access_code"))
	v.see("code")
	p.Type(browser.Hook("access_code"), code[:40])
	p.Click(browser.Hook("next"))
	p.Wait(browser.Hook("error-access_code"))
	v.see("code-error")
	v.colour("code-error")
	retype(p, "access_code", code)
	hold := p.Hold("", "/v1/access/")
	p.Click(browser.Hook("next"))
	looking := hold.Await()
	p.Wait(browser.Hook("progress"))
	v.see("opening")
	refuse := func(held *browser.Held, status int, code string, headers ...string) {
		held.Answer(status, `{"error":{"code":"`+code+`","message":"m","request_id":"req_01M84P5Y0S9D5JKPTP7BAC8R4F"}}`, headers...)
	}
	refuse(looking, 429, "common.rate_limited", "Retry-After: 30")
	p.Wait(browser.Hook("notice"))
	v.see("limited")
	p.Click(browser.Hook("cancel"))
	p.Click(browser.Hook("next"))
	refuse(hold.Await(), 429, "common.rate_limited", "Retry-After: 3600")
	p.Wait(onScreen(0, "FAILED"))
	v.see("limited-long")
	p.Click(browser.Hook("retry"))
	hold.Await().Go()
	hold.Release()
	p.Wait(browser.Hook("work"))
	v.see("song")
	v.colour("song")
	p.SetFile(browser.Hook("file"), noise(t, "A rather long name of a song that was exported (final mix, master 2).wav", 400_000))
	p.Wait(browser.Hook("keep-file"))
	v.see("song-file")
	p.Click(browser.Hook("next"))
	p.Click(browser.Hook("remove-creator-1"))
	retype(p, "creator-0-fullName", "Ana Maria Writer")
	p.Click(browser.Hook("add-creator"))
	p.Type(browser.Hook("creator-1-fullName"), "Cy Arranger")
	p.Type(browser.Hook("creator-1-email"), "cy@writers.example")
	p.Click(browser.Hook("creator-1-arranger"))
	hold = p.Hold("", "/versions/prepare")
	p.Click(browser.Hook("submit"))
	hold.Await().Answer(409, `{"error":{"code":"work.already_registered","message":"m","details":{"ats_id":7},"request_id":"req_01M84P5Y0S9D5JKPTP7BAC8R4F"}}`)
	p.Wait(onScreen(0, "FAILED"))
	if got := browser.Eval[string](p, "e2e.text('taken')"); !strings.Contains(got, "your access code") {
		t.Errorf("of a recording that is registered is said: %q", got)
	}
	v.see("taken")
	p.Click(browser.Hook("retry"))
	p.Wait(browser.Hook("error-file"))
	checkField(t, p, "a recording that is registered", "file")
	v.see("taken-form")
	hold.Release()
	p.Click(browser.Hook("next"))
	p.Click(browser.Hook("submit"))
	p.Wait(browser.Hook("confirm"))
	v.see("review")
	v.colour("review")
	confirm(p, 0)
	v.see("complete")

	// Without any change, and then too late.
	p.Click(browser.Hook("again"))
	p.Wait(browser.Hook("access_code"))
	tokenCame(p)
	open(p, code)
	p.Wait(browser.Hook("work"))
	p.Click(browser.Hook("next"))
	p.Click(browser.Hook("submit"))
	p.Wait(browser.Hook("confirm"))
	v.see("review-unchanged")
	hold = p.Hold("", "/versions/confirm")
	p.Click(browser.Hook("confirm"))
	refuse(hold.Await(), 503, "common.service_unavailable", "Retry-After: 2")
	p.Wait(onScreen(0, "FAILED"))
	v.see("unsure")
	p.Click(browser.Hook("retry"))
	refuse(hold.Await(), 409, "version.already_in_progress")
	p.Wait(onScreen(0, "FAILED") + " && e2e.text('code') === 'version.already_in_progress'")
	v.see("overtaken")
	hold.Release()
	hold = p.Hold("", "/v1/access/")
	p.Click(browser.Hook("retry"))
	hold.Await().Answer(200, `{"ats_id":1,"title":"The Ferryman’s Daughter","latest_version":9,"asset_filename":"Theirs.wav","creators":[{"full_name":"Ana Writer","email":"ana@writers.example","roles":["author"]}]}`)
	p.Wait(browser.Hook("moved"))
	v.see("moved")
	hold.Release()
	v.done()
}

// TestSwitchMode changes the mode of a widget that shows the form, sends a
// file, has ordered, and is done.
func TestSwitchMode(t *testing.T) {
	t.Parallel()
	x := newSite(t, harness.Start(t, harness.Options{}))
	p := browser.Open(t)
	p.Goto(x.plain())
	mode := func(to string) { p.Run("e2e.widget().mode = '" + to + "'") }
	told := func(want string) {
		t.Helper()
		p.Wait(fmt.Sprintf("e2e.events.slice(-1).map((e) => e.name + ' ' + (e.detail.mode ?? e.detail.pendingAction)).join() === %q", want))
	}

	// At the form: an empty one of the other mode. The page gives a fitting token by itself and is not asked.
	p.Type(browser.Hook("title"), "Gone")
	mode("update")
	p.Wait(browser.Hook("form-code"))
	told("ready update")
	mode("register")
	p.Wait(browser.Hook("form-song"))
	told("ready register")
	if title := browser.Eval[string](p, "e2e.hook('title').value"); title != "" {
		t.Errorf("the form still holds %q", title)
	}
	// A mode that this version does not have, and back.
	mode("download")
	p.Wait(onScreen(0, "FAILED"))
	if got := browser.Eval[string](p, "e2e.text('code')"); got != "widget.configuration_error" {
		t.Errorf("download: %s", got)
	}
	mode("register")
	p.Wait(browser.Hook("form-song"))

	// While a file is being sent: nothing is ordered yet, the upload stops.
	hold := p.Hold("PUT", "/blob/")
	fill(p, 0, noise(t, "stopped.wav", 30_000), "Stopped")
	hold.Await()
	mode("update")
	p.Wait(browser.Hook("form-code"))
	hold.Release()
	told("ready update")
	mode("register")
	p.Wait(browser.Hook("form-song"))
	told("ready register")

	// After the order: it goes on to its end and shows its access code. The other
	// mode comes with the next form.
	fill(p, 0, noise(t, "ordered.wav", 30_000), "Ordered")
	p.Wait(browser.Hook("confirm"))
	hold = p.Hold("", "/v1/works/confirm")
	p.Click(browser.Hook("confirm"))
	confirming := hold.Await()
	mode("update")
	confirming.Go()
	hold.Release()
	p.Wait(onScreen(0, "COMPLETE"))
	mode("update") // as a framework does that sets everything again
	code := stateOf(p, 0).AccessCode
	if code == "" || browser.Eval[string](p, "e2e.text('access-code')") != code {
		t.Error("the access code is lost")
	}
	before := len(p.Events())
	p.Click(browser.Hook("again"))
	p.Wait(browser.Hook("unsaved"))
	p.Click(browser.Hook("again"))
	p.Wait(browser.Hook("form-code"))
	p.Wait(fmt.Sprintf("e2e.events.length === %d", before+2))
	if got := course(p.Events()[before:]); got != "token-expired ready" {
		t.Errorf("events %s", got)
	}
	tokenCame(p)
	open(p, code)
	p.Wait(browser.Hook("work"))

	// A song that is done is left for another mode at once.
	p.Click(browser.Hook("next"))
	p.Click(browser.Hook("submit"))
	p.Wait(browser.Hook("confirm"))
	confirm(p, 0)
	mode("register")
	p.Wait(browser.Hook("form-song"))
	checkShapes(t, p.Events())
	if n := len(named(p.Events(), "failed")); n != 1 {
		t.Errorf("%d failures, want that of download", n)
	}
}

// TestSwitchUser changes the end-user of a widget that is being filled in: the
// next one finds an empty form, and the widget requests a token.
func TestSwitchUser(t *testing.T) {
	t.Parallel()
	x := newSite(t, harness.Start(t, harness.Options{}))
	p := browser.Open(t)
	p.Goto(x.plain())
	tokenCame(p) // a first token that comes after the change would answer it
	p.Type(browser.Hook("title"), "Gone")
	p.Run("e2e.widget().externalUserId = 'ada'")
	p.Wait("e2e.hook('title').value === ''")
	p.Wait("e2e.events.at(-1).name === 'token-expired' && e2e.events.at(-1).detail.pendingAction === 'submit'")
}

// TestReloadedUpdate reloads the page during an update. The tab continues the update and
// still has its title and version.
func TestReloadedUpdate(t *testing.T) {
	t.Parallel()
	x := newSite(t, harness.Start(t, harness.Options{}))
	p := browser.Open(t)
	code := songMade(t, x, p, "Reloaded <b>")
	p.Goto(x.updater())
	tokenCame(p)
	open(p, code)
	p.Wait(browser.Hook("work"))
	p.Click(browser.Hook("next"))
	p.Click(browser.Hook("submit"))
	p.Wait(browser.Hook("confirm"))
	// The socket stays silent until the page is another.
	p.Run("globalThis.WebSocket = class { close() {} }")
	p.Click(browser.Hook("confirm"))
	p.Wait("e2e.events.some((e) => e.name === 'confirmed')")
	if kept := browser.Eval[string](p, "JSON.stringify(sessionStorage)"); strings.Contains(kept, "atc_") || !strings.Contains(kept, "Reloaded") {
		t.Errorf("kept over a reload: %s", kept)
	}
	p.Goto(x.updater())
	p.Wait(onScreen(0, "COMPLETE"))
	if got := browser.Eval[string](p, "e2e.hook('heading').textContent + ' ' + e2e.text('version') + ' ' + e2e.hook('card').textContent.includes('Reloaded <b>')"); got != "Your song is updated 2 true" {
		t.Errorf("after a reload: %s", got)
	}
}
