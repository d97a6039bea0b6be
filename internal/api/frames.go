package api

import (
	"encoding/json"
	"fmt"
	"time"

	"timbre.example/internal/fault"
	"timbre.example/internal/web"
	"timbre.example/internal/works"
)

// Registered says where a version is registered. Its name is exported because huma ignores
// unexported embedded types.
type Registered struct {
	TxHash      string    `json:"tx_hash"`
	BlockNumber int64     `json:"block_number"`
	BlockHash   string    `json:"block_hash"`
	At          time.Time `json:"registered_at" doc:"When the network accepted it: the time on certificate and evidence"`
	AtsID       int64     `json:"ats_id"`
	WorkID      string    `json:"work_id"`
	ExplorerURL string    `json:"explorer_url"`
	WorkURL     string    `json:"work_url" doc:"The work's public page"`
	AccessCode  string    `json:"access_code,omitempty"`
}

func details(o *works.Outcome) *Registered {
	return &Registered{TxHash: o.TxHash, BlockNumber: o.BlockNumber, BlockHash: o.BlockHash, At: o.At, AtsID: o.AtsID, WorkID: o.WorkID, ExplorerURL: o.ExplorerURL, WorkURL: o.WorkURL, AccessCode: o.AccessCode}
}

// The frames of a progress stream. A failure is an error frame, never an update. The
// completed step always has its details.
type updateFrame struct {
	Type string `json:"type"`
	step
	Details *Registered `json:"details,omitempty"`
}

type errorFrame struct {
	Type  string     `json:"type"`
	Error fault.Body `json:"error"`
}

type connectedFrame struct {
	Type          string `json:"type"`
	TransactionID string `json:"transaction_id"`
}

// frame is one message to a follower, before it is encoded. Its number is the step's, from 1.
type frame struct {
	number int
	event  string
	body   any
	last   bool
}

// frames returns the frames after the first `seen` steps, and always the last one of an
// ended transaction.
func frames(v works.View, seen int) []frame {
	var out []frame
	for i, s := range stepsOf(v) {
		f := frame{number: i + 1, event: "update", body: updateFrame{Type: "update", step: s}}
		if v.Done != nil && i == len(v.Steps)-1 {
			f.last = true
			if v.Done.Failure != nil {
				f.event, f.body = "error", errorFrame{Type: "error", Error: failureOf(v.Done)}
			} else {
				f.event, f.body = "completed", updateFrame{Type: "update", step: s, Details: details(v.Done)}
			}
		}
		if i >= seen || f.last {
			out = append(out, f)
		}
	}
	return out
}

// news is one or more frames, encoded once for all followers.
type news struct {
	events []event
	wire   []byte // all frames, as a socket sends them
	last   bool   // the stream ends with them
}

// event is an encoded frame.
type event struct {
	number int
	name   string
	data   []byte
	last   bool
}

// encode encodes frames.
func encode(all ...frame) (out news, err error) {
	for _, f := range all {
		data, err := json.Marshal(f.body)
		if err != nil {
			return news{}, fmt.Errorf("encode a frame: %w", err)
		}
		out.events = append(out.events, event{f.number, f.event, data, f.last})
		out.wire = web.AppendMessage(out.wire, data)
		out.last = out.last || f.last
	}
	return out, nil
}
