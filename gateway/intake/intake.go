// Package intake takes a partner's document in: reads it through its format's
// map, validates what came out, gives every resource an id, adds the Task and
// the Provenance, and stores all of it in one commit with its audit entry, the
// claim that recognises a repeat, and the bytes as received.
//
// What it promises:
//   - A record is stored whole or not at all, and a refused record changes
//     nothing; every fault is named at its place in the sender's document.
//   - The same record sent again is answered, not stored again; the same
//     reference with other content makes new versions.
//   - The original is kept byte for byte with what came of it.
//   - What a partner's document brings is visible to the sender and, once there
//     is a basis for sharing, to the service it is addressed to, and to nobody
//     else.
package intake

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"log/slog"
	"strconv"
	"sync"
	"time"

	"github.com/google/uuid"

	"trellis.example/auth"
	"trellis.example/fhir"
	"trellis.example/gateway/audit"
	"trellis.example/gateway/store"
	"trellis.example/mapping"
	"trellis.example/mapping/csvresult"
	"trellis.example/profiles"
)

// Deps is what intake works with.
type Deps struct {
	Store     store.Store
	Validator *profiles.Validator
	// Options are what documents of a sender are judged by; nil: our profiles
	// and those of its agreement.
	Options func(context.Context, auth.Principal, ...string) profiles.Options
	// Index returns the index entries of a resource.
	Index func(fhir.Resource) []store.Index
	// Formats looks a partner format up by its id.
	Formats func(id string) (mapping.Format, bool)
	// Clock returns the time; required.
	Clock func() time.Time
	// IDKey keys the ids that repeat for the same sender's record, so that no
	// one can guess them. At least 32 bytes, the same on every gateway of one
	// store.
	IDKey []byte
	// Service is the party ("org/<ODS code>") that receives referrals whose
	// document names no service; "" when there is none.
	Service string
	// Spool is the folder of temporary files, which hold a batch and its result
	// while it is taken in; "" is the system's. MaxFile bounds a batch file in
	// bytes; 0 is 1 GB.
	Spool   string
	MaxFile int64
	// Count is told how many records of a format became what; nil tells nobody.
	Count func(format string, became Status, n int)
	// Log is told what went wrong inside, without content; nil tells nobody.
	Log *slog.Logger
}

// Intake takes documents in. It is safe for concurrent use.
type Intake struct {
	Deps
	running sync.Map // BaRS messages in hand, by scope and id
	guard   guard
}

// New returns an Intake.
func New(d Deps) (*Intake, error) {
	if len(d.IDKey) < 32 {
		return nil, fmt.Errorf("intake: the id key has %d bytes, want 32 or more", len(d.IDKey))
	}
	if d.Log == nil {
		d.Log = slog.New(slog.DiscardHandler)
	}
	if d.Count == nil {
		d.Count = func(string, Status, int) {}
	}
	return &Intake{Deps: d}, nil
}

// A Sender is who a document came from. The request's context must carry the
// same principal, and the caller, for the audit entry.
type Sender struct {
	auth.Principal
	// ImpliedConsent says that the partner's agreement rests on direct care,
	// so that a format without a place for consent carries it implied.
	ImpliedConsent bool
}

// A Status tells what became of a record.
type Status = csvresult.Status

// The statuses of a record.
const (
	Created   = csvresult.Created
	Updated   = csvresult.Updated
	Unchanged = csvresult.Unchanged
	Rejected  = csvresult.Rejected
)

// A Stored is one resource as it now stands.
type Stored struct {
	FullURL string // of its entry in the sender's bundle
	Key     store.Key
	Version int
	Body    []byte
}

// An Outcome is what became of one record.
type Outcome struct {
	Status Status
	// Referral is our reference: the ServiceRequest, or the first resource
	// when there is none. Zero when rejected.
	Referral store.Key
	// Issues are all faults and warnings.
	Issues []fhir.Issue
	// Stored are the resources in the order of the bundle; empty when
	// unchanged or rejected.
	Stored []Stored
	// At is the time of the versions that were written.
	At time.Time
	// Taken is set when another commit had already taken one of the
	// submission's claims.
	Taken *store.Claim
}

// A Submission is one record to take in.
type Submission struct {
	Sender Sender
	// Format is the format id; Map the map's name and version.
	Format, Map string
	// Key is the sender's own reference; "" makes every submission a new
	// record.
	Key string
	// Bundle is a transaction (or message) Bundle whose entries have full
	// URLs.
	Bundle fhir.Resource
	// Issues are what reading the document already found.
	Issues []fhir.Issue
	// Places translates a FHIRPath in the Bundle to the sender's document.
	Places *mapping.Places
	// Original is the document as received; the same blob for every row of
	// a file.
	Original store.Blob
	// Kept says that the original is kept with the file that the record is a
	// part of, and Origin names the record's place in it.
	Kept   bool
	Origin string
	// Claims are taken in the same commit. Answer may be filled by Finish.
	Claims []store.Claim
	// Finish, when set, makes the answer that the claims keep, once the keys
	// are known and before the commit.
	Finish func(Outcome) []byte
	// Known are full URLs of entries that stand here already: they are
	// referred to and not written.
	Known map[string]store.Key
	// Parties see the record beside the sender; nil finds them from the
	// request's performer.
	Parties []string
	// Writes and Docs join the commit.
	Writes []store.Write
	Docs   func(Outcome) []store.DocWrite
	// Events join it too, also when the record is unchanged; Beside are further
	// originals that are kept with it.
	Events func(Outcome) []store.Event
	Beside []store.Blob
	// Interaction names the operation in the audit entry.
	Interaction string
	// Reference gives the referral's Task a reference that people can quote.
	Reference bool
	// CheckRefs refuses references to resources that the sender cannot see.
	CheckRefs bool
}

// Submit takes one record in. The error is for what stopped the work (the
// store away, a canceled context); faults of the record are in the Outcome,
// and it is the caller who audits the refusal.
func (in *Intake) Submit(ctx context.Context, s Submission) (Outcome, error) {
	out, err := in.submit(ctx, s)
	if err == nil && out.Taken == nil {
		in.Count(s.Format, out.Status, 1)
	}
	return out, err
}

func (in *Intake) submit(ctx context.Context, s Submission) (Outcome, error) {
	if s.refused() {
		return Outcome{Status: Rejected, Issues: s.Issues}, nil
	}
	issues := append(s.Issues, in.check(ctx, s)...)
	p, more, err := in.plan(ctx, s)
	if err != nil {
		return Outcome{}, err
	}
	issues = append(issues, more...)
	if fhir.Faults(issues) != nil {
		return Outcome{Status: Rejected, Issues: issues}, nil
	}
	return in.commit(ctx, s, p, issues)
}

// check validates the submission's bundle.
func (in *Intake) check(ctx context.Context, s Submission) []fhir.Issue {
	return validate(s.Bundle, s.Places, in.Validator, in.options(ctx, s.Sender))
}

// options are what a sender's documents are judged by.
func (in *Intake) options(ctx context.Context, from Sender) profiles.Options {
	if in.Options == nil {
		return profiles.Options{BaseOnly: from.Sandbox(), Profiles: from.Profiles}
	}
	return in.Options(ctx, from.Principal)
}

// auditRefusal records that a document was refused, where no error answer does.
func (in *Intake) auditRefusal(ctx context.Context, s Submission) error {
	e := in.entry(ctx, s)
	e.Outcome = audit.Refused
	_, err := in.Store.Commit(ctx, store.Commit{Audit: []audit.Entry{e}})
	return err
}

func (in *Intake) entry(ctx context.Context, s Submission) audit.Entry {
	return audit.NewEntry(ctx, in.Clock().UTC(), audit.Execute, s.Interaction)
}

// id derives a UUID (RFC 9562 version 8) that is the same whenever the parts
// are, and that nobody without the key can predict.
func (in *Intake) id(parts ...string) string {
	m := hmac.New(sha256.New, in.IDKey)
	writeParts(m, parts)
	sum := m.Sum(nil)[:16]
	sum[6] = sum[6]&0x0f | 0x80
	sum[8] = sum[8]&0x3f | 0x80
	h := hex.EncodeToString(sum)
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

// newID returns a UUID of version 7, which keeps new keys together in the
// store's index.
func newID() string { return uuid.Must(uuid.NewV7()).String() }

// humanReference makes a reference that people can read to each other:
// "SP-7KQ4-M2XB".
func (in *Intake) humanReference(parts ...string) string {
	const alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ" // Crockford's base 32: no I, L, O, U
	m := hmac.New(sha256.New, in.IDKey)
	writeParts(m, append([]string{"reference"}, parts...))
	sum := m.Sum(nil)
	out := []byte("SP-")
	for i := range 8 {
		if i == 4 {
			out = append(out, '-')
		}
		out = append(out, alphabet[sum[i]&31])
	}
	return string(out)
}

// original is the document as received.
func original(body []byte, mediaType string) store.Blob {
	sum := sha256.Sum256(body)
	return store.Blob{Hash: hex.EncodeToString(sum[:]), Type: mediaType, Data: body}
}

// versionName is "Type/id/_history/n".
func versionName(k store.Key, n int) string { return fmt.Sprintf("%s/_history/%d", k, n) }

// writeParts writes the parts so that no two lists give the same bytes.
func writeParts(h hash.Hash, parts []string) {
	for _, p := range parts {
		fmt.Fprintf(h, "%d:%s", len(p), p)
	}
}

func itoa(n int) string { return strconv.Itoa(n) }
