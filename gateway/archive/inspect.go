package archive

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"

	"trellis.example/fhir"
	"trellis.example/gateway/store"
)

// An Inspector looks at the records of one dump, in their order, and reports
// what cannot be: a document that cannot be read or that names another key or
// version, a version missing between two others, an original that does not have
// its hash, an audit record out of place.
type Inspector struct {
	Counts Counts
	// Faults is how many were reported.
	Faults int

	report func(string)
	mark   store.Mark
	keys   map[store.Key]*chain
	audit  store.AuditPosition
}

// A chain is how far the versions of a key have come.
type chain struct {
	number int
	until  int64 // of the last one; 0: it is the current one
}

// NewInspector returns an inspector that reports each fault in words.
func NewInspector(report func(fault string)) *Inspector {
	return &Inspector{report: report, keys: map[store.Key]*chain{}}
}

// Fault reports what somebody else found.
func (i *Inspector) Fault(text string) {
	i.Faults++
	i.report(text)
}

func (i *Inspector) fault(format string, args ...any) { i.Fault(fmt.Sprintf(format, args...)) }

// Look looks at one record.
func (i *Inspector) Look(r store.Record) {
	i.Counts.add(r)
	switch {
	case r.Mark != nil:
		i.mark = *r.Mark
	case r.Version != nil:
		i.version(r.Version)
	case r.Audit != nil:
		i.auditRecord(store.AuditPosition{Seq: r.Audit.Seq, N: r.Audit.N}, r.Audit.At)
	case r.Blob != nil:
		i.blob(r.Blob)
	}
}

func (i *Inspector) version(v *store.VersionRecord) {
	name := fmt.Sprintf("%s version %d", v.Key, v.Number)
	c := i.keys[v.Key]
	if c == nil {
		c = &chain{}
		i.keys[v.Key] = c
	}
	if v.Number != c.number+1 {
		i.fault("%s: it follows version %d", name, c.number)
	}
	if c.number > 0 && c.until != v.Seq {
		i.fault("%s: it became current with commit %d, and the one before it ended with %d", name, v.Seq, c.until)
	}
	if v.Seq > i.mark.Seq || v.Until != 0 && v.Until <= v.Seq {
		i.fault("%s: its commit numbers cannot be", name)
	}
	c.number, c.until = v.Number, v.Until
	if !v.Deleted {
		i.body(name, v)
	}
}

func (i *Inspector) body(name string, v *store.VersionRecord) {
	res, err := fhir.Decode(v.Body)
	if err != nil {
		i.fault("%s: its document cannot be read", name)
		return
	}
	if res.Type() != v.Key.Type || res.ID() != v.Key.ID || res.VersionID() != fmt.Sprint(v.Number) {
		i.fault("%s: its document names another type, id or version", name)
	}
}

func (i *Inspector) auditRecord(p store.AuditPosition, at time.Time) {
	last := i.audit
	if p.Seq < last.Seq || p.Seq == last.Seq && p.N != last.N+1 || p.Seq > last.Seq && p.N != 0 {
		i.fault("audit record %d.%d: it follows %d.%d", p.Seq, p.N, last.Seq, last.N)
	}
	if p.Seq > i.mark.Seq || at.IsZero() {
		i.fault("audit record %d.%d: its commit or time cannot be", p.Seq, p.N)
	}
	i.audit = p
}

func (i *Inspector) blob(b *store.BlobRecord) {
	sum := sha256.Sum256(b.Data)
	if hex.EncodeToString(sum[:]) != b.Hash {
		i.fault("original %s: its content does not have that hash", b.Hash)
	}
}

// End looks at what only the end shows.
func (i *Inspector) End() {
	for k, c := range i.keys {
		if c.until != 0 {
			i.fault("%s: its last version %d is not current", k, c.number)
		}
	}
}
