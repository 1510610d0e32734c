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

// A condition is a way to find the candidates of a clause, or of several over
// one range. Values stand only where values are compared; every field name and
// operator is ours.
type condition struct {
	// lookup finds all candidates through one index; exact, if not nil, must
	// hold besides.
	lookup, exact bson.D
	// terms, when not nil, are the entries of `sp`, or the viewers of a way by
	// type, that lookup looks for: those of several conditions are one lookup.
	terms []string
	rank  rank
	// viewed: lookup finds nothing that the view's parties do not share.
	viewed bool
	// sharp: lookup and exact together are all that the clauses mean.
	sharp bool
	// answers is how many clauses it is about.
	answers int
}

// whole reports whether lookup alone says all that n clauses mean.
func (c *condition) whole(n int) bool { return c.sharp && c.exact == nil && c.answers == n }

// rank orders the ways to find candidates: the most selective first.
type rank uint8

const (
	bySelective rank = iota // an equality that few resources share
	byRange                 // dates, numbers, text, _lastUpdated: counted before use
	byCommon                // one party's entries of a common value
	byType                  // all that one party may see of the type
)

// never is what no version meets.
func never() bson.D { return bson.D{{Key: "_id", Value: in([]string{})}} }

// compile returns the condition of a clause that leads, for a view of one type.
// Several clauses are those over the one range of a parameter.
func compile(v auth.View, typ string, bundle []store.Clause) condition {
	out := compileFirst(v, typ, bundle)
	out.answers = len(bundle)
	out.viewed = out.viewed || bundle[0].Common
	return out
}

func compileFirst(v auth.View, typ string, bundle []store.Clause) condition {
	c := bundle[0]
	switch {
	case len(c.Together) > 0:
		return together(v, typ, c.Together)
	case c.Param == ownID:
		return identity(typ, c.Any)
	case c.Param == ownTime:
		return updated(v, typ, bundle)
	}
	switch c.Kind {
	case store.Date, store.Number, store.Quantity:
		return ranges(heads(v, c.Common), typ, bundle)
	case store.Text:
		return text(heads(v, c.Common), typ, c)
	case store.Token, store.Reference, store.URI:
		return equality(heads(v, c.Common), typ, c)
	case store.Point:
		return near(heads(v, c.Common), typ, c)
	}
	return condition{lookup: never(), sharp: true}
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
		if !utf8.ValidString(m.Value) || !utf8.ValidString(m.System) || c.Kind == store.Reference && m.Op != "" {
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
	out := byTerms(terms, c.Common)
	out.sharp = true
	if strict {
		out.exact = anyOf(exact)
	}
	return out
}

// byTerms finds what has one of the terms.
func byTerms(terms []string, common bool) condition {
	if len(terms) == 0 {
		return condition{lookup: never()}
	}
	out := condition{lookup: bson.D{{Key: "sp", Value: oneOf(terms)}}, terms: terms, rank: bySelective}
	if common {
		out.rank = byCommon
	}
	return out
}

// near finds what lies in the squares that cover the circles.
func near(heads []string, typ string, c store.Clause) condition {
	terms := []string{}
	for _, m := range c.Any {
		for _, cell := range m.Cells() {
			for _, h := range heads {
				terms = append(terms, term(h, typ, c.Param, c.Kind, cell))
			}
		}
	}
	return byTerms(terms, c.Common)
}

// text finds texts by their beginning, those to be met exactly among them.
func text(heads []string, typ string, c store.Clause) condition {
	list, sharp := bson.A{}, true
	for _, m := range c.Any {
		sharp = sharp && m.Op == ""
		if !utf8.ValidString(m.Value) {
			continue
		}
		for _, h := range heads {
			from := term(h, typ, c.Param, c.Kind, m.Value)
			list = append(list, bson.D{{Key: "sp", Value: bson.D{{Key: "$elemMatch", Value: bson.D{
				{Key: "$gte", Value: from}, {Key: "$lt", Value: from + endOfText}}}}}})
		}
	}
	return condition{lookup: anyOf(list), rank: byRange, sharp: sharp}
}

// together finds what meets the most selective of the clauses that lead, and
// each other one somewhere: whether in one element is for the entries to say.
func together(v auth.View, typ string, clauses []store.Clause) condition {
	var ways []condition
	for _, c := range clauses {
		if c.Leads() {
			ways = append(ways, compile(v, typ, []store.Clause{c}))
		}
	}
	slices.SortStableFunc(ways, func(a, b condition) int { return int(a.rank) - int(b.rank) })
	out := ways[0]
	for _, w := range ways[1:] {
		out.exact = allOf(out.exact, w.lookup, w.exact)
	}
	out.sharp = false
	return out
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
	return bson.D{{Key: "viewers", Value: oneOf(viewerTerms(v, typ))}}
}

func viewerTerms(v auth.View, typ string) []string {
	if v.All() {
		return []string{viewer(everyone, typ)}
	}
	list := parties(v)
	for i, p := range list {
		list[i] = viewer(p, typ)
	}
	return list
}

// byViewers finds all that the view may see of a type.
func byViewers(v auth.View, typ string) condition {
	return condition{lookup: viewers(v, typ), terms: viewerTerms(v, typ), rank: byType, viewed: true, sharp: true}
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
	switch len(list) {
	case 0:
		return nil
	case 1:
		return list[0]
	}
	all := make(bson.A, len(list))
	for i, d := range list {
		all[i] = d
	}
	return bson.D{{Key: "$and", Value: all}}
}
