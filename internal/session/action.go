package session

// Action is the action that a token allows.
type Action string

// The actions of the wire contract.
const (
	Register      Action = "register"
	UpdateVersion Action = "update_version"
	Access        Action = "access"
)

// Valid reports whether a is an action of the wire contract.
func (a Action) Valid() bool { return a == Register || a == UpdateVersion || a == Access }
