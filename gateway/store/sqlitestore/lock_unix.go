//go:build unix

package sqlitestore

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// exclusive says that lockDir keeps other processes from serving.
const exclusive = true

// lockDir claims the directory for this process; the returned function gives
// it back, as does the end of the process however it ends.
func lockDir(dir string) (unlock func(), err error) {
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600) //nolint:gosec // the folder that the operator names
	if err != nil {
		return nil, fmt.Errorf("data directory cannot be written: %w", err)
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		_ = f.Close()
		return nil, fmt.Errorf("data directory %s is in use by another trellis process: stop it, or choose another directory", dir)
	}
	if err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("data directory %s cannot be locked: %w", dir, err)
	}
	return func() { _ = f.Close() }, nil
}
