package api

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strconv"
	"strings"

	"timbre.example/fault"
)

// misnamed are the members of a JSON body that encoding/json would take for
// something else than they say: one that stands twice, of which the last counts;
// and one in other capitals, which counts as the documented one. Where a body is
// strict, unknown ones are misnamed too: of a restriction that is misspelled
// nothing would be left. t is the Go type of the body. A body that is no JSON has
// none: others say so.
func misnamed(body []byte, t reflect.Type, strict bool) []fault.Field {
	w := walk{d: json.NewDecoder(bytes.NewReader(body)), strict: strict}
	if w.value(t, "") != nil {
		return nil
	}
	return w.bad
}

// The rules about names.
const (
	ruleTwice   = "duplicate_member"
	ruleCase    = "member_case"
	ruleUnknown = "unknown_member"
)

// maxMisnamed bounds how many are told of one body.
const maxMisnamed = 20

type walk struct {
	d      *json.Decoder
	strict bool
	bad    []fault.Field
}

// unknown refuses a member that is not documented, if it is to be refused.
func (w *walk) unknown(name, at string, known map[string]reflect.Type) {
	for k := range known {
		if strings.EqualFold(name, k) {
			w.bad = append(w.bad, fault.Field{Field: shown(at), Rule: ruleCase, Message: "Write this member as " + k + ".", DidYouMean: k})
			return
		}
	}
	if !w.strict {
		return
	}
	f := fault.Field{Field: shown(at), Rule: ruleUnknown, Message: "There is no such member.", DidYouMean: near(name, known)}
	if f.DidYouMean != "" {
		f.Message += " Did you mean " + f.DidYouMean + "?"
	}
	w.bad = append(w.bad, f)
}

// value reads one value, as deep as the type goes: what the type does not
// describe is skipped.
func (w *walk) value(t reflect.Type, path string) error {
	for t != nil && t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	var raw json.RawMessage
	if t == nil || t.Kind() != reflect.Struct && t.Kind() != reflect.Slice {
		return w.d.Decode(&raw)
	}
	open, err := w.d.Token()
	if err != nil {
		return err
	}
	switch open {
	case json.Delim('{'):
		if t.Kind() != reflect.Struct {
			t = nil // of another type than documented: for others to say
		}
		if err := w.object(t, path); err != nil {
			return err
		}
	case json.Delim('['):
		var of reflect.Type
		if t.Kind() == reflect.Slice {
			of = t.Elem()
		}
		for i := 0; w.d.More(); i++ {
			if err := w.value(of, path+"["+strconv.Itoa(i)+"]"); err != nil {
				return err
			}
		}
	default:
		return nil // a text, a number, true, false or null
	}
	_, err = w.d.Token() // the end
	return err
}

func (w *walk) object(t reflect.Type, path string) error {
	known := map[string]reflect.Type{}
	if t != nil {
		for i := range t.NumField() {
			if name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ","); name != "" {
				known[name] = t.Field(i).Type
			}
		}
	}
	seen := map[string]bool{}
	for w.d.More() {
		token, err := w.d.Token()
		if err != nil {
			return err
		}
		name, _ := token.(string)
		at := strings.TrimPrefix(path+"."+name, ".")
		of, documented := known[name]
		switch {
		case len(w.bad) == maxMisnamed: // told enough
		case seen[name]:
			w.bad = append(w.bad, fault.Field{Field: shown(at), Rule: ruleTwice, Message: "This member stands twice."})
		case documented || t == nil:
		default:
			w.unknown(name, at, known)
		}
		seen[name] = true
		if err := w.value(of, at); err != nil {
			return err
		}
	}
	return nil
}

// shown is a member's name at a length that fits an answer and a log.
func shown(name string) string {
	const most = 100
	if r := []rune(name); len(r) > most {
		return string(r[:most]) + "…"
	}
	return name
}

// near is the documented name that a misspelled one was meant to be, or "".
func near(name string, known map[string]reflect.Type) string {
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
			d += most // a part is meant where nothing is nearer
		}
		if d < least || d == least && k < best {
			best, least = k, d
		}
	}
	return best
}

// plainName is a name without the writing in which words are joined.
func plainName(name string) string {
	return strings.NewReplacer("_", "", "-", "", ".", "", " ", "").Replace(strings.ToLower(name))
}

// distance is how many characters must be added, left out or changed to make one
// text the other (Levenshtein).
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
