package audit

import (
	"context"
	"time"

	"trellis.example/auth"
)

// A Caller is what the audit needs to know of a request beside its principal.
type Caller struct {
	// Address is the network address without port.
	Address string
	// RequestID is the X-Request-ID of the request.
	RequestID string
}

type callerKey struct{}

// NewContext returns a context that carries the caller.
func NewContext(ctx context.Context, c *Caller) context.Context {
	return context.WithValue(ctx, callerKey{}, c)
}

// From returns the context's caller, or one without address and id.
func From(ctx context.Context) Caller {
	if c, ok := ctx.Value(callerKey{}).(*Caller); ok {
		return *c
	}
	return Caller{}
}

// NewEntry returns an entry for something the context's principal does at that
// time, with outcome "0"; entities and patients are for the caller to add.
func NewEntry(ctx context.Context, at time.Time, a Action, interaction string) Entry {
	p, c := auth.From(ctx), From(ctx)
	return Entry{
		At: at, Action: a, Interaction: interaction, Outcome: Success,
		Client: p.ClientID, Party: p.Owner(), Role: string(p.Role),
		Address: c.Address, RequestID: c.RequestID,
	}
}

// The outcomes of an entry (http://terminology.hl7.org/CodeSystem/audit-event-outcome).
const (
	Success = "0"
	Refused = "4"
	Failed  = "8"
)

// OutcomeOf returns the outcome of an HTTP status.
func OutcomeOf(status int) string {
	switch {
	case status >= 500:
		return Failed
	case status >= 400:
		return Refused
	}
	return Success
}
