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
	Untrusted      Verdict = "untrusted"       // all parts match, but the log's key, or the chain's authorities, are not trusted
	Unwitnessed    Verdict = "unwitnessed"     // all parts match, but too few trusted witnesses saw the block
	Unknown        Verdict = "unknown"         // the checks passed, but only the chain can confirm the rest: the evidence lacks a proof
	Fails          Verdict = "fails"           // at least one part does not match the registration
)

// Proved reports whether the verdict is a proof.
func (v Verdict) Proved() bool { return v == Verified || v == Registered }

// Name returns the verdict in a few words.
func (v Verdict) Name() string { return word("verdict_" + string(v)) }

// Sentence returns a sentence that explains the verdict on e. It names no date: see
// [Report.Dates].
func (v Verdict) Sentence(e Evidence) string {
	key := "say_" + string(v)
	if v == Untrusted && e.Substrate != nil {
		key += "_chain"
	}
	return strings.ReplaceAll(word(key), "{network}", e.Network.Name)
}

// Date is a date of the registration and the party that states it.
type Date struct {
	Time time.Time `json:"time"`
	// By is the name of the party, "" for the log or the chain itself.
	By string `json:"by"`
	// Independent reports whether the operator of the log cannot have chosen the date.
	Independent bool `json:"independent"`

	key string // the word of its sentence
}

// Sentence returns the date in a sentence. The caller's function at writes the time, with
// its zone.
func (d Date) Sentence(at func(time.Time) string) string {
	return strings.NewReplacer("{date}", at(d.Time), "{by}", d.By).Replace(word(d.key))
}

// Dates returns the dates of the registration: first those that others than the log state
// and that the report proves, the earliest one first, and at last that of the log itself.
func (r Report) Dates(e Evidence) (dates []Date) {
	for _, c := range r {
		if c.Time == nil || c.Status != OK {
			continue
		}
		switch {
		case c.Name == CheckToken && trusted(r, c.Part):
			dates = append(dates, Date{*c.Time, c.By, true, "since_authority"})
		case c.Name == CheckWitnesses:
			dates = append(dates, Date{*c.Time, c.By, true, "since_witnesses"})
		case c.Name == CheckBitcoin:
			dates = append(dates, Date{*c.Time, c.By, true, "since_bitcoin"})
		case c.Name == CheckAnchor:
			dates = append(dates, Date{*c.Time, c.By, true, "since_anchor"})
		}
	}
	slices.SortStableFunc(dates, func(a, b Date) int { return a.Time.Compare(b.Time) })
	own := Date{Time: e.Block.Time, key: "since_log"}
	switch {
	case e.Log == nil && r.OK() && r.onChain():
		own.key, own.Independent = "since_chain_final", true
	case e.Log == nil:
		own.key = "since_chain"
	case len(dates) == 0:
		own.key = "since_log_alone"
	}
	return append(dates, own)
}

// Level says how far a proof goes.
type Level string

// The levels, each better than the one before.
const (
	LevelRegistered Level = "registered" // only the registry says so; a report with a better level does not have it
	LevelNamed      Level = "named"      // on a chain, by authorities that only the evidence names; see Options.ChainCheckpoints
	LevelLogged     Level = "logged"     // a log that the caller trusts signed it
	LevelWitnessed  Level = "witnessed"  // enough trusted witnesses saw it in that log
	LevelStamped    Level = "stamped"    // a trusted authority dated it
	LevelChained    Level = "chained"    // a block of Bitcoin that the caller has, or a chain's block by authorities that the caller trusts, holds it
)

var levels = []Level{LevelRegistered, LevelNamed, LevelLogged, LevelWitnessed, LevelStamped, LevelChained}

// Name returns the level in a few words, and Excludes what it excludes.
func (l Level) Name() string {
	if l == LevelNamed { // the place is the same, only its reason is weaker
		l = LevelChained
	}
	return word("level_" + string(l))
}

func (l Level) Excludes() string { return word("excludes_" + string(l)) }

// Levels returns the levels that the report proves, in their order. A report with a failed
// check proves none; too few witnesses fail only their own level. [LevelRegistered] stands alone:
// with any other level, not only the registry says so.
func (r Report) Levels() (reached []Level) {
	for _, c := range r {
		if c.Status == Failed && c.Part == "" && c.Name != CheckWitnesses {
			return nil
		}
	}
	logged := r.proved(CheckLogKey) && r.proved(CheckInclusion)
	has := map[Level]bool{LevelNamed: r.final() && !r.onChain(), LevelLogged: logged, LevelWitnessed: logged && r.proved(CheckWitnesses), LevelChained: r.onChain()}
	for _, c := range r {
		if c.Status == OK && c.Name == CheckToken && trusted(r, c.Part) {
			has[LevelStamped] = true
		}
		if c.Status == OK && (c.Name == CheckBitcoin || c.Name == CheckAnchor) {
			has[LevelChained] = true
		}
	}
	for _, l := range levels {
		if has[l] {
			reached = append(reached, l)
		}
	}
	if reached == nil {
		return []Level{LevelRegistered}
	}
	return reached
}

// IgnoredWarning returns the warning to show when an attestation does not hold.
func IgnoredWarning() string { return word("ignored") }

// LaterVersions returns the sentence that says that evidence knows of no later version.
func LaterVersions() string { return word("later_versions") }

// Page returns the check of a certificate's page, for a caller that has read
// the PDF. Put it before the other checks of a [Report].
func Page(status Status, why string) Check {
	return Check{Name: CheckPage, Proves: word("check_page"), Status: status, Why: why}
}

// Form returns the check of a document's form, for a caller that got err from [Decode].
func Form(err error) Check {
	return Check{Name: CheckForm, Proves: word("check_form"), Status: Failed, Why: err.Error()}
}

// PageWhy returns why a check of the page did not pass.
func PageWhy(key string) string { return word("why_page_" + key) }

// PageWarning returns the warning to show with a proof when the evidence came in a
// PDF whose page was not checked.
func PageWarning() string { return word("say_page_not_checked") }

// Judge returns the verdict on e with the report r. Attestations that do not hold do not
// change it. The verdict OtherRecording says
// nothing about trust: see the check [CheckLogKey].
func Judge(e Evidence, r Report) Verdict {
	status := map[CheckName]Status{}
	failed := map[CheckName]bool{}
	note := func(r Report, besides ...CheckName) {
		for _, c := range r {
			if c.Part == "" && !slices.Contains(besides, c.Name) {
				status[c.Name] = c.Status
				failed[c.Name] = c.Status == Failed
			}
		}
	}
	note(r)
	trusted := status[CheckLogKey] == OK || r.onChain()
	if status[CheckLogKey] == Failed || status[CheckChain] == Failed {
		// With the key of another log the signature fails, too. A check with the
		// evidence's own key, or without a checkpoint, shows whether the evidence is damaged.
		own, _ := Verify(e, Options{}) // no recording, so no read can fail
		note(own, CheckMedia, CheckToken, CheckTokenAuthority, CheckDates)
	}
	media, page, witnesses := failed[CheckMedia], failed[CheckPage], failed[CheckWitnesses]
	delete(failed, CheckMedia)
	delete(failed, CheckPage)
	delete(failed, CheckWitnesses)
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
	case e.Log == nil && len(r) > 0 && !(status[CheckState] == OK && status[CheckTime] == OK && status[CheckFinality] == OK):
		return Unknown
	case !trusted:
		return Untrusted
	case witnesses:
		return Unwitnessed
	case status[CheckMedia] == OK:
		return Verified
	}
	return Registered
}

// TestWarning returns the warning to show with a verdict on evidence of a test network.
func TestWarning() string { return word("test_network") + ". " + word("say_test_network") }

// Name returns the status in one or two words.
func (s Status) Name() string { return word("status_" + string(s)) }

// wordsFile holds the English words of verdicts and checks. The page reads the same file
// (verify/src/texts.ts). commandFile holds those that the page does not need.
//
//go:embed words.json
var wordsFile []byte

//go:embed words_command.json
var commandFile []byte

var words = func() (all map[string]string) {
	for _, file := range [][]byte{wordsFile, commandFile} {
		if err := json.Unmarshal(file, &all); err != nil {
			panic(err) // the files are part of the program
		}
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

// filled returns a text of the file with its one place filled.
func filled(key, place, with string) string { return strings.ReplaceAll(word(key), place, with) }

// Trouble returns why a file cannot be read as evidence, in the page's words.
// The keys are those of words.json that begin with trouble_.
func Trouble(key string) string { return word("trouble_" + key) }
