package fault_test

import (
	"errors"
	"fmt"

	"timbre.example/internal/fault"
)

// Code returns a fault like any other error. The HTTP layer turns every error into one body.
func Example() {
	read := func() error {
		return fmt.Errorf("read work: %w", fault.WorkNotFound().Because(errors.New("sql: no rows in result set")))
	}
	err := read()
	fmt.Println(errors.Is(err, fault.CodeWorkNotFound))

	refusal := fault.From(err)
	fmt.Println(refusal.Status())
	fmt.Println(string(refusal.MarshalEnvelope("req_01J9Z3NDEKTSV4RRFFQ69G5FAV")))
	// Output:
	// true
	// 404
	// {"error":{"code":"work.not_found","message":"Work not found.","request_id":"req_01J9Z3NDEKTSV4RRFFQ69G5FAV"}}
}

func ExampleError_Message() {
	fmt.Println(fault.RegistrationAudioTooLarge(537_200_000, 524_288_000).Message())
	fmt.Println(fault.RegistrationAudioTooLarge(524_288_001, 524_288_000).Message())
	// Output:
	// The asset file is too large (512.4 MB). Max: 500 MB.
	// The asset file is too large (500.1 MB). Max: 500 MB.
}
