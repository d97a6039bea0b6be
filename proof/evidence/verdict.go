package evidence

import (
	_ "embed"
	"encoding/json"
	"slices"
	"strings"
	"time"
)

// Verdict is the result of all checks together. The command timbre verify and the
// page /verify give the same verdict in the same words.
type Verdict string

// The verdicts. Only Verified and Registered are proofs.
const (
	Verified       Verdict = "verified"        // every check passed, also that of the recording
	Registered     Verdict = "registered"      // every check passed, but no recording was given
	PageChanged    Verdict = "page_changed"    // the evidence passed, but the page of its PDF was changed
	OtherRecording Verdict = "other_recording" // the evidence passed, but the given recording is not the registered one
	Untrusted      Verdict = "untrusted"       // all parts match, but the log's key is not trusted
	Unknown        Verdict = "unknown"         // the checks passed, but only the chain can confirm the rest
	Fails          Verdict = "fails"           // at least one part does not match the registration
)

// Proved reports whether the verdict is a proof.
func (v Verdict) Proved() bool { return v == Verified || v == Registered }

// Name returns the verdict in a few words.
func (v Verdict) Name() string { return word("verdict_" + string(v)) }

// Sentence returns a sentence that explains the verdict on e. The caller's function
// at writes the time, with its zone.
func (v Verdict) Sentence(e Evidence, at func(time.Time) string) string {
	return strings.NewReplacer("{date}", at(e.Block.Time), "{network}", e.Network.Name).Replace(word("say_" + string(v)))
}

// Page returns the check of a certificate's page, for a caller that has read
// the PDF. Put it before the other checks of a [Report].
func Page(status Status, why string) Check {
	return Check{Name: CheckPage, Proves: word("check_page"), Status: status, Why: why}
}

// PageWhy returns why a check of the page did not pass.
func PageWhy(key string) string { return word("why_page_" + key) }

// PageWarning returns the warning to show with a proof when the evidence came in a
// PDF whose page was not checked.
func PageWarning() string { return word("say_page_not_checked") }

// Judge returns the verdict on e with the report r. The verdict OtherRecording says
// nothing about trust: see the check [CheckLogKey].
func Judge(e Evidence, r Report) Verdict {
	status := map[CheckName]Status{}
	failed := map[CheckName]bool{}
	note := func(r Report, besides ...CheckName) {
		for _, c := range r {
			if !slices.Contains(besides, c.Name) {
				status[c.Name] = c.Status
				failed[c.Name] = c.Status == Failed
			}
		}
	}
	note(r)
	trusted := status[CheckLogKey] == OK
	if status[CheckLogKey] == Failed {
		// With the key of another log the signature fails, too. A check with the
		// evidence's own key shows whether the evidence is damaged.
		own, _ := Verify(e, Options{}) // no recording, so no read can fail
		note(own, CheckMedia, CheckToken, CheckTokenAuthority)
	}
	media, page := failed[CheckMedia], failed[CheckPage]
	delete(failed, CheckMedia)
	delete(failed, CheckPage)
	for _, bad := range failed {
		if bad {
			return Fails
		}
	}
	switch {
	case page:
		return PageChanged
	case media:
		return OtherRecording
	case e.Log == nil && len(r) > 0:
		return Unknown
	case !trusted:
		return Untrusted
	case status[CheckMedia] == OK:
		return Verified
	}
	return Registered
}

// TestWarning returns the warning to show with a verdict on evidence of a test network.
func TestWarning() string { return word("test_network") + ". " + word("say_test_network") }

// Name returns the status in one or two words.
func (s Status) Name() string { return word("status_" + string(s)) }

// wordsFile holds the English words of verdicts and checks. The page reads the
// same file (verify/src/texts.ts).
//
//go:embed words.json
var wordsFile []byte

var words = func() (all map[string]string) {
	if err := json.Unmarshal(wordsFile, &all); err != nil {
		panic(err) // the file is part of the program
	}
	return all
}()

// word returns a text of the file. It panics for an unknown key, a bug of the program.
func word(key string) string {
	text, ok := words[key]
	if !ok {
		panic("evidence: no words for " + key)
	}
	return text
}

// Trouble returns why a file cannot be read as evidence, in the page's words.
// The keys are those of words.json that begin with trouble_.
func Trouble(key string) string { return word("trouble_" + key) }
