package auth

import (
	"context"
	"crypto/ecdsa"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-json-experiment/json"
	"golang.org/x/sync/singleflight"

	"trellis.example/fhir"
)

const (
	defaultKeyLife = 90 * 24 * time.Hour
	// keyNotice is how long a new key is published before it signs, so that
	// everyone who caches /oauth2/jwks knows it by then.
	keyNotice = 10 * time.Minute
	// jwksMaxAge is how long /oauth2/jwks may be cached.
	jwksMaxAge = 5 * time.Minute
)

// Keys are the signing keys of an installation. Each gateway signs with
// private keys of its own, kept as files; the public halves are documents of
// the shared store, so every gateway recognises every other's tokens. It is
// safe for concurrent use, also beside another process on the same folder.
type Keys struct {
	dir       string
	storage   Storage
	tokenLife time.Duration
	now       func() time.Time

	flight  singleflight.Group
	mu      sync.Mutex // one reload or change at a time
	state   atomic.Pointer[keyState]
	private map[string]*ecdsa.PrivateKey // by kid; guarded by mu
}

// A KeyInfo describes a signing key for people.
type KeyInfo struct {
	Kid string `json:"kid"`
	// Own: this gateway holds the private half.
	Own bool `json:"own"`
	// From is when it begins to sign; Until when it stops being recognised,
	// zero while it is in use.
	From  time.Time `json:"from"`
	Until time.Time `json:"until,omitzero"`
}

// String returns the key on one line.
func (k KeyInfo) String() string {
	until := "in use"
	if !k.Until.IsZero() {
		until = "until " + k.Until.UTC().Format(time.RFC3339)
	}
	owner := "another gateway"
	if k.Own {
		owner = "this gateway"
	}
	return fmt.Sprintf("%s  %s  from %s  %s", k.Kid, owner, k.From.UTC().Format(time.RFC3339), until)
}

// keyDoc is a key's public half in the store.
type keyDoc struct {
	JWK   jwk       `json:"jwk"`
	From  time.Time `json:"from"`
	Until time.Time `json:"until,omitzero"`
}

type publicKey struct {
	keyDoc
	key     *ecdsa.PublicKey
	version int
}

func (k publicKey) live(now time.Time) bool { return k.Until.IsZero() || now.Before(k.Until) }

type signingKey struct {
	kid     string
	private *ecdsa.PrivateKey
}

// A keyState is the keys as they were at a moment; it is never modified.
type keyState struct {
	at     time.Time
	public map[string]publicKey
	own    map[string]*ecdsa.PrivateKey
}

func (s *keyState) live(kid string, now time.Time) bool {
	k, ok := s.public[kid]
	return ok && k.live(now)
}

// OpenKeys returns the keys in the folder and the store. It makes and
// publishes nothing; [Keys.Maintain] does.
func OpenKeys(dir string, storage Storage, tokenLife time.Duration) *Keys {
	return &Keys{dir: dir, storage: storage, tokenLife: tokenLife, now: time.Now, private: map[string]*ecdsa.PrivateKey{}}
}

// current returns the keys as they were within the last second.
func (k *Keys) current(ctx context.Context) (*keyState, error) {
	if s := k.state.Load(); s != nil && fresh(k.now(), s.at) {
		return s, nil
	}
	// One read answers everyone who waits, so that callers do not queue for
	// a store that is down, and so it must not end with the first caller's
	// request.
	v, err, _ := k.flight.Do("", func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), readTimeout)
		defer cancel()
		k.mu.Lock()
		defer k.mu.Unlock()
		return k.reload(ctx)
	})
	if err != nil {
		return nil, err
	}
	return v.(*keyState), nil
}

func (k *Keys) reload(ctx context.Context) (*keyState, error) {
	at := k.now()
	entries, err := k.storage.Docs(ctx, kindKey)
	if err != nil {
		return nil, storeFault(err)
	}
	s := &keyState{at: at, public: map[string]publicKey{}, own: map[string]*ecdsa.PrivateKey{}}
	for _, e := range entries {
		p, err := decodeKey(e)
		if err != nil {
			return nil, err
		}
		s.public[e.ID] = p
		if err := k.loadPrivate(e.ID, p.live(at)); err != nil {
			return nil, err
		}
		if own := k.private[e.ID]; own != nil {
			s.own[e.ID] = own
		}
	}
	k.state.Store(s)
	return s, nil
}

// loadPrivate looks for the private half of a published key once it is needed.
func (k *Keys) loadPrivate(kid string, live bool) error {
	if !live {
		delete(k.private, kid)
		return nil
	}
	if _, known := k.private[kid]; known {
		return nil
	}
	key, err := readKeyFile(k.dir, kid)
	if err != nil {
		return err
	}
	k.private[kid] = key // nil: another gateway's
	return nil
}

func decodeKey(e Entry) (publicKey, error) {
	p := publicKey{version: e.Version}
	if err := json.Unmarshal(e.Body, &p.keyDoc); err != nil {
		return p, fmt.Errorf("stored key cannot be read: %w", err)
	}
	key, err := p.JWK.public()
	if err != nil {
		return p, fmt.Errorf("stored key cannot be read: %w", err)
	}
	ec, ok := key.(*ecdsa.PublicKey)
	if !ok || !tokenAlg.fits(ec) || p.JWK.Kid != e.ID {
		return p, errors.New("stored key is not for access tokens")
	}
	p.key = ec
	return p, nil
}

// signer returns the newest of this gateway's keys whose time has come.
func (k *Keys) signer(ctx context.Context) (signingKey, error) {
	s, err := k.current(ctx)
	if err != nil {
		return signingKey{}, err
	}
	kid := s.signing(k.now())
	if kid == "" {
		return signingKey{}, fhir.Errorf(fhir.Transient, "no signing key is in use; try again")
	}
	return signingKey{kid: kid, private: s.own[kid]}, nil
}

// signing returns the kid of the own key that signs at that time: the newest
// whose time has come, or else, when the clock was set back, the one whose
// time comes first; "" when there is none.
func (s *keyState) signing(now time.Time) string {
	best := ""
	var from time.Time
	for kid := range s.own {
		p := s.public[kid]
		if !p.live(now) {
			continue
		}
		due := !p.From.After(now)
		if best == "" || due && (from.After(now) || p.From.After(from)) || !due && p.From.Before(from) && from.After(now) {
			best, from = kid, p.From
		}
	}
	return best
}

// List returns every key that is still recognised, oldest first.
func (k *Keys) List(ctx context.Context) ([]KeyInfo, error) {
	s, err := k.current(ctx)
	if err != nil {
		return nil, err
	}
	var out []KeyInfo
	for kid, p := range s.public {
		if p.live(k.now()) {
			out = append(out, KeyInfo{Kid: kid, Own: s.own[kid] != nil, From: p.From, Until: p.Until})
		}
	}
	slices.SortFunc(out, func(a, b KeyInfo) int { return a.From.Compare(b.From) })
	return out, nil
}

// jwks returns the set of keys that are or will be in use.
func (k *Keys) jwks(ctx context.Context) ([]byte, error) {
	infos, err := k.List(ctx)
	if err != nil {
		return nil, err
	}
	s := k.state.Load()
	set := struct {
		Keys []jwk `json:"keys"`
	}{Keys: []jwk{}}
	for _, i := range infos {
		set.Keys = append(set.Keys, s.public[i.Kid].JWK)
	}
	return json.Marshal(set)
}

// thumbprint returns the kid of a key: its RFC 7638 thumbprint.
func thumbprint(key *ecdsa.PublicKey) (string, error) {
	j, err := publicJWK("", key)
	if err != nil {
		return "", err
	}
	h := sha256.Sum256([]byte(`{"crv":"` + j.Crv + `","kty":"EC","x":"` + j.X + `","y":"` + j.Y + `"}`))
	return b64.EncodeToString(h[:]), nil
}
