package store

import (
	"bytes"
	"cmp"
	"math"
	"slices"
	"strings"
	"testing"
)

func TestOrdered(t *testing.T) {
	in := []float64{math.Inf(-1), -math.MaxFloat64, -1e21, -2, -1.0000001, -1, -0.5, -math.SmallestNonzeroFloat64, 0,
		math.SmallestNonzeroFloat64, 0.1, 0.5, 1, 1.0000001, 2, 1e21, math.MaxFloat64, math.Inf(1)}
	for i := 1; i < len(in); i++ {
		if a, b := Ordered(in[i-1]), Ordered(in[i]); a >= b {
			t.Errorf("Ordered(%g) = %d, Ordered(%g) = %d", in[i-1], a, in[i], b)
		}
	}
	if a, b := Ordered(0), Ordered(math.Copysign(0, -1)); a != b {
		t.Errorf("the two zeros are %d and %d", a, b)
	}
}

func FuzzOrdered(f *testing.F) {
	f.Add(1.5, -1.5)
	f.Fuzz(func(t *testing.T, a, b float64) {
		if math.IsNaN(a) || math.IsNaN(b) {
			return
		}
		if got, want := cmp.Compare(Ordered(a), Ordered(b)), cmp.Compare(a, b); got != want {
			t.Errorf("Ordered compares %g and %g as %d, want %d", a, b, got, want)
		}
	})
}

// A sortCase is one version to sort.
type sortCase struct {
	id      string
	updated int64
	index   []Index
}

func TestSortKey(t *testing.T) {
	text := func(v string) Index { return Index{Param: "name", Kind: Text, Value: v, System: strings.ToUpper(v)} }
	date := func(low, high int64) Index { return Index{Param: "date", Kind: Date, Low: low, High: high} }
	tok := func(s, v string) Index { return Index{Param: "name", Kind: Token, System: s, Value: v} }
	all := []sortCase{
		{"a", 30, []Index{text("bob"), date(10, 20), tok("s", "x")}},
		{"b", 10, []Index{text("al"), date(-5, 50), tok("r", "x")}},
		{"c", 20, []Index{text("bob"), text("zed"), tok("s", "w")}},
		{"d", 20, nil},
		{"e", -1, []Index{text("bobby"), text(""), date(10, 10)}},
		{"f", 0, []Index{text("bo\x00b"), date(math.MinInt64, math.MaxInt64)}},
	}
	up := func(p string, k Kind) Order { return Order{Param: p, Kind: k} }
	down := func(p string, k Kind) Order { return Order{Param: p, Kind: k, Descending: true} }
	tests := []struct {
		what   string
		orders []Order
		want   string // what is equal stays by id
	}{
		{"text", []Order{up("name", Text)}, "e b f a c d"},
		{"text, descending", []Order{down("name", Text)}, "c e a f b d"},
		{"date", []Order{up("date", Date)}, "f b a e c d"},
		{"date, descending", []Order{down("date", Date)}, "f b a e c d"},
		{"token by value, then system", []Order{up("name", Token)}, "c b a d e f"},
		{"id", []Order{down("_id", Token)}, "f e d c b a"},
		{"time", []Order{up("_lastUpdated", Date)}, "e f b c d a"},
		{"time, id descending", []Order{up("_lastUpdated", Date), down("_id", Token)}, "e f b d c a"},
		{"a missing one, then time", []Order{up("date", Date), down("_lastUpdated", Date)}, "f b a e c d"},
		{"date, text descending", []Order{up("date", Date), down("name", Text)}, "f b e a c d"},
		{"nothing", nil, "a b c d e f"},
		{"another kind", []Order{up("name", URI)}, "a b c d e f"},
	}
	for _, tt := range tests {
		got := slices.Clone(all)
		slices.SortStableFunc(got, func(a, b sortCase) int {
			return bytes.Compare(SortKey(tt.orders, a.id, a.updated, a.index), SortKey(tt.orders, b.id, b.updated, b.index))
		})
		var ids []string
		for _, c := range got {
			ids = append(ids, c.id)
		}
		if s := strings.Join(ids, " "); s != tt.want {
			t.Errorf("%s: %s, want %s", tt.what, s, tt.want)
		}
	}
}

// FuzzSortKey checks that the bytes compare as the values do, one after the
// other, each in its direction, and what is missing last.
func FuzzSortKey(f *testing.F) {
	f.Add("a", "b", int64(1), int64(2), byte(0))
	f.Add("a", "a\x00", int64(-1), int64(-1), byte(7))
	f.Add("", "\xff", int64(math.MinInt64), int64(math.MaxInt64), byte(0x35))
	f.Fuzz(func(t *testing.T, textA, textB string, nA, nB int64, flags byte) {
		has := func(bit int) bool { return flags>>bit&1 == 1 }
		orders := []Order{{Param: "t", Kind: Text, Descending: has(0)}, {Param: "n", Kind: Number, Descending: has(1)}, {Param: "_id"}}
		index := func(text string, n int64, noText, noNumber bool) (out []Index) {
			if !noText {
				out = append(out, Index{Param: "t", Kind: Text, Value: text})
			}
			if !noNumber {
				out = append(out, Index{Param: "n", Kind: Number, Low: n, High: n})
			}
			return out
		}
		a := SortKey(orders, "a", 0, index(textA, nA, has(2), has(3)))
		b := SortKey(orders, "b", 0, index(textB, nB, has(4), has(5)))
		want := cmp.Or(
			missingLast(cmp.Compare(textA, textB), has(2), has(4), has(0)),
			missingLast(cmp.Compare(nA, nB), has(3), has(5), has(1)), -1)
		if got := bytes.Compare(a, b); got != want {
			t.Errorf("%q, %d and %q, %d under %06b compare as %d, want %d", textA, nA, textB, nB, flags, got, want)
		}
		if bytes.HasPrefix(b, a) || bytes.HasPrefix(a, b) {
			t.Errorf("one key begins with the other: %x and %x", a, b)
		}
	})
}

func missingLast(values int, noA, noB, descending bool) int {
	switch {
	case noA && noB:
		return 0
	case noA:
		return 1
	case noB:
		return -1
	case descending:
		return -values
	}
	return values
}

func BenchmarkSortKey(b *testing.B) {
	orders := []Order{{Param: "name", Kind: Text}, {Param: "_lastUpdated", Descending: true}}
	index := []Index{{Param: "status", Kind: Token, Value: "active"}, {Param: "name", Kind: Text, Value: "smith"}}
	for b.Loop() {
		_ = SortKey(orders, "id", 1, index)
	}
}
