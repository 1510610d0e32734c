package path

// setFunctions work on whole collections.
var setFunctions = map[string]function{
	"skip":       {min: 1, max: 1, eval: fnPart(func(n, k int) (int, int) { return k, n })},
	"take":       {min: 1, max: 1, eval: fnPart(func(_, k int) (int, int) { return 0, k })},
	"exclude":    {min: 1, max: 1, eval: fnExclude},
	"subsetOf":   {min: 1, max: 1, eval: func(e *env, x *callExpr, focus item) { e.within(x.of, x.args[0], focus) }},
	"supersetOf": {min: 1, max: 1, eval: func(e *env, x *callExpr, focus item) { e.within(x.args[0], x.of, focus) }},
	"allTrue":    {eval: fnTruths(true, true)},
	"anyTrue":    {eval: fnTruths(false, true)},
	"allFalse":   {eval: fnTruths(true, false)},
	"anyFalse":   {eval: fnTruths(false, false)},
	"sum":        {eval: fnNumbers(func(sum, x float64) float64 { return sum + x }, false)},
	"min":        {eval: fnNumbers(func(a, b float64) float64 { return min(a, b) }, false)},
	"max":        {eval: fnNumbers(func(a, b float64) float64 { return max(a, b) }, false)},
	"avg":        {eval: fnNumbers(func(sum, x float64) float64 { return sum + x }, true)},
	"repeat":     {min: 1, max: 1, eval: fnRepeat},
}

// fnPart keeps the items from one index to another, given their number and the
// argument.
func fnPart(bounds func(n, k int) (lo, hi int)) func(*env, *callExpr, item) {
	return func(e *env, x *callExpr, focus item) {
		at := e.run(x.args[0], focus)
		k := 0
		if len(e.stack) == at+1 {
			n, _ := e.stack[at].number()
			k = int(n)
		}
		e.stack = e.stack[:at]
		lo := e.run(x.of, focus)
		n := len(e.stack) - lo
		from, to := bounds(n, max(0, min(k, n)))
		e.stack = e.stack[:lo+to]
		e.drop(lo, lo+from)
	}
}

func fnExclude(e *env, x *callExpr, focus item) {
	lo := e.run(x.of, focus)
	mid := e.run(x.args[0], focus)
	other := e.stack[mid:]
	n := lo
	for i := lo; i < mid && e.visit(len(other)); i++ {
		if !member(other, e.stack[i]) {
			e.stack[n] = e.stack[i]
			n++
		}
	}
	e.stack = e.stack[:n]
}

// within pushes whether every item of a is one of b.
func (e *env) within(a, b expr, focus item) {
	lo := e.run(a, focus)
	mid := e.run(b, focus)
	all := true
	for i := lo; i < mid && all && e.visit(len(e.stack)-mid); i++ {
		all = member(e.stack[mid:], e.stack[i])
	}
	e.stack = e.stack[:lo]
	e.pushBool(all)
}

func fnTruths(every, want bool) func(*env, *callExpr, item) {
	return func(e *env, x *callExpr, focus item) {
		lo := e.run(x.of, focus)
		out := every
		for _, it := range e.stack[lo:] {
			if (it.truthy() == want) != every {
				out = !every
			}
		}
		e.stack = e.stack[:lo]
		e.pushBool(out)
	}
}

// fnNumbers folds numbers; nothing comes of nothing, nor of what is no number.
func fnNumbers(fold func(a, b float64) float64, mean bool) func(*env, *callExpr, item) {
	return func(e *env, x *callExpr, focus item) {
		lo := e.run(x.of, focus)
		items := e.stack[lo:]
		out, ok := 0.0, len(items) > 0
		for i, it := range items {
			n, number := it.number()
			ok = ok && number
			if i == 0 {
				out = n
			} else {
				out = fold(out, n)
			}
		}
		if mean && ok {
			out /= float64(len(items))
		}
		e.stack = e.stack[:lo]
		if ok {
			e.push(item{kind: kindNumber, n: out})
		}
	}
}

// fnRepeat follows a projection until it gives nothing new.
func fnRepeat(e *env, x *callExpr, focus item) {
	lo := e.run(x.of, focus)
	hi := len(e.stack)
	for i := lo; i < len(e.stack) && !e.costly(); i++ {
		from := len(e.stack)
		x.args[0].eval(e, e.stack[i])
		e.distinct(hi, from)
	}
	e.drop(lo, hi)
}
