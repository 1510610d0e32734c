package mongostore

import (
	"math"

	"go.mongodb.org/mongo-driver/v2/bson"

	"trellis.example/auth"
	"trellis.example/gateway/store"
)

// ownTime is the parameter by which a version is found under its own time.
const ownTime = "_lastUpdated"

// A span holds the numbers from..to, both inclusive.
type span struct{ from, to int64 }

func anywhere() span { return span{math.MinInt64, math.MaxInt64} }

func (s span) and(t span) span { return span{max(s.from, t.from), min(s.to, t.to)} }

func (s span) empty() bool { return s.from > s.to }

// of says that the field lies in the span.
func (s span) of(field string) bson.D {
	ops := bson.D{}
	if s.from != math.MinInt64 {
		ops = append(ops, bson.E{Key: "$gte", Value: s.from})
	}
	if s.to != math.MaxInt64 {
		ops = append(ops, bson.E{Key: "$lte", Value: s.to})
	}
	if len(ops) == 0 {
		return nil
	}
	return bson.D{{Key: field, Value: ops}}
}

// A box holds the entries whose low and high lie in its spans.
type box struct{ low, high span }

// and returns the entries in both boxes. An entry's low is never above its
// high: saying so bounds the scan at both ends where it can.
func (b box) and(c box) box {
	out := box{b.low.and(c.low), b.high.and(c.high)}
	out.low.to = min(out.low.to, out.high.to)
	out.high.from = max(out.high.from, out.low.from)
	return out
}

func (b box) empty() bool { return b.low.empty() || b.high.empty() }

// entries says that an entry of that name lies in the box. What follows from an
// entry's low not being above its high is left out of the second field: one
// server bounds its scan only where each field but one has a single bound.
func (b box) entries(name string) bson.D {
	high := b.high
	if high.from <= b.low.from {
		high.from = math.MinInt64
	}
	return append(append(bson.D{{Key: "p", Value: name}}, b.low.of("low")...), high.of("high")...)
}

// boxesOf returns the alternatives that an entry's range must lie in; see
// store.Match.Holds for the meaning of the prefixes.
func boxesOf(m store.Match) []box {
	within := box{span{m.Low, m.High}, span{m.Low, m.High}}
	above, below := box{anywhere(), anywhere().above(m.High)}, box{anywhere().below(m.Low), anywhere()}
	switch m.Op {
	case "", "eq":
		return []box{within}
	case "ne":
		return []box{below, above}
	case "gt":
		return []box{above}
	case "lt":
		return []box{below}
	case "ge":
		return []box{above, within}
	case "le":
		return []box{below, within}
	case "sa":
		return []box{{anywhere().above(m.High), anywhere().above(m.High)}}
	case "eb":
		return []box{{anywhere().below(m.Low), anywhere().below(m.Low)}}
	case "ap":
		return []box{{span{math.MinInt64, m.High}, span{m.Low, math.MaxInt64}}}
	}
	return nil
}

// nowhere is the empty span.
func nowhere() span { return span{math.MaxInt64, math.MinInt64} }

func (s span) above(n int64) span {
	if n == math.MaxInt64 {
		return nowhere()
	}
	return span{n + 1, s.to}
}

func (s span) below(n int64) span {
	if n == math.MinInt64 {
		return nowhere()
	}
	return span{s.from, n - 1}
}

// boxes returns the alternatives that an entry must lie in to meet every clause
// of the bundle.
func boxes(bundle []store.Clause) []box {
	out := []box{{anywhere(), anywhere()}}
	for _, c := range bundle {
		var next []box
		for _, b := range out {
			for _, m := range c.Any {
				for _, alternative := range boxesOf(m) {
					if both := b.and(alternative); !both.empty() {
						next = append(next, both)
					}
				}
			}
		}
		out = next
	}
	return out
}

// maxBoxes is how many alternatives one range may have; clauses that would make
// more are each asked by itself.
const maxBoxes = 8

// ranges finds entries of dates, numbers and quantities. The unit of a quantity
// is for the entries to say.
func ranges(heads []string, typ string, bundle []store.Clause) condition {
	c, list := bundle[0], bson.A{}
	for _, b := range boxes(bundle) {
		for _, h := range heads {
			match := b.entries(rangeName(h, typ, c.Param, c.Kind))
			list = append(list, bson.D{{Key: "dates", Value: bson.D{{Key: "$elemMatch", Value: match}}}})
		}
	}
	return condition{lookup: anyOf(list), rank: byRange, sharp: c.Kind != store.Quantity}
}

// updated finds versions by their own time, which is a range of one instant.
func updated(v auth.View, typ string, bundle []store.Clause) condition {
	list := bson.A{}
	for _, b := range boxes(bundle) {
		if at := b.low.and(b.high); !at.empty() {
			list = append(list, append(viewers(v, typ), at.of("updated")...))
		}
	}
	return condition{lookup: anyOf(list), rank: byRange, viewed: true, sharp: true}
}

// bundles returns the clauses that lead, those over the one range of a
// parameter together.
func bundles(where []store.Clause) [][]store.Clause {
	var out [][]store.Clause
next:
	for _, c := range where {
		if !c.Leads() {
			continue
		}
		for i, b := range out {
			if joins(b[0], c) && len(boxes(append(b[:len(b):len(b)], c))) <= maxBoxes {
				out[i] = append(b, c)
				continue next
			}
		}
		out = append(out, []store.Clause{c})
	}
	return out
}

// joins reports whether the clauses are about one range.
func joins(a, b store.Clause) bool {
	if len(a.Together) > 0 || len(b.Together) > 0 || a.Param != b.Param {
		return false
	}
	if a.Param == ownTime {
		return true
	}
	ranged := a.Kind == store.Date || a.Kind == store.Number || a.Kind == store.Quantity
	return ranged && a.Kind == b.Kind && a.Common == b.Common && a.Single && b.Single
}
