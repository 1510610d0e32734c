package auth

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"golang.org/x/sync/singleflight"

	"trellis.example/fhir"
)

// maxStale is how old a client or key may be when it is used: the promise
// that a change counts within a second.
const maxStale = 800 * time.Millisecond

// readTimeout ends a read of the store that requests wait for.
const readTimeout = 5 * time.Second

// A Registry is the list of clients in a store. It is safe for concurrent use,
// and several registries may share one store.
type Registry struct {
	storage Storage
	sandbox bool
	now     func() time.Time
	fetch   *keyFetcher

	mu     sync.RWMutex
	cached map[string]cachedClient
	list   cachedList
	flight singleflight.Group
}

type cachedClient struct {
	record *clientRecord
	at     time.Time
}

type cachedList struct {
	records []*clientRecord
	at      time.Time
}

// A clientRecord is a client as stored, with its parsed parts. It is never
// modified: a changed client is a new record.
type clientRecord struct {
	Client
	version int
	scopes  Scopes
	keys    keySet
}

// clientDoc is the stored form.
type clientDoc struct {
	Client     `json:",inline"`
	SecretHash string `json:"secret_hash,omitzero"`
}

// NewRegistry returns the registry in the store. With sandbox, clients of the
// role sandbox may have a jwks_uri by http and at internal addresses. That role
// may be registered in any store, but only a gateway with [Config.Sandbox] lets
// it in.
func NewRegistry(storage Storage, sandbox bool) *Registry {
	return &Registry{
		storage: storage, sandbox: sandbox, now: time.Now,
		fetch: newKeyFetcher(), cached: map[string]cachedClient{},
	}
}

// Add registers a client. The secret is the one made for it, to be shown once;
// it is "" when the caller brought a secret or keys. A *fhir.Error names every
// fault of the input; an id in use is a Duplicate.
func (r *Registry) Add(ctx context.Context, n NewClient) (Client, Secret, error) {
	if n.Scope == "" {
		n.Scope = DefaultScope
	}
	faults := n.check()
	r.checkURI(ctx, &faults, n.Role, n.JWKSURI)
	r.checkBinding(ctx, &faults, n)
	if err := faults.err(); err != nil {
		return Client{}, "", err
	}
	now := r.now().UTC().Truncate(time.Second)
	scopes, err := ParseScopes(n.Scope)
	if err != nil {
		return Client{}, "", err
	}
	c := Client{ID: n.ID, Role: n.Role, Org: n.Org, Scopes: scopes.String(), MLLP: n.MLLP, Profiles: n.Profiles, CreatedAt: now, ChangedAt: now}
	secret := c.setCredentials(n.Credentials)
	if err := r.put(ctx, c, 0); errors.Is(err, ErrConflict) {
		return Client{}, "", fhir.Errorf(fhir.Duplicate, "a client with that id exists")
	} else if err != nil {
		return Client{}, "", err
	}
	return c, secret, nil
}

// setCredentials replaces the client's credentials and returns the secret
// that was made, if any. It begins a new generation.
func (c *Client) setCredentials(cr Credentials) (made Secret) {
	c.Generation++
	c.SecretHash, c.JWKS, c.JWKSURI, c.Algs = "", nil, "", nil
	switch {
	case cr.JWKS != nil:
		c.JWKS, c.Algs = jsontext.Value(cr.JWKS), cr.Algs
	case cr.JWKSURI != "":
		c.JWKSURI, c.Algs = cr.JWKSURI, cr.Algs
	case cr.Secret != "":
		c.SecretHash = Secret(hashChosen(cr.Secret))
	default:
		made = newSecret()
		c.SecretHash = Secret(hashRandom(made))
	}
	return made
}

// location returns where the keys of a client with that role are, and how far
// it may be trusted.
func (r *Registry) location(role Role, uri string) keyLocation {
	return keyLocation{uri: uri, internal: r.sandbox && role == RoleSandbox}
}

func (r *Registry) checkURI(ctx context.Context, p *problems, role Role, uri string) {
	if uri == "" {
		return
	}
	if _, err := r.fetch.get(ctx, r.location(role, uri)); err != nil {
		p.addf("jwks_uri", "%v", err)
	}
}

// checkBinding refuses a binding that another client has: an HL7 v2 sender
// must be one client.
func (r *Registry) checkBinding(ctx context.Context, p *problems, n NewClient) {
	if n.MLLP == nil {
		return
	}
	all, err := r.records(ctx)
	if err != nil {
		p.addf("mllp", "the other clients could not be read")
	}
	for _, c := range all {
		if m := c.MLLP; m != nil && c.ID != n.ID && m.sameSender(*n.MLLP) {
			p.addf("mllp", "another client is bound to that sender")
		}
	}
}

func (b MLLPBinding) sameSender(o MLLPBinding) bool {
	return b.CertSHA256 == o.CertSHA256 && b.CN == o.CN && b.MSH3 == o.MSH3 && b.MSH4 == o.MSH4
}

// Get returns the client, or a NotFound.
func (r *Registry) Get(ctx context.Context, id string) (Client, error) {
	rec, err := r.read(ctx, id)
	if err != nil {
		return Client{}, err
	}
	if rec == nil {
		return Client{}, errNoClient()
	}
	return rec.Client, nil
}

func errNoClient() error { return fhir.Errorf(fhir.NotFound, "there is no client with that id") }

// List returns every client, sorted by id.
func (r *Registry) List(ctx context.Context) ([]Client, error) {
	all, err := r.readAll(ctx)
	if err != nil {
		return nil, err
	}
	out := make([]Client, len(all))
	for i, rec := range all {
		out[i] = rec.Client
	}
	slices.SortFunc(out, func(a, b Client) int { return strings.Compare(a.ID, b.ID) })
	return out, nil
}

// Rotate replaces the client's credentials. The old ones and every token they
// got stop counting within a second. The secret is as for [Registry.Add].
func (r *Registry) Rotate(ctx context.Context, id string, c Credentials) (Client, Secret, error) {
	old, err := r.Get(ctx, id)
	if err != nil {
		return Client{}, "", err
	}
	var faults problems
	c.check(&faults, id)
	r.checkURI(ctx, &faults, old.Role, c.JWKSURI)
	if err := faults.err(); err != nil {
		return Client{}, "", err
	}
	var made Secret
	out, err := r.change(ctx, id, func(cl *Client) { made = cl.setCredentials(c) })
	if err != nil {
		return Client{}, "", err
	}
	return out, made, nil
}

// Bind replaces what is agreed with a client about HL7 v2 over MLLP; nil ends
// it. It counts within a second.
func (r *Registry) Bind(ctx context.Context, id string, b *MLLPBinding) (Client, error) {
	var faults problems
	b.check(&faults)
	r.checkBinding(ctx, &faults, NewClient{ID: id, MLLP: b})
	if err := faults.err(); err != nil {
		return Client{}, err
	}
	return r.change(ctx, id, func(c *Client) { c.MLLP = b })
}

// Disable stops the client and every token it has, within a second; enable
// true lets it ask for new tokens again.
func (r *Registry) Disable(ctx context.Context, id string, enable bool) (Client, error) {
	return r.change(ctx, id, func(c *Client) {
		c.Disabled = !enable
		c.Generation++
	})
}

// Agree replaces the profiles of a client's agreement; none ends it. It counts
// within a second, for tokens the client has too.
func (r *Registry) Agree(ctx context.Context, id string, profiles []string) (Client, error) {
	var p problems
	checkProfiles(&p, profiles)
	if err := p.err(); err != nil {
		return Client{}, err
	}
	return r.change(ctx, id, func(c *Client) { c.Profiles = profiles })
}

// RevokeTokens makes every token the client has stop counting within a
// second; its credentials stay.
func (r *Registry) RevokeTokens(ctx context.Context, id string) (Client, error) {
	return r.change(ctx, id, func(c *Client) { c.Generation++ })
}

// change applies f to the stored client, again when someone else was faster.
func (r *Registry) change(ctx context.Context, id string, f func(*Client)) (Client, error) {
	for range 5 {
		rec, err := r.read(ctx, id)
		if err != nil {
			return Client{}, err
		}
		if rec == nil {
			return Client{}, errNoClient()
		}
		c := rec.Client
		f(&c)
		c.ChangedAt = r.now().UTC().Truncate(time.Second)
		if err = r.put(ctx, c, rec.version); !errors.Is(err, ErrConflict) {
			return c, err
		}
	}
	return Client{}, fhir.Errorf(fhir.Conflict, "the client is being changed by someone else; try again")
}

func (r *Registry) put(ctx context.Context, c Client, expect int) error {
	body, err := json.Marshal(clientDoc{Client: c, SecretHash: c.SecretHash.Reveal()})
	if err != nil {
		return fmt.Errorf("encoding client: %w", err)
	}
	if err := r.storage.PutDoc(ctx, kindClient, c.ID, expect, body); err != nil {
		return storeFault(err)
	}
	r.mu.Lock()
	delete(r.cached, c.ID)
	r.list = cachedList{}
	r.mu.Unlock()
	return nil
}

// storeFault classifies an error of the store; a conflict stays what it is.
func storeFault(err error) error {
	if errors.Is(err, ErrConflict) {
		return err
	}
	return fhir.Wrap(err, fhir.Transient, "the store could not answer; try again")
}
