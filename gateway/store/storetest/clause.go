package storetest

import (
	"fmt"
	"testing"
	"time"

	"trellis.example/gateway/store"
)

// Clauses that turn round, ask for what is there or not, and tie entries
// together.
var clauseTests = []test{
	{"Not", testNot},
	{"NotOfTheVersionsOwn", testNotOwn},
	{"AbsentAndPresent", testAbsent},
	{"Together", testTogether},
	{"TogetherWithOthers", testTogetherAnd},
	{"SeveralRangesOfOneParameter", testRanges},
	{"TooCostly", testTooCostly},
}

func not(c store.Clause) store.Clause {
	c.Not = true
	return c
}

func testNot(t *testing.T, f *fixture) {
	for _, m := range modes {
		typ := "Task" + m.name
		row := func(index ...store.Index) []store.Index { return append(m.entries(index), token("all", "s", "x")) }
		date := store.Index{Param: "date", Kind: store.Date, Low: 5, High: 6}
		f.fill(t, typ, rows{
			"red": row(token("colour", "s", "red")), "blue": row(token("colour", "s", "blue"), date),
			"both": row(token("colour", "s", "red"), token("colour", "s", "blue")), "none": row(),
			"named": row(store.Index{Param: "colour", Kind: store.Text, Value: "red", System: "red"}),
		})
		red, either := is("colour", "s", "red"), is("colour", "s", "red")
		either.Any = append(either.Any, store.Match{System: "s", Value: "blue"})
		dated := store.Clause{Param: "date", Kind: store.Date, Any: []store.Match{{Op: "ge", Low: 5, High: 5}}}
		nothing := store.Clause{Param: "colour", Kind: store.Token}
		for _, c := range []struct {
			what  string
			where []store.Clause
			want  string
		}{
			{"not one", []store.Clause{not(red)}, "blue none named"},
			{"not either", []store.Clause{not(either)}, "none named"},
			{"not of any system", []store.Clause{not(anySystem("colour", "blue"))}, "red none named"},
			{"not of no system", []store.Clause{not(is("colour", "", "red"))}, "red blue both none named"},
			{"not a date", []store.Clause{not(dated)}, "red both none named"},
			{"not none", []store.Clause{not(nothing)}, "red blue both none named"},
			{"none", []store.Clause{nothing}, ""},
			{"one and not another", []store.Clause{is("colour", "s", "blue"), not(red)}, "blue"},
			{"not one and not another", []store.Clause{not(red), not(is("colour", "s", "blue"))}, "none named"},
			{"one and not the same", []store.Clause{red, not(red)}, ""},
		} {
			f.gives(t, m.name+", "+c.what, store.Query{Type: typ, Where: m.clauses(c.where)}, c.want)
			led := append([]store.Clause{is("all", "s", "x")}, m.clauses(c.where)...)
			f.gives(t, m.name+", led, "+c.what, store.Query{Type: typ, Where: led}, c.want)
		}
	}
}

func testNotOwn(t *testing.T, f *fixture) {
	f.fill(t, "Task", rows{"one": nil, "two": nil})
	at := f.read(t, system, store.Key{Type: "Task", ID: "one"}).Updated.UnixMilli()
	f.clock.Advance(time.Minute)
	f.put(t, store.Key{Type: "Task", ID: "three"}, 0, ownedBy("a"))
	f.put(t, store.Key{Type: "Task", ID: "z-three"}, 0, ownedBy("z"))
	ids := store.Clause{Param: "_id", Kind: store.Token, Not: true, Any: []store.Match{{Value: "one"}, {Value: "z-one"}, {Value: "absent"}}}
	f.gives(t, "not _id", store.Query{Type: "Task", Where: []store.Clause{ids}}, "two three")
	late := store.Clause{Param: "_lastUpdated", Kind: store.Date, Not: true, Any: []store.Match{{Op: "gt", Low: at + 30_000, High: at + 30_000}}}
	f.gives(t, "not _lastUpdated", store.Query{Type: "Task", Where: []store.Clause{late}}, "one two")
	f.gives(t, "not both", store.Query{Type: "Task", Where: []store.Clause{late, ids}}, "two")
}

func testAbsent(t *testing.T, f *fixture) {
	for _, m := range modes {
		typ := "Task" + m.name
		row := func(index ...store.Index) []store.Index { return append(m.entries(index), token("all", "s", "x")) }
		f.fill(t, typ, rows{
			"red": row(token("p", "s", "red")), "empty": row(token("p", "", "")), "text": row(store.Index{Param: "p", Kind: store.Text, Value: "x", System: "x"}),
			"date": row(store.Index{Param: "p", Kind: store.Date, Low: 1, High: 2}), "longer": row(token("pp", "s", "red")),
			"point": row(store.Index{Param: "p", Kind: store.Point, Low: 1, High: 2}),
			"both":  row(token("p", "s", "x"), store.Index{Param: "p", Kind: store.Quantity, Value: "mg", Low: 1, High: 2}), "none": row(),
		})
		for _, c := range []struct {
			what string
			kind store.Kind
			with string
			wo   string
		}{
			{"token", store.Token, "red empty both", "text date longer point none"},
			{"text", store.Text, "text", "red empty date longer point both none"},
			{"date", store.Date, "date", "red empty text longer point both none"},
			{"quantity", store.Quantity, "both", "red empty text date longer point none"},
			{"point", store.Point, "point", "red empty text date longer both none"},
			{"number", store.Number, "", "red empty text date longer point both none"},
			{"reference", store.Reference, "", "red empty text date longer point both none"},
			{"uri", store.URI, "", "red empty text date longer point both none"},
		} {
			present := m.clauses([]store.Clause{{Param: "p", Kind: c.kind, Present: true}})
			absent := m.clauses([]store.Clause{{Param: "p", Kind: c.kind, Absent: true}})
			f.gives(t, m.name+", present "+c.what, store.Query{Type: typ, Where: present}, c.with)
			f.gives(t, m.name+", absent "+c.what, store.Query{Type: typ, Where: absent}, c.wo)
			f.gives(t, m.name+", led, absent "+c.what, store.Query{Type: typ, Where: append(absent, is("all", "s", "x"))}, c.wo)
			f.gives(t, m.name+", both "+c.what, store.Query{Type: typ, Where: append(absent, present...)}, "")
		}
	}
}

// part is an entry of an element.
func part(group int, e store.Index) store.Index {
	e.Group = group
	return e
}

func number(param string, n float64) store.Index {
	return store.Index{Param: param, Kind: store.Number, Low: store.Ordered(n), High: store.Ordered(n)}
}

func numberIs(op string, n float64) store.Clause {
	return store.Clause{Param: "num", Kind: store.Number, Any: []store.Match{{Op: op, Low: store.Ordered(n), High: store.Ordered(n)}}}
}

func together(clauses ...store.Clause) store.Clause { return store.Clause{Together: clauses} }

// Elements of a code and a number: what belongs to two elements is not one
// that holds both.
func testTogether(t *testing.T, f *fixture) {
	code := func(g int, v string) store.Index { return part(g, token("code", "s", v)) }
	num := func(g int, n float64) store.Index { return part(g, number("num", n)) }
	for _, m := range modes {
		typ := "Task" + m.name
		marked := rows{}
		for id, index := range (rows{
			"match":   {code(1, "A"), num(1, 1), code(2, "B"), num(2, 2)},
			"crossed": {code(1, "A"), num(1, 2), code(2, "B"), num(2, 1)},
			"second":  {code(1, "A"), code(2, "A"), num(2, 1)}, // the same value in two elements
			"apart":   {code(0, "A"), num(0, 1)},
			"mixed":   {code(0, "A"), num(1, 1)},
			"half":    {code(1, "A")},
			"many":    {code(7, "A"), num(7, 5), num(7, 1)},
			"none":    nil,
		}) {
			marked[id] = m.entries(index)
		}
		f.fill(t, typ, marked)
		either := is("code", "s", "A")
		either.Any = append(either.Any, store.Match{System: "s", Value: "B"})
		for _, c := range []struct {
			what  string
			where store.Clause
			want  string
		}{
			{"A and 1", together(is("code", "s", "A"), numberIs("eq", 1)), "match second many"},
			{"1 and A", together(numberIs("eq", 1), is("code", "s", "A")), "match second many"},
			{"A and 2", together(is("code", "s", "A"), numberIs("eq", 2)), "crossed"},
			{"B and 1", together(is("code", "s", "B"), numberIs("eq", 1)), "crossed"},
			{"A and over 1", together(is("code", "s", "A"), numberIs("gt", 1)), "crossed many"},
			{"A or B, and 2", together(either, numberIs("eq", 2)), "match crossed"},
			{"A alone", together(is("code", "s", "A")), "match crossed second half many"},
			{"what is not there", together(is("code", "s", "C"), numberIs("eq", 1)), ""},
			{"three", together(is("code", "s", "A"), numberIs("eq", 1), numberIs("eq", 5)), "many"},
		} {
			f.gives(t, m.name+", "+c.what, store.Query{Type: typ, Where: m.clauses([]store.Clause{c.where})}, c.want)
		}
	}
}

func testTogetherAnd(t *testing.T, f *fixture) {
	code := func(g int, v string) store.Index { return commonIndex(part(g, token("code", "s", v))) }
	silent := func(e store.Index) store.Index { e.Silent = true; return e }
	text := func(g int, v string) store.Index {
		return part(g, store.Index{Param: "text", Kind: store.Text, Value: v, System: v})
	}
	f.fill(t, "Task", rows{
		"one":   {code(1, "A"), silent(part(1, number("num", 1))), text(1, "smith"), token("id", "s", "1")},
		"two":   {code(1, "A"), silent(part(1, number("num", 2))), text(2, "smith"), token("id", "s", "1")},
		"three": {code(1, "B"), silent(part(1, number("num", 1))), text(1, "smith"), token("id", "s", "2")},
	})
	a, one := common(is("code", "s", "A")), numberIs("eq", 1)
	one.Silent = true
	smith := store.Clause{Param: "text", Kind: store.Text, Any: []store.Match{{Value: "smi"}}}
	f.gives(t, "common and silent", store.Query{Type: "Task", Where: []store.Clause{together(a, one)}}, "one")
	f.gives(t, "silent and text", store.Query{Type: "Task", Where: []store.Clause{together(one, smith)}}, "one three")
	f.gives(t, "beside another clause", store.Query{Type: "Task", Where: []store.Clause{together(one, smith), is("id", "s", "2")}}, "three")
	f.gives(t, "two of them", store.Query{Type: "Task", Where: []store.Clause{together(one, smith), together(a, smith)}}, "one")
	f.gives(t, "beside not", store.Query{Type: "Task", Where: []store.Clause{together(one, smith), not(a)}}, "three")
}

// Clauses over one parameter are one range when it has a single entry, and may
// be met by different entries when it has more.
func testRanges(t *testing.T, f *fixture) {
	for _, m := range modes {
		typ := "Task" + m.name
		marked := rows{}
		for id, days := range map[string][]int64{"early": {1}, "mid": {5}, "late": {9}, "ends": {1, 9}, "none": nil} {
			for _, d := range days {
				for _, param := range []string{"many", "one"} {
					if param == "many" || len(days) == 1 {
						marked[id] = append(marked[id], store.Index{Param: param, Kind: store.Date, Low: d, High: d})
					}
				}
			}
			marked[id] = m.entries(marked[id])
		}
		f.fill(t, typ, marked)
		between := func(param string, single bool) []store.Clause {
			var out []store.Clause
			for op, d := range map[string]int64{"ge": 3, "le": 7} {
				out = append(out, store.Clause{Param: param, Kind: store.Date, Single: single, Any: []store.Match{{Op: op, Low: d, High: d}}})
			}
			return m.clauses(out)
		}
		f.gives(t, fmt.Sprintf("%s, several entries", m.name), store.Query{Type: typ, Where: between("many", false)}, "mid ends")
		f.gives(t, fmt.Sprintf("%s, one entry", m.name), store.Query{Type: typ, Where: between("one", true)}, "mid")
		f.gives(t, fmt.Sprintf("%s, one entry, not said", m.name), store.Query{Type: typ, Where: between("one", false)}, "mid")
	}
}

// A search that finds nothing in 10,000 candidates says so instead of going on;
// one that finds its page early does not.
func testTooCostly(t *testing.T, f *fixture) {
	const each, commits = 420, 24 // 10,080
	silent := token("secret", "s", "no")
	silent.Silent = true
	for n := range commits {
		var c store.Commit
		for range each {
			c.Writes = append(c.Writes, f.write(f.key("Task"), 0, ownedBy("a"), silent))
		}
		if n == commits-1 {
			for i := range 3 {
				c.Writes[i].Index = []store.Index{{Param: "secret", Kind: store.Token, System: "s", Value: "yes", Silent: true}}
			}
		}
		f.commit(t, c)
	}
	yes := is("secret", "s", "yes")
	yes.Silent = true
	q := store.Query{View: viewOf("a"), Type: "Task", Limit: 2, Where: []store.Clause{yes}}
	if p, err := f.Search(ctx(t), q); err != nil || len(p.Versions) != 2 || !p.More {
		t.Errorf("the newest two: %d, more %t, %v", len(p.Versions), p.More, err)
	}
	q.Limit = 5
	_, err := f.Search(ctx(t), q)
	wantErr(t, "three of five, and no more among 10,000", err, store.ErrTooCostly)
}
