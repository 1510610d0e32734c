package questionnaire

import (
	"fmt"

	"trellis.example/fhir"
)

// A condition is one enableWhen.
type condition struct {
	question int32
	common   int32 // the innermost item around both the question and the item
	op       operator
	kind     kind
	value    fhir.Value
}

type operator uint8

const (
	exists operator = iota
	equals
	notEquals
	greater
	less
	atLeast
	atMost
)

var operators = map[string]operator{
	"exists": exists, "=": equals, "!=": notEquals, ">": greater, "<": less, ">=": atLeast, "<=": atMost,
}

// conditions reads the enableWhen of an item.
func (c *compiler) conditions(i int32) {
	it := &c.q.items[i]
	when := it.source.Get("enableWhen")
	if !when.Exists() {
		return
	}
	for w := range when.Items() {
		if cond, ok := c.condition(i, w); ok {
			it.conditions = append(it.conditions, cond)
		}
	}
	behavior := it.source.Get("enableBehavior").Text()
	it.all = behavior == "all"
	it.vague = behavior == "" && len(it.conditions) > 1
}

func (c *compiler) condition(i int32, w fhir.Value) (condition, bool) {
	at := w.Get("question")
	q, known := c.q.links[at.Text()]
	op, okOp := operators[w.Get("operator").Text()]
	v, k := typed(w, "answer")
	if !at.Exists() || !okOp || k == none {
		return condition{}, false // base R4 reports it
	}
	if !known {
		c.fault(at, &defEnable, "the condition is on a question that is not in the Questionnaire", "the linkId of a question")
		return condition{}, false
	}
	asked := &c.q.items[q]
	switch {
	case asked.typ != question:
		c.fault(at, &defEnable, "the condition is on an item that has no answers", "the linkId of a question")
		return condition{}, false
	case op == exists && k != boolean:
		return condition{}, false // que-7
	case op != exists && !comparable(asked, k):
		c.fault(v, &defEnable, "the answer to compare with is not of the question's type", prefixed(asked.kinds))
		return condition{}, false
	case op > notEquals && (k == boolean || k == reference || k == attachment):
		c.fault(w.Get("operator"), &defEnable, "answers of this type have no order", "=, != or exists")
		return condition{}, false
	}
	c.watch(q)
	return condition{question: q, common: c.common(i, q), op: op, kind: k, value: v}, true
}

// comparable reports whether answers to a question can be compared with a value.
// R4 has no answer[x] of type uri: a string serves.
func comparable(it *item, k kind) bool {
	return it.kinds.has(k) || k == text && it.kinds.has(uri) ||
		k == integer && it.kinds.has(decimal) || k == decimal && it.kinds.has(integer) ||
		k == date && it.kinds.has(dateTime) || k == dateTime && it.kinds.has(date)
}

// prefixed lists kinds as the members of an enableWhen.
func prefixed(s kinds) string {
	out := ""
	for k := boolean; k <= reference; k++ {
		if s.has(k) {
			if out != "" {
				out += " or "
			}
			out += "answer" + kindNames[k]
		}
	}
	return out
}

func (c *compiler) watch(q int32) {
	if it := &c.q.items[q]; it.watch == noItem {
		it.watch = c.q.watched
		c.q.watched++
	}
}

// common returns the innermost item that holds both item i and question q.
func (c *compiler) common(i, q int32) int32 {
	a, b := c.q.items[i].parent, c.q.items[q].parent
	for a != b {
		switch {
		case a == noItem || b != noItem && c.q.items[b].depth > c.q.items[a].depth:
			b = c.q.items[b].parent
		default:
			a = c.q.items[a].parent
		}
	}
	return a
}

// cycles reports conditions and totals that depend on themselves. An item
// depends on the item around it, on the questions of its conditions and on those
// of its total.
func (c *compiler) cycles() {
	items := c.q.items
	open := make([]int32, len(items)) // what each item still waits for
	level := make([]int32, len(items))
	followers := make([][]int32, len(items))
	var ready []int32
	for i := range items {
		for d := range items[i].depends {
			followers[d] = append(followers[d], int32(i))
			open[i]++
		}
		if open[i] == 0 {
			ready = append(ready, int32(i))
		}
	}
	long := false
	for len(ready) > 0 {
		i := ready[len(ready)-1]
		ready = ready[:len(ready)-1]
		long = long || level[i] > maxChain
		for _, f := range followers[i] {
			level[f] = max(level[f], level[i]+1)
			if open[f]--; open[f] == 0 {
				ready = append(ready, f)
			}
		}
	}
	if long {
		c.fault(c.root, &defSize, "too many conditions depend on each other", fmt.Sprintf("at most %d in a row", maxChain))
	}
	c.stuck(open, followers)
}

// stuck reports the items that wait for each other, leaving out those that only
// wait for one that does.
func (c *compiler) stuck(open []int32, followers [][]int32) {
	waiting := make([]int32, len(open)) // followers that are stuck too
	var free []int32
	for i := range open {
		for _, f := range followers[i] {
			if open[f] > 0 {
				waiting[i]++
			}
		}
		if open[i] > 0 && waiting[i] == 0 {
			free = append(free, int32(i))
		}
	}
	for len(free) > 0 {
		i := free[len(free)-1]
		free = free[:len(free)-1]
		open[i] = 0
		for d := range c.q.items[i].depends {
			if waiting[d]--; waiting[d] == 0 && open[d] > 0 {
				free = append(free, d)
			}
		}
	}
	for i := range open {
		it := &c.q.items[i]
		if open[i] > 0 && (len(it.conditions) > 0 || it.score != nil) {
			c.fault(it.source, &defCycle, "the item depends on itself, by way of its conditions or its total", "conditions without a circle")
		}
	}
}

// depends yields the items that must be settled before this one.
func (it *item) depends(yield func(int32) bool) {
	if it.parent != noItem && !yield(it.parent) {
		return
	}
	for _, c := range it.conditions {
		if !yield(c.question) {
			return
		}
	}
	if it.score != nil {
		for _, t := range it.score.terms {
			if !yield(t.item) {
				return
			}
		}
	}
}
