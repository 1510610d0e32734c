//go:build !unix

package sqlitestore

// exclusive says that lockDir keeps other processes from serving.
const exclusive = false

// lockDir does nothing where there is no flock: SQLite's own locks still keep
// transactions apart.
func lockDir(string) (unlock func(), err error) { return func() {}, nil }
