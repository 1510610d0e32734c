package sqlitestore

import (
	"context"
	"crypto/rand"
	"database/sql/driver"
	"time"

	"trellis.example/gateway/store"
)

// Only the front of a partition, its oldest event, may be leased. A leased
// event is ready again when its lease runs out, a waiting one when it is due.

func (g *group) checkEvent(e store.Event) error {
	return g.query(sqlEventByID, func([]driver.Value) error {
		return &store.Conflict{Key: store.Key{Type: e.Topic, ID: e.ID}}
	}, e.ID)
}

func (g *group) addEvent(e store.Event) error {
	front, err := g.isFront(e)
	if err != nil {
		return err
	}
	return g.exec(sqlNewEvent, e.ID, e.Topic, e.Partition, e.Payload, e.Due.UnixMilli(), flag(front))
}

// isFront reports whether nothing of the event's partition waits before it.
func (g *group) isFront(e store.Event) (bool, error) {
	if e.Partition == "" {
		return true, nil
	}
	_, busy, err := g.number(sqlPartBusy, e.Topic, e.Partition)
	return !busy, err
}

// LeaseEvents implements store.Store: those that were ready first come first.
func (s *Store) LeaseEvents(ctx context.Context, topic string, n int, d time.Duration) ([]store.Lease, error) {
	n = min(max(n, 0), 1000)
	idle, err := s.noneReady(ctx, topic)
	if err != nil || idle {
		return nil, err
	}
	var leases []store.Lease
	err = s.submit(ctx, &job{run: func(g *group) error {
		now := s.now()
		ready, ns, err := g.ready(topic, now.UnixMilli(), n)
		if err != nil {
			return err
		}
		leases = ready
		for i := range ready {
			l := &ready[i]
			l.Until, l.Token = time.UnixMilli(now.Add(d).UnixMilli()).UTC(), rand.Text()
			if err := g.exec(sqlLease, l.Attempt, l.Token, l.Until.UnixMilli(), ns[i]); err != nil {
				return err
			}
			g.changed = true
		}
		return nil
	}})
	if err != nil {
		return nil, err
	}
	return leases, nil
}

// noneReady spares a worker that polls the way through the writer.
func (s *Store) noneReady(ctx context.Context, topic string) (idle bool, err error) {
	err = s.read(ctx, func(c *conn) error {
		_, ns, err := c.ready(topic, s.now().UnixMilli(), 1)
		idle = len(ns) == 0
		return err
	})
	return idle, err
}

// ready returns events that may be leased, and their rows.
func (c *conn) ready(topic string, now int64, n int) (ls []store.Lease, ns []int64, err error) {
	err = c.query(sqlReady, func(row []driver.Value) error {
		ns = append(ns, integer(row[0]))
		ls = append(ls, store.Lease{Attempt: int(integer(row[5])) + 1, Event: store.Event{
			ID: text(row[1]), Topic: topic, Partition: text(row[2]),
			Payload: bytesOf(row[3]), Due: time.UnixMilli(integer(row[4])).UTC(),
		}})
		return nil
	}, topic, now, n)
	return ls, ns, err
}

// DoneEvent implements store.Store.
func (s *Store) DoneEvent(ctx context.Context, l store.Lease) error {
	return s.leased(ctx, l, func(g *group, n int64, topic, part string) error {
		if err := g.exec(sqlDropEvent, n); err != nil {
			return err
		}
		if part == "" {
			return nil
		}
		return g.exec(sqlNextInPart, topic, part)
	})
}

// RetryEvent implements store.Store.
func (s *Store) RetryEvent(ctx context.Context, l store.Lease, t time.Time) error {
	return s.leased(ctx, l, func(g *group, n int64, _, _ string) error {
		return g.exec(sqlGiveBack, t.UnixMilli(), n)
	})
}

// leased runs do over the row of a lease that still holds.
func (s *Store) leased(ctx context.Context, l store.Lease, do func(g *group, n int64, topic, part string) error) error {
	return s.submit(ctx, &job{run: func(g *group) error {
		n, topic, part := int64(0), "", ""
		err := g.query(sqlLeased, func(row []driver.Value) error {
			n, topic, part = integer(row[0]), text(row[1]), text(row[2])
			return nil
		}, l.ID, l.Token)
		if err != nil {
			return err
		}
		if n == 0 || l.Token == "" {
			return store.ErrNotFound
		}
		g.changed = true
		return do(g, n, topic, part)
	}})
}
