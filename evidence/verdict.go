package evidence

import (
	_ "embed"
	"encoding/json"
	"slices"
	"strings"
	"time"
)

// Verdict is what all checks say together. The command timbre verify and the page
// /verify give the same verdict in the same words.
type Verdict string

// The verdicts. Verified and Registered are proofs; no other one is.
const (
	Verified       Verdict = "verified"        // everything, the recording among it
	Registered     Verdict = "registered"      // everything but the recording, which was not given
	PageChanged    Verdict = "page_changed"    // the evidence has no fault, but the page of the PDF that it came in was changed
	OtherRecording Verdict = "other_recording" // the recording that was given is not the registered one; the evidence has no fault
	Untrusted      Verdict = "untrusted"       // the parts match each other, in a log whose key is not trusted
	Unknown        Verdict = "unknown"         // what was checked matches, but only the chain can say the rest
	Fails          Verdict = "fails"           // something differs from what was registered
)

// Proved reports whether the verdict is a proof.
func (v Verdict) Proved() bool { return v == Verified || v == Registered }

// Name is the verdict in a few words.
func (v Verdict) Name() string { return word("verdict_" + string(v)) }

// Sentence explains the verdict on e. The time is written as the caller writes
// times, with its zone.
func (v Verdict) Sentence(e Evidence, at func(time.Time) string) string {
	return strings.NewReplacer("{date}", at(e.Block.Time), "{network}", e.Network.Name).Replace(word("say_" + string(v)))
}

// Page is the check on the page of the PDF that evidence came in, for a caller who
// has read that file: it goes before the others in a [Report].
func Page(status Status, why string) Check {
	return Check{Name: "page", Proves: word("check_page"), Status: status, Why: why}
}

// PageWhy explains a check of the page that did not pass.
func PageWhy(key string) string { return word("why_page_" + key) }

// PageWarning is what is said beside a verdict that is a proof, where evidence came in a
// PDF whose page was not checked.
func PageWarning() string { return word("say_page_not_checked") }

// Judge is the verdict on e, whose report is r. In words of the verdict
// OtherRecording nothing is said about trust: see the check log_key for that.
func Judge(e Evidence, r Report) Verdict {
	status := map[string]Status{}
	failed := map[string]bool{}
	note := func(r Report, besides ...string) {
		for _, c := range r {
			if !slices.Contains(besides, c.Name) {
				status[c.Name] = c.Status
				failed[c.Name] = c.Status == Failed
			}
		}
	}
	note(r)
	trusted := status["log_key"] == OK
	if status["log_key"] == Failed {
		// With another log's key its signature fails, too. Its own key says whether
		// the evidence was damaged.
		own, _ := Verify(e, Options{}) // without a recording nothing is read
		note(own, "media", "token", "token_authority")
	}
	media, page := failed["media"], failed["page"]
	delete(failed, "media")
	delete(failed, "page")
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
	case status["media"] == OK:
		return Verified
	}
	return Registered
}

// TestWarning is what is said beside the verdict on evidence of a test network.
func TestWarning() string { return word("test_network") + ". " + word("say_test_network") }

// Name is the status in a word or two.
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

// word is a text of the file. A key that is not there is a fault of the program.
func word(key string) string {
	text, ok := words[key]
	if !ok {
		panic("evidence: no words for " + key)
	}
	return text
}

// Trouble says why a file is no evidence that can be read, in the page's words.
// The keys are those of words.json that begin with trouble_.
func Trouble(key string) string { return word("trouble_" + key) }
