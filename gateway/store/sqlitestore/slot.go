package sqlitestore

import (
	"database/sql/driver"
	"maps"
	"math"

	"trellis.example/gateway/store"
)

// Slots say in which commits the times of five minutes lie, and those of a day,
// so that a search by time need not look at all commits although clocks order
// nothing.

const (
	slotMillis = 5 * 60 * 1000
	dayMillis  = 24 * 60 * 60 * 1000
)

// The kinds of slots.
const (
	slotUpdated = 0 // Version.Updated
	slotAudit   = 1 // audit.Entry.At
	slotDays    = 2 // more than the kind of which it is that of days
)

type slot struct{ kind, at int64 }

func slotAt(millis int64) int64 { return floorDiv(millis, slotMillis) }

func floorDiv(a, b int64) int64 {
	if a < 0 {
		return (a+1)/b - 1
	}
	return a / b
}

// A span is the first and last commit that holds times of a slot.
type span struct{ first, last int64 }

// note says that this group holds the time.
func (g *group) note(kind, millis int64) { g.noteAt(kind, millis, g.seq) }

// noteAt says that a commit holds the time.
func (g *group) noteAt(kind, millis, seq int64) {
	if g.slots == nil {
		g.slots = map[slot]span{}
	}
	for _, at := range [...]slot{{kind, slotAt(millis)}, {kind + slotDays, floorDiv(millis, dayMillis)}} {
		s, ok := g.slots[at]
		if !ok {
			s = span{seq, seq}
		}
		g.slots[at] = span{min(s.first, seq), max(s.last, seq)}
	}
}

// Audit entries come with nearly every group. So that the rows of their slots
// are not written with each, a row is written for commits to come as well: such
// a slot may claim up to slotAhead commits too many.
const slotAhead = 256

// flushSlots writes the slots that do not claim this group yet.
func (g *group) flushSlots() error {
	for at, r := range g.slots {
		if at.kind == slotAudit || at.kind == slotAudit+slotDays {
			if c, ok := g.claimed[at]; ok && c.first <= r.first && r.last <= c.last {
				continue
			}
			r.last += slotAhead
			if g.claims == nil {
				g.claims = map[slot]span{}
			}
			g.claims[at] = r
		}
		if err := g.exec(sqlPutSlot, at.kind, at.at, r.first, r.last); err != nil {
			return err
		}
	}
	clear(g.slots)
	return nil
}

// keepClaims remembers what the slots claim once the group is on disk.
func (s *Store) keepClaims(g *group) {
	if len(s.claimed)+len(g.claims) > maxClaimed {
		clear(s.claimed)
	}
	maps.Copy(s.claimed, g.claims)
}

// maxClaimed is how many slots are remembered: those of the present are in use.
const maxClaimed = 64

// seqRange returns the first and last commit that can hold times in the
// inclusive range; first is greater than last when none does.
func (c *conn) seqRange(kind int64, r timeRange) (first, last int64, err error) {
	if r == anyTime {
		return 0, math.MaxInt64 >> posBits, nil
	}
	first, last = math.MaxInt64>>posBits, 0
	look := func(kind, from, to int64) {
		if err != nil || from > to {
			return
		}
		err = c.query(sqlSlotRange, func(row []driver.Value) error {
			if row[0] != nil {
				first, last = min(first, integer(row[0])), max(last, integer(row[1]))
			}
			return nil
		}, kind, from, to)
	}
	// The days that lie within it whole, and what is left on either side.
	from, to := floorDiv(r.low, dayMillis)+1, floorDiv(r.high, dayMillis)-1
	if from > to {
		look(kind, slotAt(r.low), slotAt(r.high))
		return first, last, err
	}
	look(kind+slotDays, from, to)
	look(kind, slotAt(r.low), from*slotsOfDay-1)
	look(kind, (to+1)*slotsOfDay, slotAt(r.high))
	return first, last, err
}

const slotsOfDay = dayMillis / slotMillis

// A timeRange is inclusive, in Unix milliseconds.
type timeRange struct{ low, high int64 }

var anyTime = timeRange{math.MinInt64, math.MaxInt64}

// instants returns the range in which an instant must lie for the match to
// hold; it may be wider.
func instants(m store.Match) timeRange {
	switch m.Op {
	case "", "eq", "ap":
		return timeRange{m.Low, m.High}
	case "gt", "sa", "ge":
		return timeRange{m.Low, math.MaxInt64}
	case "lt", "eb", "le":
		return timeRange{math.MinInt64, m.High}
	}
	return anyTime
}

// updatedRange returns the range that all clauses over _lastUpdated leave.
func updatedRange(where []store.Clause) timeRange {
	r := anyTime
	for _, c := range where {
		if len(c.Together) > 0 || c.Param != "_lastUpdated" || c.Not || len(c.Any) == 0 {
			continue
		}
		hull := timeRange{math.MaxInt64, math.MinInt64}
		for _, m := range c.Any {
			i := instants(m)
			hull = timeRange{min(hull.low, i.low), max(hull.high, i.high)}
		}
		r = timeRange{max(r.low, hull.low), min(r.high, hull.high)}
	}
	return r
}
