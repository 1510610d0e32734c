package auth

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/crypto/argon2"
)

// Secrets are kept in one of two forms. One that this package made has 256
// random bits: nobody can guess it, so a plain SHA-256 is enough and a log-in
// costs a microsecond. One that a person chose is kept with argon2id (RFC
// 9106; 19 MiB, 2 passes), whose 20 ms are paid once per secret and process.
const (
	secretPrefix  = "trellis_"
	minSecret     = 24
	maxSecret     = 256
	argonMemory   = 19 << 10 // KiB
	argonPasses   = 2
	argonSaltSize = 16
	argonKeySize  = 32
	verifiedMax   = 1024
)

// newSecret returns a secret with 256 random bits.
func newSecret() Secret {
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails, as crypto/rand promises
	return Secret(secretPrefix + b64.EncodeToString(b[:]))
}

// hashRandom returns the stored form of a secret that newSecret made.
func hashRandom(s Secret) string {
	h := sha256.Sum256([]byte(s))
	return "sha256$" + b64.EncodeToString(h[:])
}

// hashChosen returns the stored form of a secret that a person chose.
func hashChosen(s Secret) string {
	salt := make([]byte, argonSaltSize)
	_, _ = rand.Read(salt)
	return "argon2id$" + b64.EncodeToString(salt) + "$" + b64.EncodeToString(slowHash(s, salt))
}

func slowHash(s Secret, salt []byte) []byte {
	return argon2.IDKey([]byte(s), salt, argonPasses, argonMemory, 1, argonKeySize)
}

// secretProblem says why a chosen secret is too weak, or "".
func secretProblem(s Secret, clientID string) string {
	text := s.Reveal()
	distinct := map[rune]bool{}
	for _, r := range text {
		if r < 0x21 || r > 0x7e {
			return "may hold printable ASCII without spaces only"
		}
		distinct[r] = true
	}
	switch {
	case len(text) < minSecret || len(text) > maxSecret:
		return fmt.Sprintf("must have %d to %d characters", minSecret, maxSecret)
	case len(distinct) < 10:
		return "must have at least 10 different characters"
	case strings.Contains(strings.ToLower(text), strings.ToLower(clientID)):
		return "must not hold the client id"
	}
	return ""
}

// A secretChecker compares secrets with their stored form. It remembers which
// slow comparisons succeeded, and does no more than one at a time, so that a
// flood of wrong secrets can take neither the memory nor both cores.
type secretChecker struct {
	key      [32]byte
	slow     chan struct{}
	verified *cache[[32]byte, struct{}]
}

func newSecretChecker() *secretChecker {
	c := &secretChecker{slow: make(chan struct{}, 1), verified: newCache[[32]byte, struct{}](verifiedMax)}
	_, _ = rand.Read(c.key[:])
	return c
}

var errStoredHash = errors.New("stored secret has an unknown form")

// check reports whether the secret is the one that was hashed. It fails only
// when ctx ends first or the stored form is not one of ours.
func (c *secretChecker) check(ctx context.Context, hash string, s Secret) (bool, error) {
	form, rest, _ := strings.Cut(hash, "$")
	switch form {
	case "sha256":
		return subtle.ConstantTimeCompare([]byte(hash), []byte(hashRandom(s))) == 1, nil
	case "argon2id":
		return c.checkSlow(ctx, rest, s)
	}
	return false, errStoredHash
}

func (c *secretChecker) checkSlow(ctx context.Context, rest string, s Secret) (bool, error) {
	if len(s) > maxSecret {
		return false, nil
	}
	mac := hmac.New(sha256.New, c.key[:])
	mac.Write([]byte(rest + "$" + s.Reveal()))
	key := [32]byte(mac.Sum(nil))
	if _, ok := c.verified.get(key); ok {
		return true, nil
	}
	salt64, want64, _ := strings.Cut(rest, "$")
	salt, errSalt := b64.DecodeString(salt64)
	want, errWant := b64.DecodeString(want64)
	if errSalt != nil || errWant != nil || len(want) != argonKeySize {
		return false, errStoredHash
	}
	select {
	case c.slow <- struct{}{}:
		defer func() { <-c.slow }()
	case <-ctx.Done():
		return false, ctx.Err()
	}
	if subtle.ConstantTimeCompare(want, slowHash(s, salt)) != 1 {
		return false, nil
	}
	c.verified.put(key, struct{}{})
	return true, nil
}
