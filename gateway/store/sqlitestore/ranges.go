package sqlitestore

import (
	"database/sql/driver"
	"math"

	"trellis.example/gateway/store"
)

// A box is where the ends of a range must lie: all four are inclusive.
type box struct{ lowMin, lowMax, highMin, highMax int64 }

var anywhere = box{math.MinInt64, math.MaxInt64, math.MinInt64, math.MaxInt64}

// boxesOf returns where ranges must lie for the match to hold; see
// store.Match.Holds. An entry's low end does not lie above its high end.
func boxesOf(m store.Match) []box {
	b := anywhere
	switch m.Op {
	case "", "eq":
		b.lowMin, b.lowMax, b.highMin, b.highMax = m.Low, m.High, m.Low, m.High
	case "gt":
		return boxIf(m.High < math.MaxInt64, box{b.lowMin, b.lowMax, m.High + 1, b.highMax})
	case "lt":
		return boxIf(m.Low > math.MinInt64, box{b.lowMin, m.Low - 1, b.highMin, b.highMax})
	case "ge":
		b.highMin = min(m.Low, m.High)
	case "le":
		b.lowMax = max(m.Low, m.High)
	case "sa":
		return boxIf(m.High < math.MaxInt64, box{m.High + 1, b.lowMax, m.High + 1, b.highMax})
	case "eb":
		return boxIf(m.Low > math.MinInt64, box{b.lowMin, m.Low - 1, b.highMin, m.Low - 1})
	case "ap":
		b.lowMax, b.highMin = m.High, m.Low
	case "ne":
		gt, lt := m, m
		gt.Op, lt.Op = "gt", "lt"
		return append(boxesOf(lt), boxesOf(gt)...)
	default:
		return nil
	}
	return []box{b}
}

func boxIf(possible bool, b box) []box {
	if !possible {
		return nil
	}
	return []box{b}
}

func clauseBoxes(c store.Clause) (all []box) {
	for _, m := range c.Any {
		all = append(all, boxesOf(m)...)
	}
	return all
}

// both returns the boxes in which ranges lie that lie in one of each.
func both(as, bs []box) (all []box) {
	for _, a := range as {
		for _, b := range bs {
			x := box{max(a.lowMin, b.lowMin), min(a.lowMax, b.lowMax), max(a.highMin, b.highMin), min(a.highMax, b.highMax)}
			if x.lowMin <= x.lowMax && x.highMin <= x.highMax {
				all = append(all, x)
			}
		}
	}
	return all
}

// A stretch is a piece of the index of ranges or texts.
type stretch struct {
	h        int64
	from, to int64 // both inclusive
	text     string
	isText   bool
}

// stretches returns the pieces of index in which all ranges of a box are found:
// for each width the high ends that are possible, and for the widest the ends
// that leave less.
func stretches(typ, party string, c store.Clause, b box) (all []stretch) {
	for w := range manyWidths - 1 {
		limit := widthLimit(c.Kind, w)
		s := stretch{h: highTerm(typ, party, c.Param, c.Kind, w), from: max(b.highMin, b.lowMin), to: b.highMax}
		if b.lowMax < math.MaxInt64-limit {
			s.to = min(s.to, b.lowMax+limit)
		}
		all = append(all, s)
	}
	high := stretch{h: highTerm(typ, party, c.Param, c.Kind, manyWidths-1), from: max(b.highMin, b.lowMin), to: b.highMax}
	low := stretch{h: lowTerm(typ, party, c.Param, c.Kind), from: b.lowMin, to: min(b.lowMax, b.highMax)}
	if low.openness() < high.openness() {
		return append(all, low)
	}
	return append(all, high)
}

// openness counts the sides on which a stretch has no end.
func (s stretch) openness() (n int) {
	if s.from == math.MinInt64 {
		n++
	}
	if s.to == math.MaxInt64 {
		n++
	}
	return n
}

// An unordered is a clause over ranges or texts, or several over one range: its
// positions come in another order than that of an answer, and so must all be
// fetched before the first can be looked at.
type unordered []stretch

// stretchesOf returns a clause's stretches; and is the other clauses over the
// same range.
func (s *search) stretchesOf(typ string, c store.Clause, and []store.Clause) (all unordered) {
	boxes := []box{anywhere}
	if isRange(c.Kind) {
		boxes = clauseBoxes(c)
	}
	for _, o := range and {
		boxes = both(boxes, clauseBoxes(o))
	}
	for _, p := range s.partiesOf(c) {
		if c.Kind == store.Text {
			h := term(typ, p, c.Param, kindName(c.Kind), "")
			for _, m := range c.Any {
				all = append(all, stretch{h: h, text: m.Value, isText: true})
			}
			continue
		}
		for _, b := range boxes {
			all = append(all, stretches(typ, p, c, b)...)
		}
	}
	return all
}

// collect fetches at most n positions; ok is false when there are more.
func (s *search) collect(u unordered, n int) (ps []int64, ok bool, err error) {
	for _, st := range u {
		sql, args := st.query()
		before := len(ps)
		err := s.query(sql, func(row []driver.Value) error {
			ps = append(ps, integer(row[0]))
			return nil
		}, append(args, n-len(ps)+1)...)
		s.cost.rows += len(ps) - before
		if err != nil || len(ps) > n {
			return nil, false, err
		}
	}
	return ps, true, nil
}

func (st stretch) query() (sql string, args []any) {
	if !st.isText {
		return sqlDates, []any{st.h, st.from, st.to}
	}
	if end, ok := after(st.text); ok {
		return sqlTextsTo, []any{st.h, []byte(st.text), end}
	}
	return sqlTexts, []any{st.h, []byte(st.text)}
}

// after returns the first value above all that begin with the prefix.
func after(prefix string) ([]byte, bool) {
	b := []byte(prefix)
	for len(b) > 0 {
		if last := len(b) - 1; b[last] < 0xff {
			b[last]++
			return b, true
		}
		b = b[:len(b)-1]
	}
	return nil, false
}
