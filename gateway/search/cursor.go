package search

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"

	"trellis.example/fhir"
	"trellis.example/gateway/store"
)

// A Cursor is where a walk over a search or a history stands.
type Cursor struct {
	// Path is the address the walk is over: "ServiceRequest" or
	// "ServiceRequest/1/_history".
	Path string `json:"p"`
	// Query is the encoded query string of the first request.
	Query string `json:"q,omitempty"`
	// Snapshot and the position continue a search or a history of types; Before
	// the history of one resource; Seq and N the audit log.
	Snapshot int64  `json:"s,omitempty"`
	Seq      int64  `json:"c,omitempty"`
	Type     string `json:"y,omitempty"`
	ID       string `json:"i,omitempty"`
	Number   int    `json:"v,omitempty"`
	Sort     []byte `json:"o,omitempty"`
	Before   int    `json:"b,omitempty"`
	N        int    `json:"n,omitempty"`
	// Total is what the first page said; -1 when it said nothing.
	Total int `json:"t"`
}

// After returns the position that a walk continues after.
func (c *Cursor) After() *store.Position {
	return &store.Position{Seq: c.Seq, Type: c.Type, ID: c.ID, Number: c.Number, Sort: c.Sort}
}

// At sets the position that a walk continues after.
func (c *Cursor) At(p *store.Position) {
	if p != nil {
		c.Seq, c.Type, c.ID, c.Number, c.Sort = p.Seq, p.Type, p.ID, p.Number, p.Sort
	}
}

// CursorKeySize is the length of a cursor key in bytes.
const CursorKeySize = 32

// Cursors seals and opens cursors. A cursor is encrypted, not only signed: it
// carries the values searched for, and page links end up in logs.
type Cursors struct{ aead cipher.AEAD }

// NewCursors returns cursors under a key of [CursorKeySize] bytes.
func NewCursors(key []byte) (*Cursors, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	return &Cursors{aead}, nil
}

// Seal returns c as the value of _cursor for the client.
func (cs *Cursors) Seal(client string, c Cursor) (string, error) {
	plain, err := json.Marshal(c)
	if err != nil {
		return "", err
	}
	nonce := make([]byte, cs.aead.NonceSize(), cs.aead.NonceSize()+len(plain)+cs.aead.Overhead())
	if _, err := rand.Read(nonce); err != nil {
		return "", err
	}
	return base64.RawURLEncoding.EncodeToString(cs.aead.Seal(nonce, nonce, plain, []byte(client))), nil
}

// Open reads a cursor made for the client and the path. Anything else is 400.
func (cs *Cursors) Open(client, path, s string) (c Cursor, err error) {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(s)
	n := cs.aead.NonceSize()
	if err != nil || len(raw) < n {
		return c, badCursor()
	}
	plain, err := cs.aead.Open(nil, raw[:n], raw[n:], []byte(client))
	if err != nil || json.Unmarshal(plain, &c) != nil || c.Path != path {
		return c, badCursor()
	}
	return c, nil
}

func badCursor() error {
	return fhir.StatusErrorf(400, fhir.BadValue, "the _cursor is not one that this server gave to this client for this address")
}
