package fault

import "encoding/json"

// exampleRequestID is in every example. It is well-formed and belongs to no request.
const exampleRequestID = "req_01J9Z3NDEKTSV4RRFFQ69G5FAV"

// MarshalJSON returns the row for /docs/errors.json. Members that do not apply are null. Two members are added: an
// example body, and the path of the code in the documentation.
func (e Entry) MarshalJSON() ([]byte, error) {
	details := e.Details
	if details == nil {
		details = []Detail{}
	}
	var status *int
	var body json.RawMessage
	if e.Status != 0 { // a code that the browser raises has no status and no body
		status, body = &e.Status, Example(e.Code).MarshalEnvelope(exampleRequestID)
	}
	return json.Marshal(struct {
		Code        Code            `json:"code"`
		Section     string          `json:"section"`
		Seed        bool            `json:"seed"`
		Status      *int            `json:"status"`
		Class       Class           `json:"class"`
		Stage       *string         `json:"stage"`
		Message     string          `json:"message"`
		Action      string          `json:"action"`
		Cause       string          `json:"cause"`
		RetryAfter  bool            `json:"retry_after"`
		Rehearse    *string         `json:"rehearse"`
		Details     []Detail        `json:"details"`
		ExampleBody json.RawMessage `json:"example_body"`
		URL         string          `json:"url"`
	}{
		e.Code, e.Section, e.Seed, status, e.Class, orNull(e.Stage), e.Message, e.Action, e.Cause, e.RetryAfter, orNull(e.Rehearse),
		details, body, "/docs/errors#" + string(e.Code),
	})
}

// MarshalJSON returns the detail with its example as a JSON value, not as a string.
func (d Detail) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Name     string          `json:"name"`
		Type     string          `json:"type"`
		Optional bool            `json:"optional"`
		Meaning  string          `json:"meaning"`
		Example  json.RawMessage `json:"example"`
	}{d.Name, d.Type, d.Optional, d.Meaning, json.RawMessage(d.Example)})
}

func orNull(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
