package mongostore

import (
	"context"
	"errors"

	"trellis.example/gateway/store"
)

func (s *Store) Dump(context.Context, func(store.Record) error) error { return errors.ErrUnsupported }
func (s *Store) Load(context.Context, []store.Record) error           { return errors.ErrUnsupported }
func (s *Store) Reindex(context.Context, string, int, func(string, []byte) ([]store.Index, error)) (string, int, error) {
	return "", 0, errors.ErrUnsupported
}
func (s *Store) Count(context.Context) (int, error)       { return 0, errors.ErrUnsupported }
func (s *Store) Schema(context.Context) (int, int, error) { return 0, 0, errors.ErrUnsupported }
func (s *Store) Check(context.Context, func(string, []byte) ([]store.Index, error), func(string)) error {
	return errors.ErrUnsupported
}
