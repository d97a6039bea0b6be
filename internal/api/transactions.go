package api

import (
	"context"
	"reflect"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"timbre.example/internal/fault"
	"timbre.example/internal/record"
	"timbre.example/internal/web"
)

type transactionInput struct {
	ID string `path:"id" format:"uuid" doc:"The id is the capability: any client that knows it may follow"`
}

// wireResult is the result of a transaction: that of a success or of a failure.
type wireResult struct {
	Success bool `json:"success"`
	*Registered
	Error        string         `json:"error,omitempty" doc:"For a failure: the catalogue's message, in English"`
	ErrorCode    fault.Code     `json:"error_code,omitempty"`
	ErrorDetails map[string]any `json:"error_details,omitempty"`
	RequestID    string         `json:"request_id,omitempty" doc:"The request_id of the confirm"`
}

// Schema describes the two results apart, as clients receive them; null before the end.
func (wireResult) Schema(r huma.Registry) *huma.Schema {
	type succeeded struct {
		Success bool `json:"success" enum:"true"`
		Registered
	}
	type failed struct {
		Success bool       `json:"success" enum:"false"`
		Error   string     `json:"error" doc:"The catalogue's message, in English"`
		Code    fault.Code `json:"error_code" enum:"transaction.failed"`
		Details *struct {
			Reason string `json:"reason" doc:"The network's own name for the failure"`
		} `json:"error_details,omitempty"`
		RequestID string `json:"request_id" doc:"The request_id of the confirm"`
	}
	return &huma.Schema{OneOf: []*huma.Schema{
		r.Schema(reflect.TypeFor[succeeded](), true, ""), r.Schema(reflect.TypeFor[failed](), true, ""), {Type: "null"},
	}}
}

type transactionOutput struct {
	Body struct {
		ID          string          `json:"id"`
		Kind        string          `json:"transaction_type"`
		CurrentStep record.StepCode `json:"current_step"`
		Progress    int             `json:"progress"`
		Description string          `json:"description"`
		IsComplete  bool            `json:"is_complete"`
		Result      *wireResult     `json:"result" doc:"null until is_complete"`
		Steps       []step          `json:"steps"`
		CreatedAt   time.Time       `json:"created_at"`
		UpdatedAt   time.Time       `json:"updated_at"`
	}
}

// An invalid id is transaction.not_found, without a query: the database may fail on it.
func (a *API) transaction(ctx context.Context, _ web.Anyone, in *transactionInput) (*transactionOutput, error) {
	id, ok := parseID(in.ID)
	if !ok {
		return nil, fault.TransactionNotFound()
	}
	v, err := a.Registry.Works.Transaction(ctx, id)
	if err == nil {
		err = untracked(v)
	}
	if err != nil {
		return nil, err
	}
	out := &transactionOutput{}
	b := &out.Body
	steps := stepsOf(v)
	last := steps[len(steps)-1]
	b.ID, b.Kind, b.Steps, b.CreatedAt, b.UpdatedAt = v.ID, v.Kind, steps, v.CreatedAt, v.UpdatedAt
	b.CurrentStep, b.Progress, b.Description, b.IsComplete = last.Step, last.Progress, last.Description, v.Done != nil
	if v.Done != nil {
		if v.Done.Failure != nil {
			f := failureOf(v.Done)
			b.Result = &wireResult{Error: f.Message, ErrorCode: f.Code, ErrorDetails: f.Details, RequestID: f.RequestID}
		} else {
			b.Result = &wireResult{Success: true, Registered: details(v.Done)}
		}
	}
	return out, nil
}
