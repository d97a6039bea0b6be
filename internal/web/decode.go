package web

import (
	"bytes"
	"errors"
	"io"
	"reflect"
	"strconv"
	"strings"
	"sync"

	"github.com/go-json-experiment/json/jsontext"

	"timbre.example/internal/fault"
)

// The rules for names of members.
const (
	ruleTwice   = "duplicate_member"
	ruleCase    = "member_case"
	ruleUnknown = "unknown_member"
)

// Limits on what one body makes the server store or report.
const (
	maxFaults = 20 // of one kind that are reported for one body
	maxKept   = 64 // elements of a list; every documented list is shorter
)

// errShape: a body is not JSON, or not an object.
var errShape = errors.New("the body is not the documented JSON")

// faults are the errors in the members of a body that is JSON.
type faults struct {
	// misnamed are members that a lenient reader would misread:
	//
	//   - a duplicate, of which only the last would count,
	//   - a name in other capitals, which would count as the documented one,
	//   - in a strict body an unknown name: a misspelled restriction would be ignored.
	misnamed []fault.Field
	// mistyped are documented members with a value of the wrong type.
	mistyped []fault.Field
}

// decode reads a JSON object into the struct that into points to, in one pass. It skips
// members that the struct does not have. Its error is errShape.
func decode(body []byte, into any, strict bool) (faults, error) {
	d := decoder{in: jsontext.NewDecoder(bytes.NewBuffer(body), jsontext.AllowDuplicateNames(true)), strict: strict}
	if d.in.PeekKind() != '{' {
		return d.faults, errShape
	}
	if err := d.value(reflect.ValueOf(into).Elem(), ""); err == errFull {
		return d.faults, nil
	} else if err != nil {
		return d.faults, errShape
	}
	if _, err := d.in.ReadToken(); err != io.EOF { // a second value
		return d.faults, errShape
	}
	return d.faults, nil
}

type decoder struct {
	in     *jsontext.Decoder
	strict bool
	faults
}

// errFull stops the reading of a body after maxFaults errors.
var errFull = errors.New("too many errors in the body")

func (d *decoder) full() bool { return len(d.misnamed) >= maxFaults || len(d.mistyped) >= maxFaults }

// mistype reports a value of the wrong type and skips it.
func (d *decoder) mistype(path, message string) error {
	d.mistyped = append(d.mistyped, fault.Field{Field: path, Rule: "type", Message: message})
	if d.full() {
		return errFull
	}
	return d.in.SkipValue()
}

func (d *decoder) expected(path, what string) error {
	return d.mistype(path, "Wrong type: expected "+what+".")
}

// value reads the next value into v.
func (d *decoder) value(v reflect.Value, path string) error {
	kind := d.in.PeekKind()
	if v.Kind() == reflect.Pointer {
		v.Set(reflect.New(v.Type().Elem()))
		v = v.Elem()
	}
	switch v.Kind() {
	case reflect.Struct:
		if kind != '{' {
			return d.expected(path, "object")
		}
		return d.object(v, path)
	case reflect.Slice:
		if kind != '[' {
			return d.expected(path, "array")
		}
		return d.list(v, path)
	case reflect.String:
		if kind != '"' {
			return d.expected(path, "string")
		}
	case reflect.Bool:
		if kind != 't' && kind != 'f' {
			return d.expected(path, "boolean")
		}
	case reflect.Int64:
		if kind != '0' {
			return d.expected(path, "integer")
		}
	default:
		panic("no wire type: " + v.Type().String())
	}
	token, err := d.in.ReadToken()
	if err != nil {
		return err
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(token.String())
	case reflect.Bool:
		v.SetBool(token.Bool())
	case reflect.Int64:
		n, err := strconv.ParseInt(token.String(), 10, 64)
		if err != nil {
			if _, err := strconv.ParseFloat(token.String(), 64); err != nil {
				return err // out of range for every JSON reader
			}
			d.mistyped = append(d.mistyped, fault.Field{Field: path, Rule: "type", Message: "Must be an integer within range."})
		}
		v.SetInt(n)
	}
	return nil
}

func (d *decoder) list(v reflect.Value, path string) error {
	if _, err := d.in.ReadToken(); err != nil {
		return err
	}
	for i := 0; d.in.PeekKind() != ']'; i++ {
		if i >= maxKept {
			if err := d.in.SkipValue(); err != nil {
				return err
			}
			continue
		}
		one := reflect.New(v.Type().Elem()).Elem()
		if err := d.value(one, path+"["+strconv.Itoa(i)+"]"); err != nil {
			return err
		}
		v.Set(reflect.Append(v, one))
	}
	_, err := d.in.ReadToken()
	return err
}

func (d *decoder) object(v reflect.Value, path string) error {
	if _, err := d.in.ReadToken(); err != nil {
		return err
	}
	known := fieldsOf(v.Type())
	seen := map[string]bool{}
	for d.in.PeekKind() != '}' {
		token, err := d.in.ReadToken()
		if err != nil {
			return err
		}
		name := token.String()
		at := strings.TrimPrefix(path+"."+name, ".")
		field, documented := known[name]
		switch {
		case seen[name]:
			d.misnamed = append(d.misnamed, fault.Field{Field: shorten(at), Rule: ruleTwice, Message: "This member appears twice."})
		case !documented:
			d.unknown(name, at, known)
		}
		if d.full() {
			return errFull
		}
		seen[name] = true
		if documented && d.in.PeekKind() != 'n' { // null counts as missing
			err = d.value(v.Field(field), at)
		} else {
			err = d.in.SkipValue()
		}
		if err != nil {
			return err
		}
	}
	_, err := d.in.ReadToken()
	return err
}

// unknown reports an undocumented member where it must be refused.
func (d *decoder) unknown(name, at string, known map[string]int) {
	for k := range known {
		if strings.EqualFold(name, k) {
			d.misnamed = append(d.misnamed, fault.Field{Field: shorten(at), Rule: ruleCase, Message: "Write this member as " + k + ".", DidYouMean: k})
			return
		}
	}
	if !d.strict {
		return
	}
	f := fault.Field{Field: shorten(at), Rule: ruleUnknown, Message: "Unknown member.", DidYouMean: closest(name, known)}
	if f.DidYouMean != "" {
		f.Message += " Did you mean " + f.DidYouMean + "?"
	}
	d.misnamed = append(d.misnamed, f)
}

// shapes caches fieldsOf by type.
var shapes sync.Map

// fieldsOf returns the indexes of a struct's fields by the names of their members.
func fieldsOf(t reflect.Type) map[string]int {
	if known, ok := shapes.Load(t); ok {
		return known.(map[string]int)
	}
	known := map[string]int{}
	for i := range t.NumField() {
		if name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ","); name != "" {
			known[name] = i
		}
	}
	shapes.Store(t, known)
	return known
}

// shorten shortens a member's name for answers and logs.
func shorten(name string) string {
	const most = 100
	if r := []rune(name); len(r) > most {
		return string(r[:most]) + "…"
	}
	return name
}

// closest returns the documented name that a misspelled name was probably meant to be, or "".
func closest(name string, known map[string]int) string {
	const most = 64 // longer than any documented name
	if len(name) > most {
		return ""
	}
	best, least := "", 2*most
	for k := range known {
		a, b := plainName(name), plainName(k)
		d := distance(a, b)
		if d > max(2, len(b)/4) {
			part := len(a) >= 5 && strings.Contains(b, a) || len(b) >= 5 && strings.Contains(a, b)
			if !part {
				continue
			}
			d += most // a part counts only where no other name is near
		}
		if d < least || d == least && k < best {
			best, least = k, d
		}
	}
	return best
}

// plainName returns a name in lower case and without the signs that join words.
func plainName(name string) string {
	return strings.NewReplacer("_", "", "-", "", ".", "", " ", "").Replace(strings.ToLower(name))
}

// distance returns how many characters must be inserted, deleted or replaced to turn one
// text into the other (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		before := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := before
			if a[i] != b[j] {
				cost++
			}
			before = row[j+1]
			row[j+1] = min(cost, row[j]+1, before+1)
		}
	}
	return row[len(b)]
}
