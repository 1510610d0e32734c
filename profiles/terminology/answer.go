package terminology

import "context"

// An Answer says whether a code is in a value set or code system.
type Answer uint8

// The answers. Unknown means that what is embedded cannot decide it.
const (
	Unknown Answer = iota
	No
	Yes
)

// String returns "unknown", "no" or "yes".
func (a Answer) String() string {
	switch a {
	case No:
		return "no"
	case Yes:
		return "yes"
	}
	return "unknown"
}

// A Query is a question for a terminology server. Display is for messages here
// and must not be sent: free text may be personal.
type Query struct {
	// ValueSet is a canonical; "": is the code one of System's.
	ValueSet              string
	System, Code, Display string
}

// A Remote is a terminology server. An error means that it could not be asked;
// Unknown that it does not know the value set or system either.
type Remote interface {
	ValidateCode(ctx context.Context, q Query) (Answer, error)
}
