package questionnaire

import (
	"trellis.example/fhir"
	"trellis.example/fhir/path"
)

// fixed checks an answer that is computed, or that may not be changed.
func (k *check) fixed(n int32) {
	nd := &k.nodes[n]
	it := &k.q.items[nd.item]
	switch {
	case it.score != nil:
		for a := first(nd.answers); a.Exists(); a = a.Next() {
			k.total(n, it.score, a)
		}
	case it.readOnly && len(it.initial) > 0:
		for a := first(nd.answers); a.Exists(); a = a.Next() {
			k.unchanged(nd.item, a)
		}
	}
}

// unchanged checks that an answer is one of the initial values.
func (k *check) unchanged(i int32, a fhir.Value) {
	v, kind := typed(a, "value")
	if kind == none {
		return
	}
	it := &k.q.items[i]
	for _, in := range it.initial {
		if !k.step(1) {
			return
		}
		as, ok := alike(kind, kindOf(in.Key()[len("value"):]))
		if ok && kind.fits(v) && equal(as, v, in) != no {
			return
		}
	}
	k.fault(v, "", &ruleReadOnly, i, "the initial value", "another value")
}

// total computes a score again and compares it with the client's.
func (k *check) total(n int32, s *score, a fhir.Value) {
	i := k.nodes[n].item
	v, kind := typed(a, "value")
	given, isNumber := number(v.Text())
	switch {
	case s.rule != nil:
		visits := max(k.left, 0)
		ok, err := s.rule.Holds(a, path.Context{Resource: k.resource, Root: k.resource, Visits: &visits})
		if k.left = visits; err == nil && !ok {
			k.fault(v, "", &ruleTotal, i, s.expected(), "another value")
		} else if err != nil {
			k.left = -1
		}
		return
	case !isNumber || kind != integer && kind != decimal:
		return // of another type: reported already
	}
	sum, ok := k.sum(n, s)
	if !ok {
		if k.left >= 0 {
			k.fault(v, "", &ruleNoTotal, i, "", "a total")
		}
		return
	}
	if want, ok := s.compute(sum); !ok || !s.same(want, given) {
		k.fault(v, "", &ruleTotal, i, s.expected(), "another number")
	}
}

// sum adds the numbers that count; ok is false when one is missing.
func (k *check) sum(n int32, s *score) (sum float64, ok bool) {
	for _, t := range s.terms {
		if !k.step(1) {
			return 0, false
		}
		x, ok := k.term(n, t)
		if !ok {
			return 0, false
		}
		if t.reverse {
			x = t.turn - x
		}
		sum += x
	}
	return sum, true
}

func (k *check) term(n int32, t term) (float64, bool) {
	at := k.nearest(t.item, t.common, k.nodes[n].parent, n)
	if at == noItem || k.nodes[at].valued != 1 || k.enabled(at) == no {
		return 0, false
	}
	for a := first(k.nodes[at].answers); a.Exists(); a = a.Next() {
		if v, kind := typed(a, "value"); kind != none && kind.fits(v) {
			return k.q.items[t.item].number(kind, v)
		}
	}
	return 0, false
}
