package mongostore

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"go.mongodb.org/mongo-driver/v2/mongo"

	"trellis.example/gateway/store"
)

// Server error codes that decide what happens next. They stand beside the
// labels because not every server that speaks the protocol sets the labels.
const (
	codeIllegalOperation = 20
	codeMaxTime          = 50
	codeWriteConflict    = 112
	codeNoSuchTxn        = 251
	codeNotSupportedTxn  = 263
	codeDuplicate        = 11000
)

// unavailable reports that the database could not do what was asked. The
// driver's own text is left out: a server may quote a key or a value in it.
func unavailable(ctx context.Context, doing string, err error) error {
	if ended := ctx.Err(); ended != nil {
		return fmt.Errorf("%w: %s: %w", store.ErrUnavailable, doing, ended)
	}
	return fmt.Errorf("%w: %s: %s", store.ErrUnavailable, doing, describe(err))
}

// describe says what kind of error it is without quoting the server.
func describe(err error) string {
	var ce mongo.CommandError
	if errors.As(err, &ce) {
		return fmt.Sprintf("server error %d", ce.Code)
	}
	var se mongo.ServerError
	if errors.As(err, &se) && len(se.ErrorCodes()) > 0 {
		return fmt.Sprintf("server error %d", se.ErrorCodes()[0])
	}
	switch {
	case mongo.IsTimeout(err):
		return "no answer in time"
	case mongo.IsNetworkError(err):
		return "connection lost"
	}
	return fmt.Sprintf("%T", err)
}

func hasCode(err error, codes ...int) bool {
	var se mongo.ServerError
	if !errors.As(err, &se) {
		return false
	}
	for _, c := range codes {
		if se.HasErrorCode(c) {
			return true
		}
	}
	return false
}

// pause waits before the n-th retry: full jitter over a doubling span from
// 4 to 64 ms. It reports false when ctx ended first.
func pause(ctx context.Context, n int) bool {
	span := 4 * time.Millisecond << min(n, 4)
	t := time.NewTimer(time.Millisecond + rand.N(span))
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// retryPlain runs a single idempotent write again while the server reports a
// conflict or a twin that was first.
func retryPlain(ctx context.Context, do func() error) error {
	for n := 0; ; n++ {
		err := do()
		if err == nil || n == 8 || !hasCode(err, codeWriteConflict, codeDuplicate) || !pause(ctx, n) {
			return err
		}
	}
}
