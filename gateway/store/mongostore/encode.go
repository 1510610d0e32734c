package mongostore

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"trellis.example/auth"
	"trellis.example/gateway/store"
)

// open is the `to` of a current version.
const open = math.MaxInt64

// A versionDoc is one version of a resource as it lies in `versions`. Only a
// current version, or one closed less than 15 minutes ago, carries sp, exact,
// dates and entries. The access of the key is that of its current version: a
// closed one keeps what it was found by, never what it is shown by.
type versionDoc struct {
	ID      string    `bson:"_id"`
	Type    string    `bson:"type"`
	Logical string    `bson:"id"`
	Number  int       `bson:"n"`
	From    int64     `bson:"from"`
	To      int64     `bson:"to"`
	Updated int64     `bson:"updated"`
	Deleted bool      `bson:"deleted"`
	Access  accessDoc `bson:"access"`
	// Viewers holds "party|Type" for each party and "*|Type". Those of a
	// deletion, and of a version whose other entries have been swept, end in
	// "|past": only a history looks for them.
	Viewers []string `bson:"viewers,omitempty"`
	// Terms holds what the version is found by: "|Type|param|kind|value" for
	// a selective parameter; "*|Type|param|kind|value" and the same with each
	// party for a common one. A token's system is left to Exact. A deletion
	// has one that leads from its key to its access.
	Terms []string `bson:"sp,omitempty"`
	// Exact holds "param|system|value" of each token; not indexed.
	Exact []string `bson:"exact,omitempty"`
	// Dates holds the ranges of dates, numbers and quantities, under names made
	// like Terms.
	Dates []rangeDoc `bson:"dates,omitempty"`
	// Entries holds all index entries, silent ones too; see packEntries.
	Entries []byte `bson:"entries,omitempty"`
	Body    []byte `bson:"body,omitempty"`

	unpacked []store.Index
	sort     []byte // the sort key, when a search has one
}

type accessDoc struct {
	Owner   string   `bson:"owner"`
	Parties []string `bson:"parties"`
	Labels  []string `bson:"labels,omitempty"`
}

type rangeDoc struct {
	Param string `bson:"p"`
	Low   int64  `bson:"low"`
	High  int64  `bson:"high"`
}

func (a accessDoc) access() auth.Access {
	return auth.Access{Owner: a.Owner, Parties: a.Parties, Labels: a.Labels}
}

func newAccessDoc(a auth.Access) accessDoc {
	// A nil array would be stored as null, which no query expects.
	parties := append([]string{}, a.Parties...)
	return accessDoc{Owner: a.Owner, Parties: parties, Labels: a.Labels}
}

func isZero(a auth.Access) bool { return a.Owner == "" && len(a.Parties) == 0 && len(a.Labels) == 0 }

// version returns the stored version. The document's access must be the key's
// of today.
func (d *versionDoc) version() store.Version {
	return store.Version{
		Key:     d.key(),
		Number:  d.Number,
		Updated: time.UnixMilli(d.Updated).UTC(),
		Deleted: d.Deleted,
		Body:    d.Body,
		Access:  d.Access.access(),
		Seq:     d.From,
	}
}

func (d *versionDoc) key() store.Key { return store.Key{Type: d.Type, ID: d.Logical} }

// newVersion returns the document of a write that becomes current at seq.
func newVersion(w *store.Write, seq int64, access accessDoc) *versionDoc {
	d := &versionDoc{
		ID: versionID(w.Key, w.Expect+1), Type: w.Key.Type, Logical: w.Key.ID,
		Number: w.Expect + 1, From: seq, To: open, Updated: w.Updated.UnixMilli(),
		Deleted: w.Deleted, Access: access,
	}
	if !w.Deleted {
		d.Body = w.Body
	}
	d.index(w.Index)
	return d
}

// index gives the version everything that it is found by.
func (d *versionDoc) index(entries []store.Index) {
	d.Viewers, d.Terms, d.Exact, d.Dates, d.Entries = nil, nil, nil, nil, nil
	parties := []string{everyone}
	for _, p := range d.Access.Parties {
		if p != "" {
			parties = appendNew(parties, escape(p))
		}
	}
	for _, p := range parties {
		d.Viewers = append(d.Viewers, viewer(p, d.Type))
	}
	if d.Deleted {
		d.past()
		d.Terms = []string{goneTerm(d.key())}
		return
	}
	d.Terms = []string{idTerm(d.key())}
	for i := range entries {
		d.add(&entries[i], parties)
	}
	d.Terms, d.Exact = unique(d.Terms), unique(d.Exact)
	d.Entries = packEntries(entries)
}

// past turns the viewers into those that only a history looks for.
func (d *versionDoc) past() {
	for i, v := range d.Viewers {
		d.Viewers[i] = v + pastMark
	}
}

func (d *versionDoc) add(ix *store.Index, parties []string) {
	if ix.Silent {
		return
	}
	if ix.Kind == store.Token {
		d.Exact = append(d.Exact, exactTerm(ix.Param, ix.System, ix.Value))
	}
	heads := []string{""}
	if ix.Common {
		heads = parties
	}
	for _, h := range heads {
		switch ix.Kind {
		case store.Date, store.Number, store.Quantity:
			d.Dates = append(d.Dates, rangeDoc{rangeName(h, d.Type, ix.Param, ix.Kind), ix.Low, ix.High})
		case store.Point:
			for _, cell := range ix.Cells() {
				d.Terms = append(d.Terms, term(h, d.Type, ix.Param, ix.Kind, cell))
			}
		default:
			d.Terms = append(d.Terms, term(h, d.Type, ix.Param, ix.Kind, ix.Value))
		}
	}
}

// unique drops what came before. A version may have very many entries.
func unique(list []string) []string {
	seen := make(map[string]bool, len(list))
	return slices.DeleteFunc(list, func(s string) bool {
		again := seen[s]
		seen[s] = true
		return again
	})
}

func appendNew(list []string, s string) []string {
	if slices.Contains(list, s) {
		return list
	}
	return append(list, s)
}

// ownID is the parameter by which a version is found under its own id.
const ownID = "_id"

// everyone stands for any party, in the entries a view without limits uses.
const everyone = "*"

// pastMark ends the viewers of what only a history looks for.
const pastMark = "|past"

// longValue is the length in bytes beyond which a value is indexed by its
// digest, so that no index key grows without bound.
const longValue = 256

func viewer(party, typ string) string { return party + "|" + escape(typ) }

func idTerm(k store.Key) string { return term("", k.Type, ownID, store.Token, k.ID) }

// goneTerm is the entry of a deletion; no parameter has a name with a star.
func goneTerm(k store.Key) string { return "|" + escape(k.Type) + "|*gone|" + short(k.ID) }

// term is an entry of `sp`. Text stays whole, because it is looked for by its
// beginning.
func term(party, typ, param string, k store.Kind, value string) string {
	if k != store.Text {
		value = short(value)
	}
	return rangeName(party, typ, param, k) + "|" + value
}

// rangeName names the ranges of a parameter, and begins its terms.
func rangeName(party, typ, param string, k store.Kind) string {
	return party + "|" + escape(typ) + "|" + escape(param) + "|" + kindName(k)
}

// kindName keeps entries of one parameter but different kinds apart.
func kindName(k store.Kind) string {
	switch k {
	case store.Token:
		return "token"
	case store.Reference:
		return "reference"
	case store.Date:
		return "date"
	case store.Text:
		return "text"
	case store.URI:
		return "uri"
	case store.Number:
		return "number"
	case store.Quantity:
		return "quantity"
	case store.Point:
		return "point"
	}
	return "other"
}

func exactTerm(param, system, value string) string {
	return escape(param) + "|" + escape(short(system)) + "|" + short(value)
}

func short(value string) string {
	if len(value) <= longValue {
		return value
	}
	sum := sha256.Sum256([]byte(value))
	// A plain value this long is never stored as itself, so it cannot be
	// mistaken for a digest.
	return strings.Repeat("#", longValue+1-2*len(sum)) + hex.EncodeToString(sum[:])
}

var escaper = strings.NewReplacer("%", "%25", "|", "%7C", "*", "%2A", "/", "%2F")

// escape makes s safe before a separator of an entry or id.
func escape(s string) string { return escaper.Replace(s) }

// unescape undoes escape.
func unescape(s string) string {
	return strings.NewReplacer("%25", "%", "%7C", "|", "%2A", "*", "%2F", "/").Replace(s)
}

// versionID orders the versions of one key by number.
func versionID(k store.Key, n int) string { return fmt.Sprintf("%s%010d", keyPrefix(k), n) }

// keyPrefix begins the ids of all versions of one key, and of no other's.
func keyPrefix(k store.Key) string { return escape(k.Type) + "/" + escape(k.ID) + "/" }

func claimID(scope, key string) string { return escape(scope) + "|" + short(key) }

func docID(kind, id string) string { return escape(kind) + "|" + id }

// maxDocument is the size of a document that every server takes, with some room
// left: https://www.mongodb.com/docs/manual/reference/limits.
const maxDocument = 16<<20 - 64<<10

// size returns at least how many bytes the version takes as a document.
func (d *versionDoc) size() int {
	n := 1024 + len(d.ID) + len(d.Type) + len(d.Logical) + len(d.Access.Owner) + len(d.Entries) + len(d.Body)
	for _, list := range [][]string{d.Viewers, d.Terms, d.Exact, d.Access.Parties, d.Access.Labels} {
		for _, s := range list {
			n += len(s) + 14 // its place in the array, at most six digits, and its length
		}
	}
	for _, r := range d.Dates {
		n += len(r.Param) + 56
	}
	return n
}
