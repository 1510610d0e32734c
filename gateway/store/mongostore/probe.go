package mongostore

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
)

// ErrNoTransactions: the server does not keep transactions; the text says how
// to come by one that does.
var ErrNoTransactions = errors.New("the MongoDB server has no transactions, and Trellis stores nothing without them: " +
	"run it as a replica set (one node is enough: start mongod with --replSet trellis, then call rs.initiate() once in mongosh), " +
	"or start the three-node set of compose.yaml with docker compose up -d --wait")

// proveTransactions asks the server what it can do instead of what it is
// called: a transaction over two collections must vanish when it is aborted,
// be unseen while it is open, be there when it is committed, and lose to
// another one that holds its document.
func (s *Store) proveTransactions(ctx context.Context) error {
	p := &probe{s: s, id: "probe/" + rand.Text()}
	defer p.clean(context.WithoutCancel(ctx))
	for _, step := range []struct {
		what string
		do   func(context.Context) error
	}{
		{"aborting", p.aborts}, {"committing", p.commits}, {"conflicting", p.conflicts},
	} {
		if err := step.do(ctx); err != nil {
			return refusal(ctx, step.what, err)
		}
	}
	return nil
}

// errPretends: the server accepted a transaction and did not keep it.
var errPretends = errors.New("it accepts them and does not keep them apart")

func refusal(ctx context.Context, what string, err error) error {
	var ce mongo.CommandError
	switch {
	case errors.Is(err, errPretends):
		return fmt.Errorf("%w (%s a probe: %w)", ErrNoTransactions, what, err)
	case errors.As(err, &ce) && !mongo.IsNetworkError(err) && ctx.Err() == nil && permanent(err):
		return fmt.Errorf("%w (%s a probe: server error %d)", ErrNoTransactions, what, ce.Code)
	}
	return unavailable(ctx, what+" a probe transaction", err)
}

type probe struct {
	s  *Store
	id string
}

// insert puts one document into each of two collections.
func (p *probe) insert(ctx context.Context) error {
	for _, c := range p.collections() {
		if _, err := c.InsertOne(ctx, bson.D{{Key: "_id", Value: p.id}, {Key: "n", Value: int64(0)}}); err != nil {
			return err
		}
	}
	return nil
}

func (p *probe) collections() []*mongo.Collection {
	return []*mongo.Collection{p.s.meta, p.s.docs}
}

// seen returns in how many of the collections the probe is visible.
func (p *probe) seen(ctx context.Context) (n int, err error) {
	for _, c := range p.collections() {
		switch err := c.FindOne(ctx, byID(p.id)).Err(); {
		case err == nil:
			n++
		case !errors.Is(err, mongo.ErrNoDocuments):
			return n, err
		}
	}
	return n, nil
}

func (p *probe) want(ctx context.Context, n int) error {
	got, err := p.seen(ctx)
	if err == nil && got != n {
		return errPretends
	}
	return err
}

func (p *probe) aborts(ctx context.Context) error {
	t := transactor{s: p.s}
	defer t.end()
	if err := t.begin(); err != nil {
		return err
	}
	err := p.insert(mongo.NewSessionContext(ctx, t.sess))
	if err == nil {
		err = p.want(ctx, 0)
	}
	t.abort(ctx)
	if err != nil {
		return err
	}
	return p.want(ctx, 0)
}

func (p *probe) commits(ctx context.Context) error {
	t := transactor{s: p.s}
	defer t.end()
	if err := t.within(ctx, p.insert); err != nil {
		return err
	}
	return p.want(ctx, 2)
}

func (p *probe) conflicts(ctx context.Context) error {
	first, second := transactor{s: p.s}, transactor{s: p.s}
	defer first.end()
	defer second.end()
	if err := first.within(ctx, func(inside context.Context) error {
		if err := p.touch(inside); err != nil {
			return err
		}
		// A server may make the second one wait for the first; it must not
		// let it through.
		short, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		if second.within(short, p.touch) == nil {
			return errPretends
		}
		return nil
	}); err != nil {
		return err
	}
	var c counter
	if err := p.s.meta.FindOne(ctx, byID(p.id)).Decode(&c); err != nil {
		return err
	}
	if c.N != 1 {
		return errPretends
	}
	return nil
}

func (p *probe) touch(ctx context.Context) error {
	_, err := p.s.meta.UpdateOne(ctx, byID(p.id), bson.D{{Key: "$inc", Value: bson.D{{Key: "n", Value: int64(1)}}}})
	return err
}

func (p *probe) clean(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, serverPatience)
	defer cancel()
	for _, c := range p.collections() {
		_, _ = c.DeleteOne(ctx, byID(p.id))
	}
}
