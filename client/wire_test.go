package client

import (
	"encoding/json"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// Every operation of the client, each parameter of its query and each member of its bodies is in the server's description. A
// test of the server keeps testdata/operations.json as it describes itself.
func TestOperations(t *testing.T) {
	var doc map[string]struct{ Query, In, Out []string }
	b, err := os.ReadFile("testdata/operations.json")
	if err == nil {
		err = json.Unmarshal(b, &doc)
	}
	if err != nil {
		t.Fatal(err)
	}
	all := []operation{opMint, opRevoke, opStats, opFollow, opEvents, opWorks, opWork, opCreators, opVersions, opEvidence, opDownload}
	for _, s := range []steps{registering, updating} {
		for _, o := range []operation{s.init, s.initUpload, s.upload, s.parts, s.complete, s.prepare, s.confirm} {
			if o.method != "" {
				all = append(all, o)
			}
		}
	}
	for _, o := range all {
		d, ok := doc[o.name()]
		if !ok {
			t.Errorf("%s is not described", o.name())
		}
		for _, q := range o.query {
			if !slices.Contains(d.Query, q) {
				t.Errorf("%s has no parameter %s", o.name(), q)
			}
		}
		for _, side := range []struct {
			what  string
			body  any
			known []string
		}{{"request", o.in, d.In}, {"answer", o.out, d.Out}} {
			if side.body == nil {
				continue
			}
			for _, m := range membersOf(reflect.TypeOf(side.body), "") {
				if !slices.Contains(side.known, m) {
					t.Errorf("%s: the %s has no member %s", o.name(), side.what, m)
				}
			}
		}
	}
	known := []string{}
	for name, d := range doc {
		if strings.HasPrefix(name, "WEBHOOK ") {
			known = append(known, d.Out...)
		}
	}
	for _, m := range membersOf(reflect.TypeFor[Event](), "") {
		if !slices.Contains(known, m) {
			t.Errorf("no webhook has the member %s", m)
		}
	}
}

// membersOf returns the paths of the members that a type reads or writes as JSON.
func membersOf(t reflect.Type, at string) (all []string) {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct || t == reflect.TypeFor[time.Time]() {
		return nil
	}
	for i := range t.NumField() {
		f := t.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case f.Anonymous && name == "":
			all = append(all, membersOf(f.Type, at)...)
		case name != "" && name != "-":
			path := strings.TrimPrefix(at+"."+name, ".")
			all = append(all, path)
			all = append(all, membersOf(f.Type, path)...)
		}
	}
	return all
}
