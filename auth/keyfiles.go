package auth

import (
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

const keySuffix = ".pem"

func keyPath(dir, kid string) string { return filepath.Join(dir, filepath.Base(kid)+keySuffix) }

// readKeyFile returns the private key with that kid, or nil when the folder
// has none. A file that others can read is refused: it may have leaked.
func readKeyFile(dir, kid string) (*ecdsa.PrivateKey, error) {
	path := keyPath(dir, kid)
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading signing key: %w", err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("signing key %s can be read by others: chmod 600 it, or remove it to have a new one made", path)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading signing key: %w", err)
	}
	block, _ := pem.Decode(b)
	if block == nil {
		return nil, fmt.Errorf("signing key %s is not PEM", path)
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("signing key %s is not PKCS #8", path)
	}
	ec, ok := key.(*ecdsa.PrivateKey)
	if !ok || !tokenAlg.fits(&ec.PublicKey) {
		return nil, fmt.Errorf("signing key %s is not a P-256 key", path)
	}
	if got, err := thumbprint(&ec.PublicKey); err != nil || got != kid {
		return nil, fmt.Errorf("signing key %s is not the one its name says", path)
	}
	return ec, nil
}

// writeKeyFile stores the key so that a crash leaves it whole or absent.
func writeKeyFile(dir, kid string, key *ecdsa.PrivateKey) error {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return fmt.Errorf("encoding signing key: %w", err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("making key folder: %w", err)
	}
	f, err := os.CreateTemp(dir, "new-*.tmp") // mode 0600
	if err != nil {
		return fmt.Errorf("writing signing key: %w", err)
	}
	defer os.Remove(f.Name()) //nolint:errcheck // gone after the rename
	err = errors.Join(pem.Encode(f, &pem.Block{Type: "PRIVATE KEY", Bytes: der}), f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), keyPath(dir, kid))
	}
	if err != nil {
		return fmt.Errorf("writing signing key: %w", err)
	}
	return syncDir(dir)
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("syncing key folder: %w", err)
	}
	return errors.Join(d.Sync(), d.Close())
}

// listKeyFiles returns the kids of the keys in the folder.
func listKeyFiles(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading key folder: %w", err)
	}
	var kids []string
	for _, e := range entries {
		if kid, ok := strings.CutSuffix(e.Name(), keySuffix); ok && e.Type().IsRegular() {
			kids = append(kids, kid)
		}
	}
	return kids, nil
}

func removeKeyFile(dir, kid string) error {
	if err := os.Remove(keyPath(dir, kid)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("removing retired signing key: %w", err)
	}
	return nil
}
