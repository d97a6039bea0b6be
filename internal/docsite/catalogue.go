package docsite

import (
	"encoding/json"

	"timbre.example/fault"
)

// errorsURL is where the catalogue is served for machines.
const errorsURL = "/docs/errors.json"

// exampleRequestID is well-formed and belongs to no request.
const exampleRequestID = "req_01J9Z3NDEKTSV4RRFFQ69G5FAV"

// row is an error as docs/error-handling.md describes it.
type row struct {
	Code        fault.Code      `json:"code"`
	Section     string          `json:"section"`
	Seed        bool            `json:"seed"`
	Status      *int            `json:"status"`
	Class       fault.Class     `json:"class"`
	Stage       *string         `json:"stage"`
	Message     string          `json:"message"`
	Action      string          `json:"action"`
	Cause       string          `json:"cause"`
	RetryAfter  bool            `json:"retry_after"`
	Rehearse    *string         `json:"rehearse"`
	Details     []detail        `json:"details"`
	ExampleBody json.RawMessage `json:"example_body"`
	URL         string          `json:"url"`
}

type detail struct {
	Name     string          `json:"name"`
	Type     string          `json:"type"`
	Optional bool            `json:"optional"`
	Meaning  string          `json:"meaning"`
	Example  json.RawMessage `json:"example"`
}

// catalogue is the error catalogue as JSON, in its own order.
func catalogue() ([]byte, error) {
	rows := []row{}
	for _, e := range fault.All() {
		r := row{
			Code: e.Code, Section: e.Section, Seed: e.Seed, Class: e.Class, Message: e.Message, Action: e.Action, Cause: e.Cause,
			RetryAfter: e.RetryAfter, Stage: orNull(e.Stage), Rehearse: orNull(e.Rehearse), Details: []detail{}, URL: "/docs/errors#" + string(e.Code),
		}
		if e.Status != 0 { // one that is raised in the browser has neither
			r.Status = &e.Status
			r.ExampleBody = fault.Example(e.Code).MarshalEnvelope(exampleRequestID)
		}
		for _, d := range e.Details {
			r.Details = append(r.Details, detail{d.Name, d.Type, d.Optional, d.Meaning, json.RawMessage(d.Example)})
		}
		rows = append(rows, r)
	}
	return json.Marshal(rows)
}

func orNull(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
