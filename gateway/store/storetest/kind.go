package storetest

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"trellis.example/gateway/store"
)

// Every kind of entry and every way to look for it, stored in each of the three
// ways: found by itself, once per party, and only compared with. What must be
// found is written down, not computed.
var kindTests = []test{
	{"Token", testKindToken},
	{"Text", testKindText},
	{"Reference", testKindReference},
	{"URI", testKindURI},
	{"Number", testKindNumber},
	{"Quantity", testKindQuantity},
	{"Point", testKindPoint},
	{"DateOfEveryMode", testKindDate},
}

// A mode is a way to store entries.
type mode struct {
	name           string
	common, silent bool
}

var modes = []mode{{name: "selective"}, {name: "common", common: true}, {name: "silent", silent: true}}

func (m mode) entries(index []store.Index) []store.Index {
	out := slices.Clone(index)
	for i := range out {
		out[i].Common, out[i].Silent = m.common, m.silent
	}
	return out
}

func (m mode) clauses(where []store.Clause) []store.Clause {
	out := slices.Clone(where)
	for i := range out {
		out[i].Common, out[i].Silent = m.common, m.silent
		out[i].Together = m.clauses(out[i].Together)
	}
	return out
}

// rows are resources by id with what they are found by.
type rows map[string][]store.Index

// fill writes each row twice: owned by a, and as a twin, its id begun with
// "z-", that only z sees.
func (f *fixture) fill(t *testing.T, typ string, all rows) {
	t.Helper()
	var c store.Commit
	for id, index := range all {
		c.Writes = append(c.Writes, f.write(store.Key{Type: typ, ID: id}, 0, ownedBy("a"), index...),
			f.write(store.Key{Type: typ, ID: "z-" + id}, 0, ownedBy("z"), index...))
	}
	f.commit(t, c)
}

// gives checks that a search gives a the wanted ids, in any order, z their
// twins, and the system both, and that the totals say so.
func (f *fixture) gives(t *testing.T, what string, q store.Query, want string) {
	t.Helper()
	mine := strings.Fields(want)
	var twins []string
	for _, id := range mine {
		twins = append(twins, "z-"+id)
	}
	q.Limit, q.Total = 1000, true
	q.View = viewOf("a")
	f.givesIDs(t, what+", as a", q, mine)
	q.View = viewOf("z")
	f.givesIDs(t, what+", as z", q, twins)
	q.View = system
	f.givesIDs(t, what+", as the system", q, append(twins, mine...))
}

func (f *fixture) givesIDs(t *testing.T, what string, q store.Query, want []string) {
	t.Helper()
	p := f.search(t, q)
	var got []string
	for _, v := range p.Versions {
		got = append(got, v.Key.ID)
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) || p.Total != len(want) || p.More || p.Next != nil {
		t.Errorf("%s: found %v, total %d, more %t, next %v; want %v", what, got, p.Total, p.More, p.Next, want)
	}
}

// A kindCase is one match and what it must find.
type kindCase struct {
	what  string
	match store.Match
	want  string
}

// kind checks the cases against the rows, whose entries are all of parameter p.
func (f *fixture) kind(t *testing.T, kind store.Kind, all rows, cases []kindCase) {
	t.Helper()
	for _, m := range modes {
		typ := "Task" + m.name
		marked := rows{}
		for id, index := range all {
			marked[id] = m.entries(index)
			for i := range index {
				marked[id][i].Param, marked[id][i].Kind = "p", kind
			}
		}
		f.fill(t, typ, marked)
		for _, c := range cases {
			where := m.clauses([]store.Clause{{Param: "p", Kind: kind, Any: []store.Match{c.match}}})
			f.gives(t, fmt.Sprintf("%s, %s", m.name, c.what), store.Query{Type: typ, Where: where}, c.want)
		}
	}
}

func testKindToken(t *testing.T, f *fixture) {
	long := strings.Repeat("x", 600)
	tok := func(pairs ...string) (out []store.Index) {
		for p := range slices.Chunk(pairs, 2) {
			out = append(out, store.Index{System: p[0], Value: p[1]})
		}
		return out
	}
	f.kind(t, store.Token, rows{
		"one": tok("sys1", "v"), "other": tok("sys2", "v"), "bare": tok("", "v"), "upper": tok("sys1", "V"),
		"both": tok("sys1", "w", "sys2", "x"), "long": tok("sys1", long+"1"), "bar": tok("a|b", "c"), "bar2": tok("a", "b|c"),
		"none": nil,
	}, []kindCase{
		{"system and value", store.Match{System: "sys1", Value: "v"}, "one"},
		{"any system", store.Match{Value: "v", AnySystem: true}, "one other bare"},
		{"no system", store.Match{Value: "v"}, "bare"},
		{"a system and any value", store.Match{System: "sys1", Op: store.OpSystem}, "one upper both long"},
		{"no system and any value", store.Match{Op: store.OpSystem}, "bare"},
		{"the beginning of a system", store.Match{System: "sys", Op: store.OpSystem}, ""},
		{"the beginning of a value", store.Match{Value: "", AnySystem: true}, ""},
		{"system and value of two entries", store.Match{System: "sys1", Value: "x"}, ""},
		{"the second entry", store.Match{System: "sys2", Value: "x"}, "both"},
		{"a long value", store.Match{System: "sys1", Value: long + "1"}, "long"},
		{"another long value", store.Match{System: "sys1", Value: long + "2"}, ""},
		{"a bar in the system", store.Match{System: "a|b", Value: "c"}, "bar"},
		{"a bar in the value", store.Match{System: "a", Value: "b|c"}, "bar2"},
	})
}

func testKindText(t *testing.T, f *fixture) {
	long := strings.Repeat("ab", 600)
	text := func(written ...string) (out []store.Index) {
		for _, w := range written {
			out = append(out, store.Index{System: w, Value: strings.ToLower(w)})
		}
		return out
	}
	f.kind(t, store.Text, rows{
		"plain": text("Smith"), "loud": text("SMITH"), "longer": text("Smithson"), "inner": text("Blacksmith"),
		"wild": text("Sm%th_100"), "last": text("Smith\U0010FFFFx"), "long": text(long + "Smith end"), "two": text("Jones", "Smith"),
		"none": nil,
	}, []kindCase{
		{"beginning", store.Match{Value: "smith"}, "plain loud longer last two"},
		{"longer beginning", store.Match{Value: "smiths"}, "longer"},
		{"a per cent sign", store.Match{Value: "sm%"}, "wild"},
		{"a full stop", store.Match{Value: "sm.th"}, ""},
		{"any text", store.Match{Value: ""}, "plain loud longer inner wild last long two"},
		{"contains", store.Match{Value: "smith", Op: store.OpContains}, "plain loud longer inner last long two"},
		{"contains a per cent sign", store.Match{Value: "%", Op: store.OpContains}, "wild"},
		{"contains an underline", store.Match{Value: "h_1", Op: store.OpContains}, "wild"},
		{"contains a full stop", store.Match{Value: "s.i", Op: store.OpContains}, ""},
		{"exact", store.Match{System: "Smith", Value: "smith", Op: store.OpExact}, "plain two"},
		{"exact, loud", store.Match{System: "SMITH", Value: "smith", Op: store.OpExact}, "loud"},
		{"exact, and nobody wrote it so", store.Match{System: "smith", Value: "smith", Op: store.OpExact}, ""},
		{"exact beginning", store.Match{System: "Smiths", Value: "smiths", Op: store.OpExact}, ""},
		{"long beginning", store.Match{Value: long + "smi"}, "long"},
		{"another long beginning", store.Match{Value: long + "smx"}, ""},
		{"exact and long", store.Match{System: long + "Smith end", Value: long + "smith end", Op: store.OpExact}, "long"},
		{"exact and long, otherwise written", store.Match{System: long + "smith end", Value: long + "smith end", Op: store.OpExact}, ""},
	})
}

func values(all ...string) (out []store.Index) {
	for _, v := range all {
		out = append(out, store.Index{Value: v})
	}
	return out
}

func testKindReference(t *testing.T, f *fixture) {
	f.kind(t, store.Reference, rows{
		"one": values("Patient/1"), "ten": values("Patient/10"), "absolute": values("https://example.org/Patient/1"),
		"org": values("Organization/1"), "both": values("Patient/2", "Organization/1"), "odd": values("PatientX/1"), "none": nil,
	}, []kindCase{
		{"typed", store.Match{Value: "Patient/1"}, "one"},
		{"absolute", store.Match{Value: "https://example.org/Patient/1"}, "absolute"},
		{"second value", store.Match{Value: "Organization/1"}, "org both"},
		{"type", store.Match{Value: "Patient", Op: store.OpType}, "one ten both"},
		{"second type", store.Match{Value: "Organization", Op: store.OpType}, "org both"},
		{"beginning of a type", store.Match{Value: "Pat", Op: store.OpType}, ""},
		{"type that is not there", store.Match{Value: "Device", Op: store.OpType}, ""},
	})
}

func testKindURI(t *testing.T, f *fixture) {
	f.kind(t, store.URI, rows{
		"a": values("http://e.org/a"), "child": values("http://e.org/a/b"), "deep": values("http://e.org/a/b/c"),
		"near": values("http://e.org/ab"), "slash": values("http://e.org/a/"), "upper": values("http://e.org/A/b"),
		"wild": values("http://e.org/a_/x"), "letter": values("http://e.org/ac/x"), "oid": values("urn:oid:1.2"), "oid2": values("urn:oid:1.2.3"),
		"long": values("http://e.org/long/" + strings.Repeat("x", 600)),
	}, []kindCase{
		{"the same", store.Match{Value: "http://e.org/a"}, "a"},
		{"below", store.Match{Value: "http://e.org/a", Op: store.OpBelow}, "a child deep slash"},
		{"below a slash", store.Match{Value: "http://e.org/a/", Op: store.OpBelow}, "child deep slash"},
		{"below, deeper", store.Match{Value: "http://e.org/a/b", Op: store.OpBelow}, "child deep"},
		{"below an underline", store.Match{Value: "http://e.org/a_", Op: store.OpBelow}, "wild"},
		{"below an oid", store.Match{Value: "urn:oid:1.2", Op: store.OpBelow}, "oid"},
		{"below, and long", store.Match{Value: "http://e.org/long", Op: store.OpBelow}, "long"},
		{"the same, and long", store.Match{Value: "http://e.org/long/" + strings.Repeat("x", 600)}, "long"},
		{"the beginning", store.Match{Value: "http://e.org/"}, ""},
	})
}

// numbers returns a range of numbers as a match or an entry has it.
func numbers(low, high float64) (int64, int64) { return store.Ordered(low), store.Ordered(high) }

func testKindNumber(t *testing.T, f *fixture) {
	entry := func(low, high float64) []store.Index {
		l, h := numbers(low, high)
		return []store.Index{{Low: l, High: h}}
	}
	match := func(op string, low, high float64) store.Match {
		l, h := numbers(low, high)
		return store.Match{Op: op, Low: l, High: h}
	}
	two := append(entry(-100, -100), entry(50, 50)...)
	f.kind(t, store.Number, rows{
		"minus": entry(-1.5, -1.5), "zero": entry(0, 0), "tenth": entry(0.1, 0.1), "about-one": entry(0.95, 1.05),
		"ten": entry(10, 10), "huge": entry(1e21, 1e21), "two": two, "none": nil,
	}, []kindCase{
		{"eq 0.1", match("eq", 0.05, 0.15), "tenth"},
		{"ne 10", match("ne", 9.5, 10.5), "minus zero tenth huge two about-one"},
		{"gt 0.1", match("gt", 0.1, 0.1), "about-one ten huge two"},
		{"lt 0.1", match("lt", 0.1, 0.1), "minus zero two"},
		{"ge 0", match("ge", 0, 0), "zero tenth about-one ten huge two"},
		{"le 0", match("le", 0, 0), "minus zero two"},
		{"le -1.5", match("le", -1.5, -1.5), "minus two"},
		{"eq 1, exactly", match("eq", 1, 1), ""},
		{"gt 1", match("gt", 1, 1), "about-one ten huge two"},
		{"lt 1", match("lt", 1, 1), "minus zero tenth about-one two"},
		{"sa 1", match("sa", 1, 1), "ten huge two"},
		{"eb 1", match("eb", 1, 1), "minus zero tenth two"},
		{"ap 1", match("ap", 0.9, 1.0), "about-one"},
		{"no entry between two", match("eq", -99, 49), "minus zero tenth about-one ten"},
		{"unknown prefix", match("xx", 0, 0), ""},
	})
}

func testKindQuantity(t *testing.T, f *fixture) {
	entry := func(n float64, system, unit string) store.Index {
		l, h := numbers(n-0.5, n+0.5)
		return store.Index{System: system, Value: unit, Low: l, High: h}
	}
	match := func(op string, n float64, system, unit string, any bool) store.Match {
		l, h := numbers(n-0.5, n+0.5)
		return store.Match{Op: op, Low: l, High: h, System: system, Value: unit, AnySystem: any}
	}
	f.kind(t, store.Quantity, rows{
		"mg": {entry(5, "ucum", "mg")}, "g": {entry(5, "ucum", "g")}, "bare": {entry(5, "", "")}, "local": {entry(5, "local", "mg")},
		"minus": {entry(-5, "ucum", "mg")}, "mixed": {entry(3, "ucum", "mg"), entry(5, "ucum", "g")}, "none": nil,
	}, []kindCase{
		{"no unit", match("", 5, "", "", false), "mg g bare local mixed"},
		{"system and unit", match("eq", 5, "ucum", "mg", false), "mg"},
		{"unit of any system", match("eq", 5, "", "mg", true), "mg local"},
		{"unit of no system", match("eq", 5, "", "mg", false), ""},
		{"unit of the second entry", match("eq", 5, "ucum", "g", false), "g mixed"},
		{"unit in another case", match("eq", 5, "ucum", "MG", true), ""},
		{"gt with unit", match("gt", 4, "ucum", "mg", false), "mg"},
		{"le with unit", match("le", 3, "ucum", "mg", false), "minus mixed"},
		{"lt without unit", match("lt", 3, "", "", false), "minus"},
		{"ne with unit", match("ne", 5, "ucum", "mg", false), "minus mixed"},
		{"sa without unit", match("sa", 3, "", "", false), "mg g bare local mixed"},
	})
}

func testKindPoint(t *testing.T, f *fixture) {
	at := func(lat, lon float64) (int64, int64) {
		return int64(lat * store.PointScale), int64(lon * store.PointScale)
	}
	entry := func(lat, lon float64) store.Index {
		la, lo := at(lat, lon)
		return store.Index{Low: la, High: lo}
	}
	match := func(lat, lon, metres float64) store.Match {
		la, lo := at(lat, lon)
		return store.Match{Low: la, High: lo, Radius: metres}
	}
	// A hundredth of a degree of a great circle is 1,112 m.
	f.kind(t, store.Point, rows{
		"home": {entry(51.5, -0.1)}, "street": {entry(51.509, -0.1)}, "town": {entry(51.6, -0.1)}, "two": {entry(-33.9, 151.2), entry(51.6, -0.1)},
		"east": {entry(0, 179.99)}, "west": {entry(0, -179.99)}, "line": {entry(0, 180)}, "edge": {entry(0, -180)},
		"pole": {entry(89.99, 0)}, "beyond": {entry(89.99, 180)}, "south": {entry(-89.99, 90)}, "none": nil,
	}, []kindCase{
		{"the spot", match(51.5, -0.1, 0), "home"},
		{"a kilometre", match(51.5, -0.1, 1000), "home"},
		{"a little more", match(51.5, -0.1, 1010), "home street"},
		{"twelve kilometres", match(51.5, -0.1, 12_000), "home street town two"},
		{"the second entry", match(-33.9, 151.2, 10), "two"},
		{"across the date line, from the west", match(0, -179.99, 3000), "west line edge east"},
		{"across the date line, from the east", match(0, 179.99, 3000), "west line edge east"},
		{"up to the date line", match(0, -179.99, 2000), "west line edge"},
		{"up to the date line, from the east", match(0, 179.99, 2000), "east line edge"},
		{"on the date line", match(0, 180, 1000), "line edge"},
		{"on its other edge", match(0, -180, 1000), "line edge"},
		{"across the pole", match(89.99, 0, 3000), "pole beyond"},
		{"short of the pole", match(89.99, 0, 2000), "pole"},
		{"from the pole", match(90, 77, 1200), "pole beyond"},
		{"the other pole", match(-90, 0, 1200), "south"},
		{"far away", match(-10, -30, 100_000), ""},
		{"the whole Earth", match(51.5, -0.1, 2.1e7), "home street town two east west line edge pole beyond south"},
	})
}

func testKindDate(t *testing.T, f *fixture) {
	day := func(low, high int64) []store.Index { return []store.Index{{Low: low, High: high}} }
	match := func(op string) store.Match { return store.Match{Op: op, Low: 10, High: 20} }
	f.kind(t, store.Date, rows{
		"before": day(0, 9), "start": day(5, 15), "within": day(12, 18), "same": day(10, 20), "end": day(15, 25), "after": day(21, 30),
		"around": day(0, 30), "two": append(day(0, 1), day(40, 41)...), "none": nil,
	}, []kindCase{
		{"eq", match("eq"), "within same"},
		{"ne", match("ne"), "before start end after around two"},
		{"gt", match("gt"), "end after around two"},
		{"lt", match("lt"), "before start around two"},
		{"ge", match("ge"), "within same end after around two"},
		{"le", match("le"), "before start within same around two"},
		{"sa", match("sa"), "after two"},
		{"eb", match("eb"), "before two"},
		{"ap", match("ap"), "start within same end around"},
	})
}
