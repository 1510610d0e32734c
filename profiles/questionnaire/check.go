package questionnaire

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"trellis.example/fhir"
)

// A Report takes what a check finds.
type Report struct {
	// Emit receives each issue.
	Emit Emit
	// Undecided receives the answers, Codings and Quantities, of which it is not
	// known here whether they are in the value set of a canonical; line is for
	// Issue.Profile. Nil: each is a warning.
	Undecided func(at fhir.Value, valueSet, line string)
}

// A check is one response under examination.
type check struct {
	q        *Questionnaire
	r        Report
	final    bool // completed or amended
	resource fhir.Value
	left     int // steps that may still be made

	nodes      []node
	containers []container
	seen       []stamp   // by item: where it was last seen
	watched    [][]int32 // by watched question: the nodes that are its occurrences
}

// A node is an item of the response.
type node struct {
	v           fhir.Value
	answers     fhir.Value // its answer array
	item        int32
	parent, end int32 // the node around it; the first node after those below it
	next        int32 // its next sibling
	valued      int32 // answers that have a value
	answered    bool  // an answer stands in it or below it
	settled     bool
	enabled     verdict
}

// A container is a place that holds items: the response, a group or an answer.
type container struct {
	at          fhir.Value
	owner       int32 // node
	first, last int32 // nodes
}

// A stamp says that an item was seen in a container, and how often.
type stamp struct{ container, count, node int32 }

const (
	freeSteps     = 500_000
	stepsPerValue = 32
	stepsPerIssue = 200 // what it costs to report one
)

var checks = sync.Pool{New: func() any { return new(check) }}

// Check holds a QuestionnaireResponse against the Questionnaire.
func (q *Questionnaire) Check(response fhir.Value, r Report) {
	k, _ := checks.Get().(*check)
	k.q, k.r, k.resource = q, r, response
	k.left = freeSteps + stepsPerValue*(response.Len()+len(q.items)+response.Tree().Size())
	k.reset()
	status := response.Get("status").Text()
	k.final = status == "completed" || status == "amended"
	k.header()
	k.level(response, noItem, noItem)
	for i := range k.nodes {
		k.node(int32(i))
	}
	if k.final {
		for i := range k.containers {
			k.missing(int32(i))
		}
	}
	if k.left < 0 {
		k.fault(response, "", &ruleCostly, noItem, "", "very many")
	}
	k.release()
}

func (k *check) reset() {
	n := len(k.q.items)
	if cap(k.seen) < n {
		k.seen = make([]stamp, n)
	}
	k.seen = k.seen[:n]
	for i := range k.seen {
		k.seen[i] = stamp{container: noItem}
	}
	for len(k.watched) < int(k.q.watched) {
		k.watched = append(k.watched, nil)
	}
	for i := range k.watched {
		k.watched[i] = k.watched[i][:0]
	}
}

// release keeps the memory of ordinary responses, and none of their content.
func (k *check) release() {
	if cap(k.nodes) > 4096 || cap(k.seen) > 4096 || len(k.watched) > 512 {
		return
	}
	clear(k.nodes[:cap(k.nodes)])
	clear(k.containers[:cap(k.containers)])
	*k = check{nodes: k.nodes[:0], containers: k.containers[:0], seen: k.seen, watched: k.watched}
	checks.Put(k)
}

// step counts n steps and reports whether to go on.
func (k *check) step(n int) bool {
	k.left -= n
	return k.left >= 0
}

func (k *check) fault(at fhir.Value, missing string, r *rule, item int32, expected, found string) {
	k.emit(at, missing, fhir.SeverityError, r, item, expected, found)
}

func (k *check) warn(at fhir.Value, r *rule, item int32, expected, found string) {
	k.emit(at, "", fhir.SeverityWarning, r, item, expected, found)
}

func (k *check) emit(at fhir.Value, missing string, severity fhir.Severity, r *rule, item int32, expected, found string) {
	is := fhir.Issue{Severity: severity, Code: fhir.BusinessRule, Rule: r.id, Text: r.text, Hint: r.hint,
		Expected: cmp.Or(expected, r.expected), Found: found}
	if item != noItem {
		is.Profile = k.q.items[item].line
	}
	switch r {
	case &ruleRequired:
		is.Code = fhir.Required
	case &ruleItem, &ruleLevel, &ruleOrder, &ruleTwice, &ruleType, &ruleNone:
		is.Code = fhir.Structure
	case &ruleOption, &ruleSet:
		is.Code = fhir.CodeInvalid
	case &ruleCostly:
		is.Code = fhir.TooCostly
	}
	if expected != "" {
		is.Text += ": expected " + expected
	}
	k.left -= stepsPerIssue
	k.r.Emit(at, missing, is)
}

// header checks what the response says of itself.
func (k *check) header() {
	q := k.q
	named := k.resource.Get("questionnaire")
	c := fhir.ParseCanonical(named.Text())
	if c.Version != "" && q.version != "" && c.Version != q.version {
		k.fault(named, "", &ruleVersion, noItem, "", "another version")
	}
	if q.status == "draft" || q.status == "retired" {
		k.warn(named, &ruleStatus, noItem, "", "a draft, or one that was retired")
	}
	if len(q.subjects) == 0 {
		return
	}
	s := k.resource.Get("subject")
	if typ := k.target(s); typ != "" && !slices.Contains(q.subjects, typ) {
		k.fault(s, "", &ruleSubject, noItem, list(q.subjects), "a reference to another type")
	}
}

// level reads the items of one container: the response itself, a group, or an
// answer of a question.
func (k *check) level(at fhir.Value, owner, of int32) {
	items := at.Get("item")
	ci := int32(len(k.containers))
	k.containers = append(k.containers, container{at: at, owner: owner, first: noItem, last: noItem})
	last := noItem
	for m := first(items); m.Exists(); m = m.Next() {
		i, ok := k.find(m)
		if !ok {
			continue
		}
		n := k.add(m, i, owner)
		if it := &k.q.items[i]; it.parent != of {
			k.fault(m, "", &ruleLevel, i, "", "an item of another level")
		} else {
			last = k.place(ci, n, last)
		}
		k.below(n)
		k.nodes[n].end = int32(len(k.nodes))
		if owner != noItem && k.nodes[n].answered {
			k.nodes[owner].answered = true
		}
	}
}

// find returns the item that an item of the response belongs to.
func (k *check) find(m fhir.Value) (int32, bool) {
	link := m.Get("linkId")
	if link.Kind() != fhir.String || !k.step(1) {
		return 0, false // base R4 reports it
	}
	i, ok := k.q.links[link.Text()]
	if !ok {
		k.fault(link, "", &ruleItem, noItem, "", "a linkId that is not in it")
	}
	return i, ok
}

func (k *check) add(m fhir.Value, i, owner int32) int32 {
	n := int32(len(k.nodes))
	k.nodes = append(k.nodes, node{v: m, item: i, parent: owner, next: noItem, answers: m.Get("answer")})
	if w := k.q.items[i].watch; w != noItem {
		k.watched[w] = append(k.watched[w], n)
	}
	return n
}

// place puts a node into its container and checks its order there. It returns
// the order reached.
func (k *check) place(ci, n, last int32) int32 {
	c := &k.containers[ci]
	i := k.nodes[n].item
	it := &k.q.items[i]
	s := &k.seen[i]
	if s.container != ci {
		*s = stamp{container: ci}
	}
	s.count++
	s.node = n
	if c.first == noItem {
		c.first = n
	} else {
		k.nodes[c.last].next = n
	}
	c.last = n
	switch {
	case it.order < last:
		k.fault(k.nodes[n].v, "", &ruleOrder, i, "", "an item that comes too late")
		return last
	case s.count > 1 && (it.typ != group || !it.repeats):
		k.fault(k.nodes[n].v, "", &ruleTwice, i, "", "a second item")
	case it.max > 0 && it.typ == group && int(s.count) == it.max+1:
		k.fault(k.nodes[n].v, "", &ruleOccurs, i, "at most "+strconv.Itoa(it.max), "more")
	}
	return it.order
}

// below reads what stands in an item: items of a group, answers of a question
// with the items below each of them.
func (k *check) below(n int32) {
	v, i := k.nodes[n].v, k.nodes[n].item
	it := &k.q.items[i]
	inner := v.Get("item")
	if it.typ == group || inner.Exists() {
		if it.typ != group {
			k.fault(inner, "", &ruleLevel, i, "", "items beside the answer")
		}
		k.level(v, n, i)
	}
	answers := k.nodes[n].answers
	if !answers.Exists() {
		return
	}
	k.nodes[n].answered = true
	if it.typ != question {
		k.fault(answers, "", &ruleNone, i, "", "an answer")
	}
	for a := first(answers); a.Exists(); a = a.Next() {
		if _, kind := typed(a, "value"); kind != none {
			k.nodes[n].valued++
		}
		if a.Get("item").Exists() || len(it.needs) > 0 {
			k.level(a, n, i)
		}
	}
}

// list joins words: "a, b or c"; of many, the first.
func list(words []string) string {
	const most = 12
	if len(words) > most {
		return strings.Join(words[:most], ", ") + " and others"
	}
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:len(words)-1], ", ") + " or " + words[len(words)-1]
}
