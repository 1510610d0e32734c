package mongostore

import (
	"slices"
	"unicode/utf8"

	"go.mongodb.org/mongo-driver/v2/bson"

	"trellis.example/auth"
	"trellis.example/gateway/store"
)

// endOfText sorts after every continuation of a prefix.
const endOfText = "\U0010FFFF\U0010FFFF"

// A condition is one clause as the database is asked it. Values stand only
// where values are compared; every field name and operator is ours.
type condition struct {
	// lookup finds all candidates through one index; exact, if not nil, must
	// hold besides.
	lookup, exact bson.D
	rank          rank
	// viewed: lookup finds nothing that the view's parties do not share.
	viewed bool
}

// rank orders the ways to drive a query: the most selective first.
type rank uint8

const (
	bySelective rank = iota // an equality that few resources share
	byRange                 // dates, text, _lastUpdated: counted before use
	byCommon                // one party's entries of a common value
	byType                  // all that one party may see of the type
)

// inOrder reports whether the index delivers the page's order, so that a
// query may stop early.
func (r rank) inOrder() bool { return r != byRange }

// never is what no version meets.
func never() bson.D { return bson.D{{Key: "_id", Value: in([]string{})}} }

// compile returns the condition of a clause for a view of one type.
func compile(v auth.View, typ string, c store.Clause) condition {
	switch c.Param {
	case ownID:
		return identity(typ, c.Any)
	case "_lastUpdated":
		return updated(v, typ, c.Any)
	}
	switch c.Kind {
	case store.Date:
		return dates(typ, c)
	case store.Text:
		return text(heads(v, c.Common), typ, c)
	case store.Token, store.Reference, store.URI:
		return equality(heads(v, c.Common), typ, c)
	}
	return condition{lookup: never()}
}

// heads returns the prefixes of the entries that the view searches: each
// party's own for a common parameter, else the one that all share.
func heads(v auth.View, common bool) []string {
	switch {
	case !common:
		return []string{""}
	case v.All():
		return []string{everyone}
	}
	return parties(v)
}

// parties returns the view's parties as entries name them, the public one
// among them.
func parties(v auth.View) []string {
	out := []string{escape(auth.PartyPublic)}
	for _, p := range v.Parties() {
		if p != "" {
			out = appendNew(out, escape(p))
		}
	}
	return out
}

func equality(heads []string, typ string, c store.Clause) condition {
	terms, exact, strict := []string{}, bson.A{}, false
	for _, m := range c.Any {
		if !utf8.ValidString(m.Value) || !utf8.ValidString(m.System) {
			continue
		}
		mine := make([]string, 0, len(heads))
		for _, h := range heads {
			mine = append(mine, term(h, typ, c.Param, c.Kind, m.Value))
		}
		terms = append(terms, mine...)
		if c.Kind == store.Token && !m.AnySystem {
			strict = true
			exact = append(exact, bson.D{{Key: "exact", Value: exactTerm(c.Param, m.System, m.Value)}})
		} else {
			exact = append(exact, bson.D{{Key: "sp", Value: oneOf(mine)}})
		}
	}
	if len(terms) == 0 {
		return condition{lookup: never()}
	}
	out := condition{lookup: bson.D{{Key: "sp", Value: oneOf(terms)}}, rank: bySelective}
	if c.Common {
		out.rank, out.viewed = byCommon, true
	}
	if strict {
		out.exact = anyOf(exact)
	}
	return out
}

func text(heads []string, typ string, c store.Clause) condition {
	list := bson.A{}
	for _, m := range c.Any {
		if !utf8.ValidString(m.Value) {
			continue
		}
		for _, h := range heads {
			from := term(h, typ, c.Param, c.Kind, m.Value)
			list = append(list, bson.D{{Key: "sp", Value: bson.D{{Key: "$elemMatch", Value: bson.D{
				{Key: "$gte", Value: from}, {Key: "$lt", Value: from + endOfText}}}}}})
		}
	}
	return condition{lookup: anyOf(list), rank: byRange}
}

func dates(typ string, c store.Clause) condition {
	list := bson.A{}
	for _, m := range c.Any {
		for _, b := range rangeOf(m, "low", "high") {
			match := append(bson.D{{Key: "p", Value: typeParam(typ, c.Param)}}, b...)
			list = append(list, bson.D{{Key: "dates", Value: bson.D{{Key: "$elemMatch", Value: match}}}})
		}
	}
	return condition{lookup: anyOf(list), rank: byRange}
}

func updated(v auth.View, typ string, matches []store.Match) condition {
	list := bson.A{}
	for _, m := range matches {
		for _, b := range instantOf(m) {
			list = append(list, append(viewers(v, typ), b...))
		}
	}
	return condition{lookup: anyOf(list), rank: byRange, viewed: true}
}

// identity finds keys by the entry that each version has of its own id.
func identity(typ string, matches []store.Match) condition {
	c := store.Clause{Param: ownID, Kind: store.Token}
	for _, m := range matches {
		c.Any = append(c.Any, store.Match{Value: m.Value, AnySystem: true})
	}
	return equality([]string{""}, typ, c)
}

// viewers is what the view may see of a type, apart from security labels.
func viewers(v auth.View, typ string) bson.D {
	if v.All() {
		return bson.D{{Key: "viewers", Value: viewer(everyone, typ)}}
	}
	list := parties(v)
	for i, p := range list {
		list[i] = viewer(p, typ)
	}
	return bson.D{{Key: "viewers", Value: oneOf(list)}}
}

// rangeOf returns the alternatives that an entry's range low..high must meet;
// see store.Match.Holds for the meaning of the prefixes.
func rangeOf(m store.Match, low, high string) []bson.D {
	is := func(field, op string, v int64) bson.E {
		return bson.E{Key: field, Value: bson.D{{Key: op, Value: v}}}
	}
	// An entry's low is never above its high: saying so of the match bounds
	// the scan at both ends.
	within := bson.D{{Key: low, Value: bson.D{{Key: "$gte", Value: m.Low}, {Key: "$lte", Value: m.High}}}, is(high, "$lte", m.High)}
	above, below := bson.D{is(high, "$gt", m.High)}, bson.D{is(low, "$lt", m.Low)}
	switch m.Op {
	case "", "eq":
		return []bson.D{within}
	case "ne":
		return []bson.D{below, above}
	case "gt":
		return []bson.D{above}
	case "lt":
		return []bson.D{below}
	case "ge":
		return []bson.D{above, within}
	case "le":
		return []bson.D{below, within}
	case "sa":
		return []bson.D{{is(low, "$gt", m.High)}}
	case "eb":
		return []bson.D{{is(high, "$lt", m.Low)}}
	case "ap":
		return []bson.D{{is(low, "$lte", m.High), is(high, "$gte", m.Low)}}
	}
	return nil
}

// instantOf is rangeOf for an entry that is a single instant, `updated`.
func instantOf(m store.Match) []bson.D {
	is := func(ops ...bson.E) []bson.D { return []bson.D{{{Key: "updated", Value: bson.D(ops)}}} }
	op := func(op string, v int64) bson.E { return bson.E{Key: op, Value: v} }
	switch m.Op {
	case "", "eq", "ap":
		return is(op("$gte", m.Low), op("$lte", m.High))
	case "ne":
		return append(is(op("$lt", m.Low)), is(op("$gt", m.High))...)
	case "gt", "sa":
		return is(op("$gt", m.High))
	case "lt", "eb":
		return is(op("$lt", m.Low))
	case "ge":
		return is(op("$gte", m.Low))
	case "le":
		return is(op("$lte", m.High))
	}
	return nil
}

func anyOf(list bson.A) bson.D {
	switch len(list) {
	case 0:
		return never()
	case 1:
		return list[0].(bson.D)
	}
	return bson.D{{Key: "$or", Value: list}}
}

func oneOf(values []string) any {
	if len(values) == 1 {
		return values[0]
	}
	return in(values)
}

func allOf(list ...bson.D) bson.D {
	list = slices.DeleteFunc(list, func(d bson.D) bool { return len(d) == 0 })
	if len(list) == 1 {
		return list[0]
	}
	all := make(bson.A, len(list))
	for i, d := range list {
		all[i] = d
	}
	return bson.D{{Key: "$and", Value: all}}
}
