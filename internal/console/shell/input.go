package shell

import (
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"timbre.example/internal/fault"
)

// Limits on one form.
const (
	maxForm   = 256 << 10 // bytes of all fields that are not files
	maxFields = 300
	maxName   = 100 // bytes of a field's name
)

// tokenField has the CSRF token of a form.
const tokenField = "csrf"

// Upload is a file of a form.
type Upload struct {
	Name string // as the browser sent it; never a path to trust
	Data []byte
}

// Problem is what is wrong with a field: a rule of the texts "rule.*", and its placeholders. Message is
// an English sentence for a rule without a text.
type Problem struct {
	Rule    string
	Pairs   []any
	Message string
}

// Input is the values of a form or query, with what is wrong with them.
type Input struct {
	fields   []Field
	values   map[string][]string
	files    map[string]*Upload
	stored   map[string][]string
	problems map[string]Problem
	// refused is the error of the handler that concerns the whole form.
	refused *fault.Error
	token   string
}

func newInput(fields []Field) *Input {
	return &Input{fields: fields, values: map[string][]string{}, files: map[string]*Upload{}, stored: map[string][]string{}, problems: map[string]Problem{}}
}

// Text returns the text of a field, or "".
func (in *Input) Text(name string) string {
	if v := in.values[name]; len(v) > 0 {
		return v[0]
	}
	return ""
}

// All returns the values of a field.
func (in *Input) All(name string) []string { return in.values[name] }

// Number returns the number of a field; 0 if the field is empty.
func (in *Input) Number(name string) int64 {
	n, _ := strconv.ParseInt(in.Text(name), 10, 64)
	return n
}

// Checked reports whether a check is set.
func (in *Input) Checked(name string) bool { return len(in.values[name]) > 0 }

// File returns an uploaded file, or nil.
func (in *Input) File(name string) *Upload { return in.files[name] }

// Fail says what is wrong with a field: a rule with the text "rule.NAME", and its placeholders. The first
// problem of a field counts.
func (in *Input) Fail(name, rule string, pairs ...any) {
	if _, ok := in.problems[name]; !ok {
		in.problems[name] = Problem{Rule: rule, Pairs: pairs}
	}
}

// OK reports whether nothing is wrong.
func (in *Input) OK() bool { return len(in.problems) == 0 && in.refused == nil }

func (in *Input) field(name string) (Field, bool) {
	at := slices.IndexFunc(in.fields, func(f Field) bool { return f.Name == name })
	if at < 0 {
		return Field{}, false
	}
	return in.fields[at], true
}

// refuse takes an error of a handler as a problem of the form. It reports false for an error that the
// form cannot show.
func (in *Input) refuse(err error) (status int, shown bool) {
	var f *fault.Error
	if !errors.As(err, &f) {
		return 0, false
	}
	switch f.Status() {
	case http.StatusBadRequest, http.StatusForbidden, http.StatusConflict, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType,
		http.StatusUnprocessableEntity, http.StatusTooManyRequests:
	default:
		return 0, false
	}
	placed := false
	if fields, ok := f.Details["fields"].([]fault.Field); ok {
		for _, one := range fields {
			name := strings.NewReplacer("[", ".", "]", "").Replace(one.Field)
			name, _, _ = strings.Cut(name, ".")
			if _, known := in.field(name); known {
				placed = true
				if _, twice := in.problems[name]; !twice {
					in.problems[name] = Problem{Rule: one.Rule, Message: one.Message}
				}
			}
		}
	}
	if !placed {
		in.refused = f
	}
	return f.Status(), true
}

// query reads the query of a page. Unknown fields are ignored: links to a page may carry them.
func (in *Input) query(q url.Values) {
	for _, f := range in.fields {
		in.take(f, q[f.Name])
	}
}

// errForm: a body that no form of the console sends.
var errForm = fault.CommonBadRequest("form")

// body reads the form of a POST. A form with a file is multipart/form-data.
func (in *Input) body(r *http.Request) error {
	kind, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	files := slices.ContainsFunc(in.fields, func(f Field) bool { return f.Kind == kindFile })
	var values url.Values
	switch {
	case err == nil && kind == "application/x-www-form-urlencoded" && !files:
		values, err = urlencoded(r.Body)
	case err == nil && kind == "multipart/form-data" && files:
		values, err = in.parts(multipart.NewReader(r.Body, params["boundary"]))
	default:
		return errForm
	}
	if err != nil {
		return err
	}
	in.token = values.Get(tokenField)
	if len(values[tokenField]) != 1 {
		in.token = ""
	}
	delete(values, tokenField)
	for _, f := range in.fields {
		in.take(f, values[f.Name])
		delete(values, f.Name)
	}
	if len(values) > 0 { // a field that the form does not have
		return errForm
	}
	return nil
}

func urlencoded(body io.Reader) (url.Values, error) {
	text, err := io.ReadAll(io.LimitReader(body, maxForm+1))
	if err != nil {
		return nil, errForm.Because(err)
	}
	if len(text) > maxForm || strings.Count(string(text), "&") >= maxFields {
		return nil, fault.CommonBadRequest("too_large")
	}
	values, err := url.ParseQuery(string(text))
	if err != nil {
		return nil, errForm.Because(err)
	}
	return values, nil
}

// parts reads multipart/form-data into memory, within the limits of its fields.
func (in *Input) parts(r *multipart.Reader) (url.Values, error) {
	values, left := url.Values{}, int64(maxForm)
	for n := 0; ; n++ {
		p, err := r.NextRawPart()
		if err == io.EOF {
			return values, nil
		}
		if err != nil {
			return nil, errForm.Because(err)
		}
		name := p.FormName()
		if n == maxFields || len(name) > maxName {
			return nil, fault.CommonBadRequest("too_large")
		}
		if f, ok := in.field(name); ok && f.Kind == kindFile {
			data, err := io.ReadAll(io.LimitReader(p, f.Max+1))
			switch {
			case err != nil:
				return nil, errForm.Because(err)
			case in.files[name] != nil:
				return nil, errForm
			case int64(len(data)) > f.Max:
				in.Fail(name, "max_bytes", "max", f.Max/1024)
				if _, err := io.Copy(io.Discard, io.LimitReader(p, 4*f.Max)); err != nil {
					return nil, errForm.Because(err)
				}
			case len(data) > 0 || p.FileName() != "":
				in.files[name] = &Upload{p.FileName(), data}
			}
			continue
		}
		text, err := io.ReadAll(io.LimitReader(p, left+1))
		if err != nil {
			return nil, errForm.Because(err)
		}
		if left -= int64(len(text)); left < 0 {
			return nil, fault.CommonBadRequest("too_large")
		}
		values.Add(name, string(text))
	}
}

// take checks the values of one field. It keeps also the invalid ones, so that the form shows them again.
func (in *Input) take(f Field, values []string) {
	if f.Kind == kindFile {
		if f.Required && in.files[f.Name] == nil {
			in.Fail(f.Name, "required")
		}
		return
	}
	if f.Kind != kindMany && len(values) > 1 || f.Kind == kindMany && len(values) > maxFields {
		in.Fail(f.Name, "twice")
		values = values[:1]
	}
	var kept []string
	for _, v := range values {
		rule := badText(v, f.Kind == kindLines)
		if f.Kind != kindSecret {
			v = strings.ReplaceAll(v, "\r\n", "\n")
			v = strings.TrimSpace(v)
		}
		if rule != "" {
			in.Fail(f.Name, rule)
			v = clean(v)
		}
		if v != "" {
			kept = append(kept, v)
		}
	}
	in.values[f.Name] = kept
	if len(kept) == 0 {
		if f.Required {
			in.Fail(f.Name, "required")
		}
		return
	}
	switch f.Kind { //nolint:exhaustive // files are read elsewhere
	case kindText, kindLines, kindSecret, kindHidden:
		if n := int64(utf8.RuneCountInString(kept[0])); n > f.Max {
			in.Fail(f.Name, "max_length", "max", f.Max, "n", n)
		}
	case kindNumber:
		if n, err := strconv.ParseInt(kept[0], 10, 64); err != nil || strings.HasPrefix(kept[0], "+") {
			in.Fail(f.Name, "integer")
		} else if n < f.Min || n > f.Max {
			in.Fail(f.Name, "range", "min", f.Min, "max", f.Max)
		}
	case kindChoice, kindMany:
		seen := map[string]bool{}
		for _, v := range kept {
			if seen[v] {
				in.Fail(f.Name, "twice")
			}
			if seen[v] = true; len(f.Options) > 0 && !slices.Contains(f.Options, v) {
				in.Fail(f.Name, "choice")
			}
		}
	case kindCheck:
		if kept[0] != "yes" {
			in.Fail(f.Name, "choice")
		}
	}
}

// badText returns the rule that a text breaks: it must be UTF-8 without control characters, and without
// characters that turn the direction of the text around them.
func badText(s string, lines bool) string {
	if !utf8.ValidString(s) {
		return "utf8"
	}
	for _, r := range s {
		switch {
		case r == '\n' || r == '\r' || r == '\t':
			if !lines && r != '\t' {
				return "control"
			}
		case unicode.IsControl(r) || r == '\ufffe' || r == '\uffff' || r == '\u2028' || r == '\u2029':
			return "control"
		case r >= '\u202a' && r <= '\u202e' || r >= '\u2066' && r <= '\u2069':
			return "bidi"
		}
	}
	return ""
}

// clean returns a text without the characters that no page can show.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if badText(string(r), true) != "" {
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, "\ufffd"))
}
