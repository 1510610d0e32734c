package profiles

import (
	"strings"

	"trellis.example/fhir"
	"trellis.example/profiles/terminology"
)

// noSlice marks an item that is in none of the slices, restSlice one that is in
// the default slice.
const (
	noSlice   = -1
	restSlice = -2
)

// sliced puts the values items[from:from+n] of an element into its slices and
// checks each slice.
func (w *walk) sliced(c *check, holder datum, from, n int) {
	s := c.slicing
	last, ended := noSlice, false
	for i := from; i < from+n; i++ {
		at := w.slicing(s, w.items[i])
		if at == noSlice && s.rest != nil {
			at = restSlice
		}
		w.items[i].slice = at
		switch {
		case at < 0:
			ended = true
			if at == noSlice {
				w.unsliced(c, w.items[i])
			}
			continue
		case s.ordered && at < last:
			w.add(w.items[i].at(), "", w.issue(c, fhir.BusinessRule, "the slices of "+c.name+" must stand in the order of the profile",
				"after "+s.slices[last].name+" no "+s.slices[at].name, "a value of slice "+s.slices[at].name))
		case s.rules == sliceOpenAtEnd && ended:
			w.add(w.items[i].at(), "", w.issue(c, fhir.BusinessRule, "values of no slice of "+c.name+" may stand only at the end",
				"slice "+s.slices[at].name+" before values of no slice", "a value of no slice before it"))
		}
		last = max(last, at)
	}
	for i, one := range s.slices {
		w.members(one, holder, from, n, i)
	}
	if s.rest != nil {
		w.members(s.rest, holder, from, n, restSlice)
	}
}

// members checks the values that are in one slice.
func (w *walk) members(one *slice, holder datum, from, n, index int) {
	start := len(w.items)
	for i := from; i < from+n; i++ {
		if it := w.items[i]; it.slice == index {
			it.slice = noSlice
			w.items = append(w.items, it)
		}
	}
	w.list(one.check, holder, start)
}

// slicing returns the index of the first slice that the item is a member of.
func (w *walk) slicing(s *slicing, it datum) int {
	for i, one := range s.slices {
		if w.isMember(one, it) {
			return i
		}
	}
	return noSlice
}

func (w *walk) isMember(one *slice, it datum) bool {
	for i := range one.tests {
		if !w.meets(&one.tests[i], it) {
			return false
		}
	}
	return true
}

// unsliced reports a value that no slice takes, where that is a fault.
func (w *walk) unsliced(c *check, it datum) {
	s := c.slicing
	if s.parts {
		if url := it.v.Get("url").Text(); url != "" && !strings.Contains(url, ":") {
			w.unknownPart(c, it)
			return
		}
	}
	if s.rules != sliceClosed {
		return
	}
	is := w.issue(c, fhir.BusinessRule, "this value of "+c.name+" is in none of the slices that the profile allows",
		"a member of "+s.names(), "a value of no slice")
	is.Hint = w.nearly(s, it)
	w.add(it.at(), "", is)
}

// names lists the slices.
func (s *slicing) names() string {
	names := make([]string, len(s.slices))
	for i, one := range s.slices {
		names[i] = one.name
	}
	if len(names) > 8 {
		names = append(names[:8], "…")
	}
	return "slice " + strings.Join(names, " or ")
}

// nearly says which slice a value nearly is a member of, where one is nearer
// than the others.
func (w *walk) nearly(s *slicing, it datum) string {
	best, next, name := 0, 0, ""
	for _, one := range s.slices {
		switch n := w.nearness(one, it); {
		case n > best:
			best, next, name = n, best, one.name
		case n > next:
			next = n
		}
	}
	if best == 0 || best == next {
		return ""
	}
	return "It is nearest to the slice " + name + ": compare it with the profile."
}

// nearness counts what of a slice's tests the value meets.
func (w *walk) nearness(one *slice, it datum) int {
	n := 0
	for i := range one.tests {
		t := &one.tests[i]
		if w.meets(t, it) {
			n += 100
			continue
		}
		for k := range t.any {
			want := t.any[k].pattern
			if !want.Exists() {
				want = t.any[k].fixed
			}
			if want.Kind() == fhir.Object {
				w.walkTo(t.path, it, func(to datum) bool { n += leaves(to.v, want); return false })
			}
		}
	}
	return n
}

// meets reports whether what a test's path leads to meets one of its criteria.
func (w *walk) meets(t *test, it datum) bool {
	if len(t.path) == 0 {
		return w.holdsAny(t, it)
	}
	if k := t.any[0].check; k != nil && k.slicing != nil {
		return w.meetsTogether(t, k, it)
	}
	if len(t.path) > 1 || t.path[0].kind != toChild {
		met, found := false, false
		w.walkTo(t.path, it, func(to datum) bool {
			found = true
			met = w.holdsAny(t, to)
			return met
		})
		return met || !found && t.absent()
	}
	start := len(w.items)
	w.gather(t.path[0].name, it)
	n := len(w.items) - start
	met := false
	for i := start; i < start+n && !met; i++ {
		met = w.holdsAny(t, w.items[i])
	}
	w.items = w.items[:start]
	return met || n == 0 && t.absent()
}

// meetsTogether reports whether all that a test's path leads to follows the
// slices that the element there is divided into.
func (w *walk) meetsTogether(t *test, k *check, it datum) bool {
	var all []datum
	w.walkTo(t.path, it, func(to datum) bool {
		all = append(all, to)
		return false
	})
	return len(all) > 0 && w.tries(func() {
		start := len(w.items)
		w.items = append(w.items, all...)
		w.list(k, it, start)
	})
}

// absent reports whether a test is met by nothing.
func (t *test) absent() bool {
	for i := range t.any {
		if t.any[i].absent {
			return true
		}
	}
	return false
}

func (w *walk) holdsAny(t *test, it datum) bool {
	for i := range t.any {
		if w.holds(&t.any[i], it) {
			return true
		}
	}
	return false
}

// holds reports whether a value meets a criterion.
func (w *walk) holds(c *criterion, it datum) bool {
	switch {
	case c.there:
		return true
	case c.text != "":
		return it.v.Text() == c.text
	case c.fixed.Exists():
		return equals(it.v, c.fixed)
	case c.pattern.Exists():
		return includes(it.v, c.pattern)
	case c.binding != nil:
		return w.judge(it.v, it.typ, c.binding) == terminology.Yes
	case len(c.types) > 0:
		return w.isOneOf(it.typ, c.types)
	case c.profile != nil:
		return w.conforms(it, c.profile)
	case c.check != nil:
		return w.tries(func() { w.apply(c.check, it) })
	}
	return false
}

func (w *walk) isOneOf(typ string, types []string) bool {
	for _, t := range types {
		if typ == t || standsFor(w.v.nodes.defs, t, typ) {
			return true
		}
	}
	return false
}

// walkTo calls found with everything a path leads to from a value, until it
// returns true, and reports whether it did.
func (w *walk) walkTo(path []step, it datum, found func(datum) bool) bool {
	if len(path) == 0 {
		return found(it)
	}
	s, rest := path[0], path[1:]
	switch s.kind {
	case ofType:
		return w.isOneOf(it.typ, []string{s.name}) && w.walkTo(rest, it, found)
	case resolved:
		to := w.follow(it)
		return to.typ != "" && w.walkTo(rest, to, found)
	}
	name := s.name
	if s.kind == toExtension {
		name = "extension"
	}
	start := len(w.items)
	w.gather(name, it)
	n := len(w.items) - start
	done := false
	for i := start; i < start+n && !done; i++ {
		child := w.items[i]
		if s.kind == toExtension && child.v.Get("url").Text() != s.name {
			continue
		}
		done = w.walkTo(rest, child, found)
	}
	w.items = w.items[:start]
	return done
}
