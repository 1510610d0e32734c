package storetest

import (
	"strings"
	"testing"

	"trellis.example/auth"
	"trellis.example/gateway/store"
)

var unionTests = []test{
	{"OverTypes", testUnionTypes},
	{"OverClausesOfOneType", testUnionClauses},
	{"OfTypesThatTheViewMaySee", testUnionView},
	{"InOrder", testUnionOrder},
	{"OfAllTypes", testUnionAll},
	{"KeysOnly", testKeysOnly},
	{"ValuesOfReferences", testValues},
	{"NextPage", testNext},
}

// shows checks that the query shows a and the system these ids in this order,
// whatever the size of the pages, with that total on each page.
func (f *fixture) shows(t *testing.T, what string, q store.Query, want string) {
	t.Helper()
	q.Total = true
	for _, limit := range []int{1, 2, 3, 1000} {
		q.Limit = limit
		var got []string
		for page := q; ; {
			p := f.search(t, page)
			for _, v := range p.Versions {
				got = append(got, v.Key.ID)
			}
			if n := len(strings.Fields(want)); p.Total != n {
				t.Errorf("%s, pages of %d: total %d, want %d", what, limit, p.Total, n)
			}
			if !p.More {
				break
			}
			if p.Next == nil || len(p.Versions) == 0 {
				t.Fatalf("%s, pages of %d: an empty page, or no place to continue at", what, limit)
			}
			page.Snapshot, page.After = p.Snapshot, p.Next
		}
		if all := strings.Join(got, " "); all != want {
			t.Errorf("%s, pages of %d: %s; want %s", what, limit, all, want)
			return
		}
	}
}

func testUnionTypes(t *testing.T, f *fixture) {
	colour := func(vs ...string) (out []store.Index) {
		for _, v := range vs {
			out = append(out, commonIndex(token("colour", "s", v)))
		}
		return out
	}
	f.fill(t, "Task", rows{"t1": colour("red"), "t2": colour("blue"), "t3": colour("red", "blue"), "t4": nil})
	f.fill(t, "Patient", rows{"p1": colour("red"), "p2": nil})
	f.fill(t, "Device", rows{"d1": colour("red")})
	red, blue := []store.Clause{common(is("colour", "s", "red"))}, []store.Clause{common(is("colour", "s", "blue"))}
	f.gives(t, "two types", store.Query{Type: "Task", Where: red, Or: []store.Part{{Type: "Patient", Where: red}}}, "t1 t3 p1")
	f.gives(t, "a type and a clause", store.Query{Type: "Task", Where: blue, Or: []store.Part{{Type: "Patient"}}}, "t2 t3 p1 p2")
	f.gives(t, "three types", store.Query{Type: "Task", Or: []store.Part{{Type: "Patient", Where: red}, {Type: "Device", Where: blue}}}, "t1 t2 t3 t4 p1")
	f.gives(t, "a type without any", store.Query{Type: "None", Or: []store.Part{{Type: "Patient"}}}, "p1 p2")
	f.gives(t, "a type and one that is not", store.Query{Type: "Patient", Or: []store.Part{{Type: "Task", Where: []store.Clause{not(red[0])}}}}, "p1 p2 t2 t4")
}

func testUnionClauses(t *testing.T, f *fixture) {
	ref := func(p string, vs ...string) (out []store.Index) {
		for _, v := range vs {
			out = append(out, store.Index{Param: p, Kind: store.Reference, Value: v})
		}
		return out
	}
	asks := func(p, v string) []store.Clause {
		return []store.Clause{{Param: p, Kind: store.Reference, Any: []store.Match{{Value: v}}}}
	}
	f.fill(t, "Task", rows{
		"both":  append(ref("patient", "Patient/1"), ref("subject", "Patient/1", "Patient/2")...),
		"first": ref("patient", "Patient/1"), "second": ref("subject", "Patient/1"), "other": ref("patient", "Patient/2"),
	})
	q := store.Query{Type: "Task", Where: asks("patient", "Patient/1"), Or: []store.Part{{Type: "Task", Where: asks("subject", "Patient/1")}}}
	f.gives(t, "either parameter", q, "both first second")
	q.Or = append(q.Or, store.Part{Type: "Task", Where: asks("subject", "Patient/2")}, store.Part{Type: "Task", Where: asks("patient", "Patient/1")})
	f.gives(t, "one alternative twice", q, "both first second")
	q.Or = append(q.Or, store.Part{Type: "Task"})
	f.gives(t, "everything and its parts", q, "both first second other")
	q = store.Query{Type: "Task", Where: append(asks("patient", "Patient/1"), asks("subject", "Patient/2")...),
		Or: []store.Part{{Type: "Task", Where: []store.Clause{not(asks("patient", "Patient/1")[0])}}}}
	f.gives(t, "and within, not within", q, "both second other")
}

func testUnionView(t *testing.T, f *fixture) {
	f.fill(t, "Task", rows{"t1": nil, "t2": nil})
	f.fill(t, "Patient", rows{"p1": nil})
	q := store.Query{Type: "Task", Or: []store.Part{{Type: "Patient"}}, Limit: 10, Total: true}
	for _, tt := range []struct {
		view auth.View
		want []string
	}{
		{auth.NewView([]string{"a"}, []string{"Task"}, nil), []string{"t1", "t2"}},
		{auth.NewView([]string{"a", "z"}, []string{"Patient"}, nil), []string{"p1", "z-p1"}},
		{auth.NewView([]string{"a"}, []string{"Device"}, nil), nil},
		{auth.NewView([]string{"b"}, []string{"*"}, nil), nil},
		{auth.View{}, nil},
	} {
		q.View = tt.view
		f.givesIDs(t, "a view", q, tt.want)
		q.Sort = []store.Order{{Param: "_id", Kind: store.Token}}
		f.givesIDs(t, "a view, sorted", q, tt.want)
		q.Sort = nil
	}
}

func testUnionOrder(t *testing.T, f *fixture) {
	write := func(typ, id string, expect int) store.Write {
		return f.write(store.Key{Type: typ, ID: id}, expect, ownedBy("a"), token("all", "s", "x"))
	}
	hidden := func(typ, id string) store.Write {
		return f.write(store.Key{Type: typ, ID: id}, 0, ownedBy("z"), token("all", "s", "x"))
	}
	f.commit(t, store.Commit{Writes: []store.Write{write("Task", "b", 0), write("Patient", "a", 0), write("Task", "c", 0), hidden("Task", "a0")}})
	f.commit(t, store.Commit{Writes: []store.Write{write("Task", "d", 0), write("Patient", "e", 0), hidden("Patient", "d0")}})
	f.commit(t, store.Commit{Writes: []store.Write{write("Patient", "a", 1), hidden("Task", "z0")}})
	f.commit(t, store.Commit{Writes: []store.Write{write("Device", "x", 0)}})
	for _, where := range [][]store.Clause{nil, {is("all", "s", "x")}, {not(is("all", "s", "y"))}} {
		q := store.Query{View: viewOf("a"), Type: "Task", Where: where, Or: []store.Part{{Type: "Patient", Where: where}}}
		f.shows(t, "newest first", q, "a d e b c")
	}
	// One id, two types, one commit: by type.
	f.commit(t, store.Commit{Writes: []store.Write{write("Task", "y", 0), write("Patient", "y", 0), write("Task", "w", 0), write("Patient", "w", 0)}})
	q := store.Query{View: viewOf("a"), Type: "Task", Or: []store.Part{{Type: "Patient"}}, Limit: 1}
	var got []string
	for _, v := range f.walk(t, q, func(int) {}) {
		got = append(got, v.Key.String())
	}
	if all, want := strings.Join(got, " "), "Patient/w Task/w Patient/y Task/y Patient/a Task/d Patient/e Task/b Task/c"; all != want {
		t.Errorf("order %s, want %s", all, want)
	}
}

// A search of everything is a union of all types.
func testUnionAll(t *testing.T, f *fixture) {
	types := strings.Fields("Account Basic Consent Device Encounter Flag Goal Group Invoice Library List Location Media Observation Patient Person Schedule Slot Task")
	q := store.Query{Type: types[0], Sort: []store.Order{{Param: "_id", Kind: store.Token}}}
	want := ""
	for i, typ := range types {
		f.fill(t, typ, rows{"of-" + typ: {token("all", "s", "x")}})
		want += " of-" + typ
		if i > 0 {
			q.Or = append(q.Or, store.Part{Type: typ})
		}
	}
	q.View = viewOf("a")
	f.shows(t, "all types", q, want[1:])
	for i := range q.Or {
		q.Or[i].Where = []store.Clause{is("all", "s", "x")}
	}
	f.shows(t, "all types by a clause", q, want[1:])
}

func testKeysOnly(t *testing.T, f *fixture) {
	want := f.put(t, store.Key{Type: "Task", ID: "1"}, 0, ownedBy("a"), token("id", "s", "1"))
	want.Body = nil
	for _, sort := range [][]store.Order{nil, {{Param: "_id", Kind: store.Token}}} {
		for _, where := range [][]store.Clause{nil, {is("id", "s", "1")}, {not(is("id", "s", "2"))}} {
			p := f.search(t, store.Query{View: viewOf("a"), Type: "Task", Limit: 3, KeysOnly: true, Where: where, Sort: sort})
			if len(p.Versions) != 1 {
				t.Fatalf("%d versions, want one", len(p.Versions))
			}
			sameVersion(t, p.Versions[0], want)
		}
	}
}

func testValues(t *testing.T, f *fixture) {
	refs := func(param string, silent, common bool, vs ...string) (out []store.Index) {
		for _, v := range vs {
			out = append(out, store.Index{Param: param, Kind: store.Reference, Value: v, Silent: silent, Common: common})
		}
		return out
	}
	f.fill(t, "Task", rows{
		"two":  append(refs("patient", false, false, "Patient/1", "Patient/2"), refs("owner", false, true, "Organization/9")...),
		"none": refs("owner", true, false, "Organization/9"), "silent": refs("patient", true, false, "Patient/4"),
		"common": refs("patient", false, true, "Patient/5"), "text": {{Param: "patient", Kind: store.Text, Value: "x", System: "x"}},
		"long": refs("patient", false, false, "https://e.org/"+strings.Repeat("x", 600)),
	})
	want := map[string]string{"two": "Patient/1 Patient/2", "silent": "Patient/4", "common": "Patient/5", "long": "https://e.org/" + strings.Repeat("x", 600)}
	for _, keysOnly := range []bool{false, true} {
		for _, sort := range [][]store.Order{nil, {{Param: "_id", Kind: store.Token}}} {
			q := store.Query{View: viewOf("a"), Type: "Task", Limit: 2, Values: "patient", KeysOnly: keysOnly, Sort: sort, Or: []store.Part{{Type: "Patient"}}}
			all := f.walk(t, q, func(int) {})
			if len(all) != 6 {
				t.Errorf("%d versions, want 6", len(all))
			}
			for _, v := range all {
				if got := strings.Join(asSet(v.Values), " "); got != want[v.Key.ID] || (v.Body == nil) != keysOnly {
					t.Errorf("%s carries %q, want %q; body of %d bytes", v.Key.ID, got, want[v.Key.ID], len(v.Body))
				}
			}
		}
	}
	for _, v := range f.search(t, store.Query{View: viewOf("a"), Type: "Task", Limit: 10}).Versions {
		if v.Values != nil {
			t.Errorf("%s carries values that nobody asked for", v.Key.ID)
		}
	}
}

// The position after a page is that of its last version, sort key included.
func testNext(t *testing.T, f *fixture) {
	f.put(t, store.Key{Type: "Task", ID: "1"}, 0, ownedBy("a"), number("n", 1))
	last := f.put(t, store.Key{Type: "Task", ID: "2"}, 0, ownedBy("a"), number("n", 2))
	f.put(t, store.Key{Type: "Task", ID: "3"}, 0, ownedBy("a"), number("n", 3))
	for _, sort := range [][]store.Order{nil, {{Param: "n", Kind: store.Number}}, {{Param: "n", Kind: store.Number, Descending: true}}} {
		q := store.Query{View: viewOf("a"), Type: "Task", Limit: 2, Sort: sort}
		p := f.search(t, q)
		if p.Next == nil || !p.More {
			t.Fatalf("more %t, next %v", p.More, p.Next)
		}
		var key []byte
		if sort != nil {
			key = store.SortKey(sort, "2", last.Updated.UnixMilli(), []store.Index{number("n", 2)})
		}
		if n := p.Next; n.Seq != last.Seq || n.ID != "2" || n.Type != "Task" || string(n.Sort) != string(key) {
			t.Errorf("next is %+v, want the place of the second", n)
		}
		q.Snapshot, q.After = p.Snapshot, p.Next
		if p = f.search(t, q); p.More || p.Next != nil || len(p.Versions) != 1 {
			t.Errorf("last page: more %t, next %v, %d versions", p.More, p.Next, len(p.Versions))
		}
	}
}
