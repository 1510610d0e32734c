package auth

import (
	"context"
	"errors"
	"time"
)

// ErrConflict is what [Storage.PutDoc] returns when the document's current
// version is not the expected one.
var ErrConflict = errors.New("document was changed by someone else")

// An Entry is one document of a kind, as [Storage.Docs] lists it.
type Entry struct {
	ID      string
	Version int
	Body    []byte
}

// Storage keeps the small documents of this package and its single-use names.
// Implementations are safe for concurrent use. Any error that is not
// ErrConflict means that the store could not answer.
type Storage interface {
	// Doc returns one document; ok is false when there is none.
	Doc(ctx context.Context, kind, id string) (body []byte, version int, ok bool, err error)
	// Docs returns every document of a kind, in any order.
	Docs(ctx context.Context, kind string) ([]Entry, error)
	// PutDoc replaces version expect of a document; 0 creates it. A document
	// at another version is ErrConflict.
	PutDoc(ctx context.Context, kind, id string, expect int, body []byte) error
	// Claim takes a name until expires. taken reports that someone else
	// holds it already; of any number of concurrent callers exactly one gets
	// false, with a nil error.
	Claim(ctx context.Context, scope, key string, expires time.Time) (taken bool, err error)
}

// The kinds of documents and the claim scope that this package uses.
const (
	kindClient = "client"
	kindKey    = "signing-key"
	scopeJTI   = "client-assertion-jti"
)
