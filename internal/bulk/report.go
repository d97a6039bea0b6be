package bulk

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"time"

	"timbre.example/client"
	"timbre.example/internal/fault"
	"timbre.example/internal/sheet"
)

// row is a song in a report.
type row struct {
	File         string     `json:"file"`
	Status       Status     `json:"status"`
	Title        string     `json:"title,omitempty"`
	AtsID        int64      `json:"ats_id,omitempty"`
	Version      int64      `json:"version,omitempty"`
	TxHash       string     `json:"tx_hash,omitempty"`
	RegisteredAt *time.Time `json:"registered_at,omitempty"`
	WorkURL      string     `json:"work_url,omitempty"`
	Cost         int64      `json:"cost_credits"`
	Code         string     `json:"code,omitempty"`
	Message      string     `json:"message,omitempty"`
	ToDo         string     `json:"to_do,omitempty"`
	RequestID    string     `json:"request_id,omitempty"`
}

// row returns the row of a song.
func (j *Journal) row(o Outcome) (row, error) {
	r := row{File: o.Item.Name, Status: o.Status, Title: o.Item.Title, Cost: o.Cost, ToDo: o.ToDo()}
	if o.AtsID != 0 {
		done, err := j.result(o.Item.Name)
		if err != nil {
			return row{}, err
		}
		r.AtsID, r.Version, r.TxHash, r.RegisteredAt, r.WorkURL = o.AtsID, version, done.TxHash, &done.RegisteredAt, done.WorkURL
	}
	if o.Fault != nil {
		r.Code, r.Message, r.RequestID = o.Fault.Code, o.Fault.Message, o.Fault.RequestID
	}
	if o.Unsaved != "" {
		r.Message, r.ToDo = "not saved: "+o.Unsaved, "Run the same command again."
	}
	return r, nil
}

// toDo has the actions for codes whose action in the catalogue names `details`. A report has no details.
var toDo = map[client.Code]string{
	client.CodeCommonValidationFailed:         "Correct what the message names, and run the same command again.",
	client.CodeRegistrationInvalidAudioFormat: "Use a supported format.",
}

// ToDo is what a person does about a song that is not registered.
func (o Outcome) ToDo() string {
	if o.Status == Interrupted || o.Status == Waiting {
		return "Run the same command again."
	}
	if o.Status == Duplicate {
		return "Remove one of both from the list."
	}
	if o.Fault != nil && o.Fault.Code != "" {
		if text := toDo[client.Code(o.Fault.Code)]; text != "" {
			return text
		}
		if e, ok := fault.Lookup(fault.Code(o.Fault.Code)); ok {
			return e.Action
		}
	}
	return ""
}

// Outcomes are the songs of a list with problems, for a report.
func (m *Missing) Outcomes(items []Item) []Outcome {
	what := map[string]string{}
	for _, p := range m.Problems {
		if what[p.Name] != "" {
			what[p.Name] += "; "
		}
		what[p.Name] += p.What
	}
	out := make([]Outcome, len(items))
	for i := range items {
		it := &items[i]
		out[i] = Outcome{Item: it, Status: Waiting}
		if text := what[it.named()]; text != "" {
			out[i].Status, out[i].Fault = Incomplete, &Fault{Message: text}
		}
	}
	return out
}

// WriteJSON writes a report as JSON. The outcomes are of a run with this journal.
func (j *Journal) WriteJSON(w io.Writer, all []Outcome) error {
	b := bufio.NewWriter(w)
	before, end := "[\n  ", "\n]\n"
	if len(all) == 0 {
		end = "[]\n"
	}
	for _, o := range all {
		r, err := j.row(o)
		if err != nil {
			return err
		}
		text, err := json.MarshalIndent(r, "  ", "  ")
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintf(b, "%s%s", before, text); err != nil {
			return err
		}
		before = ",\n  "
	}
	if _, err := b.WriteString(end); err != nil {
		return err
	}
	return b.Flush()
}

// WriteCSV writes a report as CSV, which is safe to open in a spreadsheet program. The outcomes are of a run with this journal.
func (j *Journal) WriteCSV(w io.Writer, all []Outcome) error {
	s := sheet.NewWriter(w)
	if err := s.Row("file", "status", "title", "ats_id", "version", "tx_hash", "registered_at", "work_url", "cost_credits", "code", "message", "to_do", "request_id"); err != nil {
		return err
	}
	for _, o := range all {
		r, err := j.row(o)
		if err != nil {
			return err
		}
		at, id, v := "", "", ""
		if r.RegisteredAt != nil {
			at, id, v = r.RegisteredAt.UTC().Format(time.RFC3339), strconv.FormatInt(r.AtsID, 10), strconv.FormatInt(r.Version, 10)
		}
		if err := s.Row(r.File, string(r.Status), r.Title, id, v, r.TxHash, at, r.WorkURL, strconv.FormatInt(r.Cost, 10), r.Code, r.Message, r.ToDo, r.RequestID); err != nil {
			return err
		}
	}
	return s.Flush()
}

// AccessCodes writes the access codes of the songs as CSV: each opens its work. Songs of end-users have none.
func (j *Journal) AccessCodes(w io.Writer, all []Outcome) error {
	s := sheet.NewWriter(w)
	if err := s.Row("file", "ats_id", "access_code"); err != nil {
		return err
	}
	for _, o := range all {
		if o.AtsID == 0 {
			continue
		}
		code, err := j.accessCode(o.Item.Name)
		if err == nil && code != "" {
			err = s.Row(o.Item.Name, strconv.FormatInt(o.AtsID, 10), code)
		}
		if err != nil {
			return err
		}
	}
	return s.Flush()
}
