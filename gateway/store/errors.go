package store

import (
	"errors"
	"fmt"
)

// Errors of a Store; test with errors.Is.
var (
	// ErrNotFound: absent, or hidden from the view.
	ErrNotFound = errors.New("not found")
	// ErrForbidden: visible, but not for this view to change.
	ErrForbidden = errors.New("not allowed to change")
	// ErrExpired: the snapshot is older than the store can show.
	ErrExpired = errors.New("snapshot is too old")
	// ErrTooLarge: a body, answer or commit is over the store's limits.
	ErrTooLarge = errors.New("too large for the store")
	// ErrTooCostly: the query would examine too many candidates.
	ErrTooCostly = errors.New("query is too costly")
	// ErrUnavailable: the database could not be reached or refused; the
	// commit may be retried.
	ErrUnavailable = errors.New("store unavailable")
)

// A Conflict reports that a write lost: the key's current version is not the
// expected one, a new key exists, a commit names a key twice, or an event id or
// doc version clashes.
type Conflict struct {
	// Key is the resource; {Type: kind, ID: id} of a doc; {Type: topic,
	// ID: id} of an event.
	Key Key
	// Current is the present version number; 0 when not known, as for a key
	// that the write's view may not see.
	Current int
}

func (c *Conflict) Error() string { return fmt.Sprintf("version conflict on a %s", c.Key.Type) }

// Taken reports a claim that another commit holds.
type Taken struct{ Claim Claim }

func (t *Taken) Error() string { return "already claimed: " + t.Claim.Scope }
