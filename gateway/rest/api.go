package rest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"trellis.example/auth"
	"trellis.example/fhir"
	"trellis.example/gateway/audit"
	"trellis.example/gateway/search"
	"trellis.example/gateway/store"
)

// Deps is what an API is made of. Every field is required unless it says
// otherwise.
type Deps struct {
	Store    store.Store
	Registry *search.Registry
	Recorder *audit.Recorder
	// Validate returns the faults and remarks on a resource that the principal
	// wants to store, judged by the profiles given too: $validate asks for one.
	Validate func(ctx context.Context, p auth.Principal, res fhir.Resource, profiles ...string) []fhir.Issue
	// ProfileType returns the type of resource that a profile which Validate can
	// judge by is for, "" for any other; nil: there are none.
	ProfileType func(canonical string) string
	// OnWrite may add to the commit of a create or update; nil adds nothing.
	OnWrite func(context.Context, Change) (store.Commit, error)
	// OnTransaction may add to the commit of a transaction, whose creates and
	// updates come together; nil adds nothing. OnWrite is not asked for them.
	OnTransaction func(context.Context, *Transaction) error
	// PublicURL is the base that callers use, without a trailing slash and
	// without "/fhir".
	PublicURL string
	// Profiles are the canonicals of our own profiles by type, for the
	// CapabilityStatement; may be nil.
	Profiles map[string][]string
	// Messages are the canonicals of the MessageDefinitions of the messages that
	// are taken, for the CapabilityStatement; may be nil.
	Messages []string
	// Sandbox makes the CapabilityStatement name every R4 type.
	Sandbox bool
	// Version is the software version that the CapabilityStatement states;
	// may be empty.
	Version string
	Clock   func() time.Time
}

// A Change is a create or update about to be committed.
type Change struct {
	Principal auth.Principal
	// Old is the version replaced; nil when the resource is new.
	Old *store.Version
	// Resource is the document as received, before id and meta were stamped.
	Resource fhir.Resource
	// Write is what will be committed. OnWrite may change its Access.
	Write *store.Write
}

// API serves the FHIR interactions. It is safe for concurrent use.
type API struct {
	Deps
	cursors *search.Cursors
	base    string // PublicURL + "/fhir"
	find    Finder // where the entries of Bundles go
	guard   *guard
	held    []string
	shapes  shapes
}

// New returns an API. The key of its page cursors is kept in the store, so that
// every gateway of one installation reads every other's.
func New(ctx context.Context, d Deps) (*API, error) {
	key, err := cursorKey(ctx, d.Store)
	if err != nil {
		return nil, fmt.Errorf("read the cursor key: %w", err)
	}
	cursors, err := search.NewCursors(key)
	if err != nil {
		return nil, fmt.Errorf("use the cursor key: %w", err)
	}
	return &API{Deps: d, cursors: cursors, guard: newGuard(), base: d.PublicURL + "/fhir", held: d.Registry.Types()}, nil
}

// cursorKey reads the installation's key, or makes it; of two gateways that
// start at once, one makes it and the other reads it.
func cursorKey(ctx context.Context, s store.Store) ([]byte, error) {
	const kind, id = "gateway-key", "cursor"
	for {
		doc, err := s.Doc(ctx, kind, id)
		if err == nil {
			return doc.Body, nil
		}
		if !errors.Is(err, store.ErrNotFound) {
			return nil, err
		}
		key := make([]byte, search.CursorKeySize)
		if _, err := rand.Read(key); err != nil {
			return nil, err
		}
		_, err = s.Commit(ctx, store.Commit{Docs: []store.DocWrite{{Kind: kind, ID: id, Body: key}}})
		if _, lost := errors.AsType[*store.Conflict](err); err != nil && !lost {
			return nil, err
		}
	}
}

// now is the time of a write, at the precision that is stored.
func (a *API) now() time.Time { return a.Clock().UTC().Truncate(time.Millisecond) }

// newID returns a UUID of version 7: its leading time keeps new keys beside each
// other in the store's index. Nothing is ordered by it.
func newID() string { return uuid.Must(uuid.NewV7()).String() }
