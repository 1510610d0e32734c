package storetest

import (
	"fmt"
	"math"
	"testing"
	"time"

	"trellis.example/auth"
	"trellis.example/gateway/store"
)

var searchTests = []test{
	{"Tokens", testTokens},
	{"ReferencesURIsAndTexts", testReferences},
	{"Dates", testDates},
	{"LastUpdated", testLastUpdated},
	{"IDs", testIDs},
	{"AndOr", testAndOr},
	{"CommonUnderNarrowViews", testCommon},
	{"NewestFirst", testNewestFirst},
	{"UpdateMovesEntries", testUpdateMoves},
	{"SeesOwnWrite", testOwnWrite},
	{"TotalOnlyWhenAsked", testTotal},
}

func token(param, sys, value string) store.Index {
	return store.Index{Param: param, Kind: store.Token, System: sys, Value: value}
}

func commonIndex(i store.Index) store.Index {
	i.Common = true
	return i
}

func is(param, sys, value string) store.Clause {
	return store.Clause{Param: param, Kind: store.Token, Any: []store.Match{{System: sys, Value: value}}}
}

func common(c store.Clause) store.Clause {
	c.Common = true
	return c
}

func anySystem(param, value string) store.Clause {
	return store.Clause{Param: param, Kind: store.Token, Any: []store.Match{{Value: value, AnySystem: true}}}
}

// finds checks what the system finds; ids are in any order.
func (f *fixture) finds(t *testing.T, what, typ string, want []store.Key, where ...store.Clause) {
	t.Helper()
	p := f.search(t, store.Query{View: system, Type: typ, Limit: 1000, Where: where, Total: true})
	missing := map[store.Key]bool{}
	for _, k := range want {
		missing[k] = true
	}
	for _, k := range keys(p.Versions) {
		if !missing[k] {
			t.Errorf("%s: found %v, want %v", what, keys(p.Versions), want)
			return
		}
		delete(missing, k)
	}
	if len(missing) != 0 || p.Total != len(want) || p.More {
		t.Errorf("%s: found %v, total %d, want %v", what, keys(p.Versions), p.Total, want)
	}
}

func testTokens(t *testing.T, f *fixture) {
	for _, isCommon := range []bool{false, true} {
		mark := func(i store.Index) store.Index { i.Common = isCommon; return i }
		ask := func(c store.Clause) store.Clause { c.Common = isCommon; return c }
		typ := fmt.Sprintf("Patient%t", isCommon)
		a, b, c, d := f.key(typ), f.key(typ), f.key(typ), f.key(typ)
		f.put(t, a, 0, ownedBy("a"), mark(token("identifier", "sys1", "v")), mark(token("identifier", "sys2", "w")))
		f.put(t, b, 0, ownedBy("a"), mark(token("identifier", "sys2", "v")))
		f.put(t, c, 0, ownedBy("a"), mark(token("identifier", "", "v")))
		f.put(t, d, 0, ownedBy("a"), mark(token("other", "sys1", "v")), mark(token("identifier", "sys1", "V")))
		f.put(t, f.key("Other"), 0, ownedBy("a"), mark(token("identifier", "sys1", "v")))
		f.finds(t, "system and value", typ, []store.Key{a}, ask(is("identifier", "sys1", "v")))
		f.finds(t, "second value", typ, []store.Key{a}, ask(is("identifier", "sys2", "w")))
		f.finds(t, "no system", typ, []store.Key{c}, ask(is("identifier", "", "v")))
		f.finds(t, "any system", typ, []store.Key{a, b, c}, ask(anySystem("identifier", "v")))
		f.finds(t, "case", typ, []store.Key{d}, ask(anySystem("identifier", "V")))
		f.finds(t, "systems do not cross", typ, nil, ask(is("identifier", "sys1", "w")))
		f.finds(t, "no matches", typ, nil, store.Clause{Param: "identifier", Kind: store.Token, Common: isCommon})
		f.finds(t, "another parameter", typ, []store.Key{d}, ask(is("other", "sys1", "v")))
	}
}

func testReferences(t *testing.T, f *fixture) {
	entry := func(kind store.Kind, v string) store.Index { return store.Index{Param: "p", Kind: kind, Value: v} }
	ask := func(kind store.Kind, v string) store.Clause {
		return store.Clause{Param: "p", Kind: kind, Any: []store.Match{{Value: v}}}
	}
	a, b, c, d := f.key("Task"), f.key("Task"), f.key("Task"), f.key("Task")
	f.put(t, a, 0, ownedBy("a"), entry(store.Reference, "Patient/1"))
	f.put(t, b, 0, ownedBy("a"), entry(store.Reference, "https://example.org/Patient/1"))
	f.put(t, c, 0, ownedBy("a"), entry(store.URI, "Patient/1"), entry(store.Text, "smith"))
	f.put(t, d, 0, ownedBy("a"), entry(store.Text, "smithson"), entry(store.Text, "söderberg ⚕"))
	f.finds(t, "relative", "Task", []store.Key{a}, ask(store.Reference, "Patient/1"))
	f.finds(t, "absolute", "Task", []store.Key{b}, ask(store.Reference, "https://example.org/Patient/1"))
	f.finds(t, "no prefix", "Task", nil, ask(store.Reference, "Patient/"))
	f.finds(t, "uri", "Task", []store.Key{c}, ask(store.URI, "Patient/1"))
	f.finds(t, "text begins", "Task", []store.Key{c, d}, ask(store.Text, "smith"))
	f.finds(t, "longer text", "Task", []store.Key{d}, ask(store.Text, "smiths"))
	f.finds(t, "text beyond ASCII", "Task", []store.Key{d}, ask(store.Text, "söderberg ⚕"))
	f.finds(t, "no wildcard", "Task", nil, ask(store.Text, "sm%"))
	f.finds(t, "any text", "Task", []store.Key{c, d}, ask(store.Text, ""))
}

func testDates(t *testing.T, f *fixture) {
	day := func(low, high int64) store.Index {
		return store.Index{Param: "date", Kind: store.Date, Low: low, High: high}
	}
	ks := map[string]store.Key{}
	for name, i := range map[string]store.Index{
		"before": day(0, 9), "over start": day(5, 15), "within": day(12, 18), "same": day(10, 20), "over end": day(15, 25),
		"after": day(21, 30), "around": day(0, 30), "open start": day(math.MinInt64, 15), "open end": day(15, math.MaxInt64),
	} {
		ks[name] = f.key("Task")
		f.put(t, ks[name], 0, ownedBy("a"), i)
	}
	f.put(t, f.key("Task"), 0, ownedBy("a")) // without a date it matches nothing
	tests := []struct {
		op   string
		want []string
	}{
		{"eq", []string{"within", "same"}},
		{"", []string{"within", "same"}},
		{"ne", []string{"before", "over start", "over end", "after", "around", "open start", "open end"}},
		{"gt", []string{"over end", "after", "around", "open end"}},
		{"lt", []string{"before", "over start", "around", "open start"}},
		{"ge", []string{"within", "same", "over end", "after", "around", "open end"}},
		{"le", []string{"before", "over start", "within", "same", "around", "open start"}},
		{"sa", []string{"after"}},
		{"eb", []string{"before"}},
		{"ap", []string{"over start", "within", "same", "over end", "around", "open start", "open end"}},
		{"xx", nil},
	}
	for _, tt := range tests {
		var want []store.Key
		for _, name := range tt.want {
			want = append(want, ks[name])
		}
		f.finds(t, "date "+tt.op, "Task", want, store.Clause{Param: "date", Kind: store.Date, Any: []store.Match{{Op: tt.op, Low: 10, High: 20}}})
	}
}

func testLastUpdated(t *testing.T, f *fixture) {
	var vs []store.Version
	for range 3 {
		vs = append(vs, f.put(t, f.key("Task"), 0, ownedBy("a")))
		f.clock.Advance(time.Minute)
	}
	mid := vs[1].Updated.UnixMilli()
	ask := func(op string, low, high int64) store.Clause {
		return store.Clause{Param: "_lastUpdated", Kind: store.Date, Any: []store.Match{{Op: op, Low: low, High: high}}}
	}
	f.finds(t, "gt", "Task", []store.Key{vs[2].Key}, ask("gt", mid, mid))
	f.finds(t, "ge", "Task", []store.Key{vs[1].Key, vs[2].Key}, ask("ge", mid, mid))
	f.finds(t, "lt", "Task", []store.Key{vs[0].Key}, ask("lt", mid, mid))
	f.finds(t, "eq, a minute", "Task", []store.Key{vs[1].Key}, ask("eq", mid-1000, mid+1000))
	f.finds(t, "both ends", "Task", []store.Key{vs[1].Key}, ask("ge", mid, mid), ask("le", mid, mid))
	c := common(ask("ge", mid, mid))
	p := f.search(t, store.Query{View: viewOf("a"), Type: "Task", Limit: 10, Where: []store.Clause{c}})
	sameKeys(t, "narrow view", p.Versions, vs[2].Key, vs[1].Key)
}

func testIDs(t *testing.T, f *fixture) {
	a, b := f.key("Task"), f.key("Task")
	f.put(t, a, 0, ownedBy("a"), token("identifier", "s", "1"))
	f.put(t, b, 0, ownedBy("a"), token("identifier", "s", "2"))
	f.put(t, store.Key{Type: "Patient", ID: a.ID}, 0, ownedBy("a"))
	f.finds(t, "_id", "Task", []store.Key{a}, is("_id", "", a.ID))
	f.finds(t, "two ids", "Task", []store.Key{a, b},
		store.Clause{Param: "_id", Kind: store.Token, Any: []store.Match{{Value: a.ID}, {Value: b.ID}, {Value: "absent"}, {Value: a.ID}}})
	f.finds(t, "_id and another", "Task", nil, is("_id", "", a.ID), is("identifier", "s", "2"))
	f.finds(t, "_id that is absent", "Task", nil, is("_id", "", "absent"))
	f.remove(t, b, 1)
	f.finds(t, "_id of a deleted one", "Task", nil, is("_id", "", b.ID))
}

func testAndOr(t *testing.T, f *fixture) {
	a, b, c := f.key("Task"), f.key("Task"), f.key("Task")
	st := func(v string) store.Index { return commonIndex(token("status", "s", v)) }
	ref := func(v string) store.Index {
		return store.Index{Param: "patient", Kind: store.Reference, Value: v}
	}
	f.put(t, a, 0, ownedBy("a"), st("active"), ref("Patient/1"), ref("Patient/2"))
	f.put(t, b, 0, ownedBy("a"), st("draft"), ref("Patient/1"))
	f.put(t, c, 0, ownedBy("a"), st("active"), ref("Patient/3"))
	patient := func(ids ...string) store.Clause {
		cl := store.Clause{Param: "patient", Kind: store.Reference}
		for _, id := range ids {
			cl.Any = append(cl.Any, store.Match{Value: id})
		}
		return cl
	}
	active := common(is("status", "s", "active"))
	either := active
	either.Any = []store.Match{{System: "s", Value: "draft"}, {System: "s", Value: "active"}, {Value: "active", AnySystem: true}}
	f.finds(t, "and", "Task", []store.Key{a}, active, patient("Patient/1"))
	f.finds(t, "or", "Task", []store.Key{a, b, c}, either)
	f.finds(t, "or over one version", "Task", []store.Key{a}, patient("Patient/2", "Patient/1"), active)
	f.finds(t, "and over one parameter", "Task", []store.Key{a}, patient("Patient/1"), patient("Patient/2"))
	f.finds(t, "contradiction", "Task", nil, active, common(is("status", "s", "draft")))
	f.finds(t, "or and and", "Task", []store.Key{a, b}, either, patient("Patient/1", "Patient/9"))
}

func testCommon(t *testing.T, f *fixture) {
	st := commonIndex(token("status", "s", "active"))
	date := commonIndex(store.Index{Param: "authored", Kind: store.Date, Low: 5, High: 6})
	var mine []store.Key
	for n := range 30 {
		a := ownedBy("b", "c")
		k := f.key("Task")
		if n%10 == 3 {
			a = ownedBy("b", "a")
			mine = append([]store.Key{k}, mine...)
		}
		f.put(t, k, 0, a, st, date, token("identifier", "s", "all"))
	}
	dated := store.Clause{Param: "authored", Kind: store.Date, Common: true, Any: []store.Match{{Op: "ge", Low: 5, High: 5}}}
	for name, where := range map[string][]store.Clause{
		"common": {common(is("status", "s", "active"))}, "selective": {is("identifier", "s", "all")}, "type": nil, "common date": {dated},
		"both": {common(is("status", "s", "active")), is("identifier", "s", "all"), dated},
	} {
		for _, v := range []auth.View{viewOf("a"), viewOf("a", "x", "y")} {
			p := f.search(t, store.Query{View: v, Type: "Task", Limit: 2, Where: where, Total: true})
			sameKeys(t, name, p.Versions, mine[:2]...)
			if !p.More || p.Total != 3 {
				t.Errorf("%s: more %t, total %d; want more and 3", name, p.More, p.Total)
			}
		}
	}
}

func testNewestFirst(t *testing.T, f *fixture) {
	var c store.Commit
	for _, id := range []string{"c", "a", "d", "b"} {
		c.Writes = append(c.Writes, f.write(store.Key{Type: "Task", ID: id}, 0, ownedBy("a")))
	}
	f.commit(t, c)
	f.put(t, store.Key{Type: "Task", ID: "e"}, 0, ownedBy("a"))
	f.put(t, store.Key{Type: "Task", ID: "c"}, 1, ownedBy("a"))
	p := f.search(t, store.Query{View: system, Type: "Task", Limit: 10})
	var got string
	for _, v := range p.Versions {
		got += v.Key.ID
	}
	if got != "ceabd" {
		t.Errorf("order %s, want ceabd: by commit, newest first, then by id", got)
	}
	if p.Snapshot <= 0 || p.Total != -1 {
		t.Errorf("snapshot %d, total %d; want a number, and -1", p.Snapshot, p.Total)
	}
}

func testUpdateMoves(t *testing.T, f *fixture) {
	k := f.key("Task")
	f.put(t, k, 0, ownedBy("a"), commonIndex(token("status", "s", "active")), token("identifier", "s", "1"))
	f.put(t, k, 1, ownedBy("a"), commonIndex(token("status", "s", "done")), token("identifier", "s", "1"))
	f.finds(t, "old value", "Task", nil, common(is("status", "s", "active")))
	f.finds(t, "new value", "Task", []store.Key{k}, common(is("status", "s", "done")))
	f.finds(t, "kept value", "Task", []store.Key{k}, is("identifier", "s", "1"))
	f.remove(t, k, 2)
	f.finds(t, "deleted", "Task", nil, is("identifier", "s", "1"))
}

func testOwnWrite(t *testing.T, f *fixture) {
	for n := range 50 {
		id := fmt.Sprint(n)
		v := f.put(t, f.key("Task"), 0, ownedBy("a"), token("identifier", "s", id))
		p := f.search(t, store.Query{View: viewOf("a"), Type: "Task", Limit: 1, Where: []store.Clause{is("identifier", "s", id)}})
		if len(p.Versions) != 1 {
			t.Fatalf("write %d cannot be found", n)
		}
		sameVersion(t, p.Versions[0], v)
	}
}

func testTotal(t *testing.T, f *fixture) {
	for range 7 {
		f.put(t, f.key("Task"), 0, ownedBy("a"))
	}
	p := f.search(t, store.Query{View: system, Type: "Task", Limit: 3, Total: true})
	if p.Total != 7 || len(p.Versions) != 3 || !p.More {
		t.Errorf("total %d of %d shown, more %t; want 7 of 3 and more", p.Total, len(p.Versions), p.More)
	}
	if p.Next == nil {
		t.Fatal("there is more, and the page does not say where")
	}
	p = f.search(t, store.Query{View: system, Type: "Task", Limit: 4, Total: true, Snapshot: p.Snapshot, After: p.Next})
	if p.Total != 7 || len(p.Versions) != 4 || p.More {
		t.Errorf("second page: total %d of %d shown, more %t; want 7 of 4 and no more", p.Total, len(p.Versions), p.More)
	}
}
