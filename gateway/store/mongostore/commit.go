package mongostore

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"

	"trellis.example/gateway/store"
)

// A pending is one commit on its way through the writer.
type pending struct {
	store.Commit
	// names are what it touches; a group holds each name once.
	names []string
	named map[string]bool
	docs  int // documents it will write, about
	bytes int
	// large are the originals whose chunks are written before the
	// transaction.
	large []upload

	state claimState
	done  chan outcome // buffered: the writer never waits for a caller
}

type outcome struct {
	seq int64
	err error
}

// prepareCommit checks what can be checked without the database.
func prepareCommit(c store.Commit) (*pending, error) {
	p := &pending{Commit: c, done: make(chan outcome, 1)}
	for _, add := range []func() error{p.addClaims, p.addWrites, p.addEvents, p.addDocs, p.addOriginals} {
		if err := add(); err != nil {
			return nil, err
		}
	}
	for i := range c.Audit {
		p.bytes += 256 + 64*(len(c.Audit[i].Entities)+len(c.Audit[i].Patients))
	}
	p.docs++
	return p, nil
}

// name notes that the commit touches name; false when it does so already.
func (p *pending) name(name string) bool {
	if p.named[name] {
		return false
	}
	if p.named == nil {
		p.named = map[string]bool{}
	}
	p.named[name] = true
	p.names = append(p.names, name)
	return true
}

func (p *pending) addClaims() error {
	for i := range p.Claims {
		c := &p.Claims[i]
		if len(c.Answer) > store.MaxAnswer {
			return store.ErrTooLarge
		}
		if c.Expires.IsZero() {
			return errors.New("a claim needs an expiry")
		}
		if !p.name("claim " + claimID(c.Scope, c.Key)) {
			return &store.Taken{Claim: *c}
		}
		p.docs, p.bytes = p.docs+1, p.bytes+len(c.Answer)
	}
	return nil
}

func (p *pending) addWrites() error {
	for i := range p.Writes {
		w := &p.Writes[i]
		if len(w.Body) > store.MaxBody || len(w.Index) > store.MaxIndex {
			return store.ErrTooLarge
		}
		if !p.name("key " + keyPrefix(w.Key)) {
			return &store.Conflict{Key: w.Key}
		}
		p.docs, p.bytes = p.docs+2, p.bytes+len(w.Body)+96*len(w.Index)
	}
	return nil
}

func (p *pending) addEvents() error {
	for i := range p.Events {
		e := &p.Events[i]
		if len(e.Payload) > store.MaxBody {
			return store.ErrTooLarge
		}
		if !p.name("event " + e.ID) {
			return &store.Conflict{Key: store.Key{Type: e.Topic, ID: e.ID}}
		}
		p.docs, p.bytes = p.docs+1, p.bytes+len(e.Payload)
	}
	return nil
}

func (p *pending) addDocs() error {
	for i := range p.Docs {
		d := &p.Docs[i]
		if len(d.Body) > store.MaxBody {
			return store.ErrTooLarge
		}
		if !p.name("doc " + docID(d.Kind, d.ID)) {
			return &store.Conflict{Key: store.Key{Type: d.Kind, ID: d.ID}}
		}
		p.docs, p.bytes = p.docs+1, p.bytes+len(d.Body)
	}
	return nil
}

func (p *pending) addOriginals() error {
	for i := range p.Originals {
		b := &p.Originals[i]
		p.docs++
		// Whoever refers to an original waits for who stores it.
		p.name("blob " + b.Hash)
		if b.Data == nil {
			continue
		}
		if sum := sha256.Sum256(b.Data); hex.EncodeToString(sum[:]) != b.Hash {
			return errors.New("an original's hash is not that of its bytes")
		}
		if len(b.Data) > chunkSize {
			p.large = append(p.large, upload{blob: b})
			continue
		}
		p.bytes += len(b.Data)
	}
	return nil
}

// brings reports whether the commit itself stores the original.
func (p *pending) brings(hash string) bool {
	for i := range p.Originals {
		if p.Originals[i].Hash == hash && p.Originals[i].Data != nil {
			return true
		}
	}
	return false
}
