package path

import (
	"strconv"
	"strings"

	"trellis.example/fhir"
)

// functions are the callable ones; the table is only read.
var functions = map[string]function{
	"is": {takesType: true}, "as": {takesType: true}, "ofType": {takesType: true},
	"trace":          {min: 1, max: 2},
	"exists":         {max: 1, eval: fnExists},
	"empty":          {eval: fnCount(func(n int) item { return item{kind: kindBool, b: n == 0} })},
	"count":          {eval: fnCount(func(n int) item { return item{kind: kindNumber, n: float64(n)} })},
	"not":            {eval: fnNot},
	"where":          {min: 1, max: 1, eval: fnWhere},
	"select":         {min: 1, max: 1, eval: fnSelect},
	"all":            {min: 1, max: 1, eval: fnAll},
	"first":          {eval: fnSlice(func(n int) (int, int) { return 0, min(n, 1) })},
	"last":           {eval: fnSlice(func(n int) (int, int) { return max(0, n-1), n })},
	"tail":           {eval: fnSlice(func(n int) (int, int) { return min(n, 1), n })},
	"distinct":       {eval: func(e *env, x *callExpr, focus item) { lo := e.run(x.of, focus); e.distinct(lo, lo) }},
	"isDistinct":     {eval: fnIsDistinct},
	"combine":        {min: 1, max: 1, eval: fnCombine},
	"union":          {min: 1, max: 1, eval: func(e *env, x *callExpr, focus item) { unionExpr{x.of, x.args[0]}.eval(e, focus) }},
	"intersect":      {min: 1, max: 1, eval: fnIntersect},
	"hasValue":       {eval: fnHasValue},
	"extension":      {min: 1, max: 1, eval: fnExtension},
	"hasExtension":   {min: 1, max: 1, eval: fnHasExtension},
	"children":       {eval: fnChildren},
	"descendants":    {eval: fnDescendants},
	"iif":            {min: 2, max: 3, eval: fnIif},
	"resolve":        {eval: func(e *env, x *callExpr, focus item) { e.resolve(e.run(x.of, focus)) }},
	"startsWith":     {min: 1, max: 1, eval: fnStrings(strings.HasPrefix)},
	"endsWith":       {min: 1, max: 1, eval: fnStrings(strings.HasSuffix)},
	"contains":       {min: 1, max: 1, eval: fnStrings(strings.Contains)},
	"matches":        {min: 1, max: 1, eval: fnMatches},
	"replaceMatches": {min: 2, max: 2, eval: fnReplaceMatches},
	"substring":      {min: 1, max: 2, eval: fnSubstring},
	"length":         {eval: fnText(func(s string) (item, bool) { return item{kind: kindNumber, n: float64(len([]rune(s)))}, true })},
	"toString":       {eval: fnText(func(s string) (item, bool) { return item{kind: kindString, s: s}, true })},
	"toInteger":      {eval: fnText(toInteger)},
}

func fnExists(e *env, x *callExpr, focus item) {
	lo := e.run(x.of, focus)
	if len(x.args) == 1 {
		e.filter(lo, x.args[0])
	}
	found := len(e.stack) > lo
	e.stack = e.stack[:lo]
	e.pushBool(found)
}

func fnCount(result func(int) item) func(*env, *callExpr, item) {
	return func(e *env, x *callExpr, focus item) {
		lo := e.run(x.of, focus)
		n := len(e.stack) - lo
		e.stack = e.stack[:lo]
		e.push(result(n))
	}
}

func fnNot(e *env, x *callExpr, focus item) {
	if t, ok := e.test(x.of, focus); ok {
		e.pushBool(!t)
	}
}

func fnWhere(e *env, x *callExpr, focus item) { e.filter(e.run(x.of, focus), x.args[0]) }

// filter keeps the items from lo on for which the criterion is true.
func (e *env) filter(lo int, criterion expr) {
	n := lo
	for i, hi := lo, len(e.stack); i < hi; i++ {
		it := e.stack[i]
		if ok, _ := e.test(criterion, it); ok {
			e.stack[n] = it
			n++
		}
	}
	e.stack = e.stack[:n]
}

func fnSelect(e *env, x *callExpr, focus item) {
	lo := e.run(x.of, focus)
	hi := len(e.stack)
	for i := lo; i < hi; i++ {
		x.args[0].eval(e, e.stack[i])
	}
	e.drop(lo, hi)
}

func fnAll(e *env, x *callExpr, focus item) {
	lo := e.run(x.of, focus)
	all := true
	for i, hi := lo, len(e.stack); i < hi && all; i++ {
		// an undecided element does not break the rule
		if t, ok := e.test(x.args[0], e.stack[i]); ok && !t {
			all = false
		}
	}
	e.stack = e.stack[:lo]
	e.pushBool(all)
}

func fnSlice(bounds func(n int) (lo, hi int)) func(*env, *callExpr, item) {
	return func(e *env, x *callExpr, focus item) {
		lo := e.run(x.of, focus)
		a, b := bounds(len(e.stack) - lo)
		e.stack = e.stack[:lo+b]
		e.drop(lo, lo+a)
	}
}

// distinct removes repeated items from mid on, comparing with those from lo on.
func (e *env) distinct(lo, mid int) {
	n := mid
	for i := mid; i < len(e.stack); i++ {
		if !e.visit(n - lo) {
			break
		}
		if !member(e.stack[lo:n], e.stack[i]) {
			e.stack[n] = e.stack[i]
			n++
		}
	}
	e.stack = e.stack[:n]
}

func fnIsDistinct(e *env, x *callExpr, focus item) {
	lo := e.run(x.of, focus)
	items := e.stack[lo:]
	distinct := true
	if len(items) > 16 {
		distinct = distinctTexts(items)
	} else {
		for i := range items {
			distinct = distinct && !member(items[:i], items[i])
		}
	}
	e.stack = e.stack[:lo]
	e.pushBool(distinct)
}

func distinctTexts(items []item) bool {
	seen := make(map[string]bool, len(items))
	for _, it := range items {
		s := it.text()
		if it.kind == kindNode && it.v.Kind() == fhir.Object {
			s = string(it.v.Raw())
		}
		if seen[s] {
			return false
		}
		seen[s] = true
	}
	return true
}

func fnCombine(e *env, x *callExpr, focus item) {
	x.of.eval(e, focus)
	x.args[0].eval(e, focus)
}

func fnIntersect(e *env, x *callExpr, focus item) {
	lo := e.run(x.of, focus)
	mid := e.run(x.args[0], focus)
	other := e.stack[mid:]
	n := lo
	for i := lo; i < mid && e.visit(len(other)); i++ {
		if member(other, e.stack[i]) {
			e.stack[n] = e.stack[i]
			n++
		}
	}
	e.stack = e.stack[:n]
}

func fnHasValue(e *env, x *callExpr, focus item) {
	lo := e.run(x.of, focus)
	ok := len(e.stack) == lo+1 && !e.stack[lo].shadow && e.stack[lo].text() != ""
	e.stack = e.stack[:lo]
	e.pushBool(ok)
}

// extensions pushes the extensions of the items from lo on with the URL of the
// call's argument.
func (e *env) extensions(lo int, x *callExpr, focus item) {
	hi := len(e.stack)
	for i := lo; i < hi; i++ {
		e.child(e.stack[i], "extension")
	}
	e.drop(lo, hi)
	arg := e.run(x.args[0], focus)
	url := text(e.stack[arg:])
	e.stack = e.stack[:arg]
	n := lo
	for _, it := range e.stack[lo:] {
		if it.v.Get("url").Text() == url {
			e.stack[n] = it
			n++
		}
	}
	e.stack = e.stack[:n]
}

func fnExtension(e *env, x *callExpr, focus item) { e.extensions(e.run(x.of, focus), x, focus) }

func fnHasExtension(e *env, x *callExpr, focus item) {
	lo := e.run(x.of, focus)
	e.extensions(lo, x, focus)
	found := len(e.stack) > lo
	e.stack = e.stack[:lo]
	e.pushBool(found)
}

func fnChildren(e *env, x *callExpr, focus item) {
	lo := e.run(x.of, focus)
	hi := len(e.stack)
	for i := lo; i < hi; i++ {
		e.allChildren(e.stack[i])
	}
	e.drop(lo, hi)
}

func (e *env) allChildren(it item) {
	if it.kind != kindNode || it.t == nil || it.v.Kind() != fhir.Object {
		return
	}
	for i := range it.t.Slots {
		e.slot(it.v, &it.t.Slots[i])
	}
}

// fnDescendants walks breadth first: what is pushed is visited in turn.
func fnDescendants(e *env, x *callExpr, focus item) {
	lo := e.run(x.of, focus)
	hi := len(e.stack)
	for i := lo; i < len(e.stack); i++ {
		e.allChildren(e.stack[i])
	}
	e.drop(lo, hi)
}

func fnIif(e *env, x *callExpr, focus item) {
	lo := e.run(x.of, focus)
	if len(e.stack) == lo+1 {
		focus = e.stack[lo]
	}
	e.stack = e.stack[:lo]
	switch t, _ := e.test(x.args[0], focus); {
	case t:
		x.args[1].eval(e, focus)
	case len(x.args) == 3:
		x.args[2].eval(e, focus)
	}
}

func fnStrings(f func(s, arg string) bool) func(*env, *callExpr, item) {
	return func(e *env, x *callExpr, focus item) {
		lo := e.run(x.of, focus)
		mid := e.run(x.args[0], focus)
		one := mid == lo+1 && len(e.stack) == mid+1
		ok := one && f(e.stack[lo].text(), e.stack[mid].text())
		e.stack = e.stack[:lo]
		if one {
			e.pushBool(ok)
		}
	}
}

func fnText(f func(s string) (item, bool)) func(*env, *callExpr, item) {
	return func(e *env, x *callExpr, focus item) {
		lo := e.run(x.of, focus)
		one, s := len(e.stack) == lo+1, text(e.stack[lo:])
		e.stack = e.stack[:lo]
		if it, ok := f(s); one && ok {
			e.push(it)
		}
	}
}

func toInteger(s string) (item, bool) {
	n, err := strconv.Atoi(s)
	return item{kind: kindNumber, n: float64(n)}, err == nil
}

func fnMatches(e *env, x *callExpr, focus item) {
	fnText(func(s string) (item, bool) { return item{kind: kindBool, b: x.re.MatchString(s)}, true })(e, x, focus)
}

func fnReplaceMatches(e *env, x *callExpr, focus item) {
	with := e.run(x.args[1], focus)
	repl := text(e.stack[with:])
	e.stack = e.stack[:with]
	fnText(func(s string) (item, bool) {
		return item{kind: kindString, s: x.re.ReplaceAllString(s, repl)}, true
	})(e, x, focus)
}

func fnSubstring(e *env, x *callExpr, focus item) {
	at := e.run(x.args[0], focus)
	from, length := 0, -1
	if len(e.stack) == at+1 {
		from = int(e.stack[at].n)
	}
	e.stack = e.stack[:at]
	if len(x.args) == 2 {
		at := e.run(x.args[1], focus)
		if len(e.stack) == at+1 {
			length = int(e.stack[at].n)
		}
		e.stack = e.stack[:at]
	}
	fnText(func(s string) (item, bool) {
		r := []rune(s)
		if from < 0 || from >= len(r) {
			return item{}, false
		}
		r = r[from:]
		if length >= 0 && length < len(r) {
			r = r[:length]
		}
		return item{kind: kindString, s: string(r)}, true
	})(e, x, focus)
}
