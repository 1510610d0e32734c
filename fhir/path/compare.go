package path

import (
	"math"
	"strconv"
	"strings"
	"time"

	"trellis.example/fhir"
)

func (x binaryExpr) eval(e *env, focus item) {
	switch x.op {
	case "and", "or", "xor", "implies":
		x.logic(e, focus)
		return
	}
	lo := e.run(x.left, focus)
	mid := e.run(x.right, focus)
	left, right := e.stack[lo:mid], e.stack[mid:]
	e.visit(len(left) + len(right))
	out, ok := x.apply(left, right)
	e.stack = e.stack[:lo]
	if ok {
		e.push(out)
	}
}

// logic is three-valued: empty means unknown.
func (x binaryExpr) logic(e *env, focus item) {
	l, lok := e.test(x.left, focus)
	switch {
	case lok && !l && x.op == "and", lok && l && x.op == "or":
		e.pushBool(l)
		return
	case lok && !l && x.op == "implies":
		e.pushBool(true)
		return
	}
	r, rok := e.test(x.right, focus)
	switch {
	case x.op == "and" && rok && !r:
		e.pushBool(false)
	case (x.op == "or" || x.op == "implies") && rok && r:
		e.pushBool(true)
	case !lok || !rok:
		return
	case x.op == "xor":
		e.pushBool(l != r)
	default:
		e.pushBool(r)
	}
}

// apply computes an operator over two collections; ok is false for an empty
// result.
func (x binaryExpr) apply(left, right []item) (out item, ok bool) {
	switch x.op {
	case "=", "!=":
		if len(left) == 0 || len(right) == 0 {
			return out, false
		}
		return item{kind: kindBool, b: equalAll(left, right) == (x.op == "=")}, true
	case "in":
		if len(left) != 1 {
			return out, false
		}
		return item{kind: kindBool, b: member(right, left[0])}, true
	case "contains":
		if len(right) != 1 {
			return out, false
		}
		return item{kind: kindBool, b: member(left, right[0])}, true
	case "&":
		return item{kind: kindString, s: text(left) + text(right)}, true
	}
	if len(left) != 1 || len(right) != 1 {
		return out, false
	}
	switch x.op {
	case "<", "<=", ">", ">=":
		c, ok := compare(left[0], right[0])
		return item{kind: kindBool, b: ordered(x.op, c)}, ok
	}
	return arithmetic(x.op, left[0], right[0])
}

func ordered(op string, c int) bool {
	switch op {
	case "<":
		return c < 0
	case "<=":
		return c <= 0
	case ">":
		return c > 0
	}
	return c >= 0
}

func arithmetic(op string, a, b item) (item, bool) {
	x, xok := a.number()
	y, yok := b.number()
	if !xok || !yok {
		return item{kind: kindString, s: a.text() + b.text()}, op == "+"
	}
	out := item{kind: kindNumber}
	switch op {
	case "+":
		out.n = x + y
	case "-":
		out.n = x - y
	case "*":
		out.n = x * y
	case "/":
		out.n = x / y
	case "div":
		out.n = math.Trunc(x / y)
	case "mod":
		out.n = math.Mod(x, y)
	}
	return out, !math.IsInf(out.n, 0) && !math.IsNaN(out.n)
}

func text(items []item) string {
	if len(items) != 1 {
		return ""
	}
	return items[0].text()
}

// text is the item's value as a string.
func (it item) text() string {
	switch it.kind {
	case kindString, kindDate:
		return it.s
	case kindNumber:
		if it.s != "" {
			return it.s
		}
		return strconv.FormatFloat(it.n, 'f', -1, 64)
	case kindBool:
		return strconv.FormatBool(it.b)
	}
	if it.shadow {
		return ""
	}
	return it.v.Text()
}

func (it item) number() (float64, bool) {
	switch {
	case it.kind == kindNumber:
		return it.n, true
	case it.kind == kindNode && it.v.Kind() == fhir.Number:
		n, err := strconv.ParseFloat(it.v.Text(), 64)
		return n, err == nil
	}
	return 0, false
}

func member(items []item, it item) bool {
	for _, x := range items {
		if equal(x, it) {
			return true
		}
	}
	return false
}

func equalAll(a, b []item) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if !equal(a[i], b[i]) {
			return false
		}
	}
	return true
}

func equal(a, b item) bool {
	if x, ok := a.number(); ok {
		y, ok := b.number()
		return ok && x == y
	}
	if a.kind == kindNode && b.kind == kindNode {
		if a.v == b.v {
			return true
		}
		if k := a.v.Kind(); k == fhir.Object || k == fhir.Array {
			return equalTree(a.v, b.v)
		}
	}
	if a.kind == kindNode && a.v.Kind() == fhir.Object || b.kind == kindNode && b.v.Kind() == fhir.Object {
		return false
	}
	return a.text() == b.text()
}

// equalTree compares documents regardless of the order of members.
func equalTree(a, b fhir.Value) bool {
	if a.Kind() != b.Kind() || a.Len() != b.Len() {
		return false
	}
	switch a.Kind() {
	case fhir.Object:
		for c := range a.All() {
			if !equalTree(c, b.Get(c.Key())) {
				return false
			}
		}
	case fhir.Array:
		d := b.First()
		for c := range a.All() {
			if !equalTree(c, d) {
				return false
			}
			d = d.Next()
		}
	default:
		return a.Text() == b.Text()
	}
	return true
}

// compare orders two items; ok is false when they cannot be ordered.
func compare(a, b item) (c int, ok bool) {
	if x, ok := a.number(); ok {
		y, ok := b.number()
		return cmpFloat(x, y), ok
	}
	if a.isQuantity() && b.isQuantity() {
		return compareQuantity(a.v, b.v)
	}
	if a.isDate() && b.isDate() {
		return compareDates(a.text(), b.text())
	}
	return strings.Compare(a.text(), b.text()), a.text() != "" && b.text() != ""
}

func cmpFloat(x, y float64) int {
	switch {
	case x < y:
		return -1
	case x > y:
		return 1
	}
	return 0
}

func (it item) isQuantity() bool {
	return it.kind == kindNode && it.v.Kind() == fhir.Object && it.t.Slot("value") != nil && it.t.Slot("unit") != nil
}

// compareQuantity orders quantities of one unit; others need UCUM.
func compareQuantity(a, b fhir.Value) (int, bool) {
	for _, name := range [...]string{"system", "code", "unit"} {
		if a.Get(name).Text() != b.Get(name).Text() {
			return 0, false
		}
	}
	x, errX := strconv.ParseFloat(a.Get("value").Text(), 64)
	y, errY := strconv.ParseFloat(b.Get("value").Text(), 64)
	return cmpFloat(x, y), errX == nil && errY == nil
}

func (it item) isDate() bool {
	if it.kind == kindNode {
		return it.t.Type == "date" || it.t.Type == "dateTime" || it.t.Type == "instant"
	}
	return it.kind == kindDate
}

// compareDates orders two FHIR dates at the coarser precision; it is undecided
// when they are equal there but not equally precise, or when only one has a
// zone.
func compareDates(a, b string) (int, bool) {
	if len(a) > 10 && len(b) > 10 {
		x, errX := time.Parse(time.RFC3339Nano, a)
		y, errY := time.Parse(time.RFC3339Nano, b)
		return x.Compare(y), errX == nil && errY == nil
	}
	n := min(len(a), len(b), 10)
	if n < 4 {
		return 0, false
	}
	c := strings.Compare(a[:n], b[:n])
	return c, c != 0 || len(a) == len(b)
}
