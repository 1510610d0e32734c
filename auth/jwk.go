package auth

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"slices"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

const (
	maxKeys    = 32
	minRSABits = 2048
	maxRSABits = 8192 // a larger key only costs time to verify
)

// A jwk is a JSON Web Key, RFC 7517, as far as this package reads it.
type jwk struct {
	Kty string   `json:"kty"`
	Kid string   `json:"kid"`
	Use string   `json:"use,omitzero"`
	Alg string   `json:"alg,omitzero"`
	Ops []string `json:"key_ops,omitzero"`
	Crv string   `json:"crv,omitzero"`
	X   string   `json:"x,omitzero"`
	Y   string   `json:"y,omitzero"`
	N   string   `json:"n,omitzero"`
	E   string   `json:"e,omitzero"`
	// Private members; their presence alone is a fault.
	D jsontext.Value `json:"d,omitzero"`
	P jsontext.Value `json:"p,omitzero"`
	Q jsontext.Value `json:"q,omitzero"`
	K jsontext.Value `json:"k,omitzero"`
}

// A keySet holds a client's public keys by their kid.
type keySet map[string]verifyKey

type verifyKey struct {
	public crypto.PublicKey
	alg    string // "" : any that fits
}

// find returns the key with that kid if the algorithm may use it.
func (s keySet) find(kid, alg string) (crypto.PublicKey, bool) {
	k, ok := s[kid]
	if !ok || (k.alg != "" && k.alg != alg) {
		return nil, false
	}
	return k.public, true
}

// usableWith reports whether some key fits one of the algorithms; none given
// means any.
func (s keySet) usableWith(algs []string) bool {
	for _, k := range s {
		for name, a := range assertionAlgs {
			if (k.alg == "" || k.alg == name) && a.fits(k.public) && (len(algs) == 0 || slices.Contains(algs, name)) {
				return true
			}
		}
	}
	return false
}

var errPrivateKey = errors.New("the key set holds a private or symmetric key: send public keys only, and replace that key")

// parseKeySet reads a JWK set and returns the keys that can verify a client
// assertion, with a problem for every other key. A set with a private key in
// it yields no key at all, because that key is no longer a secret.
func parseKeySet(b []byte) (keySet, []error) {
	var doc struct {
		Keys []jwk `json:"keys"`
	}
	if err := json.Unmarshal(b, &doc); err != nil || len(doc.Keys) == 0 {
		return nil, []error{errors.New(`not a JWK set: expected {"keys":[…]} with at least one key`)}
	}
	if len(doc.Keys) > maxKeys {
		return nil, []error{fmt.Errorf("more than %d keys", maxKeys)}
	}
	set := keySet{}
	var problems []error
	for i, k := range doc.Keys {
		if k.private() {
			return nil, []error{fmt.Errorf("key %d: %w", i+1, errPrivateKey)}
		}
		if k.Use == "enc" {
			continue
		}
		if err := set.add(k); err != nil {
			problems = append(problems, fmt.Errorf("key %d: %w", i+1, err))
		}
	}
	if len(set) == 0 && len(problems) == 0 {
		problems = []error{errors.New("no key is for signatures")}
	}
	return set, problems
}

func (k jwk) private() bool { return k.D != nil || k.P != nil || k.Q != nil || k.K != nil }

func (s keySet) add(k jwk) error {
	if k.Kid == "" || len(k.Kid) > 256 {
		return errors.New("needs a kid of 1 to 256 bytes")
	}
	if _, ok := s[k.Kid]; ok {
		return errors.New("its kid is used twice")
	}
	if k.Use != "" && k.Use != "sig" || len(k.Ops) > 0 && !slices.Contains(k.Ops, "verify") {
		return errors.New("is not for verifying signatures")
	}
	public, err := k.public()
	if err != nil {
		return err
	}
	key := verifyKey{public: public, alg: k.Alg}
	if !(keySet{k.Kid: key}).usableWith(nil) {
		return fmt.Errorf("fits none of the algorithms %v", slices.Sorted(maps.Keys(assertionAlgs)))
	}
	s[k.Kid] = key
	return nil
}

func (k jwk) public() (crypto.PublicKey, error) {
	switch k.Kty {
	case "RSA":
		return k.rsaKey()
	case "EC":
		return k.ecKey()
	}
	return nil, errors.New("kty must be RSA or EC")
}

func (k jwk) rsaKey() (crypto.PublicKey, error) {
	n, errN := b64.DecodeString(k.N)
	e, errE := b64.DecodeString(k.E)
	if errN != nil || errE != nil || len(e) == 0 || len(e) > 4 {
		return nil, errors.New("n and e must be unpadded base64url numbers")
	}
	key := &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: int(new(big.Int).SetBytes(e).Int64())}
	if bits := key.N.BitLen(); bits < minRSABits || bits > maxRSABits {
		return nil, fmt.Errorf("an RSA key must have %d to %d bits", minRSABits, maxRSABits)
	}
	if key.E < 3 || key.E%2 == 0 || key.E > 1<<31-1 || key.N.Bit(0) == 0 {
		return nil, errors.New("is not a sound RSA key")
	}
	return key, nil
}

var curves = map[string]elliptic.Curve{"P-256": elliptic.P256(), "P-384": elliptic.P384(), "P-521": elliptic.P521()}

func (k jwk) ecKey() (crypto.PublicKey, error) {
	curve, ok := curves[k.Crv]
	if !ok {
		return nil, errors.New("crv must be P-256, P-384 or P-521")
	}
	x, errX := b64.DecodeString(k.X)
	y, errY := b64.DecodeString(k.Y)
	size := (curve.Params().BitSize + 7) / 8
	if errX != nil || errY != nil || len(x) != size || len(y) != size {
		return nil, fmt.Errorf("x and y must be %d bytes in unpadded base64url", size)
	}
	key, err := ecdsa.ParseUncompressedPublicKey(curve, slices.Concat([]byte{4}, x, y))
	if err != nil {
		return nil, errors.New("is not a point of its curve")
	}
	return key, nil
}

// publicJWK returns the public key as a JWK for signatures.
func publicJWK(kid string, key *ecdsa.PublicKey) (jwk, error) {
	b, err := key.Bytes()
	if err != nil {
		return jwk{}, err
	}
	half := (len(b) - 1) / 2
	return jwk{
		Kty: "EC", Kid: kid, Use: "sig", Alg: tokenAlg.method.Alg(), Crv: key.Params().Name,
		X: b64.EncodeToString(b[1 : 1+half]), Y: b64.EncodeToString(b[1+half:]),
	}, nil
}
