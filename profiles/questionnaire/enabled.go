package questionnaire

import (
	"sort"

	"trellis.example/fhir"
)

// enabled reports whether an item of the response is asked, given the others.
func (k *check) enabled(n int32) verdict {
	nd := &k.nodes[n]
	if nd.settled {
		return nd.enabled
	}
	nd.settled, nd.enabled = true, open // an item in the wrong place might wait for itself
	nd.enabled = k.asked(nd.item, nd.parent, n)
	return nd.enabled
}

// enabledAt is enabled for an item that is not in the response.
func (k *check) enabledAt(i, owner int32) verdict {
	end := int32(len(k.nodes))
	if owner != noItem {
		end = k.nodes[owner].end
	}
	return k.asked(i, owner, end)
}

func (k *check) asked(i, owner, at int32) verdict {
	around := yes
	if owner != noItem {
		if around = k.enabled(owner); around == no {
			return no
		}
	}
	it := &k.q.items[i]
	if len(it.conditions) == 0 {
		return around
	}
	var count [3]int
	for c := range it.conditions {
		if !k.step(1) {
			return open
		}
		count[k.holds(&it.conditions[c], owner, at)]++
	}
	return and(around, it.combine(count))
}

// combine joins the verdicts on an item's conditions as enableBehavior says.
func (it *item) combine(count [3]int) verdict {
	every, some := yes, no
	switch {
	case count[no] > 0:
		every = no
	case count[open] > 0:
		every = open
	}
	switch {
	case count[yes] > 0:
		some = yes
	case count[open] > 0:
		some = open
	}
	switch {
	case it.vague && every != some:
		return open
	case it.all:
		return every
	}
	return some
}

// and joins two verdicts.
func and(a, b verdict) verdict {
	switch {
	case a == no || b == no:
		return no
	case a == open || b == open:
		return open
	}
	return yes
}

// holds evaluates a condition for an item at a place of the response.
func (k *check) holds(c *condition, owner, at int32) verdict {
	n := k.nearest(c.question, c.common, owner, at)
	asked := yes
	if n != noItem {
		asked = k.enabled(n)
	}
	if n == noItem || asked == no || k.nodes[n].valued == 0 {
		switch c.op {
		case exists:
			return verdictOf(c.value.Text() == "false")
		case notEquals:
			return open
		}
		return no
	}
	v := k.answersHold(c, n)
	if asked == open && v != open {
		return open
	}
	return v
}

func (k *check) answersHold(c *condition, n int32) verdict {
	if c.op == exists {
		return verdictOf(c.value.Text() == "true")
	}
	result := no
	for a := first(k.nodes[n].answers); a.Exists(); a = a.Next() {
		v, kind := typed(a, "value")
		if !k.step(1) {
			return open
		}
		switch k.q.items[c.question].meets(c, v, kind) {
		case yes:
			result = yes
		case open:
			if result == no {
				result = open
			}
		}
	}
	if c.op == notEquals && result != open {
		return yes - result
	}
	return result
}

// meets compares one answer with a condition; of "!=" it says whether they are
// equal.
func (it *item) meets(c *condition, v fhir.Value, k kind) verdict {
	as, ok := alike(k, c.kind)
	if !ok || !k.fits(v) {
		return no
	}
	if c.op == equals || c.op == notEquals {
		return sameAnswer(as, v, c.value)
	}
	order, ok := compare(as, v, c.value)
	if as == coding {
		order, ok = it.rank(v, c.value)
	}
	if !ok {
		return open
	}
	switch c.op {
	case greater:
		return verdictOf(order > 0)
	case less:
		return verdictOf(order < 0)
	case atLeast:
		return verdictOf(order >= 0)
	}
	return verdictOf(order <= 0)
}

// sameAnswer is equal, where a Coding without a system may mean any.
func sameAnswer(k kind, a, b fhir.Value) verdict {
	if k == coding {
		x, y := codeOf(a), codeOf(b)
		if x != y && x.code == y.code && (x.system == "" || y.system == "") {
			return open
		}
	}
	return equal(k, a, b)
}

// rank orders two codings by the ordinal values of the item's options.
func (it *item) rank(a, b fhir.Value) (int, bool) {
	x, ok1 := it.number(coding, a)
	y, ok2 := it.number(coding, b)
	switch {
	case x < y:
		return -1, ok1 && ok2
	case x > y:
		return 1, ok1 && ok2
	}
	return 0, ok1 && ok2
}

// alike returns the kind by which values of two kinds are compared.
func alike(a, b kind) (kind, bool) {
	switch {
	case a == b:
		return a, a != none
	case (a == integer || a == decimal) && (b == integer || b == decimal):
		return decimal, true
	case (a == date || a == dateTime) && (b == date || b == dateTime):
		return dateTime, true
	case a == uri && b == text:
		return text, true
	}
	return none, false
}

// nearest returns the occurrence of a question that a condition of an item at a
// place means: within the innermost item around both, the one before it, else the
// first after it (R4 Questionnaire.item.enableWhen.question).
func (k *check) nearest(question, common, owner, at int32) int32 {
	for owner != noItem && k.nodes[owner].item != common {
		owner = k.nodes[owner].parent
	}
	lo, hi := int32(0), int32(len(k.nodes))
	if owner != noItem {
		lo, hi = owner, k.nodes[owner].end
	}
	all := k.watched[k.q.items[question].watch]
	i := sort.Search(len(all), func(i int) bool { return all[i] >= at })
	if i > 0 && all[i-1] >= lo {
		return all[i-1]
	}
	if i < len(all) && all[i] < hi {
		return all[i]
	}
	return noItem
}
