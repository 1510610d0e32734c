package path

import (
	"strings"
)

// maxText bounds the strings that one evaluation may make.
const maxText = 1 << 20

// textFunctions work on one string; of several, or none, they give nothing.
var textFunctions = map[string]function{
	"lower":   {eval: fnText(func(s string) (item, bool) { return stringItem(strings.ToLower(s)), true })},
	"upper":   {eval: fnText(func(s string) (item, bool) { return stringItem(strings.ToUpper(s)), true })},
	"trim":    {eval: fnText(func(s string) (item, bool) { return stringItem(strings.TrimSpace(s)), true })},
	"replace": {min: 2, max: 2, eval: fnReplace},
	"split":   {min: 1, max: 1, eval: fnSplit},
	"join":    {max: 1, eval: fnJoin},
	"indexOf": {min: 1, max: 1, eval: fnIndexOf},
}

func stringItem(s string) item { return item{kind: kindString, s: s} }

// argument evaluates an argument to the text of its single item.
func (e *env) argument(x expr, focus item) (s string, ok bool) {
	lo := e.run(x, focus)
	s, ok = text(e.stack[lo:]), len(e.stack) == lo+1
	e.stack = e.stack[:lo]
	return s, ok
}

func fnReplace(e *env, x *callExpr, focus item) {
	old, ok1 := e.argument(x.args[0], focus)
	with, ok2 := e.argument(x.args[1], focus)
	fnText(func(s string) (item, bool) {
		if len(with) > 0 && (strings.Count(s, old)+1)*len(with)+len(s) > maxText {
			e.visits = e.limit + 1
			return item{}, false
		}
		return stringItem(strings.ReplaceAll(s, old, with)), ok1 && ok2
	})(e, x, focus)
}

func fnSplit(e *env, x *callExpr, focus item) {
	sep, ok := e.argument(x.args[0], focus)
	s, one := e.argument(x.of, focus)
	if !ok || !one {
		return
	}
	for part := range strings.SplitSeq(s, sep) {
		e.push(stringItem(part))
	}
}

func fnJoin(e *env, x *callExpr, focus item) {
	sep := ""
	if len(x.args) == 1 {
		sep, _ = e.argument(x.args[0], focus)
	}
	lo := e.run(x.of, focus)
	items := e.stack[lo:]
	if len(items) == 0 {
		return
	}
	var b strings.Builder
	for i, it := range items {
		if i > 0 {
			b.WriteString(sep)
		}
		if b.WriteString(it.text()); b.Len() > maxText {
			e.visits = e.limit + 1
			break
		}
	}
	e.stack = e.stack[:lo]
	e.push(stringItem(b.String()))
}

func fnIndexOf(e *env, x *callExpr, focus item) {
	sub, ok := e.argument(x.args[0], focus)
	fnText(func(s string) (item, bool) {
		i := strings.Index(s, sub)
		if i > 0 {
			i = len([]rune(s[:i]))
		}
		return item{kind: kindNumber, n: float64(i)}, ok
	})(e, x, focus)
}
