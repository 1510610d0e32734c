// Package mongostore keeps the gateway's data in a MongoDB replica set or
// sharded cluster, or in any service that speaks its protocol with real
// transactions. It promises what package store declares, and this besides:
//
//   - Every commit is one multi-document transaction with write concern
//     majority, journalled; a reply lost on the way is resolved by asking the
//     database, never by guessing, so nothing is applied twice.
//   - Commit numbers become visible in order, however many gateways share the
//     database: every transaction begins by taking the next number from one
//     document, so two of them cannot overlap.
//   - A server that only pretends to have transactions is refused at start.
//   - What a client sends is only ever compared as a value: no part of it is
//     read as an operator or a field name.
//
// A search looks at no more than 10,000 candidates. What no index leads to
// (negations, :missing, :contains, :above and :below, a token's system or a
// reference's type alone, silent entries) is looked for among all that the view
// may see of the type, newest first; a sort by anything but time puts all that
// match in order. What would take more is refused as too costly.
//
// How it lies there: `versions` holds one document per version of a resource,
// with the exact bytes and the entries it is found by; `log` one document per
// group commit, which holds its audit records; beside them `claims`, `outbox`,
// `docs`, `blobs`, `chunks`, `auditindex` and `meta`.
package mongostore

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/event"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"trellis.example/gateway/store"
)

// Options tunes [Open]. The zero value is fit for production.
type Options struct {
	// Database names the database when the URI does not; default "trellis".
	Database string
	// Log receives what the store's own goroutines cannot return; default
	// [slog.Default].
	Log *slog.Logger
	// Now is the clock for leases and expiry; default [time.Now].
	Now func() time.Time

	// monitor sees every command sent; tests assert on it.
	monitor *event.CommandMonitor
}

// Store is a store.Store in MongoDB. It is safe for concurrent use, and
// several processes may open the same database.
type Store struct {
	client *mongo.Client
	db     *mongo.Database
	now    func() time.Time
	log    *slog.Logger

	versions, claims, outbox, docs, blobs, chunks, journal, auditIndex, meta *mongo.Collection

	writer *writer

	// indexing keeps one catch-up of the audit index at a time; indexWanted
	// asks the background indexer for one.
	indexing    sync.Mutex
	indexWanted chan struct{}

	background context.Context
	stop       context.CancelFunc
	running    sync.WaitGroup
	closeOnce  sync.Once
}

var _ store.Store = (*Store)(nil)

// Limits of one group commit and of one search.
const (
	maxGroupDocs  = 500
	maxGroupBytes = 4 << 20
	// maxExamined is how many candidates one query may look at.
	maxExamined = 10_000
	chunkSize   = 1 << 20
)

// Open connects to the server at uri, proves that it keeps transactions,
// creates what is missing of collections and indexes, and starts the writer.
// The URI's path names the database. An error never shows the URI, which may
// hold a password.
func Open(ctx context.Context, uri string, o Options) (*Store, error) {
	client, name, err := connect(uri, o)
	if err != nil {
		return nil, err
	}
	s := newStore(client, name, o)
	if err := s.prepare(ctx); err != nil {
		_ = client.Disconnect(context.WithoutCancel(ctx))
		return nil, err
	}
	if err := s.start(); err != nil {
		_ = client.Disconnect(context.WithoutCancel(ctx))
		return nil, unavailable(ctx, "beginning a session", err)
	}
	return s, nil
}

func newStore(client *mongo.Client, name string, o Options) *Store {
	db := client.Database(name)
	s := &Store{
		client: client, db: db, now: o.Now, log: o.Log,
		versions: db.Collection("versions"), claims: db.Collection("claims"),
		outbox: db.Collection("outbox"), docs: db.Collection("docs"),
		blobs: db.Collection("blobs"), chunks: db.Collection("chunks"),
		journal: db.Collection("log"), auditIndex: db.Collection("auditindex"),
		meta:        db.Collection("meta"),
		indexWanted: make(chan struct{}, 1),
	}
	if s.now == nil {
		s.now = time.Now
	}
	if s.log == nil {
		s.log = slog.Default()
	}
	return s
}

// prepare makes the database ready: reachable, transactional, indexed.
func (s *Store) prepare(ctx context.Context) error {
	if err := s.db.RunCommand(ctx, bson.D{{Key: "ping", Value: 1}}).Err(); err != nil {
		return unavailable(ctx, "reaching the server", err)
	}
	has, err := s.admit(ctx)
	if err != nil {
		return err
	}
	if err := s.createAll(ctx); err != nil {
		return err
	}
	if err := s.proveTransactions(ctx); err != nil {
		return err
	}
	return s.upgrade(ctx, has)
}

func (s *Store) start() error {
	s.writer = newWriter(s)
	if err := s.writer.txn.start(); err != nil {
		return err
	}
	s.background, s.stop = context.WithCancel(context.Background())
	session := s.writer.txn.sess.ID()
	go s.writer.run()
	s.running.Go(func() { s.indexBehind(s.background) })
	s.running.Go(func() { s.keepBeat(s.background, session) })
	return nil
}

// Commit applies c: all or nothing, durable on a majority on return.
func (s *Store) Commit(ctx context.Context, c store.Commit) (store.Result, error) {
	p, err := prepareCommit(c)
	if err != nil {
		return store.Result{}, err
	}
	if err := s.putChunks(ctx, p.large); err != nil {
		return store.Result{}, err
	}
	return s.writer.commit(ctx, p)
}

// Ping writes one document to the majority.
func (s *Store) Ping(ctx context.Context) error {
	_, err := s.meta.UpdateOne(ctx, byID("ping"),
		bson.D{{Key: "$set", Value: bson.D{{Key: "at", Value: s.now().UnixMilli()}}}},
		options.UpdateOne().SetUpsert(true))
	if err != nil {
		return unavailable(ctx, "writing to the majority", err)
	}
	return nil
}

// Close lets the running group commit finish, refuses what still waits, and
// disconnects.
func (s *Store) Close() error {
	var err error
	s.closeOnce.Do(func() {
		s.writer.close()
		s.stop()
		s.running.Wait()
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		err = s.client.Disconnect(ctx)
	})
	return err
}

func byID(id string) bson.D { return bson.D{{Key: "_id", Value: id}} }

func in[T any](values []T) bson.D { return bson.D{{Key: "$in", Value: values}} }
