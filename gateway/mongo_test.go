package gateway_test

import (
	"testing"

	"trellis.example/gateway/store/mongostore/mongotest"
)

// mongoURI returns a database of its own on the server that is to be had.
func mongoURI(t *testing.T) string {
	t.Helper()
	return mongotest.Database(t, mongotest.URI(t, "the whole system on a MongoDB server"))
}
