// Package mongotest finds a MongoDB server for tests that need one, and gives
// each test a database of its own.
//
// The server is the one that TRELLIS_TEST_MONGODB names; else a mongod on PATH,
// started as a replica set of one node on loopback; else there is none, and the
// test is skipped with a line that says what that leaves unproven.
package mongotest

import (
	"context"
	"crypto/rand"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// Env names the variable that holds the URI of the server to test with.
const Env = "TRELLIS_TEST_MONGODB"

// patience is how long a server may take to start or to drop a database.
const patience = 30 * time.Second

// URI returns the URI of a server that lives until the test ends. Without one
// it skips the test and says that unproven stays unproven.
func URI(t testing.TB, unproven string) string {
	t.Helper()
	if uri := os.Getenv(Env); uri != "" {
		return uri
	}
	mongod, err := exec.LookPath("mongod")
	if err != nil {
		t.Skipf("no MongoDB server: set %s to a URI, or put mongod on PATH. Unproven here: %s", Env, unproven)
	}
	return start(t, mongod)
}

// Database returns uri with the path of a database that no other test uses; it
// is dropped when the test ends.
func Database(t testing.TB, uri string) string {
	t.Helper()
	name := "trellis_test_" + strings.ToLower(rand.Text()[:12])
	t.Cleanup(func() { drop(t, uri, name) })
	return With(uri, name)
}

// With returns uri with its database replaced. It does not parse the hosts,
// which may be several.
func With(uri, database string) string {
	scheme, rest, _ := strings.Cut(uri, "://")
	rest, query, hasQuery := strings.Cut(rest, "?")
	hosts, _, _ := strings.Cut(rest, "/")
	out := scheme + "://" + hosts + "/" + database
	if !hasQuery {
		return out
	}
	if !strings.Contains(query, "authSource=") && strings.Contains(hosts, "@") {
		// The database in the path would otherwise be asked for the user.
		query += "&authSource=admin"
	}
	return out + "?" + query
}

func drop(t testing.TB, uri, name string) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	client, err := mongo.Connect(options.Client().ApplyURI(uri))
	if err != nil {
		t.Errorf("dropping the test database: %v", err)
		return
	}
	defer func() { _ = client.Disconnect(ctx) }()
	if err := client.Database(name).Drop(ctx); err != nil {
		t.Errorf("dropping the test database: %v", err)
	}
}

// start runs mongod as a replica set of one node in a directory of the test.
func start(t testing.TB, mongod string) string {
	t.Helper()
	port := freePort(t)
	dir := t.TempDir()
	out, err := os.Create(filepath.Join(dir, "mongod.log")) //nolint:gosec // the test's own directory
	if err != nil {
		t.Fatal(err)
	}
	args := []string{"--replSet", "trellis", "--bind_ip", "127.0.0.1", "--port", port, "--dbpath", dir,
		"--setParameter", "enableTestCommands=1"}
	cmd := exec.Command(mongod, args...) //nolint:gosec // the mongod that the tester put on PATH
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		t.Fatalf("starting mongod: %v", err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		_ = out.Close()
	})
	initiate(t, port)
	return fmt.Sprintf("mongodb://127.0.0.1:%s/?replicaSet=trellis", port)
}

func freePort(t testing.TB) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}

// initiate makes the node a set of one and waits until it takes writes.
func initiate(t testing.TB, port string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	client, err := mongo.Connect(options.Client().ApplyURI("mongodb://127.0.0.1:" + port + "/?directConnection=true"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = client.Disconnect(ctx) }()
	config := bson.D{{Key: "_id", Value: "trellis"}, {Key: "members", Value: bson.A{
		bson.D{{Key: "_id", Value: 0}, {Key: "host", Value: "127.0.0.1:" + port}}}}}
	admin := client.Database("admin")
	if err := admin.RunCommand(ctx, bson.D{{Key: "replSetInitiate", Value: config}}).Err(); err != nil {
		t.Fatalf("initiating the replica set: %v", err)
	}
	for {
		var hello struct {
			Writable bool `bson:"isWritablePrimary"`
		}
		err := admin.RunCommand(ctx, bson.D{{Key: "hello", Value: 1}}).Decode(&hello)
		if err == nil && hello.Writable {
			return
		}
		if ctx.Err() != nil {
			t.Fatalf("the replica set has no primary: %v", err)
		}
		time.Sleep(50 * time.Millisecond)
	}
}
