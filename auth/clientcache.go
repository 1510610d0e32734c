package auth

import (
	"context"
	"fmt"
	"time"

	"github.com/go-json-experiment/json"
)

// lookup returns the client as it was within the last second, or nil when
// there is none.
func (r *Registry) lookup(ctx context.Context, id string) (*clientRecord, error) {
	now := r.now()
	r.mu.RLock()
	c, ok := r.cached[id]
	r.mu.RUnlock()
	if ok && fresh(now, c.at) {
		return c.record, nil
	}
	// One read answers everyone who waits, so it must not end with the
	// first caller's request.
	v, err, _ := r.flight.Do(id, func() (any, error) {
		return r.refresh(context.WithoutCancel(ctx), id, c.record)
	})
	if err != nil {
		return nil, err
	}
	return v.(*clientRecord), nil
}

// fresh reports whether something read at a time may still be used. A clock
// that was set back makes everything stale.
func fresh(now, at time.Time) bool {
	age := now.Sub(at)
	return age >= 0 && age < maxStale
}

func (r *Registry) refresh(ctx context.Context, id string, old *clientRecord) (*clientRecord, error) {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	at := r.now()
	rec, err := r.read(ctx, id)
	if err != nil {
		return nil, err
	}
	if rec != nil && old != nil && rec.version == old.version {
		rec = old // the same pointer: what was derived from it still holds
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if rec == nil {
		delete(r.cached, id) // absent clients are not kept: anyone can name them
	} else {
		r.cached[id] = cachedClient{record: rec, at: at}
	}
	return rec, nil
}

func (r *Registry) read(ctx context.Context, id string) (*clientRecord, error) {
	if !clientID.MatchString(id) {
		return nil, nil
	}
	body, version, ok, err := r.storage.Doc(ctx, kindClient, id)
	if err != nil {
		return nil, storeFault(err)
	}
	if !ok {
		return nil, nil
	}
	return decodeClient(body, version)
}

func (r *Registry) readAll(ctx context.Context) ([]*clientRecord, error) {
	entries, err := r.storage.Docs(ctx, kindClient)
	if err != nil {
		return nil, storeFault(err)
	}
	out := make([]*clientRecord, len(entries))
	for i, e := range entries {
		if out[i], err = decodeClient(e.Body, e.Version); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// records is readAll as it was within the last second.
func (r *Registry) records(ctx context.Context) ([]*clientRecord, error) {
	now := r.now()
	r.mu.RLock()
	l := r.list
	r.mu.RUnlock()
	if fresh(now, l.at) {
		return l.records, nil
	}
	all, err := r.readAll(ctx)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	r.list = cachedList{records: all, at: now}
	r.mu.Unlock()
	return all, nil
}

func decodeClient(body []byte, version int) (*clientRecord, error) {
	var d clientDoc
	if err := json.Unmarshal(body, &d); err != nil {
		return nil, fmt.Errorf("stored client cannot be read: %w", err)
	}
	rec := &clientRecord{Client: d.Client, version: version}
	rec.SecretHash = Secret(d.SecretHash)
	var err error
	if rec.scopes, err = ParseScopes(rec.Scopes); err != nil {
		return nil, fmt.Errorf("stored client cannot be read: %w", err)
	}
	if rec.JWKS != nil {
		rec.keys, _ = parseKeySet(rec.JWKS)
	}
	return rec, nil
}
