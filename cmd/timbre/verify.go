package main

import (
	"bufio"
	"bytes"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"

	"timbre.example/proof/evidence"
	"timbre.example/proof/pdf"
)

// verifyCmd checks evidence offline: it opens only the files that the flags name.
type verifyCmd struct {
	Evidence    string        `example:"certificate.pdf" arg:"" type:"existingfile" placeholder:"FILE" help:"Evidence as JSON (at most 1 MiB), or a certificate as PDF with the evidence attached (at most 8 MiB)."`
	Media       string        `example:"song.wav" type:"existingfile" placeholder:"FILE" help:"The recording, of any size."`
	LogKey      []verifierKey `example:"log.pub" sep:"none" placeholder:"KEY" help:"The verifier key (NAME+HASH+BASE64) of a log that you trust, from another source than the evidence, or a file with it. Can be repeated. Without this flag the command cannot prove that the log is the right one."`
	TSACA       string        `example:"roots.pem" name:"tsa-ca" type:"existingfile" placeholder:"FILE" help:"Root certificates of time-stamp authorities that you trust (PEM). Without this flag the signer of a time-stamp is not checked."`
	Witnesses   string        `example:"policy.txt" name:"witness-policy" type:"existingfile" placeholder:"FILE" help:"The witnesses that you trust, and how many of them must have seen the block, as a policy file (c2sp.org/tlog-policy, at most 64 KiB). Its logs are trusted as those of --log-key."`
	Headers     string        `example:"headers.txt" name:"bitcoin-headers" type:"existingfile" placeholder:"FILE" help:"Headers of Bitcoin blocks for OpenTimestamps proofs: lines of a height and 160 hexadecimal digits, as 'bitcoin-cli getblockheader HASH false' prints them (at most 8 MiB)."`
	Save        string        `example:"evidence.json" type:"path" placeholder:"FILE" help:"Write the evidence as JSON to this file, readable by this user only, if no check failed."`
	OnlyCreator []int         `example:"1" placeholder:"N" help:"With --save: include only this creator, by position in the work, from 1. Can be repeated."`
	JSON        bool          `name:"json" help:"Print JSON: result, verdict, checks and evidence."`
}

// Help explains the output and the exit codes.
func (verifyCmd) Help() string {
	return `Each line says what one check proved, or why it proved nothing. The last lines
are the verdict, in the same words as the page /verify.

Exit codes:
  0  proved: no check failed, and the commitment is in the log of --log-key, seen by
     enough witnesses of --witness-policy.
  1  not proved. Either:
       - a check failed;
       - the file is not evidence, or cannot be read with certainty;
       - --log-key is missing;
       - too few witnesses of --witness-policy have seen it;
       - the network is a chain: ask a node of the chain.
  2  a flag or an argument is wrong.
  3  the PDF was changed after it was issued, but its evidence is proved.`
}

// remedies are what to do on the command line after a verdict that is not a proof.
var remedies = map[evidence.Verdict]string{
	evidence.PageChanged:    "use the certificate as it was issued, or save the evidence with --save",
	evidence.OtherRecording: "give the registered recording with --media",
	evidence.Untrusted:      "give the key of a log that you trust with --log-key",
	evidence.Unwitnessed:    "ask the registry for evidence with more cosignatures, or give another --witness-policy",
	evidence.Unknown:        "ask a node of the chain",
}

func (c *verifyCmd) Run(o *output) error {
	e, page, err := readEvidence(c.Evidence)
	if unread := (*unreadable)(nil); errors.As(err, &unread) && c.JSON {
		// A script receives JSON for unreadable files too.
		if err := o.print(true, struct {
			Result  string `json:"result"`
			Trouble string `json:"trouble"`
			Why     string `json:"why,omitempty"`
			Where   string `json:"where,omitempty"`
		}{"refused", unread.trouble, unread.why, unread.where}, nil); err != nil {
			return err
		}
	}
	if err != nil {
		return err
	}
	var opts evidence.Options
	for _, key := range c.LogKey {
		opts.Keys = append(opts.Keys, string(key))
	}
	if c.TSACA != "" {
		roots, err := os.ReadFile(c.TSACA)
		if err != nil {
			return wrongf("tsa-ca", "%s", plainly(err))
		}
		opts.Authorities = x509.NewCertPool()
		if !opts.Authorities.AppendCertsFromPEM(roots) {
			return wrongf("tsa-ca", "this file contains no certificate in PEM form")
		}
	}
	if err := c.trust(&opts); err != nil {
		return err
	}
	if c.Media != "" {
		m, err := os.Open(c.Media)
		if err != nil {
			return wrongf("media", "%s", plainly(err))
		}
		defer func() { _ = m.Close() }()
		opts.Media = m
	}
	report, err := evidence.Verify(e, opts)
	if err != nil {
		return err
	}
	if report.OK() && c.Save != "" {
		if err := c.save(e); err != nil {
			return err
		}
	}
	proved := evidence.Judge(e, report).Proved()
	if page != nil {
		report = append(evidence.Report{*page}, report...)
	}
	verdict := evidence.Judge(e, report)
	result, failure := "proved", error(nil)
	if !verdict.Proved() {
		if result = "not_proved"; verdict == evidence.PageChanged {
			result = "page_changed"
		} else if !report.OK() {
			result = "refused"
		}
		text := "not proved: " + verdict.Name()
		if remedy := remedies[verdict]; remedy != "" {
			text += "; " + remedy
		}
		failure = errors.New(text)
		if verdict == evidence.PageChanged && proved {
			failure = exitError{exitPageChanged, failure}
		}
	}
	if err := o.print(c.JSON, struct {
		Result   string            `json:"result"`
		Verdict  evidence.Verdict  `json:"verdict"`
		Test     bool              `json:"test_network"`
		Levels   []evidence.Level  `json:"levels"`
		Dates    []evidence.Date   `json:"dates"`
		Checks   evidence.Report   `json:"checks"`
		Evidence evidence.Evidence `json:"evidence"`
	}{result, verdict, e.OnTestNetwork(), report.Levels(), report.Dates(e), report, e}, func(w io.Writer) {
		describe(w, e)
		tell(w, report)
		fmt.Fprintf(w, "\n%-12s %s\n%-12s %s\n", "verdict", verdict.Name(), "", oneLine(verdict.Sentence(e)))
		if verdict.Proved() {
			proofOf(w, e, report)
		}
		if page != nil && page.Status == evidence.NotChecked && verdict.Proved() {
			fmt.Fprintf(w, "%-12s %s\n", "warning", evidence.PageWarning())
		}
		if e.OnTestNetwork() {
			fmt.Fprintf(w, "%-12s %s\n", "warning", evidence.TestWarning())
		}
	}); err != nil {
		return err
	}
	return failure
}

// proofOf prints the dates and the levels of a proof, and what it does not say.
func proofOf(w io.Writer, e evidence.Evidence, report evidence.Report) {
	for i, d := range report.Dates(e) {
		name := ""
		if i == 0 {
			name = "dates"
		}
		fmt.Fprintf(w, "%-12s %s\n", name, oneLine(d.Sentence(clock)))
	}
	for i, l := range report.Levels() {
		name := ""
		if i == 0 {
			name = "levels"
		}
		fmt.Fprintf(w, "%-12s %s. %s\n", name, l.Name(), l.Excludes())
	}
	if slices.ContainsFunc(report, func(c evidence.Check) bool { return c.Part != "" && c.Status == evidence.Failed }) {
		fmt.Fprintf(w, "%-12s %s\n", "warning", evidence.IgnoredWarning())
	}
	fmt.Fprintf(w, "%-12s %s\n", "note", evidence.LaterVersions())
}

// trust adds the witnesses and blocks that the flags name.
func (c *verifyCmd) trust(opts *evidence.Options) error {
	if c.Witnesses != "" {
		text, err := readAtMost(c.Witnesses, maxPolicyFile)
		if err != nil {
			return wrongf("witness-policy", "%s", plainly(err))
		}
		policy, err := evidence.ParsePolicy(text)
		if err != nil {
			return wrongf("witness-policy", "%s", plainly(err))
		}
		opts.Policy = &policy
	}
	if c.Headers != "" {
		text, err := readAtMost(c.Headers, maxHeadersFile)
		if err != nil {
			return wrongf("bitcoin-headers", "%s", plainly(err))
		}
		headers, err := parseHeaders(text)
		if err != nil {
			return wrongf("bitcoin-headers", "%s", plainly(err))
		}
		opts.Blocks = headers.block
	}
	return nil
}

// The largest files of --witness-policy and --bitcoin-headers, in bytes.
const maxPolicyFile, maxHeadersFile = 64 << 10, 8 << 20

// readAtMost reads a file of at most most bytes.
func readAtMost(path string, most int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	text, err := io.ReadAll(io.LimitReader(f, most+1))
	if err == nil && int64(len(text)) > most {
		err = fmt.Errorf("this file is larger than %d bytes", most)
	}
	return text, err
}

// Validate refuses flags that do not go together.
func (c *verifyCmd) Validate() error {
	if len(c.OnlyCreator) > 0 && c.Save == "" {
		return wrongf("only-creator", "can only be used together with --save, which names the file to write")
	}
	return nil
}

func (c *verifyCmd) save(e evidence.Evidence) (err error) {
	if len(c.OnlyCreator) > 0 {
		if e, err = only(e, c.OnlyCreator); err != nil {
			return err
		}
	}
	text, err := evidence.Encode(e)
	if err != nil {
		return err
	}
	if err := writePrivate(c.Save, text); err != nil {
		return wrongf("save", "cannot write this file: %s", plainly(err))
	}
	return nil
}

// verifierKey is a log's verifier key. The flag's value is the key or the name of a file
// with it.
type verifierKey string

func (k *verifierKey) UnmarshalText(given []byte) error {
	key := string(given)
	if _, err := note.NewVerifier(key); err != nil {
		f, err := os.Open(key)
		if err != nil {
			return errors.New("must be a verifier key (NAME+HASH+BASE64), or a file with one")
		}
		defer func() { _ = f.Close() }()
		text, err := io.ReadAll(io.LimitReader(f, 1<<10))
		if err != nil {
			return err
		}
		key = strings.TrimSpace(string(text))
		if _, err := note.NewVerifier(key); err != nil {
			return errors.New("this file contains no verifier key (NAME+HASH+BASE64)")
		}
	}
	*k = verifierKey(key)
	return nil
}

// unreadable is the error of a file without readable evidence. trouble is a key of the
// texts of the page /verify; why and where are the rule of docs/pdf.md that a PDF breaks, and the part
// that breaks it.
type unreadable struct {
	trouble, why, where string
	error
}

func (u *unreadable) Unwrap() error { return u.error }

// readEvidence reads evidence, or a certificate with evidence attached. For any other
// file the error uses the texts of the page /verify. page is the check of the PDF's page,
// or nil if the file is not a certificate.
func readEvidence(path string) (e evidence.Evidence, page *evidence.Check, err error) {
	f, err := os.Open(path)
	if err != nil {
		return e, nil, err
	}
	defer func() { _ = f.Close() }()
	trouble := func(key string, err error) error {
		u := &unreadable{trouble: key, error: fmt.Errorf("%s: %s\n  %w", path, evidence.Trouble(key), err)}
		if refusal := (*pdf.Refusal)(nil); errors.As(err, &refusal) {
			u.why, u.where = refusal.Why, refusal.Where
		}
		return u
	}
	r := bufio.NewReaderSize(f, evidence.MaxSize+1)
	head, err := r.Peek(evidence.MaxSize + 1)
	if err != nil && err != io.EOF {
		return e, nil, fmt.Errorf("%s: %w", path, err)
	}
	if !pdf.Is(head) {
		if !looksLikeEvidence(head) {
			return e, nil, trouble("neither", errors.New("give the certificate or the evidence here, and the recording with --media"))
		}
		if e, err = evidence.Decode(r); err != nil {
			return e, nil, trouble(damage(head), err)
		}
		return e, nil, nil
	}
	file, err := io.ReadAll(io.LimitReader(r, pdf.MaxFile+1))
	if err != nil {
		return e, nil, err
	}
	attached, err := pdf.Read(file)
	if refusal := (*pdf.Refusal)(nil); errors.As(err, &refusal) {
		return e, nil, trouble(string(refusal.Trouble), err)
	} else if err != nil {
		return e, nil, err
	}
	if e, err = evidence.Decode(bytes.NewReader(attached.Evidence)); err != nil {
		return e, nil, trouble(damage(attached.Evidence), err)
	}
	status := evidence.NotChecked
	if attached.Changed {
		status = evidence.Failed
	}
	check := evidence.Page(status, evidence.PageWhy(string(status)))
	return e, &check, nil
}

// looksLikeEvidence reports whether the bytes begin as a JSON object and contain the
// member "evidence".
func looksLikeEvidence(head []byte) bool {
	return bytes.HasPrefix(bytes.TrimLeft(head, " \t\r\n"), []byte("{")) && bytes.Contains(head, []byte(`"evidence"`))
}

// damage returns why evidence cannot be read: "otherVersion" (another format number) or
// "damaged".
func damage(text []byte) string {
	var claims struct{ Evidence json.Number }
	if json.Unmarshal(text, &claims) == nil && claims.Evidence != "" && claims.Evidence != "1" && claims.Evidence != json.Number(strconv.Itoa(evidence.Format)) {
		return "otherVersion"
	}
	return "damaged"
}

// roleNames are the roles' names on screens.
var roleNames = map[string]string{"author": "lyrics", "composer": "music", "arranger": "arrangement", "adapter": "adaptation"}

// describe prints the work that the evidence is about. Another person chose its texts, so
// they are quoted: none of them can look like a line of timbre.
func describe(w io.Writer, e evidence.Evidence) {
	fmt.Fprintf(w, "%-12s %q\n", "title", e.Title)
	for _, c := range e.Creators {
		roles := make([]string, len(c.Roles))
		for i, r := range c.Roles {
			roles[i] = roleNames[r.String()]
		}
		fmt.Fprintf(w, "%-12s %d. %q, %q: %s", "creator", c.Proof.Index()+1, c.FullName, c.Email, strings.Join(roles, ", "))
		if c.IPI != nil {
			fmt.Fprintf(w, "; IPI %s", *c.IPI)
		}
		if c.ISNI != nil {
			fmt.Fprintf(w, "; ISNI %s", *c.ISNI)
		}
		fmt.Fprintln(w)
	}
	fmt.Fprintf(w, "%-12s file hash (SHA-256) %s, %d bytes\n", "recording", e.Media.SHA256, e.Media.SizeBytes)
	fmt.Fprintf(w, "%-12s registration number %d, version %d, on %q", "work", e.AtsID, e.Version, e.Network.Name)
	if e.Log != nil {
		fmt.Fprintf(w, ", the log %q", e.Log.Origin)
	}
	fmt.Fprintf(w, "\n%-12s %d, %s\n", "block", e.Block.Number, clock(e.Block.Time))
	fmt.Fprintf(w, "%-12s %s\n\n", "commitment", e.Commitment)
}

func clock(t time.Time) string { return t.Format("2006-01-02 15:04:05.000000 UTC") }

func tell(w io.Writer, report evidence.Report) {
	for _, one := range report {
		fmt.Fprintf(w, "%-12s %s\n", strings.ToLower(one.Status.Name()), oneLine(one.Proves))
		if one.Why != "" {
			fmt.Fprintf(w, "%-12s (%s)\n", "", oneLine(one.Why))
		}
	}
}
