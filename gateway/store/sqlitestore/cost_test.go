package sqlitestore

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"trellis.example/auth"
	"trellis.example/gateway/store"
)

// The store of TestCost: many resources of a nation, of which the narrow party
// sees one in costOneIn.
const (
	costOneIn = 2501
	costSpan  = 10 * time.Minute // between two
)

var costStart = time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)

func costResource(n int) store.Write {
	at := costStart.Add(time.Duration(n) * costSpan).UnixMilli()
	token := func(param, value string, common bool) store.Index {
		return store.Index{Param: param, Kind: store.Token, System: "s", Value: value, Common: common}
	}
	owner := fmt.Sprint("Organization/", n%100)
	if n%costOneIn == 7 {
		owner = "Organization/narrow"
	}
	day := at - at%86_400_000
	open := int64(1 << 53)
	return store.Write{
		View: auth.SystemView(), Key: store.Key{Type: "ServiceRequest", ID: fmt.Sprint("r", n)}, Body: []byte(`{}`),
		Updated: time.UnixMilli(at), Access: auth.NewAccess(owner),
		Index: []store.Index{
			token("identifier", fmt.Sprint(n), false), token("practice", fmt.Sprint(n%3), false),
			{Param: "patient", Kind: store.Reference, Value: fmt.Sprint("Patient/", n/20)},
			token("status", []string{"active", "active", "active", "draft"}[n%4], true),
			token("category", fmt.Sprint(n%1000), true),
			{Param: "authored", Kind: store.Date, Low: at, High: at + 999},
			{Param: "birthdate", Kind: store.Date, Low: day, High: day + 86_399_999},
			{Param: "period", Kind: store.Date, Low: at, High: []int64{open, at + 40*86_400_000}[n%2]},
			{Param: "score", Kind: store.Number, Low: store.Ordered(float64(n) - 0.5), High: store.Ordered(float64(n) + 0.5)},
			{Param: "dose", Kind: store.Quantity, System: "ucum", Value: "mg", Low: store.Ordered(float64(n)), High: store.Ordered(float64(n)), Group: 1},
			{Param: "name", Kind: store.Text, System: "Name", Value: fmt.Sprintf("name%06d", n)},
			{Param: "url", Kind: store.URI, Value: fmt.Sprintf("urn:x:%d", n)},
			{Param: "near", Kind: store.Point, Low: int64(n%1000) * 600_000, High: int64(n/1000) * 600_000},
			{Param: "note", Kind: store.Text, Value: fmt.Sprint("note", n%7), Silent: true},
		},
	}
}

func costStore(t testing.TB, n int) *Store {
	s := open(t, t.TempDir())
	var c store.Commit
	for i := range n {
		if c.Writes = append(c.Writes, costResource(i)); len(c.Writes) == 2500 || i == n-1 {
			mustCommit(t, s, c)
			c.Writes = nil
		}
	}
	return s
}

func is(param string, kind store.Kind, m store.Match) store.Clause {
	return store.Clause{Param: param, Kind: kind, Any: []store.Match{m}}
}

func common(c store.Clause) store.Clause { c.Common = true; return c }
func single(c store.Clause) store.Clause { c.Single = true; return c }
func where(cs ...store.Clause) []store.Clause {
	return cs
}

// A costCase is a query and what it may cost.
type costCase struct {
	name  string
	where []store.Clause
	sort  []store.Order
	all   bool // under a view that is limited to nothing
	empty bool // nothing is found
	// may is what may be examined beyond 10 × returned + 100, and why; a query
	// that costs more is refused.
	may     int
	why     string
	refused bool
}

func costCases(n int) []costCase {
	mine := (n/2/costOneIn)*costOneIn + 7 // one that the narrow party sees
	for mine%4 == 3 {                     // no draft
		mine += costOneIn
	}
	at := func(i int) int64 { return costStart.Add(time.Duration(i) * costSpan).UnixMilli() }
	token := func(param, value string) store.Clause {
		return is(param, store.Token, store.Match{System: "s", Value: value})
	}
	date := func(param, op string, low, high int64) store.Clause {
		return is(param, store.Date, store.Match{Op: op, Low: low, High: high})
	}
	number := func(op string, v int) store.Clause {
		return is("score", store.Number, store.Match{Op: op, Low: store.Ordered(float64(v)) - 1, High: store.Ordered(float64(v)) + 1})
	}
	day := at(mine) - at(mine)%86_400_000
	active, draft := common(token("status", "active")), common(token("status", "draft"))
	authored := store.Order{Param: "authored", Kind: store.Date, Descending: true}
	updated := store.Order{Param: "_lastUpdated", Kind: store.Date}
	ids := store.Clause{Param: "_id", Kind: store.Token, Any: []store.Match{{Value: fmt.Sprint("r", mine)}, {Value: "r5"}, {Value: "none"}}}
	not := token("practice", "1")
	not.Not = true
	latest := updated
	latest.Descending = true
	return []costCase{
		{name: "type"},
		{name: "id", where: where(ids)},
		{name: "identifier", where: where(token("identifier", fmt.Sprint(mine)))},
		{name: "any system", where: where(is("identifier", store.Token, store.Match{Value: fmt.Sprint(mine), AnySystem: true}))},
		{name: "a value that a third has", where: where(token("practice", fmt.Sprint(mine%3)))},
		{name: "hidden", where: where(token("identifier", "1")), empty: true},
		{name: "patient", where: where(is("patient", store.Reference, store.Match{Value: fmt.Sprint("Patient/", mine/20)}))},
		{name: "url", where: where(is("url", store.URI, store.Match{Value: fmt.Sprint("urn:x:", mine)}))},
		{name: "status", where: where(active)},
		{name: "status and category", where: where(active, common(token("category", fmt.Sprint(mine%1000))))},
		{name: "status and patient", where: where(active, is("patient", store.Reference, store.Match{Value: fmt.Sprint("Patient/", mine/20)}))},
		{name: "contradiction", where: where(active, draft), empty: true},
		{name: "not", where: where(not)},
		{name: "name", where: where(is("name", store.Text, store.Match{Value: fmt.Sprintf("name%06d", mine)}))},
		{name: "beginning of a name", where: where(is("name", store.Text, store.Match{Value: "name"}))},
		{name: "silent", where: where(store.Clause{Param: "note", Kind: store.Text, Silent: true, Any: []store.Match{{Value: "note"}}})},
		{name: "a moment", where: where(date("authored", "eq", at(mine), at(mine)+999))},
		{name: "a birthday", where: where(date("birthdate", "eq", day, day+86_399_999)), may: 600, why: "all of that day"},
		{name: "on or after", where: where(date("authored", "ge", at(n-100), at(n-100)+999)), empty: true, may: 400, why: "all since then"},
		{name: "since the beginning", where: where(date("authored", "ge", at(0), at(0)+999))},
		{name: "before", where: where(date("authored", "lt", at(n), at(n)))},
		{name: "not at", where: where(date("authored", "ne", at(1), at(1)))},
		{name: "between", where: where(single(date("authored", "ge", at(mine-10), at(mine-10))), single(date("authored", "lt", at(mine+10), at(mine+10))))},
		{name: "an open period", where: where(date("period", "ap", at(mine), at(mine)))},
		{name: "number", where: where(number("ap", mine))},
		{name: "number below", where: where(number("lt", n))},
		{name: "quantity", where: where(is("dose", store.Quantity, store.Match{Value: "mg", System: "ucum", Low: store.Ordered(float64(mine)), High: store.Ordered(float64(mine))}))},
		{name: "near", where: where(is("near", store.Point, store.Match{Low: int64(mine%1000) * 600_000, High: int64(mine/1000) * 600_000, Radius: 1000}))},
		{name: "together", where: where(store.Clause{Together: where(
			is("dose", store.Quantity, store.Match{Low: store.Ordered(float64(mine)), High: store.Ordered(float64(mine))}))})},
		{name: "updated since", where: where(is("_lastUpdated", store.Date, store.Match{Op: "ge", Low: at(mine), High: at(mine)}))},
		{name: "by time", sort: []store.Order{updated}},
		{name: "by time, newest first", sort: []store.Order{latest}},
		{name: "by a date", sort: []store.Order{authored}},
		{name: "by name", sort: []store.Order{{Param: "name", Kind: store.Text}}},
		{name: "all: identifier", all: true, where: where(token("identifier", "5"))},
		{name: "all: status", all: true, where: where(active)},
		{name: "all: status and category", all: true, where: where(active, common(token("category", "5")))},
		{name: "all: status and patient", all: true, where: where(active, is("patient", store.Reference, store.Match{Value: "Patient/3"}))},
		{name: "all: before", all: true, where: where(date("authored", "lt", at(n), at(n)))},
		{name: "all: by time", all: true, sort: []store.Order{updated}, may: 8000, why: "the times of one commit are sorted"},
		{name: "all: by a date, newest first", all: true, sort: []store.Order{authored}, may: 3000, why: "a sort that is tried by collecting first"},
		{name: "all: by a date", all: true, sort: []store.Order{{Param: "authored", Kind: store.Date}}, may: 3000, why: "a sort that is tried by collecting first"},
		{name: "all: by a period's start", all: true, sort: []store.Order{{Param: "period", Kind: store.Date}}, may: 25_000, why: "ranges of up to a year are sorted by their end", refused: true},
		{name: "all: not", all: true, where: where(not)},
		{name: "all: silent", all: true, empty: true, where: where(store.Clause{Param: "note", Kind: store.Text, Silent: true, Any: []store.Match{{Value: "none"}}}), may: 25_000, why: "a clause that cannot lead", refused: true},
		{name: "all: by name", all: true, sort: []store.Order{{Param: "name", Kind: store.Text}}, may: 25_000, why: "a sort by another parameter", refused: true},
		{name: "all: an old stretch of time", all: true, where: where(date("authored", "lt", at(n/10), at(n/10))), may: 25_000, why: "a wide range that is not in the order of the answer", refused: true},
	}
}

// TestCost holds every kind of query that leads to entries examined ≤ 10 ×
// returned + 100, whatever lies in the store; the exceptions have their cap in
// the table.
func TestCost(t *testing.T) {
	t.Parallel()
	n := 100_000
	if testing.Short() {
		n = 25_000
	}
	if raceEnabled {
		t.Skip("under the race detector: it counts what queries look at, and a store of 25,000 takes minutes")
	}
	s := costStore(t, n)
	narrow := auth.NewView([]string{"Organization/narrow"}, []string{"*"}, nil)
	for _, c := range costCases(n) {
		q := store.Query{View: narrow, Type: "ServiceRequest", Limit: 10, Where: c.where, Sort: c.sort}
		if c.all {
			q.View = auth.SystemView()
		}
		before := s.looked.Load()
		p, err := s.Search(t.Context(), q)
		cost := int(s.looked.Load() - before)
		if refused := errors.Is(err, store.ErrTooCostly); refused && c.refused {
			t.Logf("%s: refused after %d (%s)", c.name, cost, c.why)
		} else if err != nil || (len(p.Versions) == 0) != c.empty {
			t.Errorf("%s: %d found, %v", c.name, len(p.Versions), err)
			continue
		}
		if most := 10*len(p.Versions) + 100 + c.may; cost > most {
			t.Errorf("%s: %d examined for %d found; at most %d", c.name, cost, len(p.Versions), most)
		}
	}
}

// TestHistoryCost holds a history of types and a scan under a narrow view to
// what that view sees, before and after a sweep.
func TestHistoryCost(t *testing.T) {
	clock := time.Now()
	s := open(t, t.TempDir(), WithClock(func() time.Time { return clock }))
	const n = 3 * costOneIn
	for round := range 2 {
		var c store.Commit
		for i := range n {
			w := costResource(i)
			w.Index, w.Expect, w.Deleted = w.Index[:4], round, round == 1 && i%2 == 1
			c.Writes = append(c.Writes, w)
		}
		mustCommit(t, s, c)
	}
	narrow := auth.NewView([]string{"Organization/narrow"}, []string{"*"}, nil)
	check := func(what string, found, want int, err error, before int64) {
		t.Helper()
		if cost := s.looked.Load() - before; err != nil || found != want || cost > int64(10*found+100) {
			t.Errorf("%s: %d found, want %d, %d examined, %v", what, found, want, cost, err)
		}
	}
	for _, when := range []string{"before", "after"} {
		before := s.looked.Load()
		p, err := s.History(t.Context(), store.HistoryQuery{View: narrow, Types: []string{"ServiceRequest"}, Limit: 100})
		check(when+" a sweep: history", len(p.Versions), 6, err, before)
		before = s.looked.Load()
		scan, err := s.Scan(t.Context(), store.ScanQuery{View: narrow, Types: []string{"ServiceRequest"}, Limit: 100})
		check(when+" a sweep: scan", len(scan.Versions), 1, err, before)
		if when == "before" {
			clock = clock.Add(time.Hour)
			if err := s.Sweep(t.Context(), clock); err != nil {
				t.Fatal(err)
			}
		}
	}
}
