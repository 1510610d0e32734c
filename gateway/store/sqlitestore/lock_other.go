//go:build !unix

package sqlitestore

// lockDir does nothing where there is no flock: SQLite's own locks still keep
// transactions apart.
func lockDir(string) (unlock func(), err error) { return func() {}, nil }
