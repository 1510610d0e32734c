package store

import (
	"math"
	"testing"
)

func TestMatchHolds(t *testing.T) {
	entry := Index{System: "s", Value: "v", Low: 10, High: 20}
	tests := []struct {
		what  string
		kind  Kind
		match Match
		entry Index
		want  bool
	}{
		{"token", Token, Match{System: "s", Value: "v"}, entry, true},
		{"token of another system", Token, Match{System: "x", Value: "v"}, entry, false},
		{"token of any system", Token, Match{Value: "v", AnySystem: true}, entry, true},
		{"token without a system", Token, Match{Value: "v"}, entry, false},
		{"system", Token, Match{System: "s", Op: OpSystem}, entry, true},
		{"another system", Token, Match{System: "S", Op: OpSystem}, entry, false},
		{"text, beginning", Text, Match{Value: "smi"}, Index{Value: "smith"}, true},
		{"text, whole and more", Text, Match{Value: "smiths"}, Index{Value: "smith"}, false},
		{"text, contains", Text, Match{Value: "mit", Op: OpContains}, Index{Value: "smith"}, true},
		{"text, exact", Text, Match{System: "Smith", Value: "smith", Op: OpExact}, Index{System: "Smith", Value: "smith"}, true},
		{"text, written otherwise", Text, Match{System: "Smith", Value: "smith", Op: OpExact}, Index{System: "SMITH", Value: "smith"}, false},
		{"reference", Reference, Match{Value: "Patient/1"}, Index{Value: "Patient/1"}, true},
		{"reference, longer", Reference, Match{Value: "Patient/1"}, Index{Value: "Patient/10"}, false},
		{"reference of a type", Reference, Match{Value: "Patient", Op: OpType}, Index{Value: "Patient/1"}, true},
		{"reference of a longer type", Reference, Match{Value: "Patient", Op: OpType}, Index{Value: "PatientX/1"}, false},
		{"type is not a value", Reference, Match{Value: "Patient/1", Op: OpType}, Index{Value: "Patient/1"}, false},
		{"uri", URI, Match{Value: "http://a/b"}, Index{Value: "http://a/b"}, true},
		{"uri, not below by itself", URI, Match{Value: "http://a"}, Index{Value: "http://a/b"}, false},
		{"uri, below", URI, Match{Value: "http://a", Op: OpBelow}, Index{Value: "http://a/b"}, true},
		{"uri, below itself", URI, Match{Value: "http://a", Op: OpBelow}, Index{Value: "http://a"}, true},
		{"uri, beside", URI, Match{Value: "http://a/b", Op: OpBelow}, Index{Value: "http://a/bc"}, false},
		{"uri, below a slash", URI, Match{Value: "http://a/", Op: OpBelow}, Index{Value: "http://a/b"}, true},
		{"quantity of any unit", Quantity, Match{Low: 5, High: 25}, entry, true},
		{"quantity of its unit", Quantity, Match{System: "s", Value: "v", Low: 5, High: 25}, entry, true},
		{"quantity of another unit", Quantity, Match{System: "s", Value: "w", Low: 5, High: 25}, entry, false},
		{"quantity of another system", Quantity, Match{System: "x", Value: "v", Low: 5, High: 25}, entry, false},
		{"quantity of its unit in any system", Quantity, Match{Value: "v", AnySystem: true, Low: 5, High: 25}, entry, true},
		{"quantity out of range", Quantity, Match{System: "s", Value: "v", Low: 15, High: 25}, entry, false},
		{"unknown kind", 0, Match{System: "s", Value: "v", Low: 10, High: 20}, entry, false},
	}
	for _, tt := range tests {
		if got := tt.match.Holds(tt.kind, tt.entry); got != tt.want {
			t.Errorf("%s: %t, want %t", tt.what, got, tt.want)
		}
	}
}

func TestMatchRanges(t *testing.T) {
	// One letter for each prefix that holds for the match 10..20.
	letters := map[string]string{"eq": "=", "ne": "!", "gt": ">", "lt": "<", "ge": "g", "le": "l", "sa": "a", "eb": "b", "ap": "~", "": "_", "xx": "x"}
	order := []string{"eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap", "", "xx"}
	tests := []struct {
		low, high int64
		want      string
	}{
		{10, 20, "=gl~_"}, {12, 18, "=gl~_"}, {10, 10, "=gl~_"}, {20, 20, "=gl~_"},
		{0, 9, "!<lb"}, {0, 10, "!<l~"}, {20, 30, "!>g~"}, {21, 30, "!>ga"}, {5, 15, "!<l~"}, {15, 25, "!>g~"},
		{0, 30, "!><gl~"}, {math.MinInt64, math.MaxInt64, "!><gl~"}, {math.MinInt64, 5, "!<lb"}, {25, math.MaxInt64, "!>ga"},
	}
	for _, tt := range tests {
		for _, kind := range []Kind{Date, Number, Quantity} {
			got := ""
			for _, op := range order {
				if (Match{Op: op, Low: 10, High: 20}).Holds(kind, Index{Low: tt.low, High: tt.high}) {
					got += letters[op]
				}
			}
			if got != tt.want {
				t.Errorf("kind %d, %d..%d: %s, want %s", kind, tt.low, tt.high, got, tt.want)
			}
		}
	}
}

// FuzzRanges checks how the prefixes hang together, for any two ranges.
func FuzzRanges(f *testing.F) {
	f.Add(int64(10), int64(20), int64(15), int64(25))
	f.Add(int64(math.MinInt64), int64(math.MaxInt64), int64(0), int64(0))
	f.Fuzz(func(t *testing.T, low, high, eLow, eHigh int64) {
		if low > high || eLow > eHigh {
			return
		}
		holds := func(op string) bool {
			return Match{Op: op, Low: low, High: high}.Holds(Date, Index{Low: eLow, High: eHigh})
		}
		for what, ok := range map[string]bool{
			"eq or ne":          holds("eq") != holds("ne"),
			"ge is gt or eq":    holds("ge") == (holds("gt") || holds("eq")),
			"le is lt or eq":    holds("le") == (holds("lt") || holds("eq")),
			"sa is gt":          !holds("sa") || holds("gt"),
			"eb is lt":          !holds("eb") || holds("lt"),
			"overlap or beside": holds("ap") != (holds("sa") || holds("eb")),
			"eq is empty":       holds("eq") == holds(""),
			"something holds":   holds("gt") || holds("lt") || holds("eq"),
		} {
			if !ok {
				t.Errorf("%d..%d and %d..%d: not %s", low, high, eLow, eHigh, what)
			}
		}
	})
}

func TestClauseHolds(t *testing.T) {
	index := []Index{
		{Param: "code", Kind: Token, System: "s", Value: "A", Group: 1}, {Param: "num", Kind: Number, Low: 1, High: 1, Group: 1},
		{Param: "code", Kind: Token, System: "s", Value: "B", Group: 2}, {Param: "num", Kind: Number, Low: 2, High: 2, Group: 2},
		{Param: "code", Kind: Token, System: "s", Value: "C"}, {Param: "num", Kind: Number, Low: 3, High: 3},
		{Param: "note", Kind: Text, Value: "x", System: "X"},
	}
	code := func(v string) Clause {
		return Clause{Param: "code", Kind: Token, Any: []Match{{System: "s", Value: v}}}
	}
	num := func(n int64) Clause {
		return Clause{Param: "num", Kind: Number, Any: []Match{{Low: n, High: n}}}
	}
	not := func(c Clause) Clause { c.Not = true; return c }
	both := func(cs ...Clause) Clause { return Clause{Together: cs} }
	at := func(op string, ms int64) Clause {
		return Clause{Param: "_lastUpdated", Kind: Date, Any: []Match{{Op: op, Low: ms, High: ms}}}
	}
	tests := []struct {
		what   string
		clause Clause
		want   bool
	}{
		{"a value", code("A"), true},
		{"another", code("D"), false},
		{"either", Clause{Param: "code", Kind: Token, Any: []Match{{System: "s", Value: "D"}, {System: "s", Value: "B"}}}, true},
		{"none", Clause{Param: "code", Kind: Token}, false},
		{"not a value", not(code("A")), false},
		{"not another", not(code("D")), true},
		{"not none", not(Clause{Param: "code", Kind: Token}), true},
		{"of another kind", Clause{Param: "code", Kind: Text, Any: []Match{{Value: ""}}}, false},
		{"present", Clause{Param: "note", Kind: Text, Present: true}, true},
		{"present in another kind", Clause{Param: "note", Kind: Token, Present: true}, false},
		{"absent", Clause{Param: "note", Kind: Text, Absent: true}, false},
		{"absent in another kind", Clause{Param: "note", Kind: Token, Absent: true}, true},
		{"id", Clause{Param: "_id", Kind: Token, Any: []Match{{Value: "x"}, {Value: "id"}}}, true},
		{"another id", Clause{Param: "_id", Kind: Token, Any: []Match{{Value: "x"}}}, false},
		{"not an id", not(Clause{Param: "_id", Kind: Token, Any: []Match{{Value: "id"}}}), false},
		{"updated", at("ge", 1000), true},
		{"updated later", at("gt", 1000), false},
		{"not updated later", not(at("gt", 1000)), true},
		{"one element", both(code("A"), num(1)), true},
		{"two elements", both(code("A"), num(2)), false},
		{"no element", both(code("C"), num(3)), false},
		{"of one clause", both(code("B")), true},
		{"of one clause without an element", both(code("C")), false},
	}
	for _, tt := range tests {
		if got := tt.clause.Holds("id", 1000, index); got != tt.want {
			t.Errorf("%s: %t, want %t", tt.what, got, tt.want)
		}
	}
}

func TestClauseLeads(t *testing.T) {
	with := func(kind Kind, ms ...Match) Clause { return Clause{Param: "p", Kind: kind, Any: ms} }
	silent := with(Token, Match{Value: "x"})
	silent.Silent = true
	tests := []struct {
		what   string
		clause Clause
		want   bool
	}{
		{"token", with(Token, Match{Value: "x"}), true},
		{"range", with(Date, Match{Op: "ge"}), true},
		{"no match", with(Token), true}, // nothing holds, and finding that is quick
		{"silent", silent, false},
		{"not", Clause{Param: "p", Kind: Token, Not: true, Any: []Match{{Value: "x"}}}, false},
		{"absent", Clause{Param: "p", Kind: Token, Absent: true}, false},
		{"present", Clause{Param: "p", Kind: Token, Present: true}, false},
		{"system", with(Token, Match{System: "s", Op: OpSystem}), false},
		{"one of two is a system", with(Token, Match{Value: "x"}, Match{System: "s", Op: OpSystem}), false},
		{"exact", with(Text, Match{Value: "x", System: "X", Op: OpExact}), true},
		{"contains", with(Text, Match{Value: "x", Op: OpContains}), false},
		{"below", with(URI, Match{Value: "x", Op: OpBelow}), false},
		{"type", with(Reference, Match{Value: "Patient", Op: OpType}), false},
		{"near", with(Point, Match{Radius: 1000}), true},
		{"in half the world", with(Point, Match{Radius: 1e7}), false},
		{"together, one leads", Clause{Together: []Clause{silent, with(Token, Match{Value: "x"})}}, true},
		{"together, none leads", Clause{Together: []Clause{silent, silent}}, false},
	}
	for _, tt := range tests {
		if got := tt.clause.Leads(); got != tt.want {
			t.Errorf("%s: %t, want %t", tt.what, got, tt.want)
		}
	}
}
