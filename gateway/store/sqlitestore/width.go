package sqlitestore

import (
	"math"

	"trellis.example/gateway/store"
)

// Ranges are found by their ends. A clause may ask for either end, or for both,
// and rows are in the order of one: so ranges are kept by their width. Within
// one width the low end lies less than that before the high end, by which the
// rows are ordered, and what is looked at for nothing is never more than that.
// Only the widest, open periods among them, have rows by both ends.

// widths are upper limits, of dates in milliseconds: a time of day, a day, a
// month, a year. Numbers are counted in steps of a float64, so that theirs are
// relative: a width of 2^52 is as much as the number itself.
var (
	dateWidths   = [...]int64{1_000, 86_400_000, 32 * 86_400_000, 367 * 86_400_000}
	numberWidths = [...]int64{1 << 30, 1 << 40, 1 << 46, 1 << 51}
)

const manyWidths = len(dateWidths) + 1

// widthOf returns the number of a range's width; the last has no limit.
func widthOf(i store.Index) int {
	for n := range manyWidths - 1 {
		if w := widthLimit(i.Kind, n); i.Low > math.MaxInt64-w || i.High < i.Low+w {
			return n
		}
	}
	return manyWidths - 1
}

// widthLimit returns what ranges of that width are narrower than; 0 for the
// last.
func widthLimit(k store.Kind, width int) int64 {
	switch {
	case width == manyWidths-1:
		return 0
	case k == store.Date:
		return dateWidths[width]
	}
	return numberWidths[width]
}

// widthNames enter the terms: the first is that of all ranges in schema 1.
var widthNames = [manyWidths]string{"", "1", "2", "3", "4"}

// highTerm is the term of the ranges of a width by their high ends, lowTerm that
// of the widest by their low ends.
func highTerm(typ, party, param string, k store.Kind, width int) int64 {
	return term(typ, party, param, kindName(k)+widthNames[width], "")
}

func lowTerm(typ, party, param string, k store.Kind) int64 {
	return term(typ, party, param, kindName(k)+"l", "")
}

func isRange(k store.Kind) bool { return k == store.Date || k == store.Number || k == store.Quantity }

func rangeRows(typ, party string, i store.Index) []dateRow {
	w := widthOf(i)
	rs := []dateRow{{highTerm(typ, party, i.Param, i.Kind, w), i.High}}
	if w == manyWidths-1 {
		rs = append(rs, dateRow{lowTerm(typ, party, i.Param, i.Kind), i.Low})
	}
	return rs
}

// movedRows returns, of a version that schema 1 indexed, the rows of its ranges,
// and those that it had and should not have any more.
func movedRows(typ string, parties []string, index []store.Index) (now, then []dateRow) {
	for _, i := range index {
		if !isRange(i.Kind) {
			continue
		}
		under := []string{""}
		if i.Common {
			under = parties
		}
		for _, p := range under {
			now = append(now, rangeRows(typ, p, i)...)
			if widthOf(i) > 0 {
				then = append(then, dateRow{highTerm(typ, p, i.Param, i.Kind, 0), i.High})
			}
		}
	}
	return now, then
}
