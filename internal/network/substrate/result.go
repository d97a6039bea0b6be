package substrate

import (
	"errors"
	"fmt"

	"timbre.example/internal/network/substrate/metadata"
	"timbre.example/internal/store/query"
)

// result is what a block says of one call.
type result struct {
	of       query.SubstrateTransaction
	position int64
	failure  string
	atsID    int64
	version  int64
	again    bool // the account was full: another one signs
	paid     paid
}

// accountFull is the error of an account that may not own another work.
const accountFull = pallet + ".MaxAtsPerAccountReached"

// read takes the result of a transaction with one call from the events of the extrinsic.
func (r *result) read(rt *runtime, events []metadata.Event) error {
	r.paid = paidFor(events, r.position)
	var own []metadata.Event
	succeeded := false
	for _, e := range events {
		if int64(e.Extrinsic) != r.position {
			continue
		}
		switch e.Pallet + "." + e.Name {
		case "System.ExtrinsicSuccess":
			succeeded = true
		case "System.ExtrinsicFailed":
			return r.failed(rt, e, "dispatch_error")
		}
		own = append(own, e)
	}
	if !succeeded {
		return errors.New("its events say neither that it succeeded nor that it failed")
	}
	return r.made(own)
}

// failed takes the reason from an event: the error in a field.
func (r *result) failed(rt *runtime, e metadata.Event, field string) error {
	for _, v := range e.Values {
		if v.Name != field {
			continue
		}
		name, err := rt.metadata.ErrorName(v)
		if err != nil {
			return err
		}
		r.failure, r.again = "the chain refused it: "+name, name == accountFull && r.of.Updates == 0
		return nil
	}
	return errors.New("it failed without a reason")
}

// made takes the version from the events of the call.
func (r *result) made(events []metadata.Event) error {
	for _, e := range events {
		switch e.Pallet + "." + e.Name {
		case pallet + ".AtsCreated", pallet + ".AtsUpdated":
			id, err := e.Number("ats_id", 8)
			if err != nil {
				return err
			}
			r.atsID, r.version = int64(id), 1
			if e.Name == "AtsUpdated" {
				version, err := e.Number("version", 4)
				if err != nil {
					return err
				}
				r.version = int64(version) + 1 // the chain counts from 0
			}
			commitment, err := e.Value("commitment")
			if err != nil {
				return err
			}
			if string(commitment) != string(r.of.Commitment) {
				return errors.New("its event has another commitment")
			}
		}
	}
	switch {
	case r.version == 0:
		return errors.New("its events say neither that it succeeded nor that it failed")
	case r.atsID <= 0:
		return fmt.Errorf("its work has the number %d, which this registry cannot name", r.atsID)
	}
	return nil
}
