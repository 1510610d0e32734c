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
// current version, or one closed less than 15 minutes ago, carries viewers,
// sp, exact and dates. The access of the key is that of its current version: a
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
	// Viewers holds "party|Type" for each party and "*|Type".
	Viewers []string `bson:"viewers,omitempty"`
	// Terms holds what the version is found by: "|Type|param|kind|value" for
	// a selective parameter; "*|Type|param|kind|value" and the same with each
	// party for a common one. A token's system is left to Exact.
	Terms []string `bson:"sp,omitempty"`
	// Exact holds "param|system|value" of each token; not indexed.
	Exact []string   `bson:"exact,omitempty"`
	Dates []rangeDoc `bson:"dates,omitempty"`
	Body  []byte     `bson:"body,omitempty"`
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

// version returns the stored version under the key's access of today.
func (d *versionDoc) version(today accessDoc) store.Version {
	return store.Version{
		Key:     store.Key{Type: d.Type, ID: d.Logical},
		Number:  d.Number,
		Updated: time.UnixMilli(d.Updated).UTC(),
		Deleted: d.Deleted,
		Body:    d.Body,
		Access:  today.access(),
		Seq:     d.From,
	}
}

// newVersion returns the document of a write that becomes current at seq.
func newVersion(w *store.Write, seq int64, access accessDoc) *versionDoc {
	d := &versionDoc{
		ID: versionID(w.Key, w.Expect+1), Type: w.Key.Type, Logical: w.Key.ID,
		Number: w.Expect + 1, From: seq, To: open, Updated: w.Updated.UnixMilli(),
		Deleted: w.Deleted, Access: access,
	}
	if w.Deleted {
		return d
	}
	d.Body = w.Body
	d.Viewers = []string{viewer(everyone, d.Type)}
	for _, p := range access.Parties {
		if p != "" {
			d.Viewers = appendNew(d.Viewers, viewer(escape(p), d.Type))
		}
	}
	d.Terms = []string{term("", d.Type, ownID, store.Token, d.Logical)}
	for _, ix := range w.Index {
		d.add(ix)
	}
	return d
}

func (d *versionDoc) add(ix store.Index) {
	if ix.Kind == store.Date {
		d.Dates = append(d.Dates, rangeDoc{typeParam(d.Type, ix.Param), ix.Low, ix.High})
		return
	}
	if !ix.Common {
		d.Terms = appendNew(d.Terms, term("", d.Type, ix.Param, ix.Kind, ix.Value))
	} else {
		d.Terms = appendNew(d.Terms, term(everyone, d.Type, ix.Param, ix.Kind, ix.Value))
		for _, v := range d.Viewers[1:] {
			p, _, _ := strings.Cut(v, "|")
			d.Terms = appendNew(d.Terms, term(p, d.Type, ix.Param, ix.Kind, ix.Value))
		}
	}
	if ix.Kind == store.Token {
		d.Exact = appendNew(d.Exact, exactTerm(ix.Param, ix.System, ix.Value))
	}
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

// longValue is the length in bytes beyond which a value is indexed by its
// digest, so that no index key grows without bound.
const longValue = 256

func viewer(party, typ string) string { return party + "|" + escape(typ) }

// term is an entry of `sp`. Text stays whole, because it is looked for by its
// beginning.
func term(party, typ, param string, k store.Kind, value string) string {
	if k != store.Text {
		value = short(value)
	}
	return party + "|" + escape(typ) + "|" + escape(param) + "|" + kinds[min(int(k), len(kinds)-1)] + "|" + value
}

// kinds keeps entries of one parameter but different kinds apart.
var kinds = [...]string{"", "token", "reference", "date", "text", "uri", "other"}

func exactTerm(param, system, value string) string {
	return escape(param) + "|" + escape(short(system)) + "|" + short(value)
}

func typeParam(typ, param string) string { return escape(typ) + "|" + escape(param) }

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

// versionID orders the versions of one key by number.
func versionID(k store.Key, n int) string { return fmt.Sprintf("%s%010d", keyPrefix(k), n) }

// keyPrefix begins the ids of all versions of one key, and of no other's.
func keyPrefix(k store.Key) string { return escape(k.Type) + "/" + escape(k.ID) + "/" }

func claimID(scope, key string) string { return escape(scope) + "|" + short(key) }

func docID(kind, id string) string { return escape(kind) + "|" + id }
