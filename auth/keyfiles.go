package auth

import (
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
)

const keySuffix = ".pem"

// withKeyFolder runs f on the folder. Names that lead out of it, which a
// spoiled store could hold, are refused by os.Root.
func withKeyFolder(dir string, f func(*os.Root) error) error {
	root, err := os.OpenRoot(dir)
	if err == nil {
		err = errors.Join(f(root), root.Close())
	}
	if err != nil {
		return fmt.Errorf("signing keys in %s: %w", dir, err)
	}
	return nil
}

// readKeyFile returns the private key with that kid, or nil when the folder
// has none. A file that others can read is refused: it may have leaked.
func readKeyFile(dir, kid string) (*ecdsa.PrivateKey, error) {
	var key *ecdsa.PrivateKey
	err := withKeyFolder(dir, func(root *os.Root) error {
		name := kid + keySuffix
		info, err := root.Stat(name)
		if err != nil {
			return err
		}
		if info.Mode().Perm()&0o077 != 0 {
			return fmt.Errorf("%s can be read by others: chmod 600 it, or remove it to have a new one made", name)
		}
		b, err := root.ReadFile(name)
		if err != nil {
			return err
		}
		if key, err = decodePrivateKey(b, kid); err != nil {
			return fmt.Errorf("%s %w", name, err)
		}
		return nil
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return key, err
}

func decodePrivateKey(b []byte, kid string) (*ecdsa.PrivateKey, error) {
	block, _ := pem.Decode(b)
	if block == nil {
		return nil, errors.New("is not PEM")
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, errors.New("is not PKCS #8")
	}
	ec, ok := key.(*ecdsa.PrivateKey)
	if !ok || !tokenAlg.fits(&ec.PublicKey) {
		return nil, errors.New("is not a P-256 key")
	}
	if got, err := thumbprint(&ec.PublicKey); err != nil || got != kid {
		return nil, errors.New("is not the key that its name says")
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
	text := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	err = withKeyFolder(dir, func(root *os.Root) error {
		temporary := "new-" + rand.Text() + ".tmp"
		if err := writeSynced(root, temporary, text); err != nil {
			return errors.Join(err, root.Remove(temporary))
		}
		return root.Rename(temporary, kid+keySuffix)
	})
	if err != nil {
		return err
	}
	return syncFolder(dir)
}

func writeSynced(root *os.Root, name string, text []byte) error {
	f, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	return errors.Join(err, f.Sync(), f.Close())
}

// syncFolder makes a rename in the folder survive a crash.
func syncFolder(dir string) error {
	return withKeyFolder(dir, func(root *os.Root) error {
		d, err := root.Open(".")
		if err != nil {
			return err
		}
		return errors.Join(d.Sync(), d.Close())
	})
}

// listKeyFiles returns the kids of the keys in the folder.
func listKeyFiles(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
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
	return withKeyFolder(dir, func(root *os.Root) error {
		if err := root.Remove(kid + keySuffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	})
}
