package storetest

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"trellis.example/auth"
	"trellis.example/gateway/store"
)

func sameVersion(t *testing.T, got, want store.Version) {
	t.Helper()
	if d := differ(got, want); d != "" {
		t.Errorf("%s: wrong %s:\n got %+v\nwant %+v", want.Key, d, brief(got), brief(want))
	}
}

// brief is a version as it is printed.
func brief(v store.Version) any {
	return struct {
		Key     store.Key
		Number  int
		Updated string
		Deleted bool
		Body    string
		Access  auth.Access
		Seq     int64
	}{v.Key, v.Number, v.Updated.String(), v.Deleted, string(v.Body), v.Access, v.Seq}
}

// differ names the first field in which two versions differ.
func differ(got, want store.Version) string {
	switch {
	case got.Key != want.Key:
		return "key"
	case got.Number != want.Number:
		return "number"
	case !got.Updated.Equal(want.Updated):
		return "time"
	case got.Updated.Location() != want.Updated.Location():
		return "time zone"
	case got.Deleted != want.Deleted:
		return "deletion"
	case !bytes.Equal(got.Body, want.Body):
		return "body"
	case got.Deleted && got.Body != nil:
		return "body of a deletion"
	case !sameAccess(got.Access, want.Access):
		return "access"
	case got.Seq != want.Seq:
		return "commit number"
	case !slices.Equal(asSet(got.Values), asSet(want.Values)):
		return "values"
	}
	return ""
}

// asSet returns the values sorted and without repeats.
func asSet(values []string) []string {
	all := slices.Clone(values)
	slices.Sort(all)
	return slices.Compact(all)
}

func sameAccess(a, b auth.Access) bool {
	return a.Owner == b.Owner && slices.Equal(a.Parties, b.Parties) && slices.Equal(a.Labels, b.Labels)
}

func keys(vs []store.Version) []store.Key {
	var ks []store.Key
	for _, v := range vs {
		ks = append(ks, v.Key)
	}
	return ks
}

func sameKeys(t *testing.T, what string, got []store.Version, want ...store.Key) {
	t.Helper()
	if !slices.Equal(keys(got), want) {
		t.Errorf("%s: got %v, want %v", what, keys(got), want)
	}
}

func wantErr(t *testing.T, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%s: error %v, want %v", what, err, want)
	}
}

// wantConflict fails the test unless err is a Conflict over key at current.
func wantConflict(t *testing.T, what string, err error, key store.Key, current int) {
	t.Helper()
	c, ok := errors.AsType[*store.Conflict](err)
	if !ok {
		t.Errorf("%s: error %v, want a conflict", what, err)
		return
	}
	if c.Key != key || c.Current != current {
		t.Errorf("%s: conflict over %v at %d, want %v at %d", what, c.Key, c.Current, key, current)
	}
}
