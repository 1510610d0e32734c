package bars

import (
	"maps"
	"slices"
	"strings"
)

// A Definition is what a receiver publishes of one kind of message it takes.
type Definition struct {
	// URL is the canonical that MessageHeader.definition names.
	URL string
	// Event is the code of MessageHeader.eventCoding.
	Event string
	// Title and About say in words what the message is for.
	Title, About string
	// Focus are the resources that the message carries.
	Focus []Focus
}

// A Focus is how many resources of a type a message carries; Max is -1 for any
// number.
type Focus struct {
	Type     string
	Min, Max int
}

// Definitions returns the definitions of the messages that are taken, made from
// the table that messages are judged by.
func Definitions() []Definition {
	return []Definition{
		{URL: definitions + "request-referral", Event: "servicerequest-request", Title: "Referral", Focus: focusOf(Request),
			About: "A new referral to a social prescribing service: ServiceRequest active, reason new."},
		{URL: definitions + "request-cancelled", Event: "servicerequest-request", Title: "Cancellation of a referral", Focus: focusOf(Cancel),
			About: "Takes a referral back: ServiceRequest revoked or entered-in-error, reason update."},
		{URL: definitions + "response-referral", Event: "servicerequest-response", Title: "Response to a referral", Focus: focusOf(Response),
			About: "Says that the service that received a referral has ended it: ServiceRequest revoked, reason new."},
	}
}

// focusOf lists the header first, then the request and the person, then what
// else must be there, then what may be.
func focusOf(kind Kind) []Focus {
	bounds := boundsOf(kind)
	head := []string{"MessageHeader", "ServiceRequest", "Patient"}
	names := slices.DeleteFunc(slices.Collect(maps.Keys(bounds)), func(t string) bool { return slices.Contains(head, t) })
	slices.SortFunc(names, func(a, b string) int {
		if (bounds[a].min > 0) != (bounds[b].min > 0) {
			return bounds[b].min - bounds[a].min
		}
		return strings.Compare(a, b)
	})
	out := []Focus{{"Bundle", 1, 1}}
	for _, t := range append(head, names...) {
		out = append(out, Focus{t, bounds[t].min, bounds[t].max})
	}
	return out
}
