package gateway

import (
	"context"
	"errors"
	"net"

	"trellis.example/fhir"
	"trellis.example/fhir/definitions"
	"trellis.example/gateway/search"
	"trellis.example/gateway/store"
)

// Registry returns the search parameters as a gateway of this configuration
// knows them. What it indexes depends on the public URL: references to it are
// the gateway's own.
func (c Config) Registry() *search.Registry {
	if c.Sandbox { // test kits ask for every parameter of every type
		return search.NewSandboxRegistry(definitions.R4(), c.publicURL()+"/fhir")
	}
	return search.NewRegistry(definitions.R4(), c.publicURL()+"/fhir")
}

// publicURL is the public URL unless port 0 is to be listened on.
func (c Config) publicURL() string {
	if c.PublicURL != "" {
		return c.PublicURL
	}
	scheme := "http://"
	if c.TLSCert != "" {
		scheme = "https://"
	}
	return scheme + c.Listen
}

// FreePort reports whether the public URL is known only once the gateway
// listens.
func (c Config) FreePort() bool {
	_, port, err := net.SplitHostPort(c.Listen)
	return c.PublicURL == "" && err == nil && port == "0"
}

// Indexer returns what a stored document is found by.
func Indexer(r *search.Registry) func(typ string, body []byte) ([]store.Index, error) {
	return func(_ string, body []byte) ([]store.Index, error) {
		res, err := fhir.Decode(body)
		if err != nil {
			return nil, err
		}
		return r.Index(res), nil
	}
}

// The document that says by which parameters everything in the store is
// indexed.
const (
	indexKind = "gateway-index"
	indexID   = "fingerprint"
)

// Indexed reports whether everything in the store is indexed as the registry
// does it. A store without resources becomes so.
func Indexed(ctx context.Context, s store.Store, r *search.Registry) (bool, error) {
	doc, err := s.Doc(ctx, indexKind, indexID)
	if err == nil {
		return string(doc.Body) == r.Fingerprint(), nil
	}
	if !errors.Is(err, store.ErrNotFound) {
		return false, err
	}
	if n, err := s.Count(ctx); err != nil || n > 0 {
		return false, err
	}
	return true, SetIndexed(ctx, s, r)
}

// SetIndexed remembers that everything in the store is indexed as the registry
// does it. Where that is known already nothing is written, so that a copy is
// the same to the last commit and may be repeated.
func SetIndexed(ctx context.Context, s store.Store, r *search.Registry) error {
	for {
		doc, err := s.Doc(ctx, indexKind, indexID)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
		if err == nil && string(doc.Body) == r.Fingerprint() {
			return nil
		}
		_, err = s.Commit(ctx, store.Commit{Docs: []store.DocWrite{{Kind: indexKind, ID: indexID, Expect: doc.Version, Body: []byte(r.Fingerprint())}}})
		if _, lost := errors.AsType[*store.Conflict](err); !lost {
			return err
		}
	}
}
