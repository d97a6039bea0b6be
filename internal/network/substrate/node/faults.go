package node

// Drop says when a fault ends the connection.
type Drop int

// The values of Drop. DropAfter lets the node do what it was asked for: the caller cannot know.
const (
	NoDrop Drop = iota
	DropBefore
	DropAfter
)

// Fault is what happens to calls of a method on WebSockets. A POST meets none.
type Fault struct {
	// Method is the method; "" is every method.
	Method string
	// Times is how many calls meet the fault; 0 means all until Heal.
	Times int
	// Drop ends the connection.
	Drop Drop
	// Code and Message, if Code is not 0, are the error that the caller gets. The node does
	// nothing then.
	Code    int
	Message string
	// Wait, if it is set, holds the call until it is closed. Other calls go on.
	Wait <-chan struct{}

	met int
}

// meet returns the fault that a call meets, or nil.
func meet(all []*Fault, method string) *Fault {
	for _, f := range all {
		if (f.Method == "" || f.Method == method) && (f.Times == 0 || f.met < f.Times) {
			f.met++
			return f
		}
	}
	return nil
}
