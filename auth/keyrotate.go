package auth

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/go-json-experiment/json"
)

// Maintain publishes own keys that a crash left unpublished, makes a key when
// there is none to sign with, makes the next one when the newest is older
// than life, and removes the private halves of retired keys.
func (k *Keys) Maintain(ctx context.Context, life time.Duration) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := k.adopt(ctx); err != nil {
		return err
	}
	s, err := k.reload(ctx)
	if err != nil {
		return err
	}
	now := k.now()
	switch signing := s.signing(now); {
	case signing == "":
		err = k.create(ctx, now)
	case now.Sub(s.newest()) > life:
		err = k.succeed(ctx, s, now.Add(keyNotice))
	}
	if err != nil {
		return err
	}
	return k.sweep(s, now)
}

// newest returns when the newest own key begins to sign.
func (s *keyState) newest() time.Time {
	var t time.Time
	for kid := range s.own {
		if from := s.public[kid].From; from.After(t) {
			t = from
		}
	}
	return t
}

// adopt publishes key files without a document: from a crash between the two,
// or a folder that is used with a new store.
func (k *Keys) adopt(ctx context.Context) error {
	kids, err := listKeyFiles(k.dir)
	if err != nil {
		return err
	}
	for _, kid := range kids {
		_, _, ok, err := k.storage.Doc(ctx, kindKey, kid)
		if err != nil {
			return storeFault(err)
		}
		if ok {
			continue
		}
		key, err := readKeyFile(k.dir, kid)
		if err != nil {
			return err
		}
		if err := k.publish(ctx, kid, key, k.now()); err != nil {
			return err
		}
	}
	return nil
}

// create makes a key that signs from that time on. The file comes first: a
// published key that nobody holds would be worse than the reverse.
func (k *Keys) create(ctx context.Context, from time.Time) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return fmt.Errorf("making a signing key: %w", err)
	}
	kid, err := thumbprint(&key.PublicKey)
	if err != nil {
		return err
	}
	if err := writeKeyFile(k.dir, kid, key); err != nil {
		return err
	}
	return k.publish(ctx, kid, key, from)
}

func (k *Keys) publish(ctx context.Context, kid string, key *ecdsa.PrivateKey, from time.Time) error {
	public, err := publicJWK(kid, &key.PublicKey)
	if err != nil {
		return err
	}
	err = k.put(ctx, keyDoc{JWK: public, From: from.UTC()}, 0)
	if errors.Is(err, ErrConflict) {
		return nil // published meanwhile by another process on this folder
	}
	_, err2 := k.reload(ctx)
	return errors.Join(err, err2)
}

func (k *Keys) put(ctx context.Context, d keyDoc, expect int) error {
	body, err := json.Marshal(d)
	if err != nil {
		return fmt.Errorf("encoding key: %w", err)
	}
	if err := k.storage.PutDoc(ctx, kindKey, d.JWK.Kid, expect, body); err != nil {
		return storeFault(err)
	}
	return nil
}

// succeed makes the next key, and has the present ones recognised until the
// last token they can have signed has expired.
func (k *Keys) succeed(ctx context.Context, s *keyState, from time.Time) error {
	if err := k.create(ctx, from); err != nil {
		return err
	}
	return k.retire(ctx, s, from.Add(k.tokenLife+clockSkew))
}

func (k *Keys) retire(ctx context.Context, s *keyState, until time.Time) error {
	for kid := range s.own {
		p := s.public[kid]
		if !p.Until.IsZero() && p.Until.Before(until) {
			continue
		}
		p.Until = until.UTC()
		if err := k.put(ctx, p.keyDoc, p.version); err != nil && !errors.Is(err, ErrConflict) {
			return err
		}
	}
	_, err := k.reload(ctx)
	return err
}

// Rotate makes a new signing key for this gateway, published ten minutes
// before it signs; tokens of the old one stay valid until they expire. With
// now, for a key that may have leaked, the new key signs at once and every
// token of this gateway's old keys stops counting within a second.
func (k *Keys) Rotate(ctx context.Context, now bool) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	s, err := k.reload(ctx)
	if err != nil {
		return err
	}
	if !now {
		return k.succeed(ctx, s, k.now().Add(keyNotice))
	}
	if err := k.create(ctx, k.now()); err != nil {
		return err
	}
	return k.retire(ctx, s, k.now())
}

func (k *Keys) sweep(s *keyState, now time.Time) error {
	kids, err := listKeyFiles(k.dir)
	if err != nil {
		return err
	}
	for _, kid := range kids {
		if p, ok := s.public[kid]; ok && !p.live(now) {
			if err := removeKeyFile(k.dir, kid); err != nil {
				return err
			}
		}
	}
	return nil
}
