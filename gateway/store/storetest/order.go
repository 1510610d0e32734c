package storetest

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"trellis.example/gateway/store"
)

var sortTests = []test{
	{"ByOneKey", testSortOne},
	{"BySeveralKeys", testSortSeveral},
	{"ByIDAndTime", testSortOwn},
	{"OverUnions", testSortUnion},
	{"HiddenRowsDoNotCount", testSortHidden},
	{"LongTexts", testSortLong},
	{"OfASelection", testSortWhere},
	{"OfThousands", testSortMany},
}

// sortRows writes a to e, one commit each, e the newest, between rows that only
// z sees.
func (f *fixture) sortRows(t *testing.T, typ string, m mode) {
	t.Helper()
	text := func(v string) store.Index {
		return store.Index{Param: "name", Kind: store.Text, System: strings.ToUpper(v), Value: v}
	}
	date := func(low, high int64) store.Index {
		return store.Index{Param: "date", Kind: store.Date, Low: low, High: high}
	}
	quantity := func(unit string, n float64) store.Index {
		return store.Index{Param: "amount", Kind: store.Quantity, System: "ucum", Value: unit, Low: store.Ordered(n), High: store.Ordered(n)}
	}
	base := f.clock.Now().UTC().Truncate(time.Millisecond)
	for _, r := range []struct {
		id    string
		after time.Duration
		index []store.Index
	}{
		{"a", 3, []store.Index{text("bob"), number("num", 2), date(10, 20), token("status", "s", "x"), quantity("mg", 3)}},
		{"b", 1, []store.Index{text("al"), number("num", 2), token("status", "r", "x"), {Param: "ref", Kind: store.Reference, Value: "Patient/2"}}},
		{"c", 2, []store.Index{number("num", 1), date(5, 50), token("status", "s", "w"), {Param: "ref", Kind: store.Reference, Value: "Patient/1"}}},
		{"d", 1, []store.Index{text("bob"), text("zed"), number("num", -3), date(30, 30), quantity("g", 0.5), quantity("mg", 9)}},
		{"e", 5, []store.Index{token("name", "", "0"), number("name", -9)}}, // of other kinds: as good as none
	} {
		for _, who := range []string{"a", "z"} {
			id := r.id
			if who == "z" {
				id = "z-" + id
			}
			w := f.write(store.Key{Type: typ, ID: id}, 0, ownedBy(who), m.entries(r.index)...)
			w.Updated = base.Add(r.after * time.Second)
			f.commit(t, store.Commit{Writes: []store.Write{w}})
		}
	}
}

func up(param string, kind store.Kind) store.Order { return store.Order{Param: param, Kind: kind} }
func down(param string, kind store.Kind) store.Order {
	return store.Order{Param: param, Kind: kind, Descending: true}
}

func (m mode) orders(all ...store.Order) []store.Order {
	for i := range all {
		if own := strings.HasPrefix(all[i].Param, "_"); !own {
			all[i].Common, all[i].Silent = m.common, m.silent
		}
	}
	return all
}

// What is equal or has no value stays newest first.
func testSortOne(t *testing.T, f *fixture) {
	for _, m := range modes {
		typ := "Task" + m.name
		f.sortRows(t, typ, m)
		for _, c := range []struct {
			what  string
			order store.Order
			want  string
		}{
			{"text", up("name", store.Text), "b d a e c"},
			{"text, descending", down("name", store.Text), "d a b e c"},
			{"number", up("num", store.Number), "d c b a e"},
			{"number, descending", down("num", store.Number), "b a c d e"},
			{"date by its start", up("date", store.Date), "c a d e b"},
			{"date by its end", down("date", store.Date), "c d a e b"},
			{"token", up("status", store.Token), "c b a e d"},
			{"token, descending", down("status", store.Token), "a b c e d"},
			{"reference", up("ref", store.Reference), "c b e d a"},
			{"reference, descending", down("ref", store.Reference), "b c e d a"},
			{"quantity", up("amount", store.Quantity), "d a e c b"},
			{"quantity, descending", down("amount", store.Quantity), "d a e c b"},
			{"nothing has it", up("none", store.Text), "e d c b a"},
			{"nothing has it, descending", down("none", store.Date), "e d c b a"},
		} {
			f.shows(t, m.name+", "+c.what, store.Query{View: viewOf("a"), Type: typ, Sort: m.orders(c.order)}, c.want)
		}
	}
}

func testSortSeveral(t *testing.T, f *fixture) {
	for _, m := range modes {
		typ := "Task" + m.name
		f.sortRows(t, typ, m)
		for _, c := range []struct {
			what   string
			orders []store.Order
			want   string
		}{
			{"number, text", []store.Order{up("num", store.Number), up("name", store.Text)}, "d c b a e"},
			{"number, text descending", []store.Order{up("num", store.Number), down("name", store.Text)}, "d c a b e"},
			{"text, number descending", []store.Order{up("name", store.Text), down("num", store.Number)}, "b a d c e"},
			{"missing, then number", []store.Order{up("ref", store.Reference), up("num", store.Number)}, "c b d a e"},
			{"number descending, id", []store.Order{down("num", store.Number), up("_id", store.Token)}, "a b c d e"},
			{"time, id", []store.Order{up("_lastUpdated", store.Date), up("_id", store.Token)}, "b d c a e"},
			{"three", []store.Order{up("none", store.Text), down("num", store.Number), down("date", store.Date)}, "a b c d e"},
			{"one key twice", []store.Order{up("num", store.Number), down("num", store.Number)}, "d c b a e"},
		} {
			f.shows(t, m.name+", "+c.what, store.Query{View: viewOf("a"), Type: typ, Sort: m.orders(c.orders...)}, c.want)
		}
	}
}

func testSortOwn(t *testing.T, f *fixture) {
	f.sortRows(t, "Task", modes[0])
	for _, c := range []struct {
		what  string
		order store.Order
		want  string
	}{
		{"id", up("_id", store.Token), "a b c d e"},
		{"id, descending", down("_id", store.Token), "e d c b a"},
		{"time", up("_lastUpdated", store.Date), "d b c a e"},
		{"time, descending", down("_lastUpdated", store.Date), "e a c d b"},
	} {
		f.shows(t, c.what, store.Query{View: viewOf("a"), Type: "Task", Sort: []store.Order{c.order}}, c.want)
		where := []store.Clause{numberIs("ge", 1)}
		want := strings.NewReplacer("d ", "", " d", "", "e ", "", " e", "").Replace(c.want)
		f.shows(t, c.what+", of some", store.Query{View: viewOf("a"), Type: "Task", Where: where, Sort: []store.Order{c.order}}, want)
	}
}

func testSortUnion(t *testing.T, f *fixture) {
	f.sortRows(t, "Task", modes[0])
	text := func(v string) store.Index { return store.Index{Param: "name", Kind: store.Text, Value: v, System: v} }
	f.fill(t, "Patient", rows{"p1": {text("amy"), number("num", 2)}})
	f.fill(t, "Patient", rows{"p2": {text("bob")}})
	f.fill(t, "Patient", rows{"p3": nil})
	patients := []store.Part{{Type: "Patient"}}
	q := store.Query{View: viewOf("a"), Type: "Task", Or: patients, Sort: []store.Order{up("name", store.Text)}}
	f.shows(t, "text", q, "b p1 p2 d a p3 e c")
	q.Sort = []store.Order{down("num", store.Number), up("name", store.Text)}
	f.shows(t, "number descending, text", q, "b p1 a c d p2 p3 e")
	twos := []store.Clause{numberIs("eq", 2)}
	q = store.Query{View: viewOf("a"), Type: "Task", Where: twos, Sort: []store.Order{up("name", store.Text)},
		Or: []store.Part{{Type: "Patient", Where: twos}, {Type: "Task", Where: []store.Clause{numberIs("le", 1)}}, {Type: "Task", Where: twos}}}
	f.shows(t, "of some", q, "b p1 d a c")
}

// Rows that the view does not show are nowhere in the order, wherever they
// would stand.
func testSortHidden(t *testing.T, f *fixture) {
	want := ""
	for n := range 12 {
		id := fmt.Sprintf("h%02d", n)
		owner := "z"
		if n%4 == 1 {
			id, owner = fmt.Sprintf("s%02d", n), "a"
			want += " " + id
		}
		f.put(t, store.Key{Type: "Task", ID: id}, 0, ownedBy(owner), number("num", float64(n)), commonIndex(token("status", "s", "x")))
	}
	sort := []store.Order{up("num", store.Number)}
	f.shows(t, "by type", store.Query{View: viewOf("a"), Type: "Task", Sort: sort}, want[1:])
	f.shows(t, "by a common clause", store.Query{View: viewOf("a"), Type: "Task", Sort: sort, Where: []store.Clause{common(is("status", "s", "x"))}}, want[1:])
	sort = []store.Order{up("_lastUpdated", store.Date)}
	f.shows(t, "by time and id", store.Query{View: viewOf("a"), Type: "Task", Sort: append(sort, up("_id", store.Token))}, want[1:])
}

func testSortLong(t *testing.T, f *fixture) {
	long := strings.Repeat("ab", 500)
	for id, v := range map[string]string{"d": long + "b", "a": long, "c": long + "a\u0301", "b": long + "a", "e": "é", "f": "z\U0010FFFF", "0": ""} {
		f.put(t, store.Key{Type: "Task", ID: id}, 0, ownedBy("a"), store.Index{Param: "p", Kind: store.Text, Value: v, System: v})
	}
	f.shows(t, "ascending", store.Query{View: viewOf("a"), Type: "Task", Sort: []store.Order{up("p", store.Text)}}, "0 a b c d f e")
	f.shows(t, "descending", store.Query{View: viewOf("a"), Type: "Task", Sort: []store.Order{down("p", store.Text)}}, "e f d c b a 0")
}

func testSortWhere(t *testing.T, f *fixture) {
	for _, m := range modes {
		typ := "Task" + m.name
		f.sortRows(t, typ, m)
		named := store.Clause{Param: "name", Kind: store.Text, Any: []store.Match{{Value: ""}}}
		sort := m.orders(up("num", store.Number))
		q := store.Query{View: viewOf("a"), Type: typ, Where: m.clauses([]store.Clause{named}), Sort: sort}
		f.shows(t, m.name+", with a name", q, "d b a")
		q.Where[0].Not = true
		f.shows(t, m.name+", without", q, "c e")
		q.Where = []store.Clause{{Param: "_id", Kind: store.Token, Any: []store.Match{{Value: "e"}, {Value: "a"}, {Value: "c"}, {Value: "z-a"}}}}
		f.shows(t, m.name+", by id", q, "c a e")
	}
}

// A sort of more than one page of anything.
func testSortMany(t *testing.T, f *fixture) {
	const n = 1500
	var c store.Commit
	for i := range n {
		v := (i * 7919) % n // a permutation
		c.Writes = append(c.Writes, f.write(store.Key{Type: "Task", ID: fmt.Sprintf("k%04d", v)}, 0, ownedBy("a"), number("num", float64(v))))
		if len(c.Writes) == 300 {
			f.commit(t, c)
			c.Writes = nil
		}
	}
	for _, o := range []store.Order{up("num", store.Number), down("num", store.Number), up("_id", store.Token), down("_lastUpdated", store.Date)} {
		all := f.walk(t, store.Query{View: viewOf("a"), Type: "Task", Limit: 700, Sort: []store.Order{o}, KeysOnly: true}, func(int) {})
		if len(all) != n {
			t.Fatalf("by %s: %d of %d", o.Param, len(all), n)
		}
		for i, v := range all {
			want := fmt.Sprintf("k%04d", i)
			if o.Descending {
				want = fmt.Sprintf("k%04d", n-1-i)
			}
			if o.Param != "_lastUpdated" && v.Key.ID != want {
				t.Fatalf("by %s: %s at %d, want %s", o.Param, v.Key.ID, i, want)
			}
			if o.Param == "_lastUpdated" && i > 0 && v.Updated.After(all[i-1].Updated) {
				t.Fatalf("by %s: %d is newer than the one before it", o.Param, i)
			}
		}
	}
}
