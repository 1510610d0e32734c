package gateway_test

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"trellis.example/auth"
	"trellis.example/fhir"
	"trellis.example/gateway"
	"trellis.example/gateway/store"
	"trellis.example/gateway/store/sqlitestore"
)

// TestUnfinishedRestore: a store into which a restore was not finished is not
// served, and what to do is said before anything listens.
func TestUnfinishedRestore(t *testing.T) {
	c := gateway.Defaults()
	c.Data, c.Listen, c.Admin, c.MLLP = t.TempDir(), "127.0.0.1:0", "127.0.0.1:0", "off"
	s, err := sqlitestore.Open(c.Data)
	if err != nil {
		t.Fatal(err)
	}
	res, err := fhir.Decode([]byte(`{"resourceType":"Patient","active":true}`))
	if err != nil {
		t.Fatal(err)
	}
	k, at := store.Key{Type: "Patient", ID: "p"}, time.Now()
	err = s.Load(t.Context(), []store.Record{{Version: &store.VersionRecord{Version: store.Version{
		Key: k, Number: 1, Updated: at, Seq: 1, Access: auth.NewAccess("org/A"), Body: res.Stamp(k.ID, 1, at)}}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	g, err := gateway.Open(context.Background(), c, slog.New(slog.NewJSONHandler(&log, nil)))
	if err == nil {
		_ = g.Close()
		t.Fatal("the gateway opened it")
	}
	if !strings.Contains(err.Error(), "not finished") || strings.Contains(log.String(), "listening") {
		t.Errorf("%v\n%s", err, log.String())
	}
}
