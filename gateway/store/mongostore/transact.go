package mongostore

import (
	"context"
	"crypto/rand"
	"errors"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/readconcern"
)

// A transactor runs group commits. It keeps to one server session: beginning
// a transaction ends the one before it on the server, so that a transaction
// whose connection was cut cannot block the next.
type transactor struct {
	s    *Store
	sess *mongo.Session
}

// errUnsettled: the transaction was certainly not applied, and may be again.
var errUnsettled = errors.New("the transaction did not take effect")

// run applies the group as one transaction and answers its commits. On an
// error none is answered and nothing was applied, or, after commitPatience,
// the database could not say.
func (t *transactor) run(ctx context.Context, group []*pending) error {
	ctx, cancel := context.WithTimeout(ctx, commitPatience)
	defer cancel()
	var r rivals
	for n := 0; ; n++ {
		g, err := t.attempt(ctx, group)
		if err == nil {
			g.answer()
			return nil
		}
		if len(group) > 1 && hasCode(err, codeDuplicate) && n > 0 || !t.again(err) || !pause(ctx, n) {
			return err
		}
		if n >= 3 {
			r.wait(ctx, t.s)
		}
	}
}

// again reports whether the transaction may simply be run again. Labels are
// believed where they are set; a conflict that a server does not label is
// known by its code, and losing the server is worth waiting for.
func (t *transactor) again(err error) bool {
	if errors.Is(err, errUnsettled) || mongo.IsNetworkError(err) || mongo.IsTimeout(err) {
		return true
	}
	var se mongo.ServerError
	if errors.As(err, &se) {
		return se.HasErrorLabel("TransientTransactionError") || !permanent(err)
	}
	return !errors.Is(err, mongo.ErrClientDisconnected)
}

// refused reports whether the server refuses what was sent, rather than being
// out of reach or busy.
func refused(err error) bool { return permanent(err) || hasCode(err, codeDuplicate) }

// permanent are the refusals that no repetition will change.
func permanent(err error) bool {
	const (
		badValue, unauthorized, authFailed = 2, 13, 18
		typeMismatch, noSuchCommand        = 14, 59
		tooLarge, bsonTooLarge             = 10334, 17419
	)
	return hasCode(err, badValue, unauthorized, authFailed, typeMismatch, noSuchCommand,
		tooLarge, bsonTooLarge, codeIllegalOperation, codeNotSupportedTxn)
}

// attempt runs the group once. With an error nothing was applied.
func (t *transactor) attempt(ctx context.Context, group []*pending) (*groupCommit, error) {
	g := &groupCommit{s: t.s, commits: group, token: rand.Text()}
	err := t.within(ctx, g.write)
	if err == nil {
		return g, nil
	}
	if !errors.Is(err, errUnknown) {
		return nil, err
	}
	seq, applied, err := t.resolve(ctx, g.token)
	switch {
	case err != nil:
		return nil, err
	case !applied:
		return nil, errUnsettled
	}
	g.seq = seq
	return g, nil
}

// errUnknown: the reply to the commit was lost or said nothing certain.
var errUnknown = errors.New("the outcome of the transaction is not known")

// within runs do in a transaction and commits it. Any error but errUnknown
// means that nothing was applied.
func (t *transactor) within(ctx context.Context, do func(context.Context) error) error {
	if err := t.begin(); err != nil {
		return err
	}
	err := do(mongo.NewSessionContext(ctx, t.sess))
	if err != nil {
		t.abort(ctx)
		return err
	}
	return t.commit(ctx)
}

// start opens the session. It asks no server.
func (t *transactor) start() (err error) {
	if t.sess == nil {
		t.sess, err = t.s.client.StartSession()
	}
	return err
}

func (t *transactor) begin() error {
	if err := t.start(); err != nil {
		return err
	}
	return t.sess.StartTransaction(options.Transaction().
		SetReadConcern(readconcern.Snapshot()).
		SetWriteConcern(durable()))
}

// abort ends the transaction. A server that cannot be reached ends it when the
// session begins its next one.
func (t *transactor) abort(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), serverPatience)
	defer cancel()
	_ = t.sess.AbortTransaction(ctx)
}

// commit asks for the commit again while the server says that it does not
// know. Anything short of success is unknown: a server that lost its reply may
// have applied the transaction and forgotten about it.
func (t *transactor) commit(ctx context.Context) error {
	for n := 0; ; n++ {
		err := t.sess.CommitTransaction(ctx)
		if err == nil {
			return nil
		}
		var le mongo.LabeledError
		unknown := errors.As(err, &le) && le.HasErrorLabel("UnknownTransactionCommitResult")
		if !unknown || n == 3 || !pause(ctx, n) {
			return errUnknown
		}
	}
}

// resolve finds out whether the transaction that carried token was applied,
// and if not, makes sure that it never will be: both write the same `_id`, and
// only one can.
func (t *transactor) resolve(ctx context.Context, token string) (seq int64, applied bool, err error) {
	for n := 0; ; n++ {
		err := t.within(ctx, func(ctx context.Context) error {
			_, err := t.s.journal.InsertOne(ctx, logDoc{ID: token, Fence: true, Empty: true, At: t.s.now().UnixMilli()})
			return err
		})
		if err == nil {
			return 0, false, nil
		}
		if hasCode(err, codeDuplicate) {
			seq, applied, err = t.confirm(ctx, token)
			if err == nil {
				return seq, applied, nil
			}
		}
		if !pause(ctx, n) {
			return 0, false, unavailable(ctx, "learning what became of a commit", err)
		}
	}
}

// confirm reads what holds the token. Writing to it first, with majority,
// proves that what is read will not be rolled back.
func (t *transactor) confirm(ctx context.Context, token string) (seq int64, applied bool, err error) {
	var d logDoc
	err = t.s.journal.FindOneAndUpdate(ctx, byID(token),
		bson.D{{Key: "$set", Value: bson.D{{Key: "confirmed", Value: true}}}}).Decode(&d)
	return d.Seq, !d.Fence, err
}

func (t *transactor) end() {
	if t.sess == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	t.sess.EndSession(ctx)
}
